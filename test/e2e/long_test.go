// The long case: many calls at once with audio both ways for as long as it takes to show that nothing adds up.

package e2e

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// TestLong runs 4 calls for 5 s, or, with E2E_LONG=1, 20 calls for 60 s.
func TestLong(t *testing.T) {
	calls, length := 4, 5*time.Second
	if os.Getenv("E2E_LONG") != "" {
		calls, length = 20, 60*time.Second
	}
	for _, b := range wanted() {
		t.Run(b.name, func(t *testing.T) {
			sw := startSwitch(t, b, "long", startOptions{})
			runCase(t, sw, testcase{name: "long", limit: length + time.Minute, run: func(e *env) { long(e, calls, length) }})
		})
	}
}

// line is what became of one call.
type line struct {
	frames, expected int
	captured         switchtest.CounterReport
	heard            switchtest.CounterReport
	sent             int
	maxGap           time.Duration
	err              error
}

func long(e *env, n int, length time.Duration) {
	// The server's audio leads by half a second, as a voice agent's does: what is shown is that playback is whole while
	// capture goes on, not how a queue that is kept empty behaves.
	s := e.agent(agent.Config{})
	calls := make([]switchtest.Call, n)
	conns := make([]*agent.Conn, n)
	for i := range calls {
		calls[i] = e.call()
		conns[i] = e.start(calls[i], s, fmt.Sprintf("mono 8000 call %d", i))
		e.waitAudio(conns[i], 5)
	}
	lines := make([]line, n)
	ctx, cancel := context.WithTimeout(e.ctx, length+30*time.Second)
	defer cancel()
	began := time.Now()
	var wait sync.WaitGroup
	for i := range calls {
		wait.Go(func() { lines[i] = oneLong(ctx, calls[i], conns[i], began, length) })
	}
	wait.Wait()
	e.Logf("%d calls, %s, both directions at once on %s", n, length, e.sw.Name())
	for i, l := range lines {
		e.Logf("call %2d: frames %d of %d expected, samples lost %d, duplicated or out of order %d, silence put in by the switch %d; heard %d of %d sent, lost %d, repeated %d, gaps %d; longest gap between frames %s; %d packets missed by the switch",
			i, l.frames, l.expected, l.captured.Lost, l.captured.Repeated, l.captured.Silence, l.heard.Samples, l.sent, l.heard.Lost, l.heard.Repeated, l.heard.Gaps, l.maxGap.Round(time.Millisecond), calls[i].Missed(e.ctx))
		if l.err != nil {
			e.Errorf("call %d: %v", i, l.err)
		}
		// What a caller sends late, the switch throws away or fills, and counts; without that nothing may be missing.
		late := calls[i].Missed(e.ctx)
		if !l.captured.WholeBut(late*calls[i].Rate()*calls[i].Ptime()/1000) || l.frames < l.expected-2-l.expected/200-late || l.frames > l.expected+2+l.expected/200+late {
			e.Errorf("call %d: captured %s, %d frames of %d, %d packets missed by the switch", i, l.captured, l.frames, l.expected, late)
		}
		if !l.heard.Whole() || l.heard.Samples != l.sent {
			e.Errorf("call %d: heard %s of %d sent", i, l.heard, l.sent)
		}
		if l.heard.Gaps > 0 {
			e.Errorf("call %d: %d gaps in what was heard though the queue was never empty", i, l.heard.Gaps)
		}
	}
}

// oneLong sends a counter in frames of 100 ms, half a second ahead of time, and counts what comes from the caller.
func oneLong(ctx context.Context, c switchtest.Call, conn *agent.Conn, began time.Time, length time.Duration) line {
	const piece = 800 // samples of 100 ms
	var l line
	from := time.Now()
	start := countBinary(conn.Frames())
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for until := began.Add(length); time.Now().Before(until); {
		for ahead := int(time.Since(from).Seconds()*8000) + 4000; l.sent < ahead; l.sent += piece {
			if err := conn.SendBinary(agent.Bytes(switchtest.Count(1+l.sent%32767, piece))); err != nil {
				l.err = err
				return l
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			l.err = ctx.Err()
			return l
		}
	}
	to := time.Now()
	all := binary(conn.Frames())[start:]
	last := from
	for _, f := range all {
		if f.At.After(to) {
			break
		}
		l.frames++
		l.maxGap = max(l.maxGap, f.At.Sub(last))
		last = f.At
	}
	l.expected = int(to.Sub(from) / (20 * time.Millisecond))
	l.captured = switchtest.CheckCounter(pcm(all))
	if err := c.WaitHeard(ctx, func(h []int16) bool { return nonZero(h) >= l.sent }); err != nil {
		l.err = fmt.Errorf("heard: %w", err)
	}
	l.heard = switchtest.CheckCounter(c.Heard())
	return l
}
