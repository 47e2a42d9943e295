// Cases: a server that sends in real time by a clock of its own, and a network that stalls. An hour of it is in the unit
// tests of goside/playback, on a clock that can be turned; here are the real clocks of both ends.

package e2e

import (
	"math"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// pacer sends a tone frame by frame, 20 ms each, by a clock that is so much faster than ours.
type pacer struct {
	e     *env
	conn  *agent.Conn
	speed float64
	began time.Time
	n     int // frames sent
}

const pacedHz = 250.0

func (p *pacer) frame() []byte {
	pcm := make([]int16, 160)
	for i := range pcm {
		pcm[i] = int16(math.Round(8000 * math.Sin(2*math.Pi*pacedHz*float64(p.n*160+i)/8000)))
	}
	p.n++
	return agent.Bytes(pcm)
}

// run sends for a time of the server's clock.
func (p *pacer) run(d time.Duration) {
	p.e.Helper()
	for end := p.n + int(d/(20*time.Millisecond)); p.n < end; {
		at := p.began.Add(time.Duration(float64(p.n) * float64(20*time.Millisecond) / p.speed))
		if wait := time.Until(at); wait > 0 {
			p.e.pass(wait)
		}
		p.e.check("send", p.conn.SendBinary(p.frame()))
	}
}

func (e *env) pacer(conn *agent.Conn, speed float64) *pacer {
	return &pacer{e: e, conn: conn, speed: speed, began: time.Now()}
}

// waits reads what is queued for playback, at its lowest of some looks: between two frames.
func (e *env) waits(p *pacer, c switchtest.Call) float64 {
	least := math.Inf(1)
	for range 10 {
		p.run(60 * time.Millisecond)
		least = min(least, e.number(e.stats(c, ""), "playbackQueuedMs"))
	}
	return least
}

var driftCases = []testcase{
	{name: "a server with a fast clock does not make the caller wait longer and longer", limit: time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		p := e.pacer(e.start(c, s, "mono"), 1.02)
		p.run(14 * time.Second) // 280 ms too much
		// What is seen of the queue is at most what may wait, two frames, and the frame that has just come.
		if q := e.waits(p, c); q > 80 {
			e.Errorf("%v ms are still queued", q)
		}
		if got := e.number(e.stats(c, ""), "playbackShortenedMs"); got < 100 || got > 500 {
			e.Errorf("%v ms were taken out", got)
		}
		heard := e.heardSpan(c, 12*8000)
		e.tone("heard", heard[8000:12*8000-800], 8000, pacedHz, 8000)
	}},
	{name: "a server with a slow clock makes no gaps", limit: time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		p := e.pacer(e.start(c, s, "mono"), 0.997)
		p.run(20 * time.Second) // 60 ms too little
		st := e.stats(c, "")
		stretched, underruns := e.number(st, "playbackStretchedMs"), e.number(st, "underruns")
		e.Logf("%v ms put in, %v underruns", stretched, underruns)
		// Three frames are missing. Where the machine was late the reserve may be gone before that is noticed.
		if stretched < 8 || underruns > 3 {
			e.Errorf("%v ms were put in, %v underruns", stretched, underruns)
		}
	}},
	{name: "what a stall delays is caught up with", limit: time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		p := e.pacer(e.start(c, s, "mono"), 1)
		p.run(4 * time.Second)
		e.pass(500 * time.Millisecond)
		p.run(3 * time.Second) // the first half second of it at once
		if q := e.waits(p, c); q < 200 {
			e.Errorf("only %v ms are queued behind the stall: the case shows nothing", q)
		}
		p.run(9 * time.Second)
		if q := e.waits(p, c); q > 80 {
			e.Errorf("%v ms are still queued 13 s after the stall", q)
		}
		if n := e.number(e.stats(c, ""), "overflows"); n != 0 {
			e.Errorf("%v overflows", n)
		}
	}},
}
