//go:build bench

package main

// The rings as Go sees them. Only with the tag, since the rest of the package needs the shim to link; `make bench-micro` knows
// how to go without it.

import (
	"testing"
	"unsafe"
)

// memory is aligned as C aligns the rings.
func memory(bytes uintptr) unsafe.Pointer {
	block := make([][cacheLine]byte, bytes/cacheLine+2)
	p := unsafe.Pointer(unsafe.SliceData(block))
	return unsafe.Add(p, (cacheLine-uintptr(p)%cacheLine)%cacheLine)
}

// put writes one frame as the media thread does; only this test needs it in Go.
func (r *captureRing) put(samples int) {
	const hdr = uint64(unsafe.Sizeof(frameHdr{}))
	need := hdr + uint64(2*samples+7)&^7
	tail := r.tail.Load()
	if at := uint32(tail) & (r.size - 1); uint64(r.size-at) < need {
		if uint64(r.size-at) >= hdr {
			r.at(at).bytes = frameSkip
		}
		tail += uint64(r.size - at)
	}
	*r.at(uint32(tail) & (r.size - 1)) = frameHdr{rate: 8000, bytes: uint32(2 * samples), channels: 1, legs: 1}
	r.tail.Store(tail + need)
}

func (r *captureRing) at(offset uint32) *frameHdr {
	return (*frameHdr)(unsafe.Add(unsafe.Pointer(r), unsafe.Sizeof(*r)+uintptr(offset)))
}

func BenchmarkCaptureRing(b *testing.B) {
	r := (*captureRing)(memory(unsafe.Sizeof(captureRing{}) + 8192))
	r.size = 8192
	b.ReportAllocs()
	for b.Loop() {
		r.put(160)
		h, pcm := r.peek()
		if len(pcm) != 160 {
			b.Fatal("a frame got lost")
		}
		r.release(h)
	}
}

func BenchmarkCaptureRingEmpty(b *testing.B) {
	r := (*captureRing)(memory(unsafe.Sizeof(captureRing{}) + 8192))
	r.size = 8192
	b.ReportAllocs()
	for b.Loop() {
		if h, _ := r.peek(); h != nil {
			b.Fatal("a frame from nowhere")
		}
	}
}

func BenchmarkPlayoutRing(b *testing.B) {
	p := (*playoutRing)(memory(unsafe.Sizeof(playoutRing{}) + 2*2048))
	p.size, p.dataAt = 2048, uint32(unsafe.Sizeof(*p))
	frame := make([]int16, 160)
	b.ReportAllocs()
	for b.Loop() {
		if p.put(frame) != len(frame) {
			b.Fatal("no room")
		}
		p.head.Add(uint64(len(frame)))
		p.done.Add(uint64(len(frame)))
	}
}
