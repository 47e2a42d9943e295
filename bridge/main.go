// The bridge between the C shim (mod/) and the Go side (goside/): the only package with cgo. It is built as a C archive and
// linked into mod_audio_stream.so. It translates and decides nothing.
//
//	exports.go   what C calls (include/audio_stream.h, part 1)
//	host.go      host.Host over what C offers (part 2)
//	media.go     host.Media: one stream's rings
//	ring.go      the rings' memory as Go sees it (include/spsc_ring.h)
//	layout.go    the compile-time check that both sides see the same memory
//	doorbell.go  host.Doorbell over the eventfd
//	resample.go  host.Resampler over FreeSWITCH's
package main

// main is never called: a C archive has none to run.
func main() {}
