package main

import (
	"bytes"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
)

// impatient keeps the cases short whose server never comes to the point.
var impatient = map[string]string{"STREAM_CONNECT_TIMEOUT_MS": "700"}

// refusedBy is a case of a server that must not get a connection: the stream ends with an error of this code.
func refusedBy(name string, code int, handle func(p *peer)) scenario {
	return scenario{name: name, vars: impatient, run: func(r *round) {
		r.ok("start " + r.server(handle) + " mono 16k metadata")
		r.fails(code)
		r.stayedAway()
	}}
}

// replaced is a 101 response with one line changed or, if by is "", left out.
func replaced(request textproto.MIMEHeader, line, by string) string {
	var out []string
	for _, l := range strings.Split(answer(request), "\r\n") {
		if strings.HasPrefix(l, line) {
			if l = by; l == "" {
				continue
			}
		}
		out = append(out, l)
	}
	return strings.Join(out, "\r\n")
}

func handshakeCases() []scenario {
	responds := func(text func(h textproto.MIMEHeader) string) func(p *peer) {
		return func(p *peer) {
			if h := p.request(); h != nil && p.write([]byte(text(h))) {
				p.hold()
			}
		}
	}
	cases := []scenario{
		{name: "server refuses the connection", run: func(r *round) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			r.check("listen", err)
			_ = l.Close()
			r.ok("start ws://" + l.Addr().String() + "/ mono")
			r.fails(6)
		}},
		{name: "server's name does not exist", run: func(r *round) {
			r.ok("start ws://no-such-host.invalid/ mono")
			r.fails(6)
		}},
		refusedBy("server accepts and says nothing", 10, func(p *peer) { p.hold() }),
		refusedBy("server drips its handshake", 10, func(p *peer) {
			if h := p.request(); h != nil {
				p.drip([]byte(answer(h)), 50*time.Millisecond)
			}
		}),
		{name: "server drips its handshake, a byte a second", vars: map[string]string{"STREAM_CONNECT_TIMEOUT_MS": "2500"}, run: func(r *round) {
			r.ok("start " + r.server(func(p *peer) {
				if h := p.request(); h != nil {
					p.drip([]byte(answer(h)), time.Second)
				}
			}) + " mono")
			r.fails(10)
		}},
		refusedBy("server drips headers for ever", 10, func(p *peer) {
			if p.request() != nil && p.write([]byte("HTTP/1.1 101 Switching Protocols\r\n")) {
				p.drip(bytes.Repeat([]byte("X-More: and more\r\n"), 1000), 20*time.Millisecond)
			}
		}),
		refusedBy("server sends headers without end", 2, func(p *peer) {
			if p.request() == nil || !p.write([]byte("HTTP/1.1 101 Switching Protocols\r\n")) {
				return
			}
			for p.write(bytes.Repeat([]byte("X-More: and more\r\n"), 1000)) {
			}
		}),
		refusedBy("server sends one header line without end", 2, func(p *peer) {
			if p.request() == nil || !p.write([]byte("HTTP/1.1 101 Switching Protocols\r\nX-More: ")) {
				return
			}
			for p.write(bytes.Repeat([]byte("more"), 4000)) {
			}
		}),
		refusedBy("server answers with garbage", 2, func(p *peer) {
			if p.request() != nil {
				p.write(bytes.Repeat([]byte("\x00\xff garbage \r\n"), 100))
				p.hold()
			}
		}),
		refusedBy("server speaks before it is asked", 2, func(p *peer) {
			p.write([]byte("220 mail.example.com ESMTP\r\n"))
			p.hold()
		}),
		refusedBy("server gives the wrong accept key", 2, responds(func(h textproto.MIMEHeader) string {
			return replaced(h, "Sec-WebSocket-Accept", "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		})),
		refusedBy("server gives no accept key", 2, responds(func(h textproto.MIMEHeader) string {
			return replaced(h, "Sec-WebSocket-Accept", "")
		})),
		refusedBy("server does not upgrade", 2, responds(func(h textproto.MIMEHeader) string { return replaced(h, "Upgrade", "") })),
		refusedBy("server chooses an extension nobody offered", 4, responds(func(h textproto.MIMEHeader) string {
			return answer(h, "Sec-WebSocket-Extensions: permessage-deflate")
		})),
		refusedBy("server chooses a subprotocol nobody offered", 4, responds(func(h textproto.MIMEHeader) string {
			return answer(h, "Sec-WebSocket-Protocol: other")
		})),
		refusedBy("server closes at once", 6, func(p *peer) { _ = p.Close() }),
		refusedBy("server resets at once", 6, func(p *peer) { p.reset() }),
		refusedBy("server closes behind the request", 6, func(p *peer) {
			p.request()
			_ = p.Close()
		}),
		refusedBy("server resets behind the request", 6, func(p *peer) {
			p.request()
			p.reset()
		}),
		refusedBy("server closes its half and says nothing", 6, func(p *peer) {
			p.request()
			_ = p.CloseWrite()
			p.hold()
		}),
		refusedBy("server closes within its answer", 2, func(p *peer) {
			if h := p.request(); h != nil {
				p.write([]byte(answer(h)[:40]))
				_ = p.Close()
			}
		}),
		refusedBy("server resets within its answer", 6, func(p *peer) {
			if h := p.request(); h != nil {
				p.write([]byte(answer(h)[:40]))
				p.reset()
			}
		}),
		{name: "server's answers change from one start to the next", rounds: 1, vars: impatient, run: func(r *round) {
			s := r.agent(agent.Config{})
			for range 3 {
				r.ok("start " + r.server(httpStatus(503)) + " mono")
				r.eventually("the stream is gone", func() bool {
					return !strings.Contains(r.api("audio_stream list json"), r.call.UUID()+`","stream":"default"`)
				})
			}
			r.start(s, "mono")
			r.eventually("each of the three that failed has had its last event", func() bool { return len(r.finals()) >= 3 })
			if n := len(r.finals()); n != 3 {
				r.errorf("%d last events of three streams that failed", n)
			}
			r.ok("stop")
		}},
	}
	for _, status := range []int{200, 301, 302, 400, 401, 403, 404, 426, 429, 500, 502, 503} {
		more := []string{}
		if status/100 == 3 {
			more = append(more, "Location: ws://127.0.0.1:1/elsewhere")
		}
		cases = append(cases, refusedBy(fmt.Sprintf("server answers %d", status), 6, httpStatus(status, more...)))
	}
	return cases
}
