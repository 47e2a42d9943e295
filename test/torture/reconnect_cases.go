package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// outage is a server that loses its first connection after a second of audio, refuses the next ones, and then stays. It
// reads all that was sent to it: what is missing between its connections was lost by the module.
type outage struct {
	first, second positions
	metadata      atomic.Int32 // connections whose first frame was the metadata
}

func (o *outage) serve(refused int) func(p *peer) {
	o.first.rate, o.second.rate = 8000, 8000
	return func(p *peer) {
		if p.n > 1 && p.n <= 1+refused {
			p.reset()
			return
		}
		if !p.upgrade() {
			return
		}
		at := &o.first
		if p.n > 1 {
			at = &o.second
		}
		frames := 0
		p.frames(func(op ws.OpCode, payload []byte) bool {
			switch {
			case frames == 0 && op == ws.OpText && string(payload) == "metadata":
				o.metadata.Add(1)
			case op == ws.OpBinary:
				at.add(time.Now(), agent.Samples(payload))
			}
			if frames++; frames == 50 && p.n == 1 {
				_ = p.CloseWrite() // lost, and yet it reads what is under way
			}
			return true
		})
	}
}

// across makes a call whose server has an outage, and gives what is missing between the connections, and the stream's stats.
func (r *round) across(refused int, vars map[string]string) (*outage, int64, stats) {
	var err error
	r.call, err = r.sw.Originate(r.ctx, switchtest.CallSpec{Source: &switchtest.Counter{}, Vars: vars})
	r.check("originate", err)
	o := &outage{}
	r.ok("start " + r.server(o.serve(refused)) + " mono metadata")
	r.eventually("audio on the first connection", func() bool { return o.first.count() > 0 })
	early := r.stats().FramesDropped["connectBuffer"] // before the first connection stood
	r.eventually("audio on the second connection", func() bool { return o.second.count() > 50 })
	if n := o.metadata.Load(); n != 2 {
		r.errorf("%d of two connections had the metadata first", n)
	}
	s := r.stats()
	s.FramesDropped["connectBuffer"] -= early
	excused := int64(r.call.Missed(r.ctx)+int(s.FramesDropped["ringFull"])) * 160 // what the switch or the ring did not get
	within := int64(0)
	for _, j := range append(o.first.missing(), o.second.missing()...) {
		within += j.lost
	}
	if within > excused {
		r.errorf("on the connections themselves %d samples are missing: %v and %v; %v were dropped", within, o.first.missing(), o.second.missing(), s.FramesDropped)
	}
	o.first.mu.Lock()
	defer o.first.mu.Unlock()
	o.second.mu.Lock()
	defer o.second.mu.Unlock()
	// the counter goes on from one to the other
	firstOfSecond := int64(o.second.value) - (o.second.next-1)%counterLast
	missing := ((firstOfSecond-int64(o.first.value)-1)%counterLast + counterLast) % counterLast
	return o, missing, s
}

func reconnectCases() []scenario {
	return []scenario{
		{name: "connection lost: what is said meanwhile arrives", alone: true, run: func(r *round) {
			_, missing, s := r.across(1, nil)
			if lost := int64(s.FramesDropped["ringFull"]) * 160; missing > lost+int64(r.call.Missed(r.ctx)*160) {
				r.errorf("%d samples are missing, %v were dropped", missing, s.FramesDropped)
			}
			r.runs()
		}},
		{name: "connection lost for long: the oldest goes, counted", alone: true, run: func(r *round) {
			_, missing, s := r.across(2, map[string]string{"STREAM_CONNECT_BUFFER_MS": "300"})
			dropped := int64(s.FramesDropped["connectBuffer"]) * 160
			rest := int64(s.FramesDropped["ringFull"]+s.FramesDropped["sendQueue"])*160 + int64(r.call.Missed(r.ctx)*160)
			if dropped == 0 || missing < dropped || missing > dropped+rest {
				r.errorf("%d samples are missing, %v were dropped", missing, s.FramesDropped)
			}
			r.runs()
		}},
		{name: "connection lost: attempts ever further apart, then one error", vars: map[string]string{"STREAM_RECONNECT_MAX": "3"},
			run: func(r *round) {
				r.ok("start " + r.server(func(p *peer) {
					if p.n > 1 || !p.upgrade() {
						p.reset()
						return
					}
					p.pass(100 * time.Millisecond)
					p.reset()
				}) + " mono")
				r.fails(6)
				var got []string
				for _, ev := range r.sw.Events().Module(r.call.UUID(), "default") {
					got = append(got, strings.TrimPrefix(ev.Subclass, "mod_audio_stream::"))
					var body struct{ Attempt, DelayMS int }
					if !strings.HasSuffix(ev.Subclass, "::reconnect") {
						continue
					}
					if err := json.Unmarshal([]byte(ev.Body), &body); err != nil {
						r.errorf("%s: %v", ev.Body, err)
					}
					due := 200 << (body.Attempt - 1)
					if body.Attempt != len(got)-1 || body.DelayMS < due*3/4 || body.DelayMS > due*5/4 {
						r.errorf("attempt %d is %s, want %d to %d ms", len(got)-1, ev.Body, due*3/4, due*5/4)
					}
				}
				if want := "connect reconnect reconnect reconnect error"; strings.Join(got, " ") != want {
					r.errorf("the events are %v, want %s", got, want)
				}
			}},
		{name: "connection lost, and then nobody answers", vars: map[string]string{"STREAM_RECONNECT_MAX": "2", "STREAM_CONNECT_TIMEOUT_MS": "300"}, run: func(r *round) {
			r.ok("start " + r.server(func(p *peer) {
				if p.n > 1 {
					p.hold()
				} else if p.upgrade() {
					p.reset()
				}
			}) + " mono")
			r.fails(10)
		}},
		{name: "connection lost, and then refused", vars: map[string]string{"STREAM_RECONNECT_MAX": "2"}, run: func(r *round) {
			r.ok("start " + r.server(func(p *peer) {
				if p.n > 1 {
					httpStatus(503)(p)
				} else if p.upgrade() {
					p.reset()
				}
			}) + " mono")
			r.fails(6)
		}},
		{name: "churn: stop at any instant of a reconnect", alone: true, full: 1, limit: 2 * time.Hour, memory: churnMemory, run: func(r *round) {
			lossy := r.server(func(p *peer) {
				if p.n%2 == 0 {
					p.reset()
				} else if p.upgrade() {
					p.pass(time.Duration(rand.IntN(20)) * time.Millisecond)
					p.reset()
				}
			})
			r.churn("stop while reconnecting", func(rng *rand.Rand, _ int) error {
				c, err := r.newCall(switchtest.CallSpec{})
				if err != nil {
					return err
				}
				reply, err := r.on(c, "start "+lossy+" mono metadata")
				if err := replied(reply, err); err != nil {
					return fmt.Errorf("start: %w", err)
				}
				time.Sleep(time.Duration(rng.IntN(800)) * time.Millisecond)
				reply, err = r.on(c, "stop bye")
				if err := replied(reply, err, "no stream"); err != nil {
					return fmt.Errorf("stop: %w", err)
				}
				last := func() bool {
					for _, ev := range r.sw.Events().Module(c.UUID(), "") {
						if strings.HasSuffix(ev.Subclass, "::disconnect") || strings.HasSuffix(ev.Subclass, "::error") {
							return true
						}
					}
					return false
				}
				for deadline := time.Now().Add(10 * time.Second); !last(); time.Sleep(2 * time.Millisecond) {
					if time.Now().After(deadline) {
						return fmt.Errorf("%s had no last event", c.UUID())
					}
				}
				if err := c.Hangup(r.ctx); err != nil {
					return err
				}
				return r.over(c)
			})
		}},
	}
}
