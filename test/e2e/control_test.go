// Cases: the caller's digits to the server, and what the server may do to the call.

package e2e

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// dtmfMessages picks the DTMF messages among the texts.
func dtmfMessages(frames []agent.Frame) (digits string, durations []float64) {
	for _, text := range texts(frames) {
		var m struct {
			Type string `json:"type"`
			Data struct {
				Digit      string  `json:"digit"`
				DurationMs float64 `json:"durationMs"`
			} `json:"data"`
		}
		if json.Unmarshal([]byte(text), &m) == nil && m.Type == "dtmf" {
			digits += m.Data.Digit
			durations = append(durations, m.Data.DurationMs)
		}
	}
	return digits, durations
}

// hungUp waits for the end of a call that the switch ended.
func (e *env) hungUp(c switchtest.Call) switchtest.Event {
	e.Helper()
	ev, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Name: "CHANNEL_HANGUP_COMPLETE"}, 1)
	e.check("hangup", err)
	return ev
}

var controlCases = []testcase{
	{name: "STREAM_DTMF sends the caller's digits", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_DTMF", "true"))
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		const all = "1234567890*#ABCD"
		for _, digit := range []byte(all) {
			e.check("dtmf", c.DTMF(e.ctx, digit, 120*time.Millisecond))
		}
		e.check("digits", conn.Wait(e.ctx, func(f []agent.Frame) bool { got, _ := dtmfMessages(f); return len(got) >= len(all) }))
		got, durations := dtmfMessages(conn.Frames())
		if got != all {
			e.Errorf("digits %q, expected %q", got, all)
		}
		for i, d := range durations {
			if math.Abs(d-120) > 41 {
				e.Errorf("digit %c: durationMs %v, expected 120", all[i], d)
			}
		}
		if got := texts(conn.Frames())[0]; !strings.HasPrefix(got, `{"type":"dtmf","data":{"digit":"1","durationMs":`) {
			e.Errorf("message %s", got)
		}
	}},
	{name: "without STREAM_DTMF digits are not sent", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		e.check("dtmf", c.DTMF(e.ctx, '5', 100*time.Millisecond))
		_, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Name: "DTMF"}, 1)
		e.check("the switch's own DTMF event", err)
		e.waitAudio(conn, countBinary(conn.Frames())+10)
		if got := texts(conn.Frames()); len(got) != 0 {
			e.Errorf("texts %q", got)
		}
	}},
	{name: "with STREAM_DTMF the dialplan still sees the digits", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_DTMF", "true"))
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		e.check("dtmf", c.DTMF(e.ctx, '7', 100*time.Millisecond))
		_, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Name: "DTMF"}, 1)
		e.check("the switch's own DTMF event", err)
	}},
	{name: "the server hangs up when allowed", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_ALLOW_CONTROL", "hangup"))
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		e.check("send", conn.SendText(`{"type":"hangup"}`))
		e.hungUp(c)
		select {
		case <-conn.Done():
		case <-e.ctx.Done():
			e.Fatal("the connection is still open")
		}
	}},
	{name: "the server hangs up with a cause", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_ALLOW_CONTROL", "transfer, hangup"))
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendText(`{"type":"hangup","data":{"cause":"USER_BUSY"}}`))
		if ev := e.hungUp(c); ev.Header("Hangup-Cause") != "USER_BUSY" && ev.Header("variable_hangup_cause") != "USER_BUSY" {
			e.Errorf("hangup cause %q", ev.Header("Hangup-Cause"))
		}
	}},
	{name: "the server transfers when allowed", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_ALLOW_CONTROL", "transfer"))
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendText(`{"type":"transfer","data":{"extension":"transferred","dialplan":"XML","context":"default"}}`))
		e.eventually("the transfer", func() bool {
			if e.sw.Name() == "freeswitch" {
				return e.api("uuid_getvar %s e2e_transferred", c.UUID()) == "true"
			}
			return e.api("uuid_getvar %s host_transfer_extension", c.UUID()) == "transferred"
		})
		// The stream goes with the call.
		e.waitAudio(conn, countBinary(conn.Frames())+20)
	}},
	{name: "the server sends digits when allowed", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_ALLOW_CONTROL", "send_dtmf"))
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendText(`{"type":"sendDtmf","data":{"digits":"1#"}}`))
		if sip, ok := c.(interface{ HeardDigits() string }); ok {
			e.eventually("digits at the caller", func() bool { return sip.HeardDigits() == "1#" })
			return
		}
		e.eventually("digits at the caller", func() bool { return strings.Contains(e.api("host_stats %s", c.UUID()), `"dtmfSent":"1#"`) })
	}},
	{name: "what is not allowed is a json event and nothing else", run: func(e *env) {
		s := e.agent(agent.Config{})
		for _, allow := range []string{"", "none", "hangup"} {
			v := map[string]string{}
			if allow != "" {
				v["STREAM_ALLOW_CONTROL"] = allow
			}
			c := e.callWith(v)
			conn := e.start(c, s, "mono")
			messages := []string{`{"type":"transfer","data":{"extension":"transferred"}}`, `{"type":"sendDtmf","data":{"digits":"1#"}}`}
			if allow != "hangup" {
				messages = append(messages, `{"type":"hangup"}`)
			}
			for _, m := range messages {
				e.check("send", conn.SendText(m))
			}
			for _, m := range messages {
				e.eventBody(c, "json", m)
			}
			e.waitAudio(conn, countBinary(conn.Frames())+25)
			if got := e.api("uuid_getvar %s e2e_transferred", c.UUID()); got == "true" {
				e.Error("the call was transferred")
			}
			if got := e.subclasses(c, ""); slices.Contains(got, "disconnect") {
				e.Errorf("events %v", got)
			}
			e.hangup(c)
		}
	}},
}
