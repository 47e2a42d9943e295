package wsclient

// Every way in which connecting can fail, and what the handshake sends.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/settings"
)

// dialError dials and returns the *Error that must come.
func dialError(t *testing.T, cfg Config) *Error {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = patience
	}
	cfg.Poller = poller(t)
	c, err := Dial(context.Background(), cfg)
	if err == nil {
		c.Abort()
		t.Fatal("the connection was made")
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T: %v", err, err)
	}
	return e
}

// checkError compares code and text; no text may hold a secret of the URL.
func checkError(t *testing.T, e *Error, code events.Code, text string) {
	t.Helper()
	if e.Code != code || !strings.Contains(e.Text, text) {
		t.Errorf("code %d, %q; want code %d and %q", e.Code, e.Text, code, text)
	}
	if strings.Contains(e.Text, "secret") || strings.ContainsAny(e.Text, "\r\n\x00") {
		t.Errorf("unfit for a log: %q", e.Text)
	}
}

const secrets = "user:secret1@"

func TestDialTellsWhatTheServerDidWrong(t *testing.T) {
	const crlf = "\r\n"
	reply := func(s string) func(p *peer) string { return func(*peer) string { return s } }
	for name, c := range map[string]struct {
		answer func(p *peer) string
		cfg    Config
		code   events.Code
		status int
		text   string
	}{
		"moved":        {answer: reply("HTTP/1.1 301 Moved Permanently\r\nLocation: ws://other/\r\n\r\n"), code: events.ConnectFailed, status: 301, text: "redirects are not followed"},
		"found":        {answer: reply("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"), code: events.ConnectFailed, status: 302, text: "302 Found"},
		"unauthorized": {answer: reply("HTTP/1.1 401 Unauthorized\r\n\r\n"), code: events.ConnectFailed, status: 401, text: "user:password@"},
		"not found":    {answer: reply("HTTP/1.1 404 Not Found\r\n\r\n"), code: events.ConnectFailed, status: 404, text: "404"},
		"failed":       {answer: reply("HTTP/1.1 500 \x01odd\r\n\r\n"), code: events.ConnectFailed, status: 500, text: "500"},
		"just http":    {answer: reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), code: events.ConnectFailed, status: 200, text: "200"},
		"no reason":    {answer: reply("HTTP/1.1 429 \r\n\r\n"), code: events.ConnectFailed, status: 429, text: "429"},
		"not http":     {answer: reply("SSH-2.0-OpenSSH_9.2\r\n"), code: events.InvalidHeader, text: "not HTTP"},
		"http/1.0":     {answer: reply("HTTP/1.0 101 x\r\n\r\n"), code: events.InvalidHeader, text: "not HTTP"},
		"tls alert":    {answer: reply("\x15\x03\x01\x00\x02\x02\x16"), code: events.InvalidHeader, text: "use wss://"},
		"hangs up":     {answer: reply(""), code: events.ConnectFailed, text: "without an answer"},
		"half answer":  {answer: reply("HTTP/1.1 101 Switching Protocols\r\nUpgr"), code: events.InvalidHeader, text: "middle of its answer"},
		"endless answer": {answer: func(p *peer) string { return p.answer()[:20] + crlf + strings.Repeat("X: y\r\n", 10000) },
			code: events.InvalidHeader, text: "16384 bytes"},
		"endless line": {answer: reply(strings.Repeat("x", 100000)), code: events.InvalidHeader, text: "16384 bytes"},
		"wrong key": {answer: func(p *peer) string { return strings.Replace(p.answer(), p.acceptKey(), "c2VjcmV0MXNlY3JldDFzZWM=", 1) },
			code: events.InvalidHeader, text: "Sec-WebSocket-Accept"},
		"no key": {answer: reply("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), code: events.InvalidHeader,
			text: "Sec-WebSocket-Accept"},
		"no upgrade": {answer: func(p *peer) string { return strings.Replace(p.answer(), "Upgrade: websocket\r\n", "", 1) },
			code: events.InvalidHeader, text: "Upgrade: websocket"},
		"other upgrade": {answer: func(p *peer) string { return strings.Replace(p.answer(), "websocket", "h2c", 1) },
			code: events.InvalidHeader, text: "Upgrade: websocket"},
		"no connection": {answer: func(p *peer) string { return strings.Replace(p.answer(), "Connection: Upgrade\r\n", "", 1) },
			code: events.InvalidHeader, text: "Connection: Upgrade"},
		"connection without upgrade": {answer: func(p *peer) string {
			return strings.Replace(p.answer(), "Connection: Upgrade", "Connection: close", 1)
		},
			code: events.InvalidHeader, text: "Connection: Upgrade"},
		"no colon": {answer: func(p *peer) string { return p.answer("nonsense") }, code: events.InvalidHeader, text: "not HTTP"},
		"subprotocol not offered": {answer: func(p *peer) string { return p.answer("Sec-WebSocket-Protocol: b") },
			cfg: Config{Subprotocol: "a"}, code: events.NotSupported, text: "STREAM_SUBPROTOCOL"},
		"extension not offered": {answer: func(p *peer) string { return p.answer("Sec-WebSocket-Extensions: permessage-deflate") },
			code: events.NotSupported, text: "extension"},
		"unknown extension": {answer: func(p *peer) string { return p.answer("Sec-WebSocket-Extensions: x-other") },
			cfg: Config{Deflate: true}, code: events.NotSupported, text: "extension"},
		"window not offered": {answer: func(p *peer) string {
			return p.answer("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10")
		}, cfg: Config{Deflate: true}, code: events.NotSupported, text: "client_max_window_bits"},
		"deflate twice": {answer: func(p *peer) string {
			return p.answer("Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate")
		}, cfg: Config{Deflate: true}, code: events.NotSupported, text: "more than once"},
		"bad parameter": {answer: func(p *peer) string { return p.answer("Sec-WebSocket-Extensions: permessage-deflate; a=b") },
			cfg: Config{Deflate: true}, code: events.NotSupported, text: "permessage-deflate"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, func(p *peer) {
				if p.request() {
					_, _ = io.WriteString(p, c.answer(p))
				}
				if half, ok := p.Conn.(*net.TCPConn); ok {
					_ = half.CloseWrite()
				}
				_, _ = io.Copy(io.Discard, p.br)
			})
			c.cfg.URL = "ws://" + secrets + addr + "/path?token=secret2"
			e := dialError(t, c.cfg)
			checkError(t, e, c.code, c.text)
			if e.Status != c.status {
				t.Errorf("status %d, want %d", e.Status, c.status)
			}
			if !strings.HasPrefix(e.Text, "ws://"+addr+": ") {
				t.Errorf("the text does not begin with the server: %q", e.Text)
			}
		})
	}
}

func TestDialTellsWhyThereIsNoConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	ln.Close()
	for name, c := range map[string]struct {
		cfg  Config
		text string
	}{
		"refused":         {Config{URL: "ws://" + secrets + closed + "/?secret2"}, "connection refused"},
		"refused TLS":     {Config{URL: "wss://" + closed}, "connection refused"},
		"no such name":    {Config{URL: "ws://" + strings.Repeat("a.", 60) + "-.invalid:1/?secret2"}, "could not be resolved"},
		"bad URL":         {Config{URL: "http://x/?secret"}, "ws://"},
		"bad header":      {Config{URL: "ws://" + closed, Headers: []settings.Header{{Name: "Host", Value: "secret"}}}, "Host"},
		"bad subprotocol": {Config{URL: "ws://" + closed, Subprotocol: "a\r\nb"}, "subprotocol"},
	} {
		t.Run(name, func(t *testing.T) { checkError(t, dialError(t, c.cfg), events.ConnectFailed, c.text) })
	}
}

func TestDialTimeoutCoversEveryStep(t *testing.T) {
	ca := newAuthority(t)
	caFile := ca.file()
	for name, c := range map[string]struct {
		scheme string
		tls    *tls.Config
		handle func(p *peer)
		text   string
	}{
		"silent server":     {"ws", nil, func(p *peer) { _, _ = io.Copy(io.Discard, p) }, "handshake"},
		"silent TLS server": {"wss", nil, func(p *peer) { _, _ = io.Copy(io.Discard, p) }, "TLS handshake"},
		"silent after TLS": {"wss", &tls.Config{Certificates: []tls.Certificate{ca.issue(time.Hour, "127.0.0.1")}},
			func(p *peer) { _, _ = io.Copy(io.Discard, p) }, "WebSocket handshake"},
		"dripping server": {"ws", nil, func(p *peer) {
			if !p.request() {
				return
			}
			head := p.answer("X-Long: " + strings.Repeat("x", 10000))
			for i := range len(head) {
				if _, err := io.WriteString(p, head[i:i+1]); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond) // the drip itself, not a wait for anything
			}
		}, "handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := serveOn(t, "tcp", "127.0.0.1:0", c.tls, c.handle)
			e := dialError(t, Config{URL: c.scheme + "://" + addr + "/?secret", Timeout: 400 * time.Millisecond, CAFile: caFile})
			checkError(t, e, events.Timeout, c.text)
		})
	}
}

func TestCancelEndsDialAtAnyInstant(t *testing.T) {
	ca := newAuthority(t)
	conf := &tls.Config{Certificates: []tls.Certificate{ca.issue(time.Hour, "127.0.0.1")}}
	for scheme, addr := range map[string]string{
		"ws":  serve(t, func(p *peer) { p.upgrade(); _, _ = io.Copy(io.Discard, p) }),
		"wss": serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) { p.upgrade(); _, _ = io.Copy(io.Discard, p) }),
	} {
		watch := poller(t)
		for range 150 {
			ctx, cancel := context.WithCancel(context.Background())
			timer := time.AfterFunc(time.Duration(rand.Int64N(int64(4*time.Millisecond))), cancel)
			c, err := Dial(ctx, Config{Poller: watch, URL: scheme + "://" + addr, CAFile: ca.file(), Timeout: patience})
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", scheme, err)
				}
			} else {
				c.SendAudio(make([]byte, 320), 0) // a connection that was made is not spoilt by a late cancel
				<-ctx.Done()
				if err := c.SendText([]byte("x")); err != nil {
					t.Errorf("%s: %v", scheme, err)
				}
				c.Abort()
			}
			timer.Stop()
			cancel()
		}
	}
}

func TestHandshakeSendsWhatTheURLSays(t *testing.T) {
	heads := make(chan string, 1)
	addr := serve(t, func(p *peer) {
		if p.upgrade("Sec-WebSocket-Protocol: v2") {
			heads <- p.head
			_, _ = io.Copy(io.Discard, p)
		}
	})
	path := "/a%2Fb//c%20d/{x}?q={\"a\":1}&r=%7b;s"
	c := dial(t, Config{URL: "ws://us%65r:p%40ss@" + addr + path, Subprotocol: "v1, v2", UserAgent: "mod/1",
		Headers: []settings.Header{{Name: "x-Tenant", Value: " a, \"b\" "}}})
	head := within(t, "handshake", heads)
	lines := strings.Split(head, "\r\n")
	if want := "GET /a%2Fb//c%20d/{x}?q={\"a\":1}&r=%7b;s HTTP/1.1"; lines[0] != want {
		t.Errorf("request line %q, want %q", lines[0], want)
	}
	for _, want := range []string{"Host: " + addr, "Authorization: Basic dXNlcjpwQHNz", "User-Agent: mod/1", `x-Tenant: a, "b"`,
		"Sec-WebSocket-Protocol: v1, v2", "Sec-WebSocket-Version: 13", "Upgrade: websocket", "Connection: Upgrade"} {
		if strings.Count(head, want+"\r\n") != 1 {
			t.Errorf("%q is not once in the request:\n%s", want, head)
		}
	}
	if strings.Contains(head, "Extensions") {
		t.Error("an extension was offered without being asked for")
	}
	if c.Subprotocol() != "v2" || c.RemoteAddr().String() != addr || c.LocalAddr() == nil {
		t.Errorf("subprotocol %q, remote %v", c.Subprotocol(), c.RemoteAddr())
	}
	dial(t, Config{URL: "ws://user:pw@" + addr, Subprotocol: "v2",
		Headers: []settings.Header{{Name: "authorization", Value: "Bearer t"}}})
	head = within(t, "handshake", heads)
	if !strings.Contains(head, "authorization: Bearer t\r\n") || strings.Contains(head, "Basic") || strings.Contains(head, "User-Agent") {
		t.Errorf("a header given does not take the place of ours:\n%s", head)
	}
}

func TestConnectionHeaderMayBeAList(t *testing.T) {
	for _, lines := range []string{"Connection: keep-alive, upgrade", "connection: close\r\nCONNECTION:Upgrade", "Connection: Upgrade\r\nConnection: Keep-Alive"} {
		addr := serve(t, func(p *peer) {
			if p.request() {
				_, _ = io.WriteString(p, strings.Replace(p.answer("X-Long: "+strings.Repeat("x", 9000)), "Connection: Upgrade", lines, 1))
				p.send(ws.OpText, "hello")
				_, _ = io.Copy(io.Discard, p)
			}
		})
		c := dial(t, Config{URL: "ws://" + addr})
		if _, data, err := c.Read(); err != nil || string(data) != "hello" {
			t.Errorf("%q: %q, %v", lines, data, err)
		}
	}
}

func TestHostHeaderHasNoPortThatTheURLHasNot(t *testing.T) {
	for raw, want := range map[string]string{
		"ws://h.example/": "h.example", "ws://h:80/": "h:80", "ws://[fe80::1%25eth0]:81/": "[fe80::1]:81", "wss://[::1]/": "[::1]",
	} {
		u, err := ParseURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := hostHeader(u); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	for raw, want := range map[string]string{"ws://h/": "h:80", "wss://h/": "h:443", "wss://[::1]/": "[::1]:443", "ws://h:81": "h:81"} {
		u, _ := ParseURL(raw)
		if got := newDialing(context.Background(), Config{}, u).addr; got != want {
			t.Errorf("%s connects to %q, want %q", raw, got, want)
		}
	}
}

func TestIPv6(t *testing.T) {
	echo := func(p *peer) {
		if p.upgrade() {
			p.send(ws.OpText, p.header("Host"))
		}
		_, _ = io.Copy(io.Discard, p)
	}
	addr := serveOn(t, "tcp6", "[::1]:0", nil, echo)
	c := dial(t, Config{URL: "ws://" + addr + "/"})
	if _, data, err := c.Read(); err != nil || string(data) != addr {
		t.Errorf("%q, %v", data, err)
	}
}

func TestNothingSentRightAfterTheHandshakeIsLost(t *testing.T) {
	ca := newAuthority(t)
	conf := &tls.Config{Certificates: []tls.Certificate{ca.issue(time.Hour, "127.0.0.1")}}
	for _, size := range []int{1, 500, 4000, 70000} {
		for scheme, server := range map[string]*tls.Config{"ws": nil, "wss": conf} {
			t.Run(fmt.Sprintf("%s %d", scheme, size), func(t *testing.T) {
				first, second := strings.Repeat("a", size), strings.Repeat("b", 2*size)
				addr := serveOn(t, "tcp", "127.0.0.1:0", server, func(p *peer) {
					if p.request() {
						all := append([]byte(p.answer()), frameBytes(true, 0, ws.OpText, []byte(first))...)
						_, _ = p.Write(append(all, frameBytes(true, 0, ws.OpBinary, []byte(second))...))
					}
					_, _ = io.Copy(io.Discard, p)
				})
				c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca.file()})
				if kind, data, err := c.Read(); kind != Text || string(data) != first || err != nil {
					t.Errorf("first message: %d, %d bytes, %v", kind, len(data), err)
				}
				if kind, data, err := c.Read(); kind != Binary || string(data) != second || err != nil {
					t.Errorf("second message: %d, %d bytes, %v", kind, len(data), err)
				}
			})
		}
	}
}
