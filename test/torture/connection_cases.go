package main

import (
	"bytes"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// once makes a lost connection the stream's end.
var once = map[string]string{"STREAM_NO_RECONNECT": "true"}

// brokenBy is a case of a server that breaks its connection: the stream ends with an error of this code.
func brokenBy(name string, code int, handle func(p *peer)) scenario {
	s := scenario{name: name, run: func(r *round) {
		r.ok("start " + r.server(handle) + " mono 16k metadata")
		r.fails(code)
		r.stayedAway()
	}}
	if code == 1 { // a connection that is merely lost would be made anew
		s.vars = once
	}
	return s
}

// within gives a case a bound of memory of its own, in bytes.
func within(memory int64, s scenario) scenario {
	s.memory = memory
	return s
}

// stayedAway checks that nothing was tried again.
func (r *round) stayedAway() {
	for _, ev := range r.sw.Events().Module(r.call.UUID(), "default") {
		if strings.HasSuffix(ev.Subclass, "::reconnect") {
			r.errorf("the event %s %s, where nothing is to be tried again", ev.Subclass, ev.Body)
		}
	}
}

// closedBy is a case of a server that closes in order.
func closedBy(name string, handle func(p *peer)) scenario {
	return scenario{name: name, run: func(r *round) {
		r.ok("start " + r.server(handle) + " mono")
		r.closes()
		r.stayedAway()
	}}
}

// leftBy is a case of a server that does not take a goodbye as it should.
func leftBy(name string, handle func(p *peer)) scenario {
	return scenario{name: name, run: func(r *round) {
		r.ok("start " + r.server(func(p *peer) {
			if p.upgrade() {
				handle(p)
			}
		}) + " mono")
		r.eventually("the stream runs", func() bool { return r.stats().State == "streaming" })
		r.ok("stop goodbye")
		began := time.Now()
		r.closes()
		if d := time.Since(began); d > 3*time.Second+hops*machine.since() {
			r.errorf("the goodbye took %s", d)
		}
		r.stayedAway()
	}}
}

// untilClosed reads up to the module's close frame.
func (p *peer) untilClosed() {
	p.frames(func(op ws.OpCode, _ []byte) bool { return op != ws.OpClose })
}

// borneFrom is a case of a server that does what it may do, too much of it: the stream must still be up when it is done.
func borneFrom(name string, do func(p *peer)) scenario {
	return scenario{name: name, run: func(r *round) {
		done := make(chan struct{})
		r.ok("start " + r.server(after(func(p *peer) {
			do(p)
			close(done)
			// Again and again: of a flood of messages the module drops what it has no room for, this one perhaps.
			for p.ctx.Err() == nil && p.write(textFrame("the end of it")) {
				time.Sleep(200 * time.Millisecond)
			}
		})) + " mono")
		select {
		case <-done:
		case <-r.ctx.Done():
			r.fatalf("the server could not send it all")
		}
		last := switchtest.Filter{UUID: r.call.UUID(), Subclass: "json", Body: func(body string) bool { return body == "the end of it" }}
		for len(r.sw.Events().All(last)) == 0 { // not at every event: there are many
			r.pass(100 * time.Millisecond)
		}
		r.runs()
	}}
}

func connectionCases() []scenario {
	repeat := func(b []byte, n int) []byte { return bytes.Repeat(b, n) }
	return []scenario{
		brokenBy("server closes without a close frame", 1, after(func(p *peer) { _ = p.Close() })),
		brokenBy("server resets", 1, after(func(p *peer) { p.reset() })),
		brokenBy("server closes its half", 1, after(func(p *peer) {
			_ = p.CloseWrite()
			p.hold()
		})),
		brokenBy("server closes within a frame header", 1, after(func(p *peer) {
			p.write([]byte{0x82})
			_ = p.Close()
		})),
		brokenBy("server closes within a frame", 1, after(func(p *peer) {
			p.write(append(announced(1000), "some of it"...))
			_ = p.Close()
		})),
		{name: "server does not answer pings", vars: map[string]string{"STREAM_HEART_BEAT": "1", "STREAM_NO_RECONNECT": "true"}, run: func(r *round) {
			// paused, so that the wire is silent
			r.start(r.agent(agent.Config{NoPong: true}), "mono")
			r.ok("pause")
			r.fails(5)
		}},
		closedBy("server closes with 1000", sends(frame(true, 0, ws.OpClose, "\x03\xe8"))),
		closedBy("server closes without a code", sends(frame(true, 0, ws.OpClose, ""))),
		closedBy("server closes with the answer to the handshake", func(p *peer) {
			if h := p.request(); h != nil {
				p.write(append([]byte(answer(h)), frame(true, 0, ws.OpClose, "\x03\xe8")...))
				p.hold()
			}
		}),
		closedBy("server closes and never takes the answer", func(p *peer) {
			if p.upgrade() {
				p.write(frame(true, 0, ws.OpClose, "\x03\xe8"))
				p.hold()
			}
		}),
		leftBy("server resets instead of closing", func(p *peer) {
			p.untilClosed()
			p.reset()
		}),
		leftBy("server ends the connection instead of closing", func(p *peer) {
			p.untilClosed()
			_ = p.Close()
		}),
		leftBy("server does not answer the close", func(p *peer) {
			p.untilClosed()
			p.hold()
		}),
		leftBy("server sends on behind the close", func(p *peer) {
			p.untilClosed()
			for p.write(frame(true, 0, ws.OpBinary, strings.Repeat("\x01\x01", 8000))) {
			}
		}),
		brokenBy("server masks its frames", 3, sends([]byte{0x81, 0x81, 1, 2, 3, 4, 'x' ^ 1})),
		brokenBy("server sets a reserved bit", 11, sends(frame(true, 1, ws.OpText, "x"))),
		brokenBy("server compresses unasked", 11, sends(frame(true, 4, ws.OpText, "x"))),
		brokenBy("server sends an unknown opcode", 11, sends(frame(true, 0, 3, "x"))),
		brokenBy("server sends a text that is not UTF-8", 11, sends(textFrame("\xff\xfe"))),
		brokenBy("server sends a text beyond UTF-8 in fragments", 11, sends(append(frame(false, 0, ws.OpText, "\xf4\x90"), frame(true, 0, ws.OpContinuation, "\x80\x80")...))),
		brokenBy("server continues what it did not begin", 11, sends(frame(true, 0, ws.OpContinuation, "x"))),
		brokenBy("server begins anew within a message", 11, sends(append(frame(false, 0, ws.OpText, "x"), textFrame("y")...))),
		brokenBy("server fragments a ping", 11, sends(frame(false, 0, ws.OpPing, "x"))),
		brokenBy("server sends a ping of 126 bytes", 11, sends(frame(true, 0, ws.OpPing, strings.Repeat("x", 126)))),
		brokenBy("server closes with half a code", 11, sends(frame(true, 0, ws.OpClose, "x"))),
		brokenBy("server closes with a code nobody may send", 11, sends(frame(true, 0, ws.OpClose, "\x03\xed"))),
		brokenBy("server announces 2^63 bytes", 2, sends(announced(1<<63))),
		brokenBy("server announces 2^63-1 bytes", 12, sends(announced(1<<63-1))),
		brokenBy("server announces 4 GiB", 12, sends(announced(1<<32))),
		brokenBy("server sends 64 MiB of text", 12, after(func(p *peer) {
			head := announced(64 << 20)
			head[0] = 0x81
			p.write(head)
			for range 64 {
				if !p.write(repeat([]byte("x"), 1<<20)) {
					return
				}
			}
			p.hold()
		})),
		// A message of 4 MiB, what it outgrew on its way there, and as much again until that is collected.
		within(24<<20, brokenBy("server sends fragments of one byte without end", 12, after(func(p *peer) {
			p.write(frame(false, 0, ws.OpText, "x"))
			for some := repeat(frame(false, 0, ws.OpContinuation, "x"), 10000); p.write(some); {
			}
			p.hold()
		}))),
		borneFrom("server sends a million empty fragments", func(p *peer) {
			p.write(frame(false, 0, ws.OpBinary, ""))
			for range 100 {
				p.write(repeat(frame(false, 0, ws.OpContinuation, ""), 10000))
			}
			p.write(frame(true, 0, ws.OpContinuation, ""))
		}),
		borneFrom("server sends control frames inside fragments", func(p *peer) {
			p.write(frame(false, 0, ws.OpText, `{"type":`))
			for range 1000 {
				p.write(append(frame(true, 0, ws.OpPing, "within"), frame(true, 0, ws.OpPong, "")...))
			}
			p.write(frame(true, 0, ws.OpContinuation, `"fragments"}`))
		}),
		borneFrom("server floods with pings", func(p *peer) {
			for range 200 {
				p.write(repeat(frame(true, 0, ws.OpPing, strings.Repeat("p", 125)), 1000))
			}
		}),
		{name: "server floods with pings and reads nothing", run: func(r *round) {
			done := make(chan struct{})
			r.ok("start " + r.server(func(p *peer) {
				if !p.upgrade() {
					return
				}
				_ = p.SetWriteDeadline(time.Now().Add(5 * time.Second))
				for range 200 {
					p.write(repeat(frame(true, 0, ws.OpPing, strings.Repeat("p", 125)), 1000))
				}
				close(done)
				p.drain()
			}) + " mono")
			select {
			case <-done:
			case <-r.ctx.Done():
				r.fatalf("the server could not send its pings")
			}
			r.runs()
		}},
		{name: "server sends a deflate bomb", vars: map[string]string{"STREAM_MESSAGE_DEFLATE": "false", "STREAM_NO_RECONNECT": "true"}, run: func(r *round) {
			r.ok("start " + r.server(func(p *peer) {
				if !p.upgrade("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover") {
					return
				}
				go p.drain()
				p.write(frame(true, 4, ws.OpText, bomb(256<<20)))
				p.hold()
			}) + " mono")
			r.fails(12)
		}},
		{name: "server sends broken deflate", vars: map[string]string{"STREAM_MESSAGE_DEFLATE": "false", "STREAM_NO_RECONNECT": "true"}, run: func(r *round) {
			r.ok("start " + r.server(func(p *peer) {
				if !p.upgrade("Sec-WebSocket-Extensions: permessage-deflate") {
					return
				}
				go p.drain()
				p.write(frame(true, 4, ws.OpText, "\xff\xff\xff\xff"))
				p.hold()
			}) + " mono")
			r.fails(11)
		}},
	}
}
