// Cases: the ways to start and stop a stream, metadata and texts.

package e2e

import (
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// verbatim are texts that must arrive as typed; got is what is expected when it differs.
var verbatim = []struct{ name, typed, got string }{
	{"word", "hello", ""},
	{"spaces", "two  words and   more", ""},
	{"json", `{"call": "a b", "n": [1, 2, {"x": null}], "path": "C:\\dir\\\"q\""}`, ""},
	{"backslashes", `a\b\\c\n\t\"d`, ""},
	{"inner quotes", `say "hi" and 'ho'`, ""},
	{"one pair of outer quotes", `"quoted text"`, "quoted text"},
	{"single outer quotes", `'single quoted'`, "single quoted"},
	{"outer quotes around json", `'{"a": "b c"}'`, `{"a": "b c"}`},
	{"utf-8", "grüße, 你好, 👋", ""},
	{"percent and dollar", `100% of $5 & <b> ; | #`, ""},
	{"long", `{"k":"` + strings.Repeat("x", 3000) + `"}`, ""},
}

var startCases = []testcase{
	{name: "start by api attaches, connects and stops", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		if ev := e.event(c, "connect"); ev.Body != `{"status":"connected"}` || ev.Stream != "default" {
			e.Errorf("connect event: body %q, Stream-Name %q", ev.Body, ev.Stream)
		}
		e.waitAudio(conn, 10)
		e.ok(c, "stop")
		e.waitClose(conn, 1000)
		if ev := e.event(c, "disconnect"); ev.Body != `{"status":"disconnected","message":{"code":1000,"reason":"Normal closure"}}` {
			e.Errorf("disconnect event: %s", ev.Body)
		}
		e.ended(c, "disconnect")
	}},
	{name: "start by dialplan application", run: func(e *env) {
		s := e.agent(agent.Config{})
		meta := `{"from": "dialplan", "quote": "\"x\""}`
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, Stream: "start " + s.URL("/app") + " mono 16k " + meta})
		conn := e.accept(s)
		e.waitText(conn, meta)
		e.event(c, "connect")
		if got := e.api("uuid_getvar %s audio_stream_result", c.UUID()); got != "+OK Success" {
			e.Errorf("audio_stream_result is %q", got)
		}
		e.frameSize(e.waitAudio(conn, 5), 20, 16000, 1)
		if conn.Handshake.Path != "/app" {
			e.Errorf("path %q", conn.Handshake.Path)
		}
		e.check("audio_stream_stop", c.Execute(e.ctx, "audio_stream_stop", `bye "now"`))
		e.waitText(conn, `bye "now"`)
		e.waitClose(conn, 1000)
		e.ended(c, "disconnect")
	}},
	{name: "dialplan application reports its failure", run: func(e *env) {
		c := e.call()
		e.check("execute", c.Execute(e.ctx, "audio_stream", "start http://127.0.0.1/ mono"))
		e.eventually("audio_stream_result", func() bool {
			return strings.HasPrefix(e.api("uuid_getvar %s audio_stream_result", c.UUID()), "-ERR ")
		})
		e.check("execute", c.Execute(e.ctx, "audio_stream", "start"))
		e.eventually("audio_stream_result", func() bool {
			return strings.HasPrefix(e.api("uuid_getvar %s audio_stream_result", c.UUID()), "-USAGE: ")
		})
	}},
	{name: "start from fs_cli", only: "freeswitch", why: "fs_cli is FreeSWITCH's", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		cli := e.sw.(*switchtest.FreeSWITCH)
		out, err := cli.CLI(e.ctx, "uuid_audio_stream "+c.UUID()+" start "+s.URL("/")+` mono 8k {"from": "the cli"}`)
		e.check("fs_cli", err)
		if !strings.Contains(out, "+OK Success") {
			e.Errorf("fs_cli printed %q", out)
		}
		conn := e.accept(s)
		e.waitText(conn, `{"from": "the cli"}`)
		e.waitAudio(conn, 5)
		out, err = cli.CLI(e.ctx, "uuid_audio_stream "+c.UUID()+" stop")
		e.check("fs_cli", err)
		if !strings.Contains(out, "+OK Success") {
			e.Errorf("fs_cli printed %q", out)
		}
		e.ended(c, "disconnect")
	}},
	{name: "metadata is the first frame, as typed", limit: 2 * time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		for _, v := range verbatim {
			want := v.typed
			if v.got != "" {
				want = v.got
			}
			conn := e.start(c, s, "mono 8000 "+v.typed)
			e.waitAudio(conn, 2)
			if f := conn.Frames()[0]; !f.IsText() || string(f.Data) != want {
				e.Errorf("%s: first frame is %v %.200q, expected %.200q", v.name, f.Op, f.Data, want)
			}
			e.ok(c, "stop")
			e.waitClose(conn, 1000)
		}
	}},
	{name: "metadata without a rate", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, `mono {"no": "rate"}`)
		e.waitText(conn, `{"no": "rate"}`)
		e.frameSize(e.waitAudio(conn, 5), 20, 8000, 1)
	}},
	{name: "without metadata the first frame is audio", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono 8000")
		e.waitAudio(conn, 5)
		if f := conn.Frames()[0]; !f.IsBinary() {
			e.Errorf("first frame is %v %q", f.Op, f.Data)
		}
	}},
	{name: "send_text arrives as typed", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		for _, v := range verbatim {
			e.ok(c, "send_text "+v.typed)
			want := v.typed
			if v.got != "" {
				want = v.got
			}
			e.waitText(conn, want)
		}
		if got := texts(conn.Frames()); len(got) != len(verbatim) {
			e.Errorf("%d text frames, expected %d", len(got), len(verbatim))
		}
	}},
	{name: "stop sends its text, then closes with 1000", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 3)
		e.ok(c, `stop {"reason": "caller said bye"}`)
		e.waitClose(conn, 1000)
		frames := conn.Frames()
		if got := texts(frames); len(got) != 1 || got[0] != `{"reason": "caller said bye"}` {
			e.Errorf("texts %q", got)
		}
		if last := frames[len(frames)-2]; !last.IsText() {
			e.Errorf("the frame before the close frame is %v, expected the text", last.Op)
		}
		e.refused(c, "stop", "default")
		e.ended(c, "disconnect")
	}},
	{name: "graceful-shutdown plays what is queued, then stops", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 3)
		sent := switchtest.Count(1, 12000) // 1.5 s
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.eventStatus(c, "playback", "started", 1)
		e.ok(c, "graceful-shutdown so long")
		// Audio ends now; the connection only after the playback.
		before := countBinary(conn.Frames())
		e.waitClose(conn, 1000)
		if after := countBinary(conn.Frames()); after > before+5 {
			e.Errorf("%d audio frames followed graceful-shutdown", after-before)
		}
		if got := texts(conn.Frames()); len(got) != 1 || got[0] != "so long" {
			e.Errorf("texts %q", got)
		}
		e.heardExactly("playback", c, sent)
		e.ended(c, "disconnect")
	}},
	{name: "graceful-shutdown without playback stops at once", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 3)
		e.ok(c, "graceful-shutdown")
		e.waitClose(conn, 1000)
		e.ended(c, "disconnect")
	}},
	{name: "start pre-answers a channel without media", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, State: switchtest.Ringing})
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 10)
		if n := len(e.sw.Events().All(switchtest.Filter{UUID: c.UUID(), Name: "CHANNEL_ANSWER"})); n != 0 {
			e.Errorf("the channel was answered")
		}
	}},
	{name: "STREAM_ANSWER answers the channel", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, State: switchtest.Ringing, Vars: vars("STREAM_ANSWER", "true")})
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 10)
		_, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Name: "CHANNEL_ANSWER"}, 1)
		e.check("CHANNEL_ANSWER", err)
	}},
	{name: "streams on early media", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, State: switchtest.Early})
		conn := e.start(c, s, "mono")
		e.counterWhole("captured", pcm(e.waitAudio(conn, 50)), 7000)
	}},
}
