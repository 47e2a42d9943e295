package playback

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mod_audio_stream/goside/mono"
)

// A call with a server that sends in real time by a clock of its own, on a clock that only moves while everybody waits.
type liveCall struct {
	*phone
	t     *testing.T
	heard []int16
	sent  int

	waits []time.Duration // of every piece, until the media thread takes its first sample
}

// live runs a call for a time. piece is how much audio the server sends at once, speed how fast its clock runs. stall, if
// set, holds back what the server sends between two times; it comes all at once afterwards.
func live(t *testing.T, length, piece time.Duration, speed float64, jitter time.Duration, stall [2]time.Duration, source func(n int) []int16) *liveCall {
	c := newLive(t)
	rng := rand.New(rand.NewPCG(7, 7))
	c.run(length, piece, speed, func(at time.Duration) time.Duration {
		if at >= stall[0] && at < stall[1] {
			return stall[1] - at
		}
		return time.Duration(rng.Int64N(int64(jitter) + 1))
	}, source)
	return c
}

func newLive(t *testing.T) *liveCall {
	c := &liveCall{phone: newPhone(t, 8000, long), t: t}
	c.prime, c.reserve = prime, reserve
	return c
}

// run runs it. lateness is by how much a piece that is due at a time of the call comes late.
func (c *liveCall) run(length, piece time.Duration, speed float64, lateness func(at time.Duration) time.Duration, source func(n int) []int16) {
	samples := int(piece.Seconds() * 8000)
	start := time.Now()
	every := time.Duration(float64(piece) / speed)
	next := start.Add(3 * time.Millisecond) // the phase between the two clocks
	late := func() time.Duration { return lateness(next.Sub(start)) }
	due := next.Add(late())
	for tick := start; time.Since(start) < length; tick = tick.Add(ptime) {
		for due.Before(tick) {
			time.Sleep(time.Until(due))
			c.send(source(samples))
			next = next.Add(every)
			due = next.Add(late())
			if due.Before(time.Now()) {
				due = time.Now()
			}
		}
		time.Sleep(time.Until(tick))
		c.Serve()
		c.heard = append(c.heard, c.m.Play(160)...)
	}
}

func (c *liveCall) send(pcm []int16) {
	c.mu.Lock()
	c.account()
	a := c.arrival(mono.Now(), 0)
	c.waits = append(c.waits, time.Duration(a.wait()))
	c.mu.Unlock()
	c.play(c.t, pcm, 8000)
	c.sent += len(pcm)
}

func (c *liveCall) maxWait(from, to int) time.Duration { return slices.Max(c.waits[from:to]) }

func toneSource(hz, amplitude float64) func(n int) []int16 {
	at := 0
	return func(n int) []int16 {
		out := make([]int16, n)
		for i := range out {
			out[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(at)/8000)))
			at++
		}
		return out
	}
}

func TestDriftIsAbsorbed(t *testing.T) {
	for _, v := range []struct {
		name   string
		speed  float64
		jitter time.Duration
		length time.Duration
	}{
		{"0.1 % fast", 1.001, 0, 10 * time.Minute}, {"0.1 % fast, jitter, an hour", 1.001, 8 * time.Millisecond, time.Hour},
		{"0.1 % slow", 0.999, 0, 10 * time.Minute}, {"0.1 % slow, jitter, an hour", 0.999, 5 * time.Millisecond, time.Hour},
		{"exact", 1, 0, 10 * time.Minute}, {"exact, jitter", 1, 8 * time.Millisecond, 10 * time.Minute},
	} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := live(t, v.length, ptime, v.speed, v.jitter, [2]time.Duration{}, toneSource(200, 8000))
				s := c.Snapshot()
				t.Logf("sent %v, longest wait %v, %d underruns, shortened %v, stretched %v", time.Duration(c.sent)*time.Second/8000,
					c.maxWait(0, len(c.waits)), s.Underruns, s.Shortened, s.Stretched)
				if w := c.maxWait(0, len(c.waits)); w > 2*ptime+v.jitter {
					t.Errorf("audio waited %v, more than two frames", w)
				}
				drift := time.Duration(float64(v.length) * (v.speed - 1))
				absorbed := s.Shortened - s.Stretched
				if d := absorbed - drift; max(d, -d) > 100*time.Millisecond {
					t.Errorf("%v were absorbed of %v", absorbed, drift)
				}
				if v.speed == 1 && (s.Shortened != 0 || s.Stretched != 0) {
					t.Error("a server with the right clock was corrected")
				}
				if s.Underruns > 0 {
					t.Errorf("%d underruns", s.Underruns)
				}
			})
		})
	}
}

// What a stall has delayed is caught up with, and nothing of it is lost or played in a burst.
func TestADelayIsCaughtUpWith(t *testing.T) {
	for _, piece := range []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := live(t, 30*time.Second, piece, 1, 0, [2]time.Duration{5 * time.Second, 5500 * time.Millisecond}, toneSource(250, 8000))
				s := c.Snapshot()
				perSecond := int(time.Second / piece)
				t.Logf("%d underruns, shortened %v", s.Underruns, s.Shortened)
				if w := c.maxWait(7*perSecond, 8*perSecond); w < 300*time.Millisecond {
					t.Errorf("the stall left a wait of only %v: the test tests nothing", w)
				}
				if w := c.maxWait(20*perSecond, len(c.waits)); w > 2*ptime+piece {
					t.Errorf("15 s after the stall audio still waits %v", w)
				}
				if s.Shortened < 400*time.Millisecond || s.Stretched != 0 || s.Underruns > 2 {
					t.Errorf("snapshot %+v", s)
				}
			})
		})
	}
}

// What playback began with too much, here because the server sent its first two frames at once, goes when nothing has needed it
// for some seconds. A server that stalls afterwards is not made to pay for it again and again.
func TestWhatIsNeverNeededGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const second = int(time.Second / ptime)
		c := live(t, 20*time.Second, ptime, 1, time.Millisecond, [2]time.Duration{0, 19 * time.Millisecond}, toneSource(250, 8000))
		s := c.Snapshot()
		if w := c.maxWait(second, 2*second); w < ptime {
			t.Errorf("it began with a wait of only %v: the test tests nothing", w)
		}
		if w := c.maxWait(10*second, 20*second-1); w > ptime {
			t.Errorf("in the end audio still waits %v", w)
		}
		if s.Underruns != 0 || s.Shortened != ptime || s.Stretched != 0 {
			t.Errorf("snapshot %+v", s)
		}
	})
	synctest.Test(t, func(t *testing.T) { // a stall of 30 ms every 5 s, for two minutes
		c := newLive(t)
		stalls := 0
		c.run(2*time.Minute, ptime, 1, func(at time.Duration) time.Duration {
			if in := at % (5 * time.Second); at > 5*time.Second && in < 30*time.Millisecond {
				stalls++
				return 30*time.Millisecond - in
			}
			return 0
		}, toneSource(250, 8000))
		if s := c.Snapshot(); stalls < 20 || s.Underruns > 6 {
			t.Errorf("%d stalled frames, snapshot %+v", stalls, s)
		}
	})
}

// A server that is ahead on purpose, or speaks faster than real time, is played sample by sample.
func TestAudioThatIsEarlyIsLeftAlone(t *testing.T) {
	play := func(t *testing.T, first int, every time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			p := newPhone(t, 8000, long)
			sent := signal(0, first)
			p.play(t, sent, 8000)
			var heard []int16
			next := time.Now().Add(every)
			for range 1500 { // 30 s
				for !time.Now().Before(next) {
					p.play(t, signal(len(sent), 160), 8000)
					sent = append(sent, signal(len(sent), 160)...)
					next = next.Add(every)
				}
				time.Sleep(ptime)
				p.Serve()
				heard = append(heard, p.m.Play(160)...)
			}
			if !slices.Equal(heard, sent[:len(heard)]) {
				t.Error("the caller heard something else")
			}
			if s := p.Snapshot(); s.Shortened != 0 || s.Stretched != 0 {
				t.Errorf("snapshot %+v", s)
			}
		})
	}
	t.Run("3 s ahead, then in real time", func(t *testing.T) { play(t, 24_000, ptime) })
	t.Run("0.5 s ahead, in pieces of 100 ms that come sometimes early", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPhone(t, 8000, long)
			var sent, heard []int16
			start := time.Now()
			for frame := range 3000 { // 60 s
				if frame%5 == 0 {
					// The server looks every 100 ms how much is due. From some time on every second piece comes with the one before.
					at := time.Since(start)
					if frame > 1000 && frame/5%2 == 0 {
						at += 50 * time.Millisecond
					}
					for len(sent) < int(at.Seconds()*8000)+4000 {
						p.play(t, signal(len(sent), 800), 8000)
						sent = append(sent, signal(len(sent), 800)...)
					}
				}
				time.Sleep(ptime)
				p.Serve()
				heard = append(heard, p.m.Play(160)...)
			}
			if !slices.Equal(heard, sent[:len(heard)]) {
				t.Errorf("the caller heard something else: %+v", p.Snapshot())
			}
		})
	})
	t.Run("twice as fast", func(t *testing.T) { play(t, 160, ptime/2) })
	t.Run("a second at once", func(t *testing.T) { play(t, 8000*31, time.Hour) })
}

func TestPausesAreNoDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t, 8000, long)
		n := 0
		run := func(frames int) {
			for range frames {
				p.play(t, signal(n, 160), 8000)
				n += 160
				time.Sleep(ptime)
				p.Serve()
				p.m.Play(160)
			}
		}
		run(250)
		p.Pause()
		run(100) // 2 s are kept
		p.Resume()
		run(500)
		if s := p.Snapshot(); s.Shortened != 0 || s.Queued < 1900*time.Millisecond {
			t.Errorf("snapshot %+v: what was kept on purpose is played faster", s)
		}
	})
}
