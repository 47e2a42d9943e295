// Cases: what happens after an abnormal loss of the connection.

package e2e

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

type reconnectBody struct {
	Attempt int    `json:"attempt"`
	DelayMs int    `json:"delayMs"`
	Reason  string `json:"reason"`
}

// reconnects reads the call's reconnect events.
func (e *env) reconnects(c switchtest.Call) []reconnectBody {
	e.Helper()
	var out []reconnectBody
	for _, ev := range e.sw.Events().All(switchtest.Filter{UUID: c.UUID(), Subclass: "reconnect"}) {
		var b reconnectBody
		e.check(ev.Body, json.Unmarshal([]byte(ev.Body), &b))
		out = append(out, b)
	}
	return out
}

var reconnectCases = []testcase{
	{name: "after a reset the stream reconnects, metadata first again", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		first := e.start(c, s, `mono 8000 {"call": "one"}`)
		e.waitAudio(first, 25)
		first.Abort()
		second := e.accept(s)
		e.waitAudio(second, 50)
		if f := second.Frames()[0]; !f.IsText() || string(f.Data) != `{"call": "one"}` {
			e.Errorf("first frame after the reconnect is %v %q", f.Op, f.Data)
		}
		e.nthEvent(c, "", "connect", 2)
		if got := e.subclasses(c, ""); !slices.Equal(got, []string{"connect", "reconnect", "connect"}) {
			e.Errorf("events %v", got)
		}
		if r := e.reconnects(c)[0]; r.Attempt != 1 || r.DelayMs < 100 || r.DelayMs > 400 || r.Reason == "" {
			e.Errorf("reconnect event %+v", r)
		}
		if n := e.number(e.stats(c, ""), "reconnects"); n != 1 {
			e.Errorf("stats: %v reconnects", n)
		}
		// What was captured meanwhile came first, in order.
		e.counterWhole("after the reconnect", pcm(second.Frames()), 7000)
		e.ok(c, "stop")
		e.waitClose(second, 1000)
		e.ended(c, "disconnect")
	}},
	{name: "playback that was queued goes on over a reconnect, and new playback works", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		first := e.start(c, s, "mono")
		e.waitAudio(first, 5)
		first.Abort()
		second := e.accept(s)
		sent := switchtest.Count(1, 8000)
		e.check("send", second.SendBinary(agent.Bytes(sent)))
		e.heardExactly("heard", c, sent)
	}},
	{name: "a socket closed without a close frame reconnects too", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		conn.CloseSocket()
		e.waitAudio(e.accept(s), 5)
		e.nthEvent(c, "", "connect", 2)
	}},
	{name: "attempts back off and end with one error", limit: 90 * time.Second, run: func(e *env) {
		refuse := false
		s := e.agent(agent.Config{Refuse: func(h agent.Handshake) *agent.Refusal {
			if h.N > 1 || refuse {
				return &agent.Refusal{Status: 503, Reason: "later"}
			}
			return nil
		}})
		c := e.callWith(vars("STREAM_RECONNECT_MAX", "4"))
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		conn.Abort()
		e.event(c, "error")
		if got := e.subclasses(c, ""); !slices.Equal(got, []string{"connect", "reconnect", "reconnect", "reconnect", "reconnect", "error"}) {
			e.Errorf("events %v", got)
		}
		for i, r := range e.reconnects(c) {
			want := math.Min(200*math.Pow(2, float64(i)), 5000)
			if r.Attempt != i+1 || float64(r.DelayMs) < want*0.4 || float64(r.DelayMs) > want*1.6 {
				e.Errorf("reconnect event %d: %+v, expected about %.0f ms", i, r, want)
			}
		}
		if n := s.Attempts(); n != 5 {
			e.Errorf("%d connections, expected 5", n)
		}
		e.ended(c, "error")
	}},
	{name: "STREAM_NO_RECONNECT ends with an error at once", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_NO_RECONNECT", "true"))
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		conn.Abort()
		e.errorEvent(c, 1)
		e.ended(c, "error")
		if n := s.Attempts(); n != 1 {
			e.Errorf("%d connections", n)
		}
	}},
	{name: "no reconnect after close 1000", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		e.check("close", conn.Close(1000, ""))
		e.event(c, "disconnect")
		e.ended(c, "disconnect")
		if n := s.Attempts(); n != 1 {
			e.Errorf("%d connections", n)
		}
	}},
	{name: "stop while reconnecting ends it", run: func(e *env) {
		s := e.agent(agent.Config{Refuse: func(h agent.Handshake) *agent.Refusal {
			if h.N > 1 {
				return &agent.Refusal{Status: 503, Reason: "later"}
			}
			return nil
		}})
		c := e.callWith(vars("STREAM_RECONNECT_MAX", "100"))
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		conn.Abort()
		e.event(c, "reconnect")
		e.ok(c, "stop")
		e.event(c, "disconnect")
		n := s.Attempts()
		e.pass(1500 * time.Millisecond)
		if m := s.Attempts(); m > n+1 {
			e.Errorf("%d attempts after stop", m-n)
		}
		e.ended(c, "disconnect")
	}},
	{name: "hangup while reconnecting ends it", run: func(e *env) {
		s := e.agent(agent.Config{Refuse: func(h agent.Handshake) *agent.Refusal {
			if h.N > 1 {
				return &agent.Refusal{Status: 503, Reason: "later"}
			}
			return nil
		}})
		c := e.callWith(vars("STREAM_RECONNECT_MAX", "100"))
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		conn.Abort()
		e.event(c, "reconnect")
		e.hangup(c)
		n := s.Attempts()
		e.pass(1500 * time.Millisecond)
		if m := s.Attempts(); m > n+1 {
			e.Errorf("%d attempts after the hangup", m-n)
		}
	}},
}
