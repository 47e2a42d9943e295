// Cases: the events of a stream's life: connect, disconnect, error, json, in order and exactly once.

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// serverTexts are messages that must come out as json events byte for byte.
var serverTexts = []string{
	`{"type":"hello","n":1}`,
	`  {"spaces" : "kept" }  `,
	`{"utf8":"grüße 你好 👋","escaped":"\u00fc\n\"\\"}`,
	`not json at all`,
	`{"unfinished":`,
	`[1,2,3]`,
	`{"type":12}`,
	`%d %s 100% ${nothing} \n`,
	`{"data":{"audioDataType":"raw"}}`,
	`{"long":"` + strings.Repeat("x", 100000) + `"}`,
}

var eventCases = []testcase{
	{name: "the server's texts are json events, byte for byte and in order", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		for _, text := range serverTexts {
			e.check("send", conn.SendText(text))
		}
		e.nthEvent(c, "", "json", len(serverTexts))
		for i, ev := range e.sw.Events().All(switchtest.Filter{UUID: c.UUID(), Subclass: "json"}) {
			if ev.Body != serverTexts[i] {
				e.Errorf("json event %d is %.200q, the server sent %.200q", i, ev.Body, serverTexts[i])
			}
			if ev.Stream != "default" {
				e.Errorf("json event %d: Stream-Name %q", i, ev.Stream)
			}
		}
	}},
	{name: "five hundred texts at once stay in order", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		for i := range 500 {
			e.check("send", conn.SendText(fmt.Sprintf(`{"n":%d}`, i)))
		}
		e.nthEvent(c, "", "json", 500)
		for i, ev := range e.sw.Events().All(switchtest.Filter{UUID: c.UUID(), Subclass: "json"}) {
			if ev.Body != fmt.Sprintf(`{"n":%d}`, i) {
				e.Fatalf("json event %d is %s", i, ev.Body)
			}
		}
	}},
	{name: "a server that speaks at once: connect, then json, metadata first all the same", run: func(e *env) {
		const hello = `{"hello": "at once"}`
		s := e.agent(agent.Config{Greet: func(agent.Handshake) []byte { return agent.TextFrame(hello) }})
		c := e.call()
		conn := e.start(c, s, "mono 8000 my metadata")
		e.waitAudio(conn, 3)
		if f := conn.Frames()[0]; !f.IsText() || string(f.Data) != "my metadata" {
			e.Errorf("first frame %v %q", f.Op, f.Data)
		}
		e.eventBody(c, "json", hello)
		if got := e.subclasses(c, ""); !slices.Equal(got, []string{"connect", "json"}) {
			e.Errorf("events %v", got)
		}
	}},
	{name: "a server that answers and closes at once: connect, json, disconnect", run: func(e *env) {
		s := e.agent(agent.Config{Greet: func(agent.Handshake) []byte {
			return slices.Concat(agent.TextFrame(`{"bye":1}`), agent.CloseFrame(1000, "done"))
		}})
		c := e.call()
		e.ok(c, "start "+s.URL("/")+" mono")
		if ev := e.event(c, "disconnect"); ev.Body != `{"status":"disconnected","message":{"code":1000,"reason":"done"}}` {
			e.Errorf("disconnect event: %s", ev.Body)
		}
		if got := e.subclasses(c, ""); !slices.Equal(got, []string{"connect", "json", "disconnect"}) {
			e.Errorf("events %v", got)
		}
		e.ended(c, "disconnect")
	}},
	{name: "the server's close gives a disconnect with its code and reason", run: func(e *env) {
		for _, v := range []struct {
			code   int
			reason string
			body   string
		}{
			{1000, "all said", `{"status":"disconnected","message":{"code":1000,"reason":"all said"}}`},
			{1000, "", `{"status":"disconnected","message":{"code":1000,"reason":"Normal closure"}}`},
			{4001, `quota "gone" \ über`, `{"status":"disconnected","message":{"code":4001,"reason":"quota \"gone\" \\ über"}}`},
			{1008, "policy", `{"status":"disconnected","message":{"code":1008,"reason":"policy"}}`},
		} {
			s := e.agent(agent.Config{})
			c := e.callWith(vars("STREAM_NO_RECONNECT", "true"))
			conn := e.start(c, s, "mono")
			e.waitAudio(conn, 3)
			e.check("close", conn.Close(v.code, v.reason))
			e.waitClose(conn, v.code)
			if ev := e.event(c, "disconnect"); ev.Body != v.body {
				e.Errorf("disconnect event: %s, expected %s", ev.Body, v.body)
			}
			e.refused(c, "send_text x", "default")
			e.ended(c, "disconnect")
		}
	}},
	{name: "a refused connection is error 6, once and last", run: func(e *env) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		e.check("listen", err)
		addr := l.Addr().String()
		e.check("close", l.Close())
		c := e.call()
		e.ok(c, "start ws://"+addr+"/ mono 8000 some metadata")
		if text := e.errorEvent(c, 6); !strings.Contains(text, addr) {
			e.Errorf("the error does not name the address: %q", text)
		}
		if got := e.subclasses(c, ""); !slices.Equal(got, []string{"error"}) {
			e.Errorf("events %v", got)
		}
		e.refused(c, "stop", "default")
		e.ended(c, "error")
	}},
	{name: "a server that refuses the handshake is one error with its status", run: func(e *env) {
		for _, status := range []int{400, 401, 403, 404, 500, 503, 302} {
			s := e.agent(agent.Config{Refuse: func(agent.Handshake) *agent.Refusal {
				return &agent.Refusal{Status: status, Header: http.Header{"Location": {"ws://127.0.0.1:1/"}}, Reason: "not you"}
			}})
			c := e.call()
			e.ok(c, "start "+s.URL("/")+" mono")
			ev := e.event(c, "error")
			if !strings.Contains(ev.Body, fmt.Sprint(status)) {
				e.Errorf("status %d: error event %s does not name it", status, ev.Body)
			}
			e.ended(c, "error")
			if n := s.Attempts(); n != 1 {
				e.Errorf("status %d: %d attempts, expected one: a refused first connection is not tried again", status, n)
			}
		}
	}},
	{name: "a server that stays silent is error 10 after STREAM_CONNECT_TIMEOUT_MS", run: func(e *env) {
		s := e.agent(agent.Config{Silent: true})
		c := e.callWith(vars("STREAM_CONNECT_TIMEOUT_MS", "700"))
		began := time.Now()
		e.ok(c, "start "+s.URL("/")+" mono")
		e.errorEvent(c, 10)
		if d := time.Since(began); d < 600*time.Millisecond || d > 3*time.Second {
			e.Errorf("the error came after %s", d)
		}
		e.ended(c, "error")
	}},
	{name: "an unknown host is error 6", run: func(e *env) {
		c := e.call()
		e.ok(c, "start ws://no-such-host.invalid/ mono")
		if text := e.errorEvent(c, 6); !strings.Contains(text, "no-such-host.invalid") {
			e.Errorf("the error does not name the host: %q", text)
		}
		e.ended(c, "error")
	}},
	{name: "something that is not a WebSocket server is an error", run: func(e *env) {
		for _, answer := range []string{"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n"} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			e.check("listen", err)
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = nc.Write([]byte(answer))
				buf := make([]byte, 4096)
				for {
					if _, err := nc.Read(buf); err != nil {
						_ = nc.Close()
						return
					}
				}
			}()
			c := e.callWith(vars("STREAM_CONNECT_TIMEOUT_MS", "2000"))
			e.ok(c, "start ws://"+l.Addr().String()+"/ mono")
			e.event(c, "error")
			if got := e.subclasses(c, ""); !slices.Equal(got, []string{"error"}) {
				e.Errorf("%.20q: events %v", answer, got)
			}
			e.ended(c, "error")
			_ = l.Close()
		}
	}},
	{name: "a violation of the protocol closes with the code of RFC 6455", run: func(e *env) {
		for _, v := range []struct {
			name        string
			raw         []byte
			close, code int
		}{
			{"masked frame", []byte{0x81, 0x81, 1, 2, 3, 4, 'x' ^ 1}, 1002, 3},
			{"reserved bit", []byte{0xC1, 0x01, 'x'}, 1002, 0},
			{"reserved opcode", []byte{0x83, 0x01, 'x'}, 1002, 0},
			{"continuation of nothing", []byte{0x80, 0x01, 'x'}, 1002, 0},
			{"fragmented ping", []byte{0x09, 0x00}, 1002, 0},
			{"text that is not UTF-8", []byte{0x81, 0x02, 0xC3, 0x28}, 1007, 0},
			{"message beyond the limit", []byte{0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0}, 1009, 12},
		} {
			s := e.agent(agent.Config{})
			c := e.callWith(vars("STREAM_NO_RECONNECT", "true"))
			conn := e.start(c, s, "mono")
			e.waitAudio(conn, 2)
			e.check("send", conn.SendRaw(v.raw))
			e.waitClose(conn, v.close)
			ev := e.event(c, "error")
			if v.code != 0 && !strings.Contains(ev.Body, fmt.Sprintf(`"code":%d,`, v.code)) {
				e.Errorf("%s: error event %s, expected code %d", v.name, ev.Body, v.code)
			}
			if v.code == 0 && !strings.Contains(ev.Body, `"code":2,`) && !strings.Contains(ev.Body, `"code":11,`) {
				e.Errorf("%s: error event %s, expected code 2 or 11", v.name, ev.Body)
			}
			e.ended(c, "error")
		}
	}},
	{name: "events carry the channel's headers", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("my_variable", "seen in events"))
		e.start(c, s, "mono")
		ev := e.event(c, "connect")
		if ev.UUID != c.UUID() || ev.Header("Channel-Name") == "" || ev.Header("variable_my_variable") != "seen in events" {
			e.Errorf("Unique-ID %q, Channel-Name %q, variable_my_variable %q", ev.UUID, ev.Header("Channel-Name"), ev.Header("variable_my_variable"))
		}
	}},
	{name: "hangup in mid-stream closes the connection and ends the events", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 20)
		e.check("send", conn.SendBinary(make([]byte, 160000)))
		e.event(c, "playback")
		e.hangup(c)
		e.waitClose(conn, 1000)
		// A channel that is gone fires nothing; what was fired before is in order all the same.
		e.eventually("the stream is gone", func() bool { return !strings.Contains(e.api("audio_stream list"), c.UUID()) })
		got := e.subclasses(c, "")
		if got[0] != "connect" || slices.Contains(got, "error") || slices.Contains(got[:len(got)-1], "disconnect") {
			e.Errorf("events %v", got)
		}
		e.Logf("events %v", got)
	}},
	{name: "hangup while connecting leaves nothing behind", run: func(e *env) {
		s := e.agent(agent.Config{Silent: true})
		c := e.call()
		e.ok(c, "start "+s.URL("/")+" mono")
		e.check("attempt", s.WaitAttempts(e.ctx, 1))
		began := time.Now()
		e.hangup(c)
		if d := time.Since(began); d > time.Second {
			e.Errorf("hangup took %s", d)
		}
		e.eventually("the stream is gone", func() bool { return !strings.Contains(e.api("audio_stream list"), c.UUID()) })
	}},
	{name: "the server's hang does not hold up a hangup", run: func(e *env) {
		s := e.agent(agent.Config{HoldReads: true})
		c := e.call()
		conn := e.start(c, s, "stereo 48k")
		e.pass(2 * time.Second)
		began := time.Now()
		e.hangup(c)
		if d := time.Since(began); d > time.Second {
			e.Errorf("hangup took %s", d)
		}
		e.eventually("the stream is gone", func() bool { return !strings.Contains(e.api("audio_stream list"), c.UUID()) })
		conn.ReleaseReads()
	}},
	{name: "STREAM_SUPPRESS_LOG keeps server messages out of the log", run: func(e *env) {
		s := e.agent(agent.Config{})
		for _, suppress := range []bool{false, true} {
			c := e.callWith(vars("STREAM_SUPPRESS_LOG", fmt.Sprint(suppress)))
			conn := e.start(c, s, "mono")
			text := fmt.Sprintf(`{"marker":"logged-%v-%s"}`, suppress, c.UUID())
			e.check("send", conn.SendText(text))
			e.eventBody(c, "json", text)
			if !suppress {
				e.logged("logged-false-" + c.UUID())
			} else if e.inLog("logged-true-" + c.UUID()) {
				e.Error("the message was logged")
			}
		}
	}},
}
