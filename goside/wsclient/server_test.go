package wsclient

// What the tests connect to: a server whose every byte the test writes, and certificates made on the spot.

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/netpoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must happen soon; only a broken test or program reaches it.
const patience = 20 * time.Second

// peer is the server's end of one connection.
type peer struct {
	net.Conn
	t    testing.TB
	br   *bufio.Reader
	head string // the request as it came, up to and with the empty line
}

// serveOn answers each connection with handle, on its own goroutine, until the test ends.
func serveOn(t testing.TB, network, addr string, tlsConf *tls.Config, handle func(p *peer)) string {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[raw] = true
			mu.Unlock()
			wg.Go(func() {
				defer raw.Close()
				nc := raw
				if tlsConf != nil {
					nc = tls.Server(raw, tlsConf)
				}
				_ = nc.SetDeadline(time.Now().Add(patience))
				handle(&peer{Conn: nc, t: t, br: bufio.NewReader(nc)})
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String()
}

func serve(t testing.TB, handle func(p *peer)) string {
	return serveOn(t, "tcp", "127.0.0.1:0", nil, handle)
}

// request reads the handshake request.
func (p *peer) request() bool {
	var head strings.Builder
	for {
		line, err := p.br.ReadString('\n')
		if err != nil {
			return false
		}
		head.WriteString(line)
		if line == "\r\n" {
			p.head = head.String()
			return true
		}
	}
}

func (p *peer) header(name string) string {
	for _, line := range strings.Split(p.head, "\r\n") {
		if k, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func (p *peer) acceptKey() string {
	sum := sha1.Sum([]byte(p.header("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// answer is the 101 response, with further header lines.
func (p *peer) answer(more ...string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		p.acceptKey() + "\r\n" + strings.Join(append(more, ""), "\r\n") + "\r\n"
}

// upgrade does the server's part of the handshake.
func (p *peer) upgrade(more ...string) bool {
	if !p.request() {
		return false
	}
	_, err := io.WriteString(p, p.answer(more...))
	return err == nil
}

// frameBytes encodes an unmasked frame.
func frameBytes(fin bool, rsv byte, op ws.OpCode, payload []byte) []byte {
	var b bytes.Buffer
	_ = ws.WriteHeader(&b, ws.Header{Fin: fin, Rsv: rsv, OpCode: op, Length: int64(len(payload))})
	b.Write(payload)
	return b.Bytes()
}

func (p *peer) send(op ws.OpCode, payload string) bool {
	_, err := p.Write(frameBytes(true, 0, op, []byte(payload)))
	return err == nil
}

func (p *peer) sendClose(code int, reason string) bool {
	return p.send(ws.OpClose, string(ws.NewCloseFrameBody(ws.StatusCode(code), reason)))
}

// next reads a frame of the client and unmasks it; io.EOF and the like when there is none.
func (p *peer) next() (ws.Header, []byte, error) {
	h, err := ws.ReadHeader(p.br)
	if err != nil {
		return h, nil, err
	}
	if !h.Masked {
		p.t.Error("a client frame without mask")
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(p.br, payload); err != nil {
		return h, nil, err
	}
	ws.Cipher(payload, h.Mask, 0)
	return h, payload, nil
}

// closeCode reads until the client's close frame and returns its code, 1005 if empty; 0 when none came.
func (p *peer) closeCode() int {
	for {
		h, payload, err := p.next()
		if err != nil {
			return 0
		}
		if h.OpCode == ws.OpClose {
			if len(payload) < 2 {
				return 1005
			}
			code, _ := ws.ParseCloseFrameData(payload)
			return int(code)
		}
	}
}

// poller is one that a goroutine waits in until the end of the test.
func poller(t testing.TB) *netpoll.Poller {
	t.Helper()
	p, err := netpoll.New()
	if err != nil {
		t.Fatal(err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = p.Watch(bell)
	}
	if err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !over.Load() {
			if p.Wait(0) != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		over.Store(true)
		if _, err := unix.Write(bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			t.Error(err)
		}
		wg.Wait()
		p.Close()
		if err := unix.Close(bell); err != nil {
			t.Error(err)
		}
	})
	return p
}

// dial connects, and aborts at the end of the test.
func dial(t testing.TB, cfg Config) *Conn {
	t.Helper()
	cfg.Poller = poller(t)
	if cfg.Timeout == 0 {
		cfg.Timeout = patience
	}
	c, err := Dial(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Abort()
		c.sender.Wait()
	})
	return c
}

// within fails the test when ch brings nothing.
func within[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing happened", what)
		panic("unreachable")
	}
}

// authority issues certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = signed(t, template, template, a.key, a.key)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a certificate for names and addresses; until is relative to now.
func (a *authority) issue(until time.Duration, hosts ...string) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(until), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	key := newKey(a.t)
	cert := signed(a.t, template, a.cert, key, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) file() string { return a.write("ca.pem", "CERTIFICATE", a.cert.Raw) }

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// files writes a certificate and its key.
func (a *authority) files(pair tls.Certificate) (cert, key string) {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write("client.pem", "CERTIFICATE", pair.Certificate[0]), a.write("client.key", "PRIVATE KEY", der)
}
