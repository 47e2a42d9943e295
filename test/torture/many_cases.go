package main

import (
	"encoding/json"
	"sync"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/pump"
	"mod_audio_stream/test/e2e/switchtest"
)

// Many streams at once. What they cost is the benchmarks' to say; here it is that all of them are served, and that nothing
// is left of them.
func manyCases() []scenario {
	return []scenario{
		// On FreeSWITCH, SIP calls in such a number are more than a machine with two cores and a driver on it carries.
		{name: "more streams than one pump has", only: "host", run: func(r *round) {
			r.own("")
			before, err := measure(r.ctx, r.sw)
			r.check("measure", err)
			r.crowd()
			var base usage // with the second pump, which is kept
			r.eventually("all streams have ended", func() bool {
				base, err = measure(r.ctx, r.sw)
				return err == nil && base.media == before.media && base.sessions == before.sessions
			})
			r.crowd()
			if left := settle(r.ctx, r.sw, base); left != "" {
				r.errorf("left: %s", left)
			}
		}},
	}
}

// crowd makes calls with a stream each, until one pump is not enough, and ends them again.
func (r *round) crowd() {
	s := r.agent(agent.Config{Forget: true})
	calls := make([]switchtest.Call, pump.StreamsPerPump+50)
	for i := range calls {
		var err error
		calls[i], err = r.newCall(switchtest.CallSpec{})
		r.check("originate", err)
		reply, err := r.on(calls[i], "start "+s.URL("/")+" mono")
		r.check("start", replied(reply, err))
	}
	r.eventually("a second of each stream is sent", func() bool {
		for _, c := range calls {
			reply, err := r.on(c, "stats")
			var st stats
			if err != nil || json.Unmarshal([]byte(reply), &st) != nil || st.FramesSent < 50 {
				return false
			}
		}
		return true
	})
	var all sync.WaitGroup
	for i, c := range calls { // the older ones hang up, the younger ones stop
		all.Go(func() {
			if i >= len(calls)/2 {
				reply, err := r.on(c, "stop")
				if err := replied(reply, err); err != nil {
					r.errorf("stop: %v", err)
				}
			}
			if err := c.Hangup(r.ctx); err != nil {
				r.errorf("hang up: %v", err)
			}
			if err := r.over(c); err != nil {
				r.errorf("%v", err)
			}
		})
	}
	all.Wait()
}
