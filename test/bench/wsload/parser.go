package wsload

import (
	"bytes"
	"errors"

	"github.com/gobwas/ws"

	"mod_audio_stream/test/bench/steps"
)

// parser takes a connection's bytes as they come, in pieces of any size, and looks at the middle sample of every 20 ms of
// audio. It unmasks no more than that: the reader of a thousand streams must be cheap.
type parser struct {
	head []byte // of a header that has not come whole
	h    ws.Header
	left int // bytes of the payload that are still to come
	done int // bytes of the payload that have come
	at   int // bytes of audio since the beginning, modulo a frame
	low  int // the middle sample's first byte, when its second is still to come; else 0
	have bool
}

var errClosed = errors.New("the client closed")

// feed looks at the next bytes; now is when they were read.
func (c *Conn) feed(b []byte, now int64) error {
	p := &c.in
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if p.left > 0 {
			n := min(p.left, len(b))
			if p.h.OpCode == ws.OpBinary || p.h.OpCode == ws.OpContinuation {
				c.audio(b[:n], now)
			}
			p.done += n
			p.left -= n
			b = b[n:]
		}
		if p.left > 0 || len(b) == 0 {
			return nil
		}
		p.head = append(p.head, b...)
		from := bytes.NewReader(p.head)
		h, err := ws.ReadHeader(from)
		if err != nil { // not whole yet, as a rule
			if len(p.head) >= ws.MaxHeaderSize {
				return err
			}
			return nil
		}
		b = b[len(b)-from.Len():]
		p.head = p.head[:0]
		p.h, p.left, p.done = h, int(h.Length), 0
		switch h.OpCode {
		case ws.OpBinary, ws.OpContinuation:
			c.messages++
			c.bytes += uint64(h.Length)
		case ws.OpClose:
			return errClosed
		default:
			c.texts++
		}
	}
}

// audio looks at a piece of a binary frame's payload.
func (c *Conn) audio(b []byte, now int64) {
	p := &c.in
	frame := c.Rate * steps.FrameMS / 1000 * 2
	byteAt := func(i int) int { return int(b[i] ^ p.h.Mask[(p.done+i)%4]) }
	see := func(v int) {
		if k := c.order.See(int16(uint16(v))); k != steps.None && c.arrived != nil {
			c.arrived(k, c.order.Number, now)
		}
	}
	if p.have {
		p.have = false
		see(p.low | byteAt(0)<<8)
	}
	for i := (frame/2&^1 - p.at + frame) % frame; i < len(b); i += frame {
		if i+1 == len(b) {
			p.low, p.have = byteAt(i), true
			break
		}
		see(byteAt(i) | byteAt(i+1)<<8)
	}
	p.at = (p.at + len(b)) % frame
}
