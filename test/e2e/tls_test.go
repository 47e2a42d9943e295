// Cases: wss, with every STREAM_TLS variable, and what fails.

package e2e

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// authority makes a certificate authority for a case; its files lie in the case's folder.
func (e *env) authority() *switchtest.Authority {
	e.Helper()
	a, err := switchtest.NewAuthority(e.TempDir())
	e.check("certificate authority", err)
	return a
}

// secure starts a wss server with a certificate for the names.
func (e *env) secure(a *switchtest.Authority, clients bool, names ...string) *agent.Server {
	e.Helper()
	cfg, err := a.Server(clients, names...)
	e.check("server certificate", err)
	return e.agent(agent.Config{TLS: cfg})
}

var tlsCases = []testcase{
	{name: "wss with a CA file", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, false, "127.0.0.1", "localhost")
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile))
		conn := e.start(c, s, "mono 8000 over tls")
		e.waitText(conn, "over tls")
		e.counterWhole("captured", pcm(e.waitAudio(conn, 50)), 7000)
		sent := switchtest.Count(1, 8000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardExactly("heard", c, sent)
		e.ok(c, "stop")
		e.waitClose(conn, 1000)
		e.ended(c, "disconnect")
	}},
	{name: "wss by name sends the name (SNI)", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, false, "localhost")
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile))
		e.ok(c, fmt.Sprintf("start wss://localhost:%d/ mono", s.Port()))
		if h := e.accept(s).Handshake; h.ServerName != "localhost" {
			e.Errorf("SNI %q", h.ServerName)
		}
	}},
	{name: "a certificate nobody vouches for is error 8, and never clear text", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, false, "127.0.0.1")
		c := e.call()
		e.ok(c, "start "+s.URL("/")+" mono")
		if text := e.errorEvent(c, 8); !strings.Contains(text, "STREAM_TLS_CA_FILE") {
			e.Errorf("the error does not say what to do: %q", text)
		}
		e.ended(c, "error")
		if n := len(s.Handshakes()); n != 0 {
			e.Errorf("%d requests were sent", n)
		}
		if n := s.Attempts(); n != 1 {
			e.Errorf("%d attempts", n)
		}
	}},
	{name: "STREAM_TLS_CA_FILE=NONE verifies nothing", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, false, "somebody.else")
		c := e.callWith(vars("STREAM_TLS_CA_FILE", "NONE"))
		e.waitAudio(e.start(c, s, "mono"), 5)
	}},
	{name: "a certificate for another name is error 8", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, false, "somebody.else")
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile))
		e.ok(c, "start "+s.URL("/")+" mono")
		if text := e.errorEvent(c, 8); !strings.Contains(text, "127.0.0.1") {
			e.Errorf("the error does not name the host: %q", text)
		}
		e.ended(c, "error")
	}},
	{name: "STREAM_TLS_DISABLE_HOSTNAME_VALIDATION verifies the chain only", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, false, "somebody.else")
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile, "STREAM_TLS_DISABLE_HOSTNAME_VALIDATION", "true"))
		e.waitAudio(e.start(c, s, "mono"), 5)
		other := e.secure(e.authority(), false, "127.0.0.1")
		d := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile, "STREAM_TLS_DISABLE_HOSTNAME_VALIDATION", "true"))
		e.ok(d, "start "+other.URL("/")+" mono")
		e.errorEvent(d, 8)
	}},
	{name: "a client certificate is shown", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, true, "127.0.0.1")
		cert, key, err := a.Client("caller-17")
		e.check("client certificate", err)
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile, "STREAM_TLS_CERT_FILE", cert, "STREAM_TLS_KEY_FILE", key))
		conn := e.start(c, s, "mono")
		if certs := conn.Handshake.ClientCerts; len(certs) == 0 || certs[0].Subject.CommonName != "caller-17" {
			e.Errorf("client certificates %v", certs)
		}
		e.waitAudio(conn, 5)
	}},
	{name: "a server that wants a client certificate and gets none is an error", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, true, "127.0.0.1")
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile))
		e.ok(c, "start "+s.URL("/")+" mono")
		ev := e.event(c, "error")
		if !strings.Contains(ev.Body, `"code":8,`) && !strings.Contains(ev.Body, `"code":9,`) {
			e.Errorf("error event %s, expected code 8 or 9", ev.Body)
		}
		e.ended(c, "error")
	}},
	{name: "certificate files that do not fit are refused or error 7", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, false, "127.0.0.1")
		cert, _, err := a.Client("one")
		e.check("client certificate", err)
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile, "STREAM_TLS_CERT_FILE", cert, "STREAM_TLS_KEY_FILE", a.CAFile))
		if reply := e.cmd(c, "start "+s.URL("/")+" mono"); reply == "+OK Success" {
			e.errorEvent(c, 7)
			e.ended(c, "error")
		} else if !strings.HasPrefix(reply, "-ERR ") {
			e.Errorf("reply %q", reply)
		}
	}},
	{name: "a CA file that cannot be read is refused or error 7", run: func(e *env) {
		s := e.secure(e.authority(), false, "127.0.0.1")
		c := e.callWith(vars("STREAM_TLS_CA_FILE", "/no/such/file.pem"))
		if reply := e.cmd(c, "start "+s.URL("/")+" mono"); reply == "+OK Success" {
			if text := e.errorEvent(c, 7); !strings.Contains(text, "/no/such/file.pem") {
				e.Errorf("the error does not name the file: %q", text)
			}
			e.ended(c, "error")
		} else if !strings.HasPrefix(reply, "-ERR ") || !strings.Contains(reply, "/no/such/file.pem") {
			e.Errorf("reply %q", reply)
		}
	}},
	{name: "wss to a server that speaks clear text is an error", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_TLS_CA_FILE", "NONE", "STREAM_CONNECT_TIMEOUT_MS", "1500"))
		e.ok(c, "start "+strings.Replace(s.URL("/"), "ws://", "wss://", 1)+" mono")
		e.event(c, "error")
		e.ended(c, "error")
		if n := len(s.Handshakes()); n != 0 {
			e.Errorf("%d requests were sent", n)
		}
	}},
	{name: "a server below TLS 1.2 is refused", run: func(e *env) {
		a := e.authority()
		cfg, err := a.Server(false, "127.0.0.1")
		e.check("server certificate", err)
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		s := e.agent(agent.Config{TLS: cfg})
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile))
		e.ok(c, "start "+s.URL("/")+" mono")
		e.errorEvent(c, 8)
		e.ended(c, "error")
	}},
	{name: "an abnormal loss of a wss connection is reported like any other", run: func(e *env) {
		a := e.authority()
		s := e.secure(a, false, "127.0.0.1")
		c := e.callWith(vars("STREAM_TLS_CA_FILE", a.CAFile, "STREAM_NO_RECONNECT", "true"))
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		conn.Abort()
		e.event(c, "error")
		if got := e.subclasses(c, ""); !slices.Equal(got, []string{"connect", "error"}) {
			e.Errorf("events %v", got)
		}
	}},
}
