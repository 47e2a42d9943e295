package wsclient

// The writing half, as its callers see it: audio, texts, pongs, and the write that never parks. What the socket does not
// take at once goes on in sender.go.

import (
	"encoding/binary"
	"math/rand/v2"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// frameBuf is a reused buffer for one encoded frame.
type frameBuf struct {
	b   []byte
	hdr [ws.MaxHeaderSize]byte
}

// Write implements io.Writer for ws.WriteHeaderBuffer.
func (f *frameBuf) Write(p []byte) (int, error) {
	f.b = append(f.b, p...)
	return len(p), nil
}

// encode replaces the buffer's content by one masked frame.
func (f *frameBuf) encode(op ws.OpCode, compressed bool, payload []byte) {
	h := ws.Header{Fin: true, OpCode: op, Masked: true, Length: int64(len(payload))}
	if compressed {
		h.Rsv = ws.Rsv(true, false, false)
	}
	// RFC 6455 section 5.3: a fresh key for each frame that the server cannot predict. The functions of math/rand/v2 draw
	// from the runtime's ChaCha8, which the operating system's entropy seeds, without lock or allocation.
	binary.LittleEndian.PutUint32(h.Mask[:], rand.Uint32())
	f.b = f.b[:0]
	_ = ws.WriteHeaderBuffer(f, h, f.hdr[:]) // fails only for a short buffer or a failing writer
	at := len(f.b)
	f.b = append(f.b, payload...)
	ws.Cipher(f.b[at:], h.Mask, 0)
}

// frame is a frame on its way to the socket.
type frame struct {
	b          []byte // what has not been written yet; nil: no frame
	audio      bool
	text       bool
	closing    bool  // the close frame
	payload    int   // audio: bytes given to SendAudio
	capturedNS int64 // audio
}

// SendAudio sends one binary frame; payload may be reused when it returns. It never blocks and, once its buffers have
// grown, allocates nothing. One goroutine (the pump). Frames that come after the connection's end are counted by
// UnsentFrames; an empty payload is nothing.
func (c *Conn) SendAudio(payload []byte, capturedNS int64) {
	if len(payload) == 0 {
		return
	}
	body, pooled, err := c.body(payload)
	if err != nil {
		c.unsent.Add(1)
		return
	}
	sent, dropped, whole := c.putAudio(body, pooled != nil, len(payload), capturedNS)
	if pooled != nil {
		pooled.release()
	}
	if sent > 0 {
		c.wrote(sent)
	}
	if whole {
		c.cfg.OnSent(capturedNS, len(payload))
	}
	if dropped > 0 {
		c.cfg.OnDropped(dropped)
	}
}

// body is what goes into the frame; pooled is to be released once it has been copied.
func (c *Conn) body(payload []byte) (body []byte, pooled *deflater, err error) {
	if !c.deflate {
		return payload, nil, nil
	}
	return compress(payload)
}

// putAudio writes a frame at once if nothing waits and the kernel takes it, else queues it (the rest of it). It
// returns the bytes written, the frames dropped, and whether the kernel has it whole.
func (c *Conn) putAudio(body []byte, compressed bool, payload int, capturedNS int64) (sent, dropped int, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.closing != closeNone {
		c.unsent.Add(1)
		return 0, 0, false
	}
	c.enc.encode(ws.OpBinary, compressed, body)
	if !c.direct || c.sending {
		var droppedPayload int
		dropped, droppedPayload = c.audio.push(c.enc.b, payload, capturedNS)
		c.queued.Add(int64(payload - droppedPayload))
		c.startSender()
		return 0, dropped, false
	}
	n, err := c.polled.TryWrite(c.enc.b)
	if err != nil {
		c.unsent.Add(1)
		c.writeFailed(err)
		return n, 0, false
	}
	if n == len(c.enc.b) {
		return n, 0, true
	}
	// the frame is the sender's from here on, and with it its buffer
	c.enc, c.out = c.out, c.enc
	c.cur = frame{b: c.out.b[n:], audio: true, payload: payload, capturedNS: capturedNS}
	c.queued.Add(int64(payload))
	c.startSender()
	return n, 0, false
}

// SendText sends one text frame; text may be reused when it returns. It never blocks. Any goroutine; texts keep their
// order and go before audio that waits. ErrClosed, ErrQueueFull, ErrNotUTF8.
func (c *Conn) SendText(text []byte) error {
	if !utf8.Valid(text) {
		return ErrNotUTF8
	}
	body, pooled, err := c.body(text)
	if err != nil {
		return err
	}
	f := frameBuf{b: make([]byte, 0, len(body)+ws.MaxHeaderSize)}
	f.encode(ws.OpText, pooled != nil, body)
	if pooled != nil {
		pooled.release()
	}
	sent, err := c.putText(f.b)
	if sent > 0 {
		c.wrote(sent)
	}
	return err
}

func (c *Conn) putText(encoded []byte) (sent int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.closing != closeNone {
		return 0, ErrClosed
	}
	if len(c.texts) >= maxTexts || c.textSize+len(encoded) > maxTextBytes+ws.MaxHeaderSize {
		return 0, ErrQueueFull
	}
	c.texts = append(c.texts, encoded)
	c.textSize += len(encoded)
	return c.kick(), nil
}

// sendPong answers a ping. Of several that cannot be answered yet, the latest is (RFC 6455 section 5.5.3).
func (c *Conn) sendPong(payload []byte) {
	c.mu.Lock()
	c.pongLen = copy(c.pong[:], payload)
	sent := c.kick()
	c.mu.Unlock()
	if sent > 0 {
		c.wrote(sent)
	}
}

// wrote counts bytes that the kernel took. Not under mu.
func (c *Conn) wrote(n int) {
	c.touch()
	c.cfg.OnBytes(n, 0)
}

// kick gets going what has just been queued: directly as far as the kernel takes it, the rest by the sender. Under mu;
// returns the bytes written.
func (c *Conn) kick() (sent int) {
	if c.sending || c.dead {
		return 0
	}
	if !c.direct {
		c.startSender()
		return 0
	}
	for c.next() {
		n, err := c.polled.TryWrite(c.cur.b)
		sent += n
		if err != nil {
			c.writeFailed(err)
			return sent
		}
		if n < len(c.cur.b) {
			c.cur.b = c.cur.b[n:]
			c.startSender()
			return sent
		}
		c.finish()
	}
	return sent
}
