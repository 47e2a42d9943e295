// Cases: barge-in as the caller hears it, and hanging up on a full queue, both measured many times over. E2E_LONG=1 makes
// it 500 times each.

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// times is how often something is measured.
func times(usually int) int {
	if os.Getenv("E2E_LONG") != "" {
		return 500
	}
	return usually
}

// spread sorts durations and gives what is said of them.
func spread(d []time.Duration) (p50, p99, largest time.Duration) {
	if len(d) == 0 {
		return 0, 0, 0
	}
	slices.Sort(d)
	return d[len(d)/2], d[len(d)*99/100], d[len(d)-1]
}

var bargeCases = []testcase{
	{name: "barge-in: the caller's last sound after a clear", limit: 4 * time.Minute, alone: true, run: bargeIn},
	{name: "hanging up on a full queue holds nothing up and leaves nothing", limit: 4 * time.Minute, alone: true, run: hangUps},
}

// bargeIn measures, on parked and on bridged calls at once, the time from the server's clear to the end of the last sound
// the caller got: the arrival of the packet it is in, and its place in that packet.
func bargeIn(e *env) {
	const lines = 6
	// Parked, the module writes the frames itself; bridged, the callee's carry the bot; and where a file is played, each
	// frame waits in the RTP layer for the next tick after the bot was put into it.
	places := []string{"parked", "bridged", "playback"}
	quiet := e.soundFile("quiet", make([]int16, 8000*60), 8000)
	s := e.agent(agent.Config{})
	calls, conns := make([]switchtest.Call, lines), make([]*agent.Conn, lines)
	for i := range calls {
		spec := switchtest.CallSpec{Source: switchtest.Silence{}, Timed: true}
		switch places[i%3] {
		case "bridged":
			spec.BridgeTo = switchtest.Silence{}
		case "playback":
			spec.Playback = quiet
		}
		calls[i] = e.originate(spec)
		conns[i] = e.start(calls[i], s, "mono")
	}
	took, stalled, errs := make([][]time.Duration, lines), make([]int, lines), make([]error, lines)
	var wait sync.WaitGroup
	for i := range calls {
		wait.Go(func() {
			wanted := (times(60) + lines - 1) / lines
			for k := 0; len(took[i]) < wanted && k < 5*wanted && errs[i] == nil; k++ {
				var d time.Duration
				late := lateEver(calls)
				d, errs[i] = clearOnce(e.ctx, calls[i], conns[i], fmt.Sprintf("%d-%d", i, k), k)
				// A caller sends from a real-time thread. Where that was late the machine stood still, and no figure is the module's.
				if lateEver(calls) > late {
					stalled[i]++
				} else if errs[i] == nil {
					took[i] = append(took[i], d)
				}
			}
		})
	}
	wait.Wait()
	e.check("clears", errors.Join(errs...))
	for i, where := range places {
		all := slices.Concat(took[i], took[i+3])
		p50, p99, largest := spread(all)
		out := stalled[i] + stalled[i+3]
		note("%s: barge-in, %s: the caller's last sound ends %s (p50), %s (p99), %s (max) after the server's clear, %d clears, %d more while the machine stood still",
			e.sw.Name(), where, p50.Round(100*time.Microsecond), p99.Round(100*time.Microsecond), largest.Round(100*time.Microsecond), len(all), out)
		limit := 40 * time.Millisecond
		if e.sw.Name() == "host" {
			limit += 5 * time.Millisecond // its media threads are ordinary ones, and a file's frame always waits for a whole tick
		}
		if p99 > limit {
			e.Errorf("%s: p99 of %d clears is %s, at most %s are allowed", where, len(all), p99, limit)
		}
		if wanted := times(60) / len(places); len(all) < wanted {
			e.Errorf("%s: the machine stood still during %d clears, so that only %d of %d were measured", where, out, len(all), wanted)
		}
	}
}

// lateEver counts the packets that any of the callers sent late so far.
func lateEver(calls []switchtest.Call) int {
	n := 0
	for _, c := range calls {
		n += c.Late()
	}
	return n
}

// clearOnce plays, clears at some moment of a frame, and finds the end of the sound.
func clearOnce(ctx context.Context, c switchtest.Call, conn *agent.Conn, name string, k int) (time.Duration, error) {
	// Half a second of one value. FreeSWITCH's own filling of a missed packet is -1, which is no sound of the bot.
	const length, value = 4000, 1000
	before := len(c.Heard())
	if err := conn.SendBinary(agent.Bytes(constant(value, length))); err != nil {
		return 0, err
	}
	if err := c.WaitHeard(ctx, func(all []int16) bool { return nonZero(all[before:]) >= 480 }); err != nil {
		return 0, err
	}
	// Spread over the frame: 7 and 20 have no common divisor.
	if err := sleep(ctx, time.Duration(k*7%20)*time.Millisecond); err != nil {
		return 0, err
	}
	if err := conn.SendText(`{"type":"clear"}`); err != nil {
		return 0, err
	}
	cleared := time.Now()
	// A mark behind the clear is answered once the clear is done; a few frames later everything that was on its way is there.
	if err := conn.SendText(mark(name)); err != nil {
		return 0, err
	}
	if err := conn.Wait(ctx, func(all []agent.Frame) bool {
		return slices.ContainsFunc(all, func(f agent.Frame) bool { return f.IsText() && strings.Contains(string(f.Data), `"`+name+`"`) })
	}); err != nil {
		return 0, err
	}
	if err := sleep(ctx, 120*time.Millisecond); err != nil {
		return 0, err
	}
	heard, packets := c.Heard(), c.Packets()
	last := len(heard) - 1
	for last >= before && heard[last] < value/2 {
		last--
	}
	if n := nonZero(heard[before:]); n > length-800 {
		return 0, fmt.Errorf("%s: %d of %d samples were heard in spite of the clear", name, n, length)
	}
	at := last
	for _, p := range packets {
		if at < p.Samples {
			return p.At.Add(time.Duration(at+1) * time.Second / time.Duration(p.Rate)).Sub(cleared), nil
		}
		at -= p.Samples
	}
	return 0, fmt.Errorf("%s: no packet with sample %d", name, last)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// goThreads is what Go's runtime may add at any time: it starts a thread when others are in system calls, and keeps it.
const goThreads = 6

// belongings is what a switch holds of what calls use.
type belongings struct{ threads, fds, sessions int }

func (e *env) belongings() belongings {
	e.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.sw.Pid()))
	e.check("file descriptors", err)
	n, _ := strconv.Atoi(strings.Fields(e.api("show channels count"))[0])
	return belongings{len(e.threads(e.sw.Pid())), len(fds), n}
}

// hangUps hangs up n calls without a stream, then n with 20 s in the queue, some at a time, and compares.
func hangUps(e *env) {
	const lines = 5
	n := times(50)
	s := e.agent(agent.Config{Forget: true})
	bare := hangUpMany(e, n, lines, nil)
	// One round with streams, so that everything that is made once and kept is there.
	hangUpMany(e, lines, lines, s)
	before := e.settled(belongings{})
	e.resetRelease()
	full := hangUpMany(e, n, lines, s)
	after := e.settled(before)
	if after.threads > before.threads+goThreads || after.fds > before.fds || after.sessions != 0 {
		e.Errorf("left behind by %d hang-ups: %+v before, %+v after", n, before, after)
	}
	if got := e.api("audio_stream status json"); !strings.Contains(got, `"streams":0`) {
		e.Errorf("streams left: %s", got)
	}
	bare50, bare99, _ := spread(bare)
	full50, full99, fullMax := spread(full)
	note("%s: hang-up to the session's end: %s (p50), %s (p99) without a stream, %s (p50), %s (p99), %s (max) with 20 s queued, %d calls each",
		e.sw.Name(), bare50.Round(10*time.Microsecond), bare99.Round(10*time.Microsecond), full50.Round(10*time.Microsecond), full99.Round(10*time.Microsecond), fullMax.Round(10*time.Microsecond), n)
	// The stand-in host sees a hang-up at its next tick, which is more than what is looked for; it measures by itself.
	if e.sw.Name() == "freeswitch" && full50-bare50 > releaseLimit {
		e.Errorf("with a full queue a session lives %s longer after its hang-up (p50 of %d)", full50-bare50, n)
	}
	e.checkRelease(n)
}

// settled waits until nothing is held beyond limit, or, without one, until the channels are gone and the numbers stand still.
func (e *env) settled(limit belongings) belongings {
	e.Helper()
	deadline := time.Now().Add(15 * time.Second)
	last := e.belongings()
	for same := 0; time.Now().Before(deadline); {
		e.pass(100 * time.Millisecond)
		now := e.belongings()
		if limit.threads > 0 && now.threads <= limit.threads+goThreads && now.fds <= limit.fds && now.sessions == 0 {
			return now
		}
		if same++; now != last || now.sessions != 0 {
			same = 0
		}
		if last = now; limit.threads == 0 && same >= 10 {
			break
		}
	}
	return last
}

// hangUpMany makes n calls, lines at a time, hangs each up and gives the times from CHANNEL_HANGUP to CHANNEL_DESTROY. With
// a server each has a stream and 20 s in its queue, of which some was heard.
func hangUpMany(e *env, n, lines int, s *agent.Server) []time.Duration {
	// FreeSWITCH's clock in events stands still for 20 ms at a time, and its event socket looks for events as seldom, or
	// after each command. So commands are what makes the times exact.
	ctx, stop := context.WithCancel(e.ctx)
	var pinging sync.WaitGroup
	pinging.Go(func() {
		for sleep(ctx, 500*time.Microsecond) == nil {
			_, _ = e.sw.API(ctx, "module_exists mod_audio_stream")
		}
	})
	defer pinging.Wait()
	defer stop()
	var mu sync.Mutex
	var took []time.Duration
	var errs []error
	var wait sync.WaitGroup
	for line := range lines {
		wait.Go(func() {
			for k := line; k < n; k += lines {
				d, err := hangUpOnce(e.ctx, e.sw, s)
				mu.Lock()
				took, errs = append(took, d), append(errs, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	e.check("hang-ups", errors.Join(errs...))
	return took
}

func hangUpOnce(ctx context.Context, sw switchtest.Switch, s *agent.Server) (time.Duration, error) {
	c, err := sw.Originate(ctx, switchtest.CallSpec{Source: switchtest.Silence{}})
	if err != nil {
		return 0, err
	}
	if s != nil {
		if err := fillQueue(ctx, sw, c, s); err != nil {
			return 0, errors.Join(err, c.Hangup(ctx))
		}
	}
	if err := c.Hangup(ctx); err != nil {
		return 0, err
	}
	var at [2]time.Time
	for i, name := range []string{"CHANNEL_HANGUP", "CHANNEL_DESTROY"} {
		ev, err := sw.Events().Wait(ctx, switchtest.Filter{UUID: c.UUID(), Name: name}, 1)
		if err != nil {
			return 0, fmt.Errorf("the channel is stuck: %w", err)
		}
		at[i] = ev.At
	}
	return at[1].Sub(at[0]), nil
}

// fillQueue starts a stream, queues 20 s and waits until some of it was heard.
func fillQueue(ctx context.Context, sw switchtest.Switch, c switchtest.Call, s *agent.Server) error {
	reply, err := sw.API(ctx, fmt.Sprintf("uuid_audio_stream %s start %s mono", c.UUID(), s.URL("/"+c.UUID())))
	if err != nil || !strings.HasPrefix(reply, "+OK") {
		return fmt.Errorf("start: %q %w", reply, err)
	}
	conn, err := s.Accept(ctx) // some line's; each takes as many as it starts
	if err != nil {
		return err
	}
	if err := conn.SendBinary(agent.Bytes(constant(1000, 20*8000))); err != nil {
		return err
	}
	// Every line fills the queue of the call whose connection it took, so each call's is filled.
	return c.WaitHeard(ctx, func(all []int16) bool { return nonZero(all) >= 800 })
}
