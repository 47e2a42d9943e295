package playback

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// These run on a clock that only moves while everybody waits.

const ptime = 20 * time.Millisecond

func TestPlaybackStopsWhenNothingWasHeardForTheGraceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t, 8000, long)
		p.play(t, signal(0, 160), 8000)
		told(t, p.record, "started 0s 20ms")
		if !p.m.Wanted() || !p.Serve() {
			t.Error("not active while playing")
		}
		p.m.Play(160)
		if !p.Serve() {
			t.Error("not active before playback has stopped")
		}
		time.Sleep(grace - time.Nanosecond)
		p.Serve()
		told(t, p.record)
		if !p.m.Wanted() {
			t.Error("the pacer is sent away before the grace time is over")
		}
		time.Sleep(time.Nanosecond)
		if p.Serve() {
			t.Error("active after the end")
		}
		told(t, p.record, "stopped 20ms 0s")
		if p.m.Wanted() {
			t.Error("the pacer is still wanted")
		}
		time.Sleep(time.Hour)
		p.Serve()
		told(t, p.record)
		p.play(t, signal(0, 160), 8000)
		told(t, p.record, "started 20ms 20ms")
	})
}

func TestALateFrameDoesNotStopAndStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t, 8000, long)
		for n := range 50 {
			p.play(t, signal(160*n, 160), 8000)
			if got := p.hear(160); !slices.Equal(got, signal(160*n, 160)) {
				t.Fatal("the frame was not heard")
			}
			time.Sleep(ptime)
			if n%10 == 9 { // two frames late
				for range 2 {
					p.hear(160)
					time.Sleep(ptime)
				}
			}
		}
		// grace is three frames from the last sound on
		told(t, p.record, "started 0s 20ms")
		if s := p.Snapshot(); s.Underruns != 4 {
			t.Errorf("%d underruns, want 4 gaps: the fifth was the end", s.Underruns)
		}
	})
}

func TestAnUnderrunIsOneOnlyWhenAudioFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t, 8000, long)
		underruns := func(want uint64) {
			t.Helper()
			if n := p.Snapshot().Underruns; n != want {
				t.Errorf("%d underruns, want %d", n, want)
			}
		}
		p.play(t, signal(0, 200), 8000)
		p.hear(480)
		underruns(0) // it may have been the end
		p.play(t, signal(0, 160), 8000)
		underruns(1) // it was not
		p.hear(480)
		time.Sleep(grace)
		p.Serve()
		underruns(1) // that was the end
		p.play(t, signal(0, 160), 8000)
		underruns(1)
		p.hear(480)
		p.Clear(0)
		p.play(t, signal(0, 160), 8000)
		underruns(1) // a clear is no gap
		p.hear(160)
		p.Pause()
		p.hear(480)
		p.Resume()
		p.play(t, signal(0, 160), 8000)
		underruns(1) // nor is a pause
	})
}

func TestPausedPlaybackDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t, 8000, long)
		p.play(t, signal(0, 160), 8000)
		p.Pause()
		p.record.take()
		time.Sleep(time.Minute)
		if p.Serve() {
			t.Error("active while paused")
		}
		told(t, p.record)
		p.Resume()
		if !p.Serve() {
			t.Error("not active after the pause")
		}
		told(t, p.record, "resumed 0s 20ms")
		p.hear(160)
		time.Sleep(grace)
		p.Serve()
		told(t, p.record, "stopped 20ms 0s")
	})
}
