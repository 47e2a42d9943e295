package playback

import (
	"testing"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/hosttest"
)

// One message of 20 ms from its arrival into the ring, and the media thread's frame out of it. The resampler is the tests'
// own; what FreeSWITCH's costs is measured in C.
func BenchmarkPlay(b *testing.B) {
	for _, c := range []struct {
		name   string
		format Format
		rate   int
	}{{"L16", L16, 8000}, {"PCMU", PCMU, 8000}, {"L16-24k-to-8k", L16, 24_000}} {
		b.Run(c.name, func(b *testing.B) {
			m := hosttest.NewMedia(1, hosttest.NewDoorbell(), 1, 1600, 8000)
			p := New(m, long, func(from, to, channels int) (host.Resampler, error) {
				return hosttest.NewResampler(from, to, channels), nil
			}, &record{})
			b.Cleanup(p.Close)
			width := 1
			if c.format == L16 {
				width = 2
			}
			message, heard := make([]byte, width*c.rate/50), make([]int16, 160)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Play(message, c.format, c.rate, 1); err != nil {
					b.Fatal(err)
				}
				p.Serve()
				m.PlayInto(heard)
			}
		})
	}
}
