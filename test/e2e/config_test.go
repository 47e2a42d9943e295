// Cases: the settings of the module itself, which are in the XML only, and what `audio_stream reload` does with them. They
// change what all streams share, so each runs alone and puts the settings back.

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// reload puts settings in force; at the end of the case there are none again.
func (e *env) reload(settings map[string]string) {
	e.Helper()
	e.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := reload(ctx, e.sw, nil); err != nil {
			e.Errorf("settings could not be put back: %v", err)
		}
	})
	e.check("reload", reload(e.ctx, e.sw, settings))
}

func reload(ctx context.Context, sw switchtest.Switch, settings map[string]string) error {
	if err := sw.SetConfig(ctx, settings); err != nil {
		return err
	}
	reply, err := sw.API(ctx, "audio_stream reload")
	if err == nil && !strings.HasPrefix(reply, "+OK") {
		err = fmt.Errorf("audio_stream reload: %q", reply)
	}
	return err
}

// freeAddress gives a port of 127.0.0.1 that nobody listens on.
func (e *env) freeAddress() string {
	e.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	e.check("a free port", err)
	e.check("a free port", l.Close())
	return l.Addr().String()
}

// metrics reads the Prometheus page.
func (e *env) metrics(addr string) string {
	e.Helper()
	req, err := http.NewRequestWithContext(e.ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	e.check("request", err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	e.check("metrics page", err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	e.check("metrics page", err)
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/plain") {
		e.Fatalf("metrics page: %s, %s: %.200s", resp.Status, kind, b)
	}
	return string(b)
}

// closed checks that nobody listens on an address.
func (e *env) closed(addr string) {
	e.Helper()
	conn, err := (&net.Dialer{}).DialContext(e.ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		e.Errorf("%s: %v, expected it to be closed", addr, err)
	}
}

// tls12 starts a wss server that knows nothing above TLS 1.2.
func (e *env) tls12(a *switchtest.Authority) *agent.Server {
	e.Helper()
	cfg, err := a.Server(false, "127.0.0.1")
	e.check("server certificate", err)
	cfg.MaxVersion = tls.VersionTLS12
	return e.agent(agent.Config{TLS: cfg})
}

var configCases = []testcase{
	{name: "max-message-bytes: a larger message closes with 1009 and error 12", alone: true, run: func(e *env) {
		const limit = 4096
		s := e.agent(agent.Config{})
		e.reload(vars("max-message-bytes", fmt.Sprint(limit)))
		fits := `"` + strings.Repeat("x", limit-2) + `"`
		for _, tc := range []struct {
			what string
			send func(*agent.Conn) error
		}{
			{"text", func(conn *agent.Conn) error { return conn.SendText(fits + " ") }},
			{"binary", func(conn *agent.Conn) error { return conn.SendBinary(make([]byte, limit+2)) }},
		} {
			c := e.call()
			conn := e.start(c, s, "mono")
			e.check("send", conn.SendText(fits))
			e.eventBody(c, "json", fits)
			e.check("send "+tc.what, tc.send(conn))
			e.waitClose(conn, 1009)
			if text := e.errorEvent(c, 12); !strings.Contains(text, fmt.Sprint(limit)) {
				e.Errorf("%s: the error does not name the limit: %q", tc.what, text)
			}
			e.ended(c, "error")
		}
	}},
	{name: "max-message-bytes: running streams keep theirs over a reload", alone: true, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		large := `"` + strings.Repeat("x", 3000) + `"`
		e.reload(vars("max-message-bytes", "2048"))
		e.check("send", conn.SendText(large))
		e.eventBody(c, "json", large)
		other := e.call()
		second := e.start(other, s, "mono")
		e.check("send", second.SendText(large))
		e.errorEvent(other, 12)
		e.ended(other, "error")
		e.ok(c, "stop")
		e.waitClose(conn, 1000)
		e.ended(c, "disconnect")
	}},
	{name: "allowed-hosts: a reload closes and opens hosts for new streams", alone: true, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		other := e.call()
		e.reload(vars("allowed-hosts", "LocalHost, *.example.com, [::1]"))
		for _, url := range []string{s.URL("/"), fmt.Sprintf("ws://localhost@127.0.0.1:%d/", s.Port()), "ws://127.0.0.1/localhost",
			"ws://localhost.example.org/", "ws://example.com/"} {
			e.refused(other, "start "+url+" mono", "allowed-hosts")
		}
		e.ok(other, fmt.Sprintf("start ws://localhost:%d/ mono", s.Port()))
		e.waitAudio(e.accept(s), 5)
		six := e.agentOn("[::1]:0")
		e.ok(other, "name=six start ws://"+six.Addr()+"/ mono")
		e.waitAudio(e.accept(six), 5)
		e.waitAudio(conn, countBinary(conn.Frames())+10) // what runs goes on
		e.reload(nil)
		e.ok(other, "name=open start "+s.URL("/")+" mono")
		e.waitAudio(e.accept(s), 5)
		if n := s.Attempts(); n != 3 {
			e.Errorf("%d connections, expected 3: a refused start must not touch the network", n)
		}
	}},
	{name: "tls-min-version: a server below it is error 8", alone: true, run: func(e *env) {
		a := e.authority()
		old, modern := e.tls12(a), e.secure(a, false, "127.0.0.1")
		trust := vars("STREAM_TLS_CA_FILE", a.CAFile)
		e.waitAudio(e.start(e.callWith(trust), old, "mono"), 5) // 1.2 is enough by default
		e.reload(vars("tls-min-version", "1.3"))
		c := e.callWith(trust)
		e.ok(c, "start "+old.URL("/")+" mono")
		e.errorEvent(c, 8)
		e.ended(c, "error")
		if n := len(old.Handshakes()); n != 1 {
			e.Errorf("%d requests were sent, expected that of the first stream only", n)
		}
		e.waitAudio(e.start(e.callWith(trust), modern, "mono"), 5)
	}},
	{name: "metrics-listen: the page comes, moves and goes with a reload", alone: true, run: func(e *env) {
		s := e.agent(agent.Config{})
		addr := e.freeAddress()
		e.reload(vars("metrics-listen", addr))
		streams := func(addr string, n int) {
			e.Helper()
			want := fmt.Sprintf("\naudio_stream_streams %d\n", n)
			e.eventually(strings.TrimSpace(want), func() bool { return strings.Contains(e.metrics(addr), want) })
		}
		streams(addr, 0)
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		streams(addr, 1)
		e.ok(c, "name=second start "+s.URL("/")+" mono")
		e.accept(s)
		streams(addr, 2)
		if page := e.metrics(addr); !strings.Contains(page, "\n# TYPE audio_stream_streams gauge\n") ||
			!strings.Contains(page, "\naudio_stream_streams_started_total ") || strings.Contains(page, "\naudio_stream_frames_sent 0\n") {
			e.Errorf("metrics page:\n%s", page)
		}
		next := e.freeAddress()
		e.reload(vars("metrics-listen", next))
		streams(next, 2)
		e.closed(addr)
		e.ok(c, "name=second stop")
		streams(next, 1)
		e.reload(nil)
		e.closed(next)
		e.waitAudio(conn, countBinary(conn.Frames())+10)
	}},
	{name: "metrics-listen: an address that is taken costs the page only", alone: true, run: func(e *env) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		e.check("listen", err)
		defer taken.Close()
		e.reload(vars("metrics-listen", taken.Addr().String()))
		e.logged("no metrics page: listen tcp " + taken.Addr().String())
		s := e.agent(agent.Config{})
		e.waitAudio(e.start(e.call(), s, "mono"), 5)
	}},
	{name: "reload is for streams started afterwards", alone: true, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		e.reload(vars("buffer-size", "100", "subprotocol", "after", "extra-headers", `{"X-After": "a reload"}`))
		e.ok(c, "name=second start "+s.URL("/")+" mono")
		second := e.accept(s)
		if h := second.Handshake.Header; h.Get("X-After") != "a reload" || h.Get("Sec-WebSocket-Protocol") != "after" {
			e.Errorf("headers %v", h)
		}
		e.frameSize(e.waitAudio(second, 5), 100, 8000, 1)
		e.frameSize(e.waitAudio(conn, countBinary(conn.Frames())+10), 20, 8000, 1)
		// Without the settings the defaults hold again.
		e.reload(nil)
		e.ok(c, "name=third start "+s.URL("/")+" mono")
		third := e.accept(s)
		if h := third.Handshake.Header; h.Get("X-After") != "" {
			e.Errorf("headers %v", h)
		}
		e.frameSize(e.waitAudio(third, 5), 20, 8000, 1)
	}},
}
