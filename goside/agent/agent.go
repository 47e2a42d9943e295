// Package agent is the far side of the WebSocket: a server that takes a call's audio and gives audio back. The command
// audio-agent, the demo and the end-to-end tests run on it; the module itself does not import it.
//
// This file holds the server: its configuration, the listener and the life of its connections. What one connection
// does is in conn.go, the handshake in handshake.go, ready-made behaviours in modes.go.
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Config says how a Server behaves. The zero value listens on a free port of 127.0.0.1, accepts everybody, keeps what it
// receives for Conn.Next and answers pings and closes.
type Config struct {
	Listen string      // host:port; "" is 127.0.0.1:0
	TLS    *tls.Config // nil: ws://

	Subprotocols []string // those that are accepted, when offered
	Deflate      bool     // accept permessage-deflate, without context takeover

	// Refuse is asked for every handshake; a non-nil answer is sent instead of 101. It runs in the connection's
	// goroutine.
	Refuse func(Handshake) *Refusal
	// Greet gives bytes that leave in one segment with the 101 response, so that the client has them before it can do
	// anything else; TextFrame, BinaryFrame and CloseFrame make them. nil: none.
	Greet func(Handshake) []byte
	// Silent accepts TCP connections and never says a word, not even a TLS hello.
	Silent bool
	// HoldReads starts every connection with reading held, until Conn.ReleaseReads.
	HoldReads bool
	// NoPong leaves pings unanswered.
	NoPong bool

	// Mode reacts to what arrives; nil: nothing does. One value serves all connections.
	Mode Mode
	// Forget does not keep received frames: for a server that runs for days. Conn.Next and Conn.Frames are then empty.
	Forget bool

	// Log gets one line for every connection that ended; nil: none. It is called from the connection's goroutine.
	Log func(line string)
}

// Mode is a behaviour. Its methods are called from the connection's reading goroutine, in the order of arrival.
type Mode interface {
	// Opened is called once the handshake is done, before the first frame.
	Opened(c *Conn)
	// Received is called for every text or binary message. f.Data is valid after the call only when frames are kept.
	Received(c *Conn, f Frame)
	// Closed is called once, after the last frame.
	Closed(c *Conn)
}

// Server is a running agent.
type Server struct {
	cfg      Config
	listener net.Listener
	accepted chan *Conn // handshakes that succeeded, in order
	ctx      context.Context
	stop     context.CancelFunc
	group    sync.WaitGroup

	mu         sync.Mutex
	conns      map[*Conn]struct{}
	sockets    map[net.Conn]struct{} // of connections that have no Conn yet
	handshakes []Handshake
	attempts   int
	changed    chan struct{} // closed and replaced whenever attempts or handshakes grow
	closed     bool
}

// acceptQueue bounds the connections nobody has taken with Accept; further ones are served all the same.
const acceptQueue = 4096

// Start listens and serves until Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w (is another agent running there?)", cfg.Listen, err)
	}
	s := &Server{
		cfg:      cfg,
		listener: l,
		accepted: make(chan *Conn, acceptQueue),
		conns:    make(map[*Conn]struct{}),
		sockets:  make(map[net.Conn]struct{}),
		changed:  make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.group.Add(1)
	go s.acceptLoop()
	return s, nil
}

// Addr is the host:port the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the ws:// or wss:// address of path ("" or "/…", with a query if you like).
func (s *Server) URL(path string) string {
	scheme := "ws"
	if s.cfg.TLS != nil {
		scheme = "wss"
	}
	return scheme + "://" + s.Addr() + path
}

// Port is the TCP port the server listens on.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Accept gives the next connection whose handshake succeeded, in the order they did.
func (s *Server) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-s.accepted:
		return c, nil
	default:
	}
	select {
	case c := <-s.accepted:
		return c, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no WebSocket connection to %s: %w", s.Addr(), ctx.Err())
	case <-s.ctx.Done():
		return nil, errors.New("the agent has been closed")
	}
}

// Attempts counts TCP connections, whatever became of them.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// WaitAttempts waits until at least n TCP connections were made.
func (s *Server) WaitAttempts(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		have, changed := s.attempts, s.changed
		s.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d TCP connections to %s: %w", have, n, s.Addr(), ctx.Err())
		}
	}
}

// Handshakes returns every complete handshake request so far, also the refused ones.
func (s *Server) Handshakes() []Handshake {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Handshake(nil), s.handshakes...)
}

// Open counts the connections that are established now.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Shutdown stops listening, sends close 1001 on every connection and waits up to grace for the peers to answer; then it
// closes what is left. When it returns, no goroutine of the server is left.
func (s *Server) Shutdown(grace time.Duration) error {
	err := s.listener.Close()
	for _, c := range s.snapshot() {
		_ = c.Close(1001, "going away")
	}
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
wait:
	for _, c := range s.snapshot() {
		select {
		case <-c.Done():
		case <-deadline.C:
			break wait
		}
	}
	return errors.Join(err, s.Close())
}

// Close ends everything at once. When it returns, no goroutine of the server is left. It may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	s.mu.Unlock()
	s.stop()
	err := s.listener.Close()
	s.mu.Lock()
	for nc := range s.sockets {
		_ = nc.Close()
	}
	s.mu.Unlock()
	for _, c := range s.snapshot() {
		c.drop()
	}
	s.group.Wait()
	if already || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) snapshot() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

func (s *Server) acceptLoop() {
	defer s.group.Done()
	for n := 1; ; n++ {
		nc, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = nc.Close()
			return
		}
		s.attempts = n
		s.sockets[nc] = struct{}{}
		s.announce()
		s.group.Add(1)
		s.mu.Unlock()
		go s.serve(nc, n)
	}
}

// announce wakes those who wait for a count; the caller holds mu.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) serve(nc net.Conn, n int) {
	defer s.group.Done()
	defer func() {
		s.mu.Lock()
		delete(s.sockets, nc)
		s.mu.Unlock()
		_ = nc.Close()
	}()
	if s.cfg.Silent {
		// Read until the peer gives up, so that its FIN or RST ends this goroutine.
		buf := make([]byte, 4096)
		for {
			if _, err := nc.Read(buf); err != nil {
				return
			}
		}
	}
	c, err := s.handshake(nc, n)
	if err != nil {
		if s.cfg.Log != nil {
			s.cfg.Log(fmt.Sprintf("connection %d from %s: handshake failed: %v", n, nc.RemoteAddr(), err))
		}
		return
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	if s.cfg.Mode != nil {
		s.cfg.Mode.Opened(c)
	}
	select {
	case s.accepted <- c:
	default: // nobody takes connections here
	}
	c.read()
	c.finish()
	if s.cfg.Mode != nil {
		s.cfg.Mode.Closed(c)
	}
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	if s.cfg.Log != nil {
		s.cfg.Log(c.summary())
	}
	close(c.done)
}
