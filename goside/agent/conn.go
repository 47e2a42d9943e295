// One established connection: its queue of what arrived, and sending. Reading the socket is in receive.go; what audio
// means is the modes' business.

package agent

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// Frame is one message, or one control frame, that arrived.
type Frame struct {
	Op         ws.OpCode
	Data       []byte
	At         time.Time // when its last byte was read
	Fragments  int       // frames the message came in, 1 when it was not fragmented
	Compressed bool
	Masked     bool // RFC 6455 section 5.1 asks it of every client frame
}

// IsText and IsBinary say what the message is.
func (f Frame) IsText() bool { return f.Op == ws.OpText }

// IsBinary reports whether the frame is audio.
func (f Frame) IsBinary() bool { return f.Op == ws.OpBinary }

// Conn is one WebSocket connection. Its methods may be called from any goroutine.
type Conn struct {
	Handshake Handshake

	server *Server
	nc     net.Conn // TLS or TCP
	raw    net.Conn // TCP
	reader *bufio.Reader
	opened time.Time
	done   chan struct{}
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	writing    sync.Mutex
	closeSent  bool
	gate       chan struct{} // nil: reads flow; else they wait until it is closed
	mu         sync.Mutex
	frames     []Frame
	next       int
	changed    chan struct{}
	ended      bool
	closeCode  ws.StatusCode
	closeText  string
	readErr    error
	metadata   string
	hasMeta    bool
	recvFrames atomic.Uint64
	recvBytes  atomic.Uint64
	sentFrames atomic.Uint64
	sentBytes  atomic.Uint64
}

// Counts are the binary messages and all payload bytes of a connection.
type Counts struct{ ReceivedFrames, ReceivedBytes, SentFrames, SentBytes uint64 }

const (
	writeTimeout = 30 * time.Second
	// messageLimit keeps a broken client from filling the memory, bytes.
	messageLimit = 16 << 20
)

func newConn(s *Server, nc, raw net.Conn, h Handshake) *Conn {
	c := &Conn{
		Handshake: h, server: s, nc: nc, raw: raw, reader: bufio.NewReaderSize(nc, 64<<10),
		opened: time.Now(), done: make(chan struct{}), changed: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	if s.cfg.HoldReads {
		c.gate = make(chan struct{})
	}
	return c
}

// Done is closed when the connection is over and its mode has finished.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.ctx }

// Go runs a task that belongs to the connection: its context ends with the connection, and the connection is not Done
// before the task has returned. Only for a Mode, from Opened or Received.
func (c *Conn) Go(task func(ctx context.Context)) {
	c.tasks.Add(1)
	go func() {
		defer c.tasks.Done()
		task(c.ctx)
	}()
}

// Counts gives the traffic so far.
func (c *Conn) Counts() Counts {
	return Counts{c.recvFrames.Load(), c.recvBytes.Load(), c.sentFrames.Load(), c.sentBytes.Load()}
}

// CloseReceived is the peer's close frame; ok is false when none came. Code 1005 stands for one without a code.
func (c *Conn) CloseReceived() (code int, reason string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.closeCode), c.closeText, c.closeCode != 0
}

// Err is what ended reading; nil while it goes on or after a close frame.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readErr
}

// HoldReads stops reading from the socket, once the frame that is being read is done; the peer's writes back up.
func (c *Conn) HoldReads() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gate == nil {
		c.gate = make(chan struct{})
	}
}

// ReleaseReads lets reading go on.
func (c *Conn) ReleaseReads() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gate != nil {
		close(c.gate)
		c.gate = nil
	}
}

// Frames returns everything received so far, control frames too.
func (c *Conn) Frames() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Frame(nil), c.frames...)
}

// Next gives the next frame (text, binary or control) in the order of arrival. io.EOF when the connection has ended.
func (c *Conn) Next(ctx context.Context) (Frame, error) {
	for {
		c.mu.Lock()
		if c.next < len(c.frames) {
			f := c.frames[c.next]
			c.next++
			c.mu.Unlock()
			return f, nil
		}
		ended, changed := c.ended, c.changed
		c.mu.Unlock()
		if ended {
			return Frame{}, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Frame{}, fmt.Errorf("no further frame on connection %d: %w", c.Handshake.N, ctx.Err())
		}
	}
}

// NextWhere gives the next frame that ok accepts, passing over the others.
func (c *Conn) NextWhere(ctx context.Context, ok func(Frame) bool) (Frame, error) {
	for {
		f, err := c.Next(ctx)
		if err != nil || ok(f) {
			return f, err
		}
	}
}

// Wait waits until cond is true of all frames so far. io.EOF when the connection ended before.
func (c *Conn) Wait(ctx context.Context, cond func([]Frame) bool) error {
	for {
		c.mu.Lock()
		frames, ended, changed := c.frames, c.ended, c.changed
		c.mu.Unlock()
		if cond(frames) {
			return nil
		}
		if ended {
			return io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting on connection %d with %d frames: %w", c.Handshake.N, len(frames), ctx.Err())
		}
	}
}

// SendBinary and SendText send one unfragmented message.
func (c *Conn) SendBinary(data []byte) error { return c.send(ws.NewBinaryFrame(data), 1) }

// SendText sends one text message.
func (c *Conn) SendText(text string) error { return c.send(ws.NewTextFrame([]byte(text)), 0) }

// SendCompressed sends one text message with permessage-deflate, which must have been agreed on.
func (c *Conn) SendCompressed(text string) error {
	f, err := wsflate.CompressFrame(ws.NewTextFrame([]byte(text)))
	if err != nil {
		return err
	}
	return c.send(f, 0)
}

// Ping sends a ping frame.
func (c *Conn) Ping(data []byte) error { return c.send(ws.NewPingFrame(data), 0) }

// SendRaw writes bytes as they are: for frames that break the protocol on purpose.
func (c *Conn) SendRaw(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.nc.Write(b)
	return err
}

// Close sends a close frame; the connection ends when the peer has answered. Code 0 sends a frame without a code.
func (c *Conn) Close(code int, reason string) error {
	err := c.SendRaw(CloseFrame(code, reason))
	c.writing.Lock()
	c.closeSent = true
	c.writing.Unlock()
	return err
}

// Abort ends the connection with a TCP reset: what a crashed server looks like.
func (c *Conn) Abort() {
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.raw.Close()
	c.ReleaseReads()
}

// CloseSocket ends the connection with a FIN and no close frame.
func (c *Conn) CloseSocket() {
	_ = c.raw.Close()
	c.ReleaseReads()
}

func (c *Conn) drop() {
	c.cancel()
	c.CloseSocket()
}

func (c *Conn) send(f ws.Frame, audio uint64) error {
	err := c.SendRaw(ws.MustCompileFrame(f))
	if err == nil {
		c.sentFrames.Add(audio)
		c.sentBytes.Add(uint64(len(f.Payload)))
	}
	return err
}

// TextFrame is a text frame as it goes over the wire, for Config.Greet and Conn.SendRaw.
func TextFrame(text string) []byte { return ws.MustCompileFrame(ws.NewTextFrame([]byte(text))) }

// BinaryFrame is one binary frame as it goes over the wire.
func BinaryFrame(data []byte) []byte { return ws.MustCompileFrame(ws.NewBinaryFrame(data)) }

// CloseFrame is a close frame as it goes over the wire; code 0 leaves the code out.
func CloseFrame(code int, reason string) []byte {
	var body []byte
	if code != 0 {
		body = binary.BigEndian.AppendUint16(nil, uint16(code))
		body = append(body, reason...)
	}
	return ws.MustCompileFrame(ws.NewCloseFrame(body))
}

// summary is the line logged at the end of a connection.
func (c *Conn) summary() string {
	n := c.Counts()
	end := "without a close frame"
	if code, reason, ok := c.CloseReceived(); ok {
		end = fmt.Sprintf("close %d %q", code, reason)
	} else if err := c.Err(); err != nil {
		end = err.Error()
	}
	c.mu.Lock()
	meta := c.metadata
	c.mu.Unlock()
	return fmt.Sprintf("connection %d from %s path=%s metadata=%q received=%d frames %d bytes sent=%d frames %d bytes lasted=%s end=%s",
		c.Handshake.N, c.Handshake.Remote, c.Handshake.Path, meta, n.ReceivedFrames, n.ReceivedBytes, n.SentFrames,
		n.SentBytes, time.Since(c.opened).Round(time.Millisecond), end)
}
