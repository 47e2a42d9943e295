package playback

import (
	"slices"
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
		play(100, 60) // the reserve is its own test's
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

// A server that sends frame by frame in real time is heard without a gap although its frames are late by up to the reserve,
// wherever its clock stands to the media thread's: which is the channel's own, or the pacer's, that begins with the first audio.
func TestAFrameThatIsLateByLessThanTheReserveIsNoGap(t *testing.T) {
	const frames, step = 20, time.Millisecond
	for phase := range int(ptime / step) {
		for _, own := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				p := newPhone(t, 8000, long)
				p.prime, p.reserve = prime, reserve
				next := -1
				if own {
					next = phase
				}
				var heard []int16
				sent := 0
				for now := 0; len(heard) < frames*160; now++ {
					due := sent * int(ptime/step)
					if sent%3 > 0 {
						due += int(reserve/step) - sent%3
					}
					if sent <= frames && now == due {
						p.play(t, signal(160*sent, 160), 8000)
						sent++
					}
					p.Serve()
					if next < 0 && p.m.Wanted() {
						next = now + phase%6 // the pacer's grid is 5 ms
					}
					if now == next {
						next += int(ptime / step)
						if got := p.m.Play(160); len(heard) > 0 || got[0] != 0 {
							heard = append(heard, got...)
						} else if now > int((ptime+reserve)/step) {
							t.Fatalf("phase %d ms, own clock %v: nothing is heard after %d ms", phase, own, now)
						}
					}
					time.Sleep(step)
				}
				if u := p.Snapshot().Underruns; u > 0 || !slices.Equal(heard, signal(0, frames*160)) {
					t.Errorf("phase %d ms, own clock %v: %d gaps", phase, own, u)
				}
			})
		}
	}
}

// What is more than a frame and the reserve does not wait.
func TestAudioThatIsThereInAdvanceDoesNotWait(t *testing.T) {
	p := newPhone(t, 8000, long)
	p.prime, p.reserve = prime, reserve
	p.play(t, signal(0, 240), 8000)
	if got := p.m.Queued(); got != 240 {
		t.Errorf("%d samples are in the ring, want 240", got)
	}
}

// With few streams the pump may look only a frame later.
func TestTheReservesEndAsksToBeServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t, 8000, long)
		p.prime, p.reserve = prime, reserve
		for range 2 { // the timer is used again
			p.play(t, signal(0, 160), 8000)
			time.Sleep(reserve)
			synctest.Wait()
			if n := p.record.due.Swap(0); n != 1 {
				t.Fatalf("asked %d times", n)
			}
			p.hear(320) // it runs dry
		}
		p.play(t, signal(0, 160), 8000)
		p.Close()
		time.Sleep(time.Hour)
		if n := p.record.due.Load(); n != 0 {
			t.Error("asked after the end")
		}
	})
}
