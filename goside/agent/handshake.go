// The opening handshake (RFC 6455 section 4.2): what the client asked for, and the refusals. No frames here.

package agent

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// Handshake is one opening request.
type Handshake struct {
	N           int // number of the TCP connection, from 1
	At          time.Time
	Remote      string // host:port of the peer
	Host        string // the Host header
	Path        string // decoded
	RawQuery    string
	Query       url.Values
	Header      http.Header // all of it, also Sec-WebSocket-*
	Subprotocol string      // the one chosen
	Deflate     bool        // permessage-deflate was agreed on
	ServerName  string      // TLS SNI, "" without TLS
	ClientCerts []*x509.Certificate
}

// Refusal is an HTTP answer other than 101.
type Refusal struct {
	Status int
	Header http.Header
	Reason string // the body
}

// handshakeTimeout bounds TLS and the HTTP request of one connection.
const handshakeTimeout = 10 * time.Second

// requestLimit is the longest request line or header that is read, bytes.
const requestLimit = 64 << 10

// greeter holds back the 101 response to send it in one write with the greeting.
type greeter struct {
	io.Reader
	out bytes.Buffer
}

func (g *greeter) Write(p []byte) (int, error) { return g.out.Write(p) }

func (s *Server) handshake(nc net.Conn, n int) (*Conn, error) {
	_ = nc.SetDeadline(time.Now().Add(handshakeTimeout))
	h := Handshake{N: n, Remote: nc.RemoteAddr().String()}
	raw := nc
	if s.cfg.TLS != nil {
		tc := tls.Server(nc, s.cfg.TLS)
		if err := tc.Handshake(); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		state := tc.ConnectionState()
		h.ServerName, h.ClientCerts = state.ServerName, state.PeerCertificates
		nc = tc
	}
	var request bytes.Buffer
	rw := &greeter{Reader: io.TeeReader(nc, &request)}
	refused := false
	up := ws.Upgrader{
		ReadBufferSize: requestLimit,
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if err := h.parse(request.Bytes()); err != nil {
				return nil, err
			}
			s.record(h)
			if s.cfg.Refuse == nil {
				return nil, nil
			}
			r := s.cfg.Refuse(h)
			if r == nil {
				return nil, nil
			}
			refused = true
			return nil, ws.RejectConnectionError(ws.RejectionStatus(r.Status), ws.RejectionReason(r.Reason),
				ws.RejectionHeader(ws.HandshakeHeaderHTTP(r.Header)))
		},
	}
	if len(s.cfg.Subprotocols) > 0 {
		up.Protocol = func(p []byte) bool { return slices.Contains(s.cfg.Subprotocols, string(p)) }
	}
	ext := wsflate.Extension{Parameters: wsflate.DefaultParameters}
	if s.cfg.Deflate {
		up.Negotiate = func(o httphead.Option) (httphead.Option, error) { return ext.Negotiate(o) }
	}
	agreed, err := up.Upgrade(rw)
	if err != nil {
		if rw.out.Len() > 0 {
			_, _ = nc.Write(rw.out.Bytes())
		}
		if refused {
			return nil, fmt.Errorf("refused: %w", err)
		}
		return nil, err
	}
	h.Subprotocol = agreed.Protocol
	_, h.Deflate = ext.Accepted()
	c := newConn(s, nc, raw, h)
	if s.cfg.Greet != nil {
		greeting := s.cfg.Greet(h)
		rw.out.Write(greeting)
		c.sentBytes.Add(uint64(len(greeting)))
	}
	if _, err := nc.Write(rw.out.Bytes()); err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	return c, nil
}

// parse fills in what the request says.
func (h *Handshake) parse(request []byte) error {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return fmt.Errorf("cannot read the request: %w", err)
	}
	h.At, h.Host, h.Header = time.Now(), r.Host, r.Header
	h.Path, h.RawQuery, h.Query = r.URL.Path, r.URL.RawQuery, r.URL.Query()
	return nil
}

func (s *Server) record(h Handshake) {
	s.mu.Lock()
	s.handshakes = append(s.handshakes, h)
	if s.cfg.Forget && len(s.handshakes) > 1 {
		s.handshakes = s.handshakes[len(s.handshakes)-1:]
	}
	s.announce()
	s.mu.Unlock()
}
