// The receiving half of a connection: frames are put together to messages, control frames are answered. Only the
// connection's own goroutine runs this.

package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// read takes frames until the connection ends.
func (c *Conn) read() {
	var message Frame
	for {
		c.mu.Lock()
		gate := c.gate
		c.mu.Unlock()
		if gate != nil {
			select {
			case <-gate:
			case <-c.ctx.Done():
			}
		}
		h, err := ws.ReadHeader(c.reader)
		if err != nil {
			c.fail(err)
			return
		}
		if h.Length > messageLimit {
			c.fail(fmt.Errorf("a frame of %d bytes is beyond the limit of %d", h.Length, messageLimit))
			return
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(c.reader, payload); err != nil {
			c.fail(err)
			return
		}
		if h.Masked {
			ws.Cipher(payload, h.Mask, 0)
		}
		f := Frame{Op: h.OpCode, Data: payload, At: time.Now(), Fragments: 1, Masked: h.Masked}
		if h.OpCode.IsControl() {
			if c.control(f) {
				return
			}
			continue
		}
		if h.OpCode == ws.OpContinuation {
			message.Data = append(message.Data, payload...)
			message.Fragments++
			message.At = f.At
			message.Masked = message.Masked && f.Masked
		} else {
			message = f
			message.Compressed = h.Rsv1()
		}
		if !h.Fin {
			continue
		}
		if message.Compressed {
			plain, err := wsflate.DefaultHelper.Decompress(message.Data)
			if err != nil {
				c.fail(fmt.Errorf("cannot inflate a message: %w", err))
				return
			}
			message.Data = plain
		}
		c.take(message)
	}
}

// control handles one control frame; true when the connection is over.
func (c *Conn) control(f Frame) bool {
	c.keep(f)
	switch f.Op {
	case ws.OpPing:
		if !c.server.cfg.NoPong {
			_ = c.SendRaw(ws.MustCompileFrame(ws.NewPongFrame(f.Data)))
		}
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(f.Data)
		if len(f.Data) < 2 {
			code = ws.StatusNoStatusRcvd
		}
		c.mu.Lock()
		c.closeCode, c.closeText = code, reason
		c.mu.Unlock()
		c.writing.Lock()
		answered := c.closeSent
		c.closeSent = true
		c.writing.Unlock()
		if !answered {
			_ = c.SendRaw(ws.MustCompileFrame(ws.NewCloseFrame(bytes.Clone(f.Data))))
		}
		return true
	}
	return false
}

func (c *Conn) take(f Frame) {
	c.recvBytes.Add(uint64(len(f.Data)))
	if f.IsBinary() {
		c.recvFrames.Add(1)
	}
	c.mu.Lock()
	if f.IsText() && !c.hasMeta && c.recvFrames.Load() == 0 {
		c.metadata = string(f.Data)
	}
	c.hasMeta = true
	c.mu.Unlock()
	c.keep(f)
	if c.server.cfg.Mode != nil {
		c.server.cfg.Mode.Received(c, f)
	}
}

func (c *Conn) keep(f Frame) {
	if c.server.cfg.Forget {
		return
	}
	c.mu.Lock()
	c.frames = append(c.frames, f)
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
}

func (c *Conn) fail(err error) {
	if errors.Is(err, net.ErrClosed) {
		err = errors.New("closed by this side")
	}
	c.mu.Lock()
	c.readErr = err
	c.mu.Unlock()
}

// finish ends the connection's tasks and wakes those who wait for frames.
func (c *Conn) finish() {
	c.cancel()
	_ = c.nc.Close()
	c.tasks.Wait()
	c.mu.Lock()
	c.ended = true
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
}
