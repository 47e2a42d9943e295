package wsclient

// Whose certificate is taken, and which is refused with what error.

import (
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mod_audio_stream/goside/events"
)

func TestTLSVerification(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.issue(time.Hour, "127.0.0.1", "localhost")
	expired := ca.issue(-time.Hour, "127.0.0.1")
	wrong := ca.issue(time.Hour, "elsewhere.example", "10.9.8.7")
	clientCert, clientKey := ca.files(ca.issue(time.Hour, "client"))
	strangerCert, strangerKey := other.files(other.issue(time.Hour, "client"))
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	old := with(good)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	mutual := with(good)
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
	mutual12 := mutual.Clone()
	mutual12.MaxVersion = tls.VersionTLS12
	for name, c := range map[string]struct {
		server *tls.Config
		cfg    Config
		code   events.Code // 0: connected
		text   string
	}{
		"trusted":                      {with(good), Config{CAFile: ca.file()}, 0, ""},
		"system CAs do not know ours":  {with(good), Config{}, events.SSLHandshakeFailed, "STREAM_TLS_CA_FILE"},
		"SYSTEM":                       {with(good), Config{CAFile: "SYSTEM"}, events.SSLHandshakeFailed, "unknown authority"},
		"other CA":                     {with(good), Config{CAFile: other.file()}, events.SSLHandshakeFailed, "unknown authority"},
		"other CA, any name":           {with(good), Config{CAFile: other.file(), SkipHostname: true}, events.SSLHandshakeFailed, "unknown authority"},
		"no verification":              {with(expired), Config{CAFile: "NONE"}, 0, ""},
		"no verification, any name":    {with(wrong), Config{CAFile: "NONE", SkipHostname: true}, 0, ""},
		"expired":                      {with(expired), Config{CAFile: ca.file()}, events.SSLHandshakeFailed, "has expired on"},
		"expired, any name":            {with(expired), Config{CAFile: ca.file(), SkipHostname: true}, events.SSLHandshakeFailed, "has expired on"},
		"wrong host":                   {with(wrong), Config{CAFile: ca.file()}, events.SSLHandshakeFailed, `not valid for host "127.0.0.1", only for elsewhere.example, 10.9.8.7`},
		"wrong host names the setting": {with(wrong), Config{CAFile: ca.file()}, events.SSLHandshakeFailed, "STREAM_TLS_DISABLE_HOSTNAME_VALIDATION=true"},
		"wrong host, any name":         {with(wrong), Config{CAFile: ca.file(), SkipHostname: true}, 0, ""},
		"TLS 1.1 server":               {old, Config{CAFile: ca.file()}, events.SSLHandshakeFailed, "no TLS version from TLS 1.2"},
		"TLS 1.1 allowed":              {old, Config{CAFile: ca.file(), MinTLS: tls.VersionTLS11}, 0, ""},
		"TLS 1.3 wanted": {&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12},
			Config{CAFile: ca.file(), MinTLS: tls.VersionTLS13}, events.SSLHandshakeFailed, "TLS 1.3"},
		"client certificate":          {mutual, Config{CAFile: ca.file(), CertFile: clientCert, KeyFile: clientKey}, 0, ""},
		"no client certificate":       {mutual, Config{CAFile: ca.file()}, events.SSLHandshakeFailed, "STREAM_TLS_CERT_FILE"},
		"no client certificate, 1.2":  {mutual12, Config{CAFile: ca.file()}, events.SSLHandshakeFailed, "STREAM_TLS_CERT_FILE"},
		"client certificate unknown":  {mutual, Config{CAFile: ca.file(), CertFile: strangerCert, KeyFile: strangerKey}, events.SSLHandshakeFailed, "client certificate"},
		"CA file missing":             {with(good), Config{CAFile: "/nonexistent/ca.pem"}, events.TLSInitFailed, "STREAM_TLS_CA_FILE"},
		"CA file empty":               {with(good), Config{CAFile: empty}, events.TLSInitFailed, "holds no certificate"},
		"CA file is a folder":         {with(good), Config{CAFile: t.TempDir()}, events.TLSInitFailed, "STREAM_TLS_CA_FILE"},
		"key of another certificate":  {with(good), Config{CertFile: clientCert, KeyFile: strangerKey}, events.TLSInitFailed, "STREAM_TLS_KEY_FILE"},
		"certificate missing":         {with(good), Config{CertFile: "/nonexistent"}, events.TLSInitFailed, "STREAM_TLS_CERT_FILE"},
		"key without certificate":     {with(good), Config{KeyFile: clientKey}, events.TLSInitFailed, "STREAM_TLS_CERT_FILE"},
		"plain port":                  {nil, Config{CAFile: ca.file()}, events.SSLHandshakeFailed, "does not speak TLS"},
		"plain port, no verification": {nil, Config{CAFile: "NONE"}, events.SSLHandshakeFailed, "does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			var connected bool
			addr := serveOn(t, "tcp", "127.0.0.1:0", c.server, func(p *peer) {
				connected = true
				if c.server == nil {
					buf := make([]byte, 1)
					_, _ = p.Read(buf)
					if buf[0] == 'G' {
						t.Error("a wss connection went on in clear text")
					}
					_, _ = io.WriteString(p, "HTTP/1.1 400 Bad Request\r\n\r\n")
					return
				}
				p.upgrade()
				_, _ = io.Copy(io.Discard, p)
			})
			c.cfg.URL = "wss://" + secrets + addr + "/?secret2"
			if c.code == 0 {
				dial(t, c.cfg)
				return
			}
			checkError(t, dialError(t, c.cfg), c.code, c.text)
			if c.code == events.TLSInitFailed && connected {
				t.Error("a connection was made before the files were checked")
			}
		})
	}
}
