// Cases: what the module asks for in the opening handshake, and what it does on the wire beside audio.

package e2e

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/agent"
)

var handshakeCases = []testcase{
	{name: "path, query and host arrive as given", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		e.ok(c, "start "+s.URL("/a/b%20c?x=1&y=two%20words&z=%C3%BC")+" mono")
		h := e.accept(s).Handshake
		if h.Path != "/a/b c" || h.RawQuery != "x=1&y=two%20words&z=%C3%BC" || h.Host != s.Addr() {
			e.Errorf("path %q, query %q, host %q", h.Path, h.RawQuery, h.Host)
		}
		if h.Header.Get("Sec-WebSocket-Version") != "13" || h.Header.Get("Authorization") != "" {
			e.Errorf("headers %v", h.Header)
		}
	}},
	{name: "a url without a path asks for /", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		e.ok(c, "start ws://"+s.Addr()+" mono")
		if h := e.accept(s).Handshake; h.Path != "/" {
			e.Errorf("path %q", h.Path)
		}
	}},
	{name: "a url of 4000 bytes", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		query := "q=" + strings.Repeat("x", 4000)
		e.ok(c, "start "+s.URL("/?"+query)+" mono")
		if h := e.accept(s).Handshake; h.RawQuery != query {
			e.Errorf("a query of %d bytes arrived", len(h.RawQuery))
		}
	}},
	{name: "host names: localhost, with underscores, IPv6", run: func(e *env) {
		s := e.agent(agent.Config{})
		six := e.agentOn("[::1]:0")
		c := e.call()
		e.ok(c, fmt.Sprintf("start ws://localhost:%d/ mono", s.Port()))
		if h := e.accept(s).Handshake; h.Host != fmt.Sprintf("localhost:%d", s.Port()) {
			e.Errorf("host %q", h.Host)
		}
		e.ok(c, "name=six start ws://"+six.Addr()+"/ mono")
		if h := e.accept(six).Handshake; h.Host != six.Addr() {
			e.Errorf("host %q", h.Host)
		}
		// An underscore is taken; that nobody has the name is another matter.
		e.ok(c, "name=under start ws://my_agent.invalid/ mono")
		e.nthEvent(c, "under", "error", 1)
	}},
	{name: "user and password become basic authorization", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		e.ok(c, "start "+strings.Replace(s.URL("/"), "ws://", "ws://bob:p%40ss%3Aw%2Frd@", 1)+" mono")
		h := e.accept(s).Handshake
		if got, want := h.Header.Get("Authorization"), "Basic "+encoded([]byte("bob:p@ss:w/rd")); got != want {
			e.Errorf("Authorization %q, expected %q", got, want)
		}
		if h.Host != s.Addr() {
			e.Errorf("host %q", h.Host)
		}
	}},
	{name: "STREAM_EXTRA_HEADERS are sent", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_EXTRA_HEADERS", `{"X-Call": "a \"b\" c", "Authorization": "Bearer abc.def", "X-Empty": ""}`))
		e.ok(c, "start "+s.URL("/")+" mono")
		h := e.accept(s).Handshake.Header
		if h.Get("X-Call") != `a "b" c` || h.Get("Authorization") != "Bearer abc.def" {
			e.Errorf("headers %v", h)
		}
	}},
	{name: "STREAM_SUBPROTOCOL is offered", run: func(e *env) {
		s := e.agent(agent.Config{Subprotocols: []string{"audio.v1"}})
		c := e.callWith(vars("STREAM_SUBPROTOCOL", "audio.v1"))
		conn := e.start(c, s, "mono")
		if h := conn.Handshake; h.Subprotocol != "audio.v1" || h.Header.Get("Sec-WebSocket-Protocol") != "audio.v1" {
			e.Errorf("subprotocol %q, offered %q", h.Subprotocol, h.Header.Get("Sec-WebSocket-Protocol"))
		}
		e.waitAudio(conn, 5)
	}},
	{name: "without STREAM_SUBPROTOCOL none is offered", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		if got := conn.Handshake.Header.Values("Sec-WebSocket-Protocol"); len(got) != 0 {
			e.Errorf("offered %q", got)
		}
	}},
	{name: "STREAM_MESSAGE_DEFLATE decides whether compression is offered", run: func(e *env) {
		for _, v := range []struct {
			value   string
			offered bool
		}{{"", false}, {"true", false}, {"false", true}} {
			s := e.agent(agent.Config{Deflate: true})
			c := e.callWith(map[string]string{})
			if v.value != "" {
				e.hangup(c)
				c = e.callWith(vars("STREAM_MESSAGE_DEFLATE", v.value))
			}
			conn := e.start(c, s, `mono 8000 {"some": "metadata metadata metadata metadata"}`)
			if conn.Handshake.Deflate != v.offered {
				e.Errorf("STREAM_MESSAGE_DEFLATE=%q: agreed %v, extensions %q", v.value, conn.Handshake.Deflate, conn.Handshake.Header.Get("Sec-WebSocket-Extensions"))
			}
			e.waitText(conn, `{"some": "metadata metadata metadata metadata"}`)
			e.counterWhole("captured", pcm(e.waitAudio(conn, 25)), 3000)
			text := `{"compressed": "` + strings.Repeat("again ", 200) + `"}`
			if v.offered {
				e.check("send", conn.SendCompressed(text))
			} else {
				e.check("send", conn.SendText(text))
			}
			e.eventBody(c, "json", text)
		}
	}},
	{name: "every frame of the module is masked, control frames too", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono 8000 meta")
		e.check("ping", conn.Ping([]byte("are you there")))
		e.check("pong", conn.Wait(e.ctx, func(all []agent.Frame) bool {
			return slices.ContainsFunc(all, func(f agent.Frame) bool { return f.Op == ws.OpPong && string(f.Data) == "are you there" })
		}))
		e.waitAudio(conn, 20)
		e.ok(c, "stop bye")
		e.waitClose(conn, 1000)
		for i, f := range conn.Frames() {
			if !f.Masked {
				e.Fatalf("frame %d (%v) is not masked", i, f.Op)
			}
		}
	}},
	{name: "STREAM_HEART_BEAT pings when the wire is silent", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_HEART_BEAT", "1"))
		conn := e.start(c, s, "mono")
		e.ok(c, "pause") // captured audio would be traffic
		e.check("pings", conn.Wait(e.ctx, func(all []agent.Frame) bool {
			n := 0
			for _, f := range all {
				if f.Op == ws.OpPing {
					n++
				}
			}
			return n >= 3
		}))
		e.eventually("pingRttMs", func() bool { v, ok := e.stats(c, "")["pingRttMs"].(float64); return ok && v >= 0 })
		if got := e.subclasses(c, ""); slices.Contains(got, "error") {
			e.Errorf("events %v", got)
		}
	}},
	{name: "a ping without a pong is error 5", run: func(e *env) {
		s := e.agent(agent.Config{NoPong: true})
		c := e.callWith(vars("STREAM_HEART_BEAT", "1", "STREAM_NO_RECONNECT", "true"))
		e.start(c, s, "mono")
		e.ok(c, "pause")
		e.errorEvent(c, 5)
		e.ended(c, "error")
	}},
	{name: "audio is kept while the connection is made, up to STREAM_CONNECT_BUFFER_MS", run: func(e *env) {
		// The server answers the handshake late: the audio of the last moments before is there, older audio is not.
		for _, v := range []struct{ buffer, wait, least, most int }{{3000, 1000, 900, 1400}, {400, 1500, 300, 520}} {
			s := e.agent(agent.Config{Refuse: func(agent.Handshake) *agent.Refusal {
				time.Sleep(time.Duration(v.wait) * time.Millisecond)
				return nil
			}})
			c := e.callWith(vars("STREAM_CONNECT_BUFFER_MS", fmt.Sprint(v.buffer)))
			e.waitSaid(c)
			conn := e.start(c, s, "mono")
			frames := e.waitAudio(conn, 100)
			// What arrives in the first 100 ms is what was kept.
			kept := 0
			for _, f := range frames {
				if f.At.Sub(frames[0].At) < 60*time.Millisecond {
					kept += 20
				}
			}
			if kept < v.least || kept > v.most {
				e.Errorf("buffer %d ms, handshake after %d ms: %d ms of audio came at once, expected %d to %d", v.buffer, v.wait, kept, v.least, v.most)
			}
			r := e.counterWhole("captured", pcm(frames), 10000)
			_ = r
		}
	}},
	{name: "a server that does not read loses frames, which are counted, and holds nobody up", limit: 90 * time.Second, run: func(e *env) {
		slow, quick := e.agent(agent.Config{HoldReads: true}), e.agent(agent.Config{})
		c := e.originate(fastCall())
		e.ok(c, "name=slow start "+slow.URL("/")+" stereo 48k")
		held := e.accept(slow)
		e.ok(c, "name=quick start "+quick.URL("/")+" mono 48k")
		conn := e.accept(quick)
		first := e.waitAudio(conn, 1)[0].At
		var dropped float64
		e.eventually("frames dropped", func() bool {
			dropped = 0
			m, ok := e.stats(c, "slow")["framesDropped"].(map[string]any)
			if !ok {
				e.Fatalf("framesDropped is %v", e.stats(c, "slow")["framesDropped"])
			}
			for _, n := range m {
				if v, ok := n.(float64); ok {
					dropped += v
				}
			}
			return dropped > 0
		})
		e.fullRate("the other stream", binary(conn.Frames()), first, time.Now().Add(-200*time.Millisecond), 20)
		e.counterWhole("the other stream", pcm(conn.Frames()), 48000)
		held.ReleaseReads()
		n := countBinary(held.Frames())
		e.waitAudio(held, n+50)
	}},
	{name: "the connection is closed when nobody reads and the stream is stopped", run: func(e *env) {
		s := e.agent(agent.Config{HoldReads: true})
		c := e.originate(fastCall())
		conn := e.start(c, s, "stereo 48k")
		e.pass(time.Second)
		began := time.Now()
		e.ok(c, "stop")
		if d := time.Since(began); d > time.Second {
			e.Errorf("stop took %s", d)
		}
		e.event(c, "disconnect")
		conn.ReleaseReads()
	}},
}

// agentOn is an agent on another address.
func (e *env) agentOn(listen string) *agent.Server {
	e.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", listen)
	if err != nil {
		e.Skipf("no %s here: %v", listen, err)
	}
	_ = l.Close()
	return e.agent(agent.Config{Listen: listen})
}
