package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/uuid"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// churners is how many of them go on at once.
const churners = 4

// churnMemory is what the process may grow by in a case of churn. FreeSWITCH takes 24 KiB of a call's pool for each media bug, of
// whatever module, and gives them back when the call ends; its threads, pools and queues grow with the number of calls,
// with streams or without, until they are as many as are ever needed at once.
const churnMemory = 96 << 20

// churn repeats do on some goroutines until the time for it is up, and notes what went wrong. do gets a random source of
// its own and the number of the goroutine.
func (r *round) churn(what string, do func(rng *rand.Rand, n int) error) {
	end := time.Now().Add(r.o.churn)
	var wg sync.WaitGroup
	var times atomic.Int64
	for n := range churners {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 42))
			for time.Now().Before(end) && r.ctx.Err() == nil {
				if err := do(rng, n); err != nil {
					select {
					case <-r.sw.Exited():
						return
					default:
					}
					r.errorf("%s, after %d times: %v", what, times.Load(), err)
					return
				}
				times.Add(1)
			}
		})
	}
	wg.Wait()
	fmt.Printf("    %s: %d times\n", what, times.Load())
}

// newCall makes a call without a victim's other stream.
func (r *round) newCall(spec switchtest.CallSpec) (switchtest.Call, error) {
	if spec.Source == nil {
		spec.Source = switchtest.Silence{}
	}
	return r.sw.Originate(r.ctx, spec)
}

func (r *round) on(c switchtest.Call, line string) (string, error) {
	reply, err := r.sw.API(r.ctx, "uuid_audio_stream "+c.UUID()+" "+line)
	return strings.TrimSuffix(reply, "\n"), err
}

// replied wants +OK, or one of the reasons that are right when the call or the stream is gone.
func replied(reply string, err error, reasons ...string) error {
	if err != nil || strings.HasPrefix(reply, "+OK") {
		return err
	}
	for _, reason := range reasons {
		if strings.HasPrefix(reply, "-ERR") && strings.Contains(reply, reason) {
			return nil
		}
	}
	return fmt.Errorf("reply %q", reply)
}

// stopDuring makes calls whose stream is stopped within 2 ms of the hang-up, before or behind it. end brings that about, in the
// time that later chose.
func (r *round) stopDuring(what string, later func(*rand.Rand) time.Duration, end func(c switchtest.Call, after time.Duration) error) {
	s := r.agent(agent.Config{Forget: true, Mode: agent.Echo{}})
	r.churn(what, func(rng *rand.Rand, _ int) error {
		c, err := r.newCall(switchtest.CallSpec{Source: &switchtest.Counter{}})
		if err != nil {
			return err
		}
		reply, err := r.on(c, "start "+s.URL("/")+" mono")
		if err := replied(reply, err); err != nil {
			return fmt.Errorf("start: %w", err)
		}
		if _, err := r.sw.Events().Wait(r.ctx, switchtest.Filter{UUID: c.UUID(), Subclass: "connect"}, 1); err != nil {
			return err
		}
		time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond) // until frames have passed, or not
		after := later(rng)
		first := after + time.Duration(rng.IntN(4000)-2000)*time.Microsecond
		var wg sync.WaitGroup
		var stopped error
		wg.Go(func() {
			time.Sleep(first)
			reply, err := r.on(c, "stop")
			stopped = replied(reply, err, "no channel", "no stream", "being closed")
		})
		time.Sleep(-first)
		err = end(c, after)
		wg.Wait()
		return errors.Join(err, stopped, r.over(c))
	})
}

// over waits for a call's streams to have had their one last event each, unless the call took the channel with it.
func (r *round) over(c switchtest.Call) error {
	finals := map[string]int{}
	for _, ev := range r.sw.Events().Module(c.UUID(), "") {
		kind := strings.TrimPrefix(ev.Subclass, "mod_audio_stream::")
		if kind == "disconnect" || kind == "error" {
			finals[ev.Stream]++
		}
	}
	for name, n := range finals {
		if n > 1 {
			return fmt.Errorf("%s of %s had %d last events", name, c.UUID(), n)
		}
	}
	return nil
}

// whileStarting starts a stream on a call and moves the call at the same time.
func (r *round) whileStarting(c switchtest.Call, url string, move func() error) error {
	var wg sync.WaitGroup
	var started, moved error
	wg.Go(func() {
		reply, err := r.on(c, "start "+url+" stereo")
		started = replied(reply, err)
	})
	wg.Go(func() { moved = move() })
	wg.Wait()
	return errors.Join(started, moved)
}

func churnCases() []scenario {
	limit := 2 * time.Hour
	return []scenario{
		{name: "churn: start and stop", alone: true, full: 1, limit: limit, memory: churnMemory, run: func(r *round) {
			s := r.agent(agent.Config{Forget: true, Mode: agent.Echo{}})
			calls := make([]switchtest.Call, churners)
			for i := range calls {
				var err error
				calls[i], err = r.newCall(switchtest.CallSpec{Source: &switchtest.Counter{}})
				r.check("originate", err)
			}
			r.churn("start and stop", func(rng *rand.Rand, n int) error {
				reply, err := r.on(calls[n], "start "+s.URL("/")+" "+[]string{"mono", "mixed 16k", "stereo 48k metadata"}[rng.IntN(3)])
				if err := replied(reply, err); err != nil {
					return fmt.Errorf("start: %w", err)
				}
				time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
				reply, err = r.on(calls[n], "stop")
				if err := replied(reply, err); err != nil {
					return fmt.Errorf("stop: %w", err)
				}
				// the name is free again when the stream is closed; until then another one is taken
				_, err = r.sw.Events().Wait(r.ctx, switchtest.Filter{UUID: calls[n].UUID(), Subclass: "disconnect"}, 1)
				if err != nil {
					return err
				}
				for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
					reply, err := r.on(calls[n], "stats")
					if err != nil || strings.HasPrefix(reply, "-ERR") {
						return err
					}
					if time.Now().After(deadline) {
						return fmt.Errorf("a stopped stream is still there: %s", reply)
					}
				}
			})
			for _, c := range calls {
				r.check("hang up", c.Hangup(r.ctx))
			}
		}},
		{name: "churn: hang up at any instant", alone: true, full: 1, limit: limit, memory: churnMemory, run: func(r *round) {
			good := r.agent(agent.Config{Forget: true, Mode: agent.Echo{}}).URL("/")
			secure := r.agent(agent.Config{Forget: true, TLS: &tls.Config{Certificates: []tls.Certificate{r.selfSigned(time.Now().Add(24 * time.Hour))}}}).URL("/")
			deaf := r.agent(agent.Config{Silent: true}).URL("/")
			talks := r.server(after(func(p *peer) { // something is always queued for the caller
				for p.write(frame(true, 0, ws.OpBinary, strings.Repeat("\x01\x01", 1600))) {
					p.pass(50 * time.Millisecond)
				}
			}))
			lossy := r.server(func(p *peer) { // reconnects all the time
				if p.upgrade() {
					time.Sleep(10 * time.Millisecond)
					p.reset()
				}
			})
			urls := []string{good, deaf, lossy, talks, secure, strings.Replace(deaf, "ws:", "wss:", 1), // in the TLS handshake
				r.server(httpStatus(503)), r.server(func(p *peer) {
					if p.upgrade() {
						p.hold() // reads nothing, not even the close frame
					}
				})}
			before := []string{"", "", "", "stop", "stop goodbye", "graceful-shutdown", "pause", "pause_play", "send_text x"}
			r.churn("hang up", func(rng *rand.Rand, _ int) error {
				c, err := r.newCall(switchtest.CallSpec{Vars: map[string]string{"STREAM_TLS_CA_FILE": "NONE"}})
				if err != nil {
					return err
				}
				url := urls[rng.IntN(len(urls))]
				reply, err := r.on(c, "start "+url+" mono")
				if err := replied(reply, err); err != nil {
					return fmt.Errorf("start: %w", err)
				}
				time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
				if line := before[rng.IntN(len(before))]; line != "" {
					reply, err := r.on(c, line)
					if err := replied(reply, err, "no stream", "being closed"); err != nil {
						return fmt.Errorf("%s: %w", line, err)
					}
					time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
				}
				began := time.Now()
				if err := c.Hangup(r.ctx); err != nil {
					return err
				}
				if d := time.Since(began); d > 3*time.Second {
					return fmt.Errorf("the hang-up took %s", d)
				}
				return r.over(c)
			})
		}},
		{name: "churn: stop and hang up at once", alone: true, full: 1, limit: limit, memory: churnMemory, run: func(r *round) {
			r.stopDuring("stop and hang up", func(*rand.Rand) time.Duration { return 0 }, func(c switchtest.Call, _ time.Duration) error {
				return c.Hangup(r.ctx)
			})
		}},
		{name: "churn: stop while the dialplan hangs up early", only: "freeswitch", alone: true, full: 1, limit: limit, memory: churnMemory, run: func(r *round) {
			some := func(rng *rand.Rand) time.Duration { return time.Duration(20+rng.IntN(20)) * time.Millisecond }
			r.stopDuring("early hang-up", some, func(c switchtest.Call, after time.Duration) error {
				_, err := r.sw.API(r.ctx, fmt.Sprintf("uuid_transfer %s early_hangup,sleep:%d,hangup inline", c.UUID(), after.Milliseconds()))
				return err
			})
		}},
		{name: "churn: two starts at once", alone: true, full: 1, limit: limit, memory: churnMemory, run: func(r *round) {
			s := r.agent(agent.Config{Forget: true})
			r.churn("two starts", func(*rand.Rand, int) error {
				c, err := r.newCall(switchtest.CallSpec{})
				if err != nil {
					return err
				}
				var wg sync.WaitGroup
				replies := make([]string, 2)
				errs := make([]error, 2)
				for i := range replies {
					wg.Go(func() { replies[i], errs[i] = r.on(c, "start "+s.URL("/")+" mono") })
				}
				wg.Wait()
				started := 0
				for i := range replies {
					if err := replied(replies[i], errs[i], "default"); err != nil {
						return err
					}
					if strings.HasPrefix(replies[i], "+OK") {
						started++
					}
				}
				if started != 1 {
					return fmt.Errorf("%d of two starts at once were taken: %q", started, replies)
				}
				if err := c.Hangup(r.ctx); err != nil {
					return err
				}
				return r.over(c)
			})
		}},
		{name: "churn: every command at any instant", alone: true, full: 1, limit: limit, memory: churnMemory, run: func(r *round) {
			s := r.agent(agent.Config{Forget: true, Mode: agent.Echo{}})
			commands := []string{"stop", "send_text hello", "pause", "resume", "clear", "break", "pause_play", "resume_play", "graceful-shutdown", "stats", "stop bye",
				"start " + s.URL("/") + " mono", "start " + s.URL("/") + " stereo 16k m", "name=b start " + s.URL("/") + " mixed", "name=b stop"}
			calls := make([]atomic.Pointer[switchtest.Call], churners)
			r.churn("commands", func(rng *rand.Rand, n int) error {
				at := &calls[rng.IntN(churners)] // somebody else's call as well
				c := at.Load()
				if c == nil || rng.IntN(40) == 0 {
					fresh, err := r.newCall(switchtest.CallSpec{})
					if err != nil {
						return err
					}
					if old := at.Swap(&fresh); old != nil {
						return (*old).Hangup(r.ctx)
					}
					return nil
				}
				line := commands[rng.IntN(len(commands))]
				reply, err := r.on(*c, line)
				if err != nil || strings.HasPrefix(reply, "+OK") || strings.HasPrefix(reply, "{") || strings.HasPrefix(reply, "-ERR ") {
					return err
				}
				return fmt.Errorf("%s: reply %q", line, reply)
			})
			for i := range calls {
				if c := calls[i].Load(); c != nil {
					r.check("hang up", (*c).Hangup(r.ctx))
				}
			}
		}},
		{name: "churn: commands for calls that do not exist", alone: true, full: 1, limit: limit, run: func(r *round) {
			commands := []string{"start ws://127.0.0.1:1/ mono", "stop", "send_text x", "pause", "resume", "clear", "pause_play", "resume_play", "graceful-shutdown", "stats"}
			r.churn("dead uuids", func(rng *rand.Rand, _ int) error {
				id := uuid.NewString()
				line := commands[rng.IntN(len(commands))]
				reply, err := r.sw.API(r.ctx, "uuid_audio_stream "+id+" "+line)
				if err == nil && !strings.HasPrefix(reply, "-ERR ") {
					err = fmt.Errorf("%s: reply %q", line, reply)
				}
				return err
			})
		}},
		{name: "churn: bridge and park during start", alone: true, full: 1, limit: limit, memory: churnMemory, run: func(r *round) {
			s := r.agent(agent.Config{Forget: true, Mode: agent.Echo{}})
			r.churn("bridge and park", func(rng *rand.Rand, _ int) error {
				c, err := r.newCall(switchtest.CallSpec{})
				if err != nil {
					return err
				}
				other, err := r.newCall(switchtest.CallSpec{})
				if err != nil {
					return err
				}
				if err := r.whileStarting(c, s.URL("/"), func() error {
					time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
					if _, err := r.sw.API(r.ctx, "uuid_bridge "+c.UUID()+" "+other.UUID()); err != nil {
						return err
					}
					time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
					_, err := r.sw.API(r.ctx, "uuid_park "+c.UUID())
					return err
				}); err != nil {
					return err
				}
				for _, call := range []switchtest.Call{c, other} {
					select {
					case <-call.Done(): // a park ends the other leg
					default:
						if err := call.Hangup(r.ctx); err != nil {
							select {
							case <-call.Done():
							default:
								return err
							}
						}
					}
				}
				return r.over(c)
			})
		}},
		{name: "churn: transfer during start", alone: true, full: 1, limit: limit, memory: churnMemory, run: func(r *round) {
			s := r.agent(agent.Config{Forget: true, Mode: agent.Echo{}})
			r.churn("transfer", func(rng *rand.Rand, _ int) error {
				c, err := r.newCall(switchtest.CallSpec{})
				if err != nil {
					return err
				}
				if err := r.whileStarting(c, s.URL("/"), func() error {
					time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
					for range 1 + rng.IntN(2) {
						reply, err := r.sw.API(r.ctx, "uuid_transfer "+c.UUID()+" transferred XML default")
						if err := replied(reply, err); err != nil {
							return err
						}
						time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
					}
					return nil
				}); err != nil {
					return err
				}
				reply, err := r.on(c, "stop")
				if err := replied(reply, err); err != nil {
					return fmt.Errorf("the stream did not go along: %w", err)
				}
				if err := c.Hangup(r.ctx); err != nil {
					return err
				}
				return r.over(c)
			})
		}},
		{name: "mixed churn", alone: true, full: 1, limit: limit, memory: churnMemory, run: mixedChurn(false)},
		{name: "mixed churn, the same calls without streams", alone: true, full: 1, limit: limit, memory: churnMemory, run: mixedChurn(true)},
		{name: "churn: reload of the settings", full: 1, limit: limit, run: func(r *round) {
			r.start(r.agent(agent.Config{Forget: true}), "mono")
			r.churn("reload", func(*rand.Rand, int) error {
				reply, err := r.sw.API(r.ctx, "audio_stream reload")
				return replied(reply, err)
			})
			r.runs()
		}},
	}
}
