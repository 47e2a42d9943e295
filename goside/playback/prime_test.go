package playback

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPlaybackBeginsWithAWholeFrameOrAFramesTimeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t, 8000, long)
		p.prime = prime
		play := func(from, n int) {
			t.Helper()
			if err := p.Play(bytesOf(signal(from, n)), L16, 8000, 1); err != nil {
				t.Fatal(err)
			}
		}
		play(0, 100)
		if got := p.m.Queued(); got != 0 {
			t.Fatalf("%d samples went to the ring before a frame was there", got)
		}
		play(100, 60)
		if got := p.m.Queued(); got != 160 {
			t.Fatalf("%d samples are in the ring, want the frame", got)
		}
		play(160, 10) // a frame is being played: what follows goes on at once
		if got := p.m.Queued(); got != 170 {
			t.Fatalf("%d samples are in the ring, want 170", got)
		}
		p.hear(320) // it runs dry
		play(170, 10)
		if got := p.m.Queued(); got != 170 {
			t.Fatalf("after it ran dry %d samples are in the ring, want 170: the next frame is not whole", got)
		}
		time.Sleep(prime) // the clock of the bubble
		p.Serve()
		if got := p.m.Queued(); got != 180 {
			t.Fatalf("%d samples are in the ring, want the rest, since no more came", got)
		}
	})
}
