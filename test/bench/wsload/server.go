// Package wsload is the WebSocket server of the benchmark: it reads what arrives and says which steps (package steps) are in
// it and when they came, and sends steps in real time as a voice agent would. It does as little else as it can, since it
// shares the machine with what is measured.
package wsload

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/test/bench/measure"
)

// Mode is what the server sends.
type Mode int

// What the server sends: nothing; a binary frame every 20 ms; the same as streamAudio with base64.
const (
	Listen Mode = iota
	Binary
	JSON
)

// Server takes connections and keeps them by the index that their URL names.
type Server struct {
	listener net.Listener
	secure   bool
	pace     *pacer
	plain    *poller
	wait     sync.WaitGroup

	mu      sync.Mutex
	conns   map[int]*Conn
	changed chan struct{}
	closed  bool
}

// Start listens on 127.0.0.1; with TLS when conf is not nil.
func Start(conf *tls.Config) (*Server, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, secure: conf != nil, conns: map[int]*Conn{}, changed: make(chan struct{})}
	s.pace = newPacer()
	if s.plain, err = newPoller(s.remove); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s.wait.Go(s.plain.run)
	s.wait.Go(s.pace.run)
	s.wait.Go(func() { s.accept(conf) })
	return s, nil
}

// Port is where it listens.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// URL is where call index connects to with audio at rate.
func (s *Server) URL(index, rate int) string {
	scheme := "ws"
	if s.secure {
		scheme = "wss"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d/?i=%d&r=%d", scheme, s.Port(), index, rate)
}

func (s *Server) accept(conf *tls.Config) {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.wait.Go(func() { s.serve(nc, conf) })
	}
}

// handshakeLimit bounds what a client may take for TLS and upgrade: hundreds of them come at once.
const handshakeLimit = 20 * time.Second

func (s *Server) serve(nc net.Conn, conf *tls.Config) {
	_ = nc.SetDeadline(time.Now().Add(handshakeLimit))
	tcp := nc.(*net.TCPConn)
	if conf != nil {
		nc = tls.Server(nc, conf)
	}
	var where string
	u := ws.Upgrader{
		OnRequest: func(uri []byte) error { where = string(uri); return nil },
		Protocol:  func([]byte) bool { return true }, // some clients insist on theirs
	}
	if _, err := u.Upgrade(nc); err != nil {
		_ = nc.Close()
		return
	}
	_ = nc.SetDeadline(time.Time{})
	if conf == nil {
		s.poll(tcp, where)
		return
	}
	defer nc.Close()
	c, err := newConn(nc, where)
	if err != nil || !s.add(c) {
		return
	}
	defer s.remove(c)
	buf := make([]byte, 16<<10)
	for {
		n, err := nc.Read(buf)
		if err == nil {
			err = c.feed(buf[:n], measure.Now())
		}
		if errors.Is(err, errClosed) {
			c.write(closing)
		}
		if err != nil {
			return
		}
	}
}

// poll hands a connection without TLS to the poller.
func (s *Server) poll(tcp *net.TCPConn, where string) {
	sock, err := take(tcp)
	if err != nil {
		return
	}
	c, err := newConn(sock, where)
	if err == nil && s.add(c) {
		err = s.plain.add(c, sock)
	}
	if err != nil {
		_ = sock.Close()
	}
}

// closing answers a client's close frame.
var closing = ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))

func (s *Server) add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c.Index] = c
	s.pace.add(c)
	s.announce()
	return true
}

func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pace.remove(c)
	if s.conns[c.Index] == c {
		delete(s.conns, c.Index)
	}
	s.announce()
}

// announce wakes WaitCount. Under mu.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// WaitCount waits until n connections are there.
func (s *Server) WaitCount(n int, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		s.mu.Lock()
		have, changed := len(s.conns), s.changed
		s.mu.Unlock()
		if have == n {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return fmt.Errorf("%d connections after %v, expected %d", have, limit, n)
		}
	}
}

// Conns are the connections by index.
func (s *Server) Conns() map[int]*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[int]*Conn, len(s.conns))
	for i, c := range s.conns {
		all[i] = c
	}
	return all
}

// Play sets what is sent to every connection, to the last of them from BeginOver on.
func (s *Server) Play(m Mode) {
	s.pace.from.Store(measure.Now())
	s.pace.mode.Store(int32(m))
}

// Late counts the times that what Play sends went out more than 5 ms late.
func (s *Server) Late() int64 { return s.pace.late.Load() }

// Flood writes frames to a connection again and again until stop, or its end, in place of what Play sends.
func (s *Server) Flood(c *Conn, frames []byte, stop <-chan struct{}) {
	s.pace.remove(c) // it would wait for the flood
	s.wait.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if !c.write(frames) {
				return
			}
		}
	})
}

// Close ends everything.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for _, c := range s.conns {
		_ = c.nc.Close()
	}
	s.mu.Unlock()
	s.plain.close()
	close(s.pace.stop)
	_ = s.listener.Close()
	s.wait.Wait()
}

// place reads what URL put into the request.
func place(uri string) (index, rate int, err error) {
	u, err := url.Parse(uri)
	if err != nil {
		return 0, 0, err
	}
	q := u.Query()
	index, err1 := strconv.Atoi(q.Get("i"))
	rate, err2 := strconv.Atoi(q.Get("r"))
	return index, rate, errors.Join(err1, err2)
}
