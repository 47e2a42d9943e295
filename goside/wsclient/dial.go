package wsclient

// Connecting, step by step: checks, then DNS and TCP, then TLS (tls.go), then the WebSocket handshake (handshake.go).
// Each step turns its failures into an *Error that a person can act on.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"mod_audio_stream/goside/events"
)

// dialing is one attempt to connect.
type dialing struct {
	cfg    Config
	u      *url.URL
	host   string // without brackets and zone: what certificates are for
	addr   string // host:port, with the default port
	where  string // scheme://host:port, for texts
	begun  time.Time
	parent context.Context // the caller's
	ctx    context.Context // parent with Config.Timeout
}

// Dial connects. Any goroutine; blocks for Config.Timeout at most; cancelling ctx ends it at once. The error is an
// *Error; errors.Is(err, context.Canceled) tells a cancelled attempt.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	cfg = withDefaults(cfg)
	u, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, &Error{Code: events.ConnectFailed, Text: err.Error(), err: err}
	}
	if err := CheckHeaders(cfg.Headers); err != nil {
		return nil, &Error{Code: events.ConnectFailed, Text: err.Error(), err: err}
	}
	subprotocols, err := checkSubprotocols(cfg.Subprotocol)
	if err != nil {
		return nil, &Error{Code: events.ConnectFailed, Text: err.Error(), err: err}
	}
	d := newDialing(ctx, cfg, u)
	var tlsConf *tls.Config
	if u.Scheme == "wss" {
		// before any connection: what is wrong here, the server cannot help
		if tlsConf, err = d.tlsConfig(); err != nil {
			return nil, &Error{Code: events.TLSInitFailed, Text: d.where + ": " + err.Error(), err: err}
		}
	}
	var cancel context.CancelFunc
	d.ctx, cancel = context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()

	tcp, failed := d.connectTCP()
	if failed != nil {
		return nil, failed
	}
	// The handshakes run over the Go runtime's poller: they wait, on a goroutine of their own.
	base := &socket{Conn: tcp}
	nc := net.Conn(base)
	if tlsConf != nil {
		if nc, failed = d.connectTLS(base, tlsConf); failed != nil {
			_ = tcp.Close() // the reason is told, this one adds nothing
			return nil, failed
		}
	}
	up, failed := d.upgrade(nc, subprotocols)
	if failed != nil {
		_ = tcp.Close()
		return nil, failed
	}
	watched, err := cfg.Poller.Take(tcp)
	if err != nil {
		return nil, d.failed(events.ConnectFailed, err, "the connection broke at once: %s", cause(err))
	}
	base.Conn, base.Reader = watched, watched.Reader()
	if tlsConf == nil {
		nc = watched
	}
	return newConn(cfg, nc, watched, up), nil
}

// socket is what TLS reads from and writes to. What is under it changes once, between the handshakes and the first frame.
type socket struct {
	net.Conn
	io.Reader // nil: the Conn's own
}

func (s *socket) Read(b []byte) (int, error) {
	if s.Reader != nil {
		return s.Reader.Read(b)
	}
	return s.Conn.Read(b)
}

func withDefaults(cfg Config) Config {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxMessage <= 0 {
		cfg.MaxMessage = DefaultMaxMessage
	}
	if cfg.QueueBytes <= 0 {
		cfg.QueueBytes = DefaultQueueBytes
	}
	if cfg.MinTLS == 0 {
		cfg.MinTLS = tls.VersionTLS12
	}
	if cfg.OnSent == nil {
		cfg.OnSent = func(int64, int) {}
	}
	if cfg.OnDropped == nil {
		cfg.OnDropped = func(int) {}
	}
	if cfg.OnBytes == nil {
		cfg.OnBytes = func(int, int) {}
	}
	if cfg.OnPanic == nil {
		cfg.OnPanic = func(any, []byte) {}
	}
	return cfg
}

func newDialing(ctx context.Context, cfg Config, u *url.URL) *dialing {
	port := u.Port()
	if port == "" {
		// RFC 6455 section 3
		port = "80"
		if u.Scheme == "wss" {
			port = "443"
		}
	}
	name := u.Hostname()
	host, _, _ := strings.Cut(name, "%")
	return &dialing{
		cfg:    cfg,
		u:      u,
		host:   strings.TrimSuffix(host, "."),
		addr:   net.JoinHostPort(name, port),
		where:  u.Scheme + "://" + net.JoinHostPort(host, port),
		begun:  time.Now(),
		parent: ctx,
	}
}

// connectTCP tries the host's IPv6 and IPv4 addresses side by side (RFC 6555, net.Dialer).
func (d *dialing) connectTCP() (*net.TCPConn, *Error) {
	var dialer net.Dialer
	nc, err := dialer.DialContext(d.ctx, "tcp", d.addr)
	if err != nil {
		if e := d.ended("no TCP connection", "check host, port and firewall", err); e != nil {
			return nil, e
		}
		return nil, d.failed(events.ConnectFailed, err, "%s", tcpReason(err, d.host))
	}
	tcp := nc.(*net.TCPConn) // "tcp" gives nothing else
	// a frame must not wait for the acknowledgement of the one before (Nagle); Go's default, said for the reader
	if err := tcp.SetNoDelay(true); err != nil {
		_ = tcp.Close()
		return nil, d.failed(events.ConnectFailed, err, "the connection broke at once: %s", cause(err))
	}
	return tcp, nil
}

// ended is the error of a step that failed because the attempt was cancelled or took too long, else nil.
func (d *dialing) ended(what, advice string, err error) *Error {
	if errors.Is(d.parent.Err(), context.Canceled) {
		return &Error{Code: events.ConnectFailed, Text: d.where + ": connecting was cancelled", err: context.Canceled}
	}
	var timeout net.Error
	if d.ctx.Err() == nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
		return nil
	}
	return d.failed(events.Timeout, err, "%s after %d ms (%s, or raise STREAM_CONNECT_TIMEOUT_MS)", what,
		time.Since(d.begun).Milliseconds(), advice)
}

func (d *dialing) failed(code events.Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Text: d.where + ": " + fmt.Sprintf(format, args...), err: err}
}

func tcpReason(err error, host string) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Sprintf("host name %q could not be resolved: %s (check the URL and this machine's DNS settings)", clip(host), dns.Err)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused (nothing listens there: check host and port, and that the server runs)"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "no route to the host (check the address, and this machine's network and firewall)"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "this machine has no file descriptors left (raise the limit of open files)"
	}
	return "no TCP connection: " + cause(err) + seeServer
}

// cause is the innermost text of a network error: without addresses, which the text in front of it names already.
func cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
