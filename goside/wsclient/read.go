package wsclient

// The reading half: frames into messages (RFC 6455 sections 5 and 8), answers to control frames, limits. Everything here
// runs on the goroutine that calls Read, usually the pump's (Conn.Run), but for the answers, which go through the write side.

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"mod_audio_stream/goside/events"
)

const (
	readBuffer = 1 << 10  // bytes
	readStep   = 64 << 10 // bytes; memory follows what has arrived in such steps, never what a header announces
	keepBytes  = 64 << 10 // bytes; larger message buffers are given back after use
)

var (
	errTooLarge = errors.New("the message is too large")
	readers     = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}
)

// violation is a breach of RFC 6455 by the server, on its way to becoming an *Error.
type violation struct {
	code      events.Code
	closeCode ws.StatusCode
	text      string
}

func (v *violation) Error() string { return v.text }

// wire is what the bufio.Reader reads from: what came with the handshake, then the socket. It counts.
type wire struct{ c *Conn }

func (w wire) Read(p []byte) (int, error) {
	c := w.c
	var n int
	var err error
	if len(c.early) > 0 {
		n = copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
	} else {
		n, err = c.in.Read(p)
	}
	if n > 0 {
		c.touch()
		c.cfg.OnBytes(0, n)
	}
	return n, err
}

// Read returns the next message; data is valid until the next Read. One goroutine. It answers pings and the server's close
// frame itself. The error is a *CloseError (the server closed; it has been answered) or an *Error, and stays the same from
// then on. Close or Abort, from elsewhere, end it.
func (c *Conn) Read() (kind Kind, data []byte, err error) {
	if c.readErr != nil {
		return 0, nil, c.readErr
	}
	if kind, data, err = c.readMessage(); err != nil {
		c.readErr = c.endRead(err)
		return 0, nil, c.readErr
	}
	return kind, data, nil
}

func (c *Conn) readMessage() (Kind, []byte, error) {
	c.msg, c.plain = shrunk(c.msg), shrunk(c.plain)
	var (
		kind       Kind
		begun      bool // a fragmented message is being read
		compressed wsflate.MessageState
	)
	for {
		h, err := c.readHeader(&compressed, begun)
		if err != nil {
			return 0, nil, err
		}
		if h.OpCode.IsControl() {
			if err := c.control(h); err != nil {
				return 0, nil, err
			}
			continue
		}
		if !begun {
			begun = true
			kind = Binary
			if h.OpCode == ws.OpText {
				kind = Text
			}
		}
		if err := c.readPayload(h.Length); err != nil {
			return 0, nil, err
		}
		if h.Fin {
			data, err := c.complete(kind, compressed.IsCompressed())
			return kind, data, err
		}
	}
}

// readHeader reads one frame header and checks it against RFC 6455 section 5.2.
func (c *Conn) readHeader(compressed *wsflate.MessageState, begun bool) (ws.Header, error) {
	h, err := ws.ReadHeaderBuffer(c.br, c.hdr[:])
	if err != nil {
		if errors.Is(err, ws.ErrHeaderLengthMSB) || errors.Is(err, ws.ErrHeaderLengthUnexpected) {
			return h, &violation{events.InvalidHeader, ws.StatusProtocolError, "a frame header with an impossible length"}
		}
		return h, err
	}
	if h.Masked {
		return h, &violation{events.ServerMasked, ws.StatusProtocolError, "a masked frame, which only clients may send"}
	}
	if c.deflate {
		if h, err = compressed.UnsetBits(h); err != nil {
			return h, &violation{events.Protocol, ws.StatusProtocolError, err.Error()}
		}
	}
	state := ws.StateClientSide
	if begun {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return h, &violation{events.Protocol, ws.StatusProtocolError, err.Error()}
	}
	return h, nil
}

// readPayload appends a data frame's payload to msg. The announced length is checked before it costs anything.
func (c *Conn) readPayload(length int64) error {
	if length > int64(c.cfg.MaxMessage-len(c.msg)) {
		return c.tooLarge()
	}
	for left := int(length); left > 0; {
		step := min(left, readStep)
		at := len(c.msg)
		c.msg = room(c.msg, step)[:at+step]
		if _, err := io.ReadFull(c.br, c.msg[at:]); err != nil {
			return err
		}
		left -= step
	}
	return nil
}

// complete checks, and inflates, a message that has arrived.
func (c *Conn) complete(kind Kind, compressed bool) ([]byte, error) {
	data := c.msg
	if compressed {
		var err error
		c.plain, err = c.inflate.inflate(c.plain[:0], c.msg, c.cfg.MaxMessage)
		if errors.Is(err, errTooLarge) {
			return nil, c.tooLarge()
		}
		if err != nil {
			return nil, &violation{events.Protocol, ws.StatusInvalidFramePayloadData, "a message that cannot be inflated"}
		}
		data = c.plain
	}
	if kind == Text && !utf8.Valid(data) {
		return nil, &violation{events.Protocol, ws.StatusInvalidFramePayloadData, "a text that is not valid UTF-8"}
	}
	return data, nil
}

func (c *Conn) tooLarge() error {
	return &violation{events.TooLarge, ws.StatusMessageTooBig, fmt.Sprintf("a message of more than %d bytes", c.cfg.MaxMessage)}
}

// control reads and handles a control frame (RFC 6455 section 5.5); its length has been checked.
func (c *Conn) control(h ws.Header) error {
	payload := c.ctl[:h.Length]
	if _, err := io.ReadFull(c.br, payload); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		c.sendPong(payload)
	case ws.OpPong:
		c.pongArrived(payload)
	case ws.OpClose:
		return closeFrame(payload)
	}
	return nil
}

// closeFrame reads the body of a close frame (RFC 6455 section 5.5.1) into the error that it means.
func closeFrame(payload []byte) error {
	if len(payload) == 0 {
		return &CloseError{Code: int(ws.StatusNoStatusRcvd)}
	}
	if len(payload) == 1 {
		return &violation{events.Protocol, ws.StatusProtocolError, "a close frame with half a code"}
	}
	code := int(binary.BigEndian.Uint16(payload))
	if !sendableCode(code) {
		return &violation{events.Protocol, ws.StatusProtocolError, fmt.Sprintf("a close frame with code %d, which is not allowed", code)}
	}
	if !utf8.Valid(payload[2:]) {
		return &violation{events.Protocol, ws.StatusInvalidFramePayloadData, "a close frame whose reason is not valid UTF-8"}
	}
	return &CloseError{Code: code, Reason: string(payload[2:])}
}

// sendableCode reports whether a close frame may hold code: RFC 6455 section 7.4, and 1012 to 1014 of the IANA registry,
// which the library's own check does not know.
func sendableCode(code int) bool {
	return 1000 <= code && code <= 1003 || 1007 <= code && code <= 1014 || 3000 <= code && code <= 4999
}

// endRead makes the final error of Read, answers the server where RFC 6455 wants an answer, and lets go of what reading
// needed.
func (c *Conn) endRead(err error) error {
	var (
		closing *CloseError
		breach  *violation
	)
	switch {
	case errors.As(err, &closing):
		code := closing.Code
		if code == int(ws.StatusNoStatusRcvd) {
			code = 0 // an empty frame is answered by an empty frame
		}
		c.requestClose(closeNow, code, "")
	case errors.As(err, &breach):
		// the reason is for the server's log
		c.requestClose(closeNow, int(breach.closeCode), breach.text)
		c.breached = true
		e := &Error{Code: breach.code, CloseCode: int(breach.closeCode), err: err}
		if e.Code == events.TooLarge {
			e.Text = fmt.Sprintf("the server sent %s, the limit set in audio_stream.conf.xml (closed with %d; send smaller ones, or raise max-message-bytes)", breach.text, e.CloseCode)
		} else {
			e.Text = fmt.Sprintf("the server broke the WebSocket protocol: %s (closed with %d; update or fix the server)", breach.text, e.CloseCode)
		}
		err = e
	default:
		err = c.lost(err)
		c.closeSocket()
	}
	c.br.Reset(nil)
	readers.Put(c.br)
	c.br, c.early, c.msg, c.plain, c.inflate = nil, nil, nil, nil, nil
	close(c.readDone)
	return err
}

// lost is the error for a connection that ended without a close frame.
func (c *Conn) lost(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil {
		return c.failure
	}
	return lossOf(err)
}

// seeServer is what to do about a connection that went away without a word.
const seeServer = " (look into the server's log, and at the network)"

// lossOf classifies a failed read or write.
func lossOf(err error) *Error {
	var (
		record tls.RecordHeaderError
		op     *net.OpError
	)
	switch {
	case errors.As(err, &record), errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		return &Error{Code: events.SSLError, err: err, Text: "the connection was lost: broken TLS: " + printable(cause(err)) + seeServer}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Code: events.IO, err: err, Text: "the connection was lost: the server closed it without a close frame" + seeServer}
	}
	return &Error{Code: events.IO, err: err, Text: "the connection was lost: " + printable(cause(err)) + seeServer}
}

// room makes sure that n more bytes can be appended without moving.
func room(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return slices.Grow(b, n)
}

// shrunk empties a buffer for the next message, and gives a large one back.
func shrunk(b []byte) []byte {
	if cap(b) > keepBytes {
		return nil
	}
	return b[:0]
}
