package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// selfSigned makes a certificate that its own key has signed, valid until then.
func (r *round) selfSigned(until time.Time) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r.check("key", err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "self-signed"},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	r.check("certificate", err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// overTLS is a case of a TLS server that must not be trusted. The victim's variables name the authority that it trusts.
func overTLS(name string, code int, config func(r *round, a *switchtest.Authority) *tls.Config) scenario {
	return scenario{name: name, run: func(r *round) {
		a, err := switchtest.NewAuthority(r.o.dir)
		r.check("authority", err)
		s := r.agent(agent.Config{TLS: config(r, a)})
		r.api("uuid_setvar " + r.call.UUID() + " STREAM_TLS_CA_FILE " + a.CAFile)
		r.ok("start " + s.URL("/") + " mono")
		r.fails(code)
	}}
}

// brokenTLS is a case of a TLS server that gives up.
func brokenTLS(name string, code int, handle func(p *peer)) scenario {
	return scenario{name: name, vars: impatient, run: func(r *round) {
		r.ok("start " + strings.Replace(r.server(handle), "ws:", "wss:", 1) + " mono")
		r.fails(code)
		r.stayedAway()
	}}
}

// hello reads the beginning of the module's TLS hello.
func (p *peer) hello() { _, _ = p.br.Peek(100) }

func tlsCases() []scenario {
	plain := func(r *round) string { return strings.TrimPrefix(r.agent(agent.Config{}).URL("/"), "ws://") }
	return []scenario{
		overTLS("certificate of another host", 8, func(r *round, a *switchtest.Authority) *tls.Config {
			cfg, err := a.Server(false, "other.example.com")
			r.check("certificate", err)
			return cfg
		}),
		overTLS("certificate signed by itself", 8, func(r *round, _ *switchtest.Authority) *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{r.selfSigned(time.Now().Add(24 * time.Hour))}}
		}),
		overTLS("certificate expired", 8, func(r *round, _ *switchtest.Authority) *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{r.selfSigned(time.Now().Add(-time.Hour))}}
		}),
		overTLS("server that has TLS 1.0 only", 8, func(r *round, a *switchtest.Authority) *tls.Config {
			cfg, err := a.Server(false, "127.0.0.1")
			r.check("certificate", err)
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
			return cfg
		}),
		overTLS("server that wants a client certificate", 8, func(r *round, a *switchtest.Authority) *tls.Config {
			cfg, err := a.Server(true, "127.0.0.1")
			r.check("certificate", err)
			return cfg
		}),
		{name: "wss to a plain port", run: func(r *round) {
			r.ok("start wss://" + plain(r) + " mono")
			r.fails(8)
		}},
		{name: "ws to a TLS port", run: func(r *round) {
			s := r.agent(agent.Config{TLS: &tls.Config{Certificates: []tls.Certificate{r.selfSigned(time.Now().Add(time.Hour))}}})
			r.ok("start ws://" + s.Addr() + "/ mono")
			r.fails(6) // it closes, since what comes is no TLS
		}},
		{name: "server that never says its TLS hello", vars: impatient, run: func(r *round) {
			url := r.server(func(p *peer) { p.hold() })
			r.ok("start " + strings.Replace(url, "ws:", "wss:", 1) + " mono")
			r.fails(10)
		}},
		brokenTLS("server closes within the TLS handshake", 8, func(p *peer) {
			p.hello()
			_ = p.Close()
		}),
		brokenTLS("server resets within the TLS handshake", 8, func(p *peer) {
			p.hello()
			p.reset()
		}),
		brokenTLS("server closes its half within the TLS handshake", 8, func(p *peer) {
			p.hello()
			_ = p.CloseWrite()
			p.hold()
		}),
		{name: "garbage instead of a TLS hello", vars: impatient, run: func(r *round) {
			url := r.server(func(p *peer) {
				p.write([]byte(strings.Repeat("\x16\x03\x01\x40\x00garbage", 2000)))
				p.hold()
			})
			r.ok("start " + strings.Replace(url, "ws:", "wss:", 1) + " mono")
			r.fails(8)
		}},
	}
}
