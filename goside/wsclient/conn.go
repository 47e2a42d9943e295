// Package wsclient is the module's WebSocket client (RFC 6455): one connection to one server, over ws or wss.
//
// It knows sockets, TLS and frames. It knows nothing of calls, events or what the messages mean, starts no connection
// by itself and never reconnects: that is the stream's.
//
// This file holds what a caller sees: errors, configuration, and the connection's fields and small accessors.
package wsclient

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/netpoll"
	"mod_audio_stream/goside/settings"
)

// Error is why a connection could not be made or was lost. Its text holds no credentials and no query values.
type Error struct {
	Code      events.Code
	CloseCode int    // the RFC 6455 section 7.4.1 code we closed with; 0 if we sent none
	Text      string // what was tried, what happened, what to do
	Status    int    // HTTP status when the server refused the handshake, else 0
	err       error
}

func (e *Error) Error() string { return e.Text }

// Unwrap gives the cause, e.g. context.Canceled or net.ErrClosed; may be nil.
func (e *Error) Unwrap() error { return e.err }

// CloseError is the server's close frame. Code is 1005 when the frame held none (RFC 6455 section 7.1.5).
type CloseError struct {
	Code   int
	Reason string // valid UTF-8, at most 123 bytes
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the server closed the connection with code %d", e.Code)
	}
	return fmt.Sprintf("the server closed the connection with code %d: %s", e.Code, e.Reason)
}

// Errors of SendText.
var (
	ErrClosed    = errors.New("the connection is closed or closing")
	ErrQueueFull = errors.New("too many texts wait for a server that does not read (send fewer, or check the server)")
	ErrNotUTF8   = errors.New("the text is not valid UTF-8, which a text frame must be (RFC 6455 section 5.6)")
)

// Defaults of Config, and bounds that are not configurable.
const (
	DefaultTimeout    = 5 * time.Second
	DefaultMaxMessage = 4 << 20  // bytes
	DefaultQueueBytes = 64 << 10 // bytes

	maxTexts     = 256     // texts waiting for the socket
	maxTextBytes = 1 << 20 // bytes of them
)

// Config says how to connect and with what limits. The zero value of every field but Poller and URL is usable.
type Config struct {
	Poller      *netpoll.Poller   // watches the socket once the connection stands; somebody must be waiting in it
	URL         string            // checked by ParseURL
	Headers     []settings.Header // further handshake headers, checked by CheckHeaders
	Subprotocol string            // Sec-WebSocket-Protocol: a token, or several separated by commas
	Timeout     time.Duration     // DNS, TCP, TLS and handshake together; 0: DefaultTimeout

	CAFile       string // PEM file; "SYSTEM" or "": the system's; "NONE": no verification at all
	CertFile     string // client certificate, PEM; "" for none
	KeyFile      string // its key, PEM; "": the key is in CertFile
	SkipHostname bool   // verify the chain, not the name
	MinTLS       uint16 // crypto/tls version; 0: TLS 1.2

	Deflate    bool          // offer permessage-deflate (RFC 7692)
	MaxMessage int           // bytes, largest message from the server, also after inflating; 0: DefaultMaxMessage
	HeartBeat  time.Duration // silence on the wire after which a ping goes out; 0: never
	QueueBytes int           // bytes, bound of the queue for audio that the socket did not take; 0: DefaultQueueBytes

	// OnSent: an audio frame has been handed to the kernel. bytes is the payload as given to SendAudio. Any goroutine,
	// in the order of the frames; must not block.
	OnSent func(capturedNS int64, bytes int)
	// OnDropped: audio frames were dropped, the oldest first, because the queue was full. Any goroutine; must not block.
	OnDropped func(frames int)
	// OnBytes: bytes went over the connection (frames with their headers, before TLS). Any goroutine; must not
	// block. One of the two is 0. May be nil, as the others.
	OnBytes func(sent, received int)
	// OnPanic: a goroutine of the connection panicked; the connection ends. Any goroutine. May be nil.
	OnPanic func(recovered any, stack []byte)

	UserAgent string // "" for none
}

// Kind is the kind of a message.
type Kind int

// The kinds of messages (RFC 6455 section 5.6).
const (
	Binary Kind = iota
	Text
)

// Conn is one established connection. Read belongs to one goroutine, SendAudio to one (the pump); everything else may be
// called from anywhere. After Read has returned an error, Close or Abort must still be called: it frees the socket.
type Conn struct {
	cfg    Config
	nc     net.Conn      // what frames are written to and read from: base, or TLS over it
	base   net.Conn      // the TCP connection
	polled *netpoll.Conn // base; nil only in tests, over something that is no socket
	direct bool          // frames are written to polled without blocking; false for wss
	sub    string

	// The reader's own; see read.go.
	in      io.Reader // what br reads from: nc, as a task of the poller's does
	br      *bufio.Reader
	early   []byte // what the server sent right behind its handshake answer
	hdr     [12]byte
	ctl     [125]byte
	msg     []byte
	plain   []byte // msg inflated
	inflate *inflater
	readErr error

	deflate  bool // permessage-deflate was negotiated
	breached bool // the server broke the protocol; written before readDone is closed

	// mu guards the write side below. It is held for non-blocking work only, never across a write that can park.
	mu       sync.Mutex
	enc      frameBuf // the frame being encoded
	out      frameBuf // the audio frame being written; the sender's while sending
	ctlOut   frameBuf // the control frame being written; the sender's while sending
	cur      frame    // the frame begun on the wire; its rest goes first
	audio    audioQueue
	texts    [][]byte // encoded text frames
	textSize int      // bytes in texts
	pong     [125]byte
	pongLen  int // -1: no pong wanted
	ping     [8]byte
	pingWant bool
	closing  closeMode
	closeMsg []byte // body of the close frame to send
	closed   bool   // the close frame has been written; nothing may follow it
	dead     bool   // nothing can be written any more
	sending  bool   // something waits, and the sender goroutine writes it; false: nothing waits
	running  bool   // the sender of a wss connection has been started
	failure  *Error // the first failure that is not Read's own
	wake     chan struct{}
	sender   sync.WaitGroup

	queued   atomic.Int64 // payload bytes of audio accepted and not yet handed to the kernel
	unsent   atomic.Int64 // audio frames that the end of the connection left unsent
	unsentT  atomic.Int64 // texts, the same
	rtt      atomic.Int64 // ns
	lastWire atomic.Int64 // ns since born, of the last byte sent or received; kept only with a heart beat
	born     time.Time

	beat beat

	flushed   chan struct{} // closed when the close frame is with the kernel, or can never be
	flushOnce sync.Once
	readDone  chan struct{} // closed when Read has returned an error
	gone      chan struct{} // closed when the socket is
	goneOnce  sync.Once
	closeOnce sync.Once
}

// newConn takes over a connection whose handshake is done. base is nc or what is below nc's TLS.
func newConn(cfg Config, nc, base net.Conn, up upgraded) *Conn {
	c := &Conn{
		cfg:      cfg,
		nc:       nc,
		base:     base,
		in:       nc,
		sub:      up.subprotocol,
		early:    up.early,
		deflate:  up.deflate,
		audio:    audioQueue{size: cfg.QueueBytes},
		pongLen:  -1,
		wake:     make(chan struct{}, 1),
		born:     time.Now(),
		flushed:  make(chan struct{}),
		readDone: make(chan struct{}),
		gone:     make(chan struct{}),
	}
	c.br = readers.Get().(*bufio.Reader)
	c.br.Reset(wire{c})
	if up.deflate {
		c.inflate = newInflater(up.keepWindow)
	}
	if c.polled, _ = base.(*netpoll.Conn); c.polled != nil && nc == base {
		c.direct, c.in = true, c.polled.Reader()
	}
	c.startBeat()
	return c
}

// Run runs read, which calls Read until that fails, on the poller's goroutine whenever there is something to read. read
// must wait for nothing else and must not panic. Once, before the first Read; without it, Read blocks as usual.
func (c *Conn) Run(read func()) {
	// A small message can inflate to a large one, which takes time that the poller's goroutine does not have.
	c.polled.Run(c.deflate, read)
}

// QueuedBytes is the audio (payload bytes as given to SendAudio) that the kernel has not taken yet. Any goroutine.
func (c *Conn) QueuedBytes() int { return int(c.queued.Load()) }

// UnsentFrames counts audio frames given to SendAudio that the end of the connection left unsent. Frames dropped
// because the queue was full are not among them. Final once Close or Abort has returned. Any goroutine.
func (c *Conn) UnsentFrames() int { return int(c.unsent.Load()) }

// UnsentTexts counts texts that SendText took and the end of the connection left unsent. Final as UnsentFrames is.
func (c *Conn) UnsentTexts() int { return int(c.unsentT.Load()) }

// PingRTT is the round trip of the last answered heart beat, 0 before there was one. Any goroutine.
func (c *Conn) PingRTT() time.Duration { return time.Duration(c.rtt.Load()) }

// Subprotocol is the one that the server chose, "" for none. Any goroutine.
func (c *Conn) Subprotocol() string { return c.sub }

// LocalAddr is our address. Any goroutine.
func (c *Conn) LocalAddr() net.Addr { return c.base.LocalAddr() }

// RemoteAddr is the server's address. Any goroutine.
func (c *Conn) RemoteAddr() net.Addr { return c.base.RemoteAddr() }
