package wsclient

// The slow path of writing: what goes next, and the goroutine that waits for the socket. It is started when the socket
// does not take a frame. With ws it ends when everything has been written; with wss, where every write can wait, it
// stays until the connection ends.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"github.com/smallnest/ringbuffer"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/fault"
)

// afterReset is how long Read may go on after the server has reset the connection: what it sent before that, perhaps its
// close frame, still waits to be read.
const afterReset = time.Second

// startSender hands the write side to the sender. Under mu, and not when dead.
func (c *Conn) startSender() {
	if c.sending {
		return
	}
	c.sending = true
	if c.direct || !c.running {
		c.running = true
		c.sender.Add(1)
		go c.send()
		return
	}
	select {
	case c.wake <- struct{}{}:
	default: // it has not taken the last one yet
	}
}

// send is the sender goroutine.
func (c *Conn) send() {
	defer c.sender.Done()
	defer c.guard()
	fault.At("send")
	for {
		f, ok := c.take()
		if !ok {
			if c.direct {
				return
			}
			select {
			case <-c.wake:
				continue
			case <-c.gone:
				return
			}
		}
		n, err := c.nc.Write(f.b)
		if n > 0 {
			c.wrote(n)
		}
		c.took(err)
		if f.audio && err == nil {
			c.cfg.OnSent(f.capturedNS, f.payload)
		}
	}
}

// take is the frame to write; false: there is none, and the write side is given back.
func (c *Conn) take() (frame, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next() {
		return c.cur, true
	}
	if c.cur.b != nil { // dead before its turn
		c.abandon()
	}
	c.sending = false
	if c.direct {
		c.audio.ring = nil // the socket is as quick as the audio again, which as a rule it stays
	}
	return frame{}, false
}

// took notes what became of the frame that take gave.
func (c *Conn) took(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.abandon()
		c.writeFailed(err)
		return
	}
	c.finish()
}

// next makes cur the frame to write: one that was begun, then control frames, texts, audio, and the close frame when the
// rest is out. Under mu.
func (c *Conn) next() bool {
	switch {
	case c.dead || c.closed:
		return false
	case c.cur.b != nil:
		return true
	case c.closing == closeNow:
		c.beginClose()
		return true
	case c.pongLen >= 0:
		c.ctlOut.encode(ws.OpPong, false, c.pong[:c.pongLen])
		c.cur = frame{b: c.ctlOut.b}
		c.pongLen = -1
		return true
	case c.pingWant:
		c.ctlOut.encode(ws.OpPing, false, c.ping[:])
		c.cur = frame{b: c.ctlOut.b}
		c.pingWant = false
		return true
	case len(c.texts) > 0:
		c.cur = frame{b: c.texts[0], text: true}
		c.textSize -= len(c.texts[0])
		c.texts[0] = nil
		if c.texts = c.texts[1:]; len(c.texts) == 0 {
			c.texts = nil
		}
		return true
	}
	if payload, capturedNS, ok := c.audio.pop(&c.out); ok {
		c.cur = frame{b: c.out.b, audio: true, payload: payload, capturedNS: capturedNS}
		return true
	}
	if c.closing == closeDrained {
		c.beginClose()
		return true
	}
	return false
}

func (c *Conn) beginClose() {
	c.ctlOut.encode(ws.OpClose, false, c.closeMsg)
	c.cur = frame{b: c.ctlOut.b, closing: true}
}

// finish notes that cur has been written. Under mu.
func (c *Conn) finish() {
	if c.cur.audio {
		c.queued.Add(int64(-c.cur.payload))
	}
	if c.cur.closing {
		c.closed = true
		c.flushOnce.Do(func() { close(c.flushed) })
	}
	c.cur = frame{}
}

// abandon notes that cur will never be written. Under mu.
func (c *Conn) abandon() {
	if c.cur.audio {
		c.queued.Add(int64(-c.cur.payload))
		c.unsent.Add(1)
	}
	if c.cur.text {
		c.unsentT.Add(1)
	}
	c.cur = frame{}
}

// writeFailed ends the write side and makes Read fail, so that one place reports the loss. Under mu.
func (c *Conn) writeFailed(err error) {
	if c.failure == nil {
		c.failure = lossOf(err)
	}
	c.bury()
	until := longAgo
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		until = time.Now().Add(afterReset)
	}
	_ = c.nc.SetReadDeadline(until) // fails only when the socket is closed, and then Read ends as well
}

// bury empties the write side for good. Under mu.
func (c *Conn) bury() {
	c.dead = true
	c.empty()
	c.flushOnce.Do(func() { close(c.flushed) })
}

// empty throws away what waits, but not a frame that has been begun. Under mu.
func (c *Conn) empty() {
	frames, payload := c.audio.reset()
	c.unsent.Add(int64(frames))
	c.unsentT.Add(int64(len(c.texts)))
	c.queued.Add(int64(-payload))
	c.texts, c.textSize = nil, 0
	c.pongLen, c.pingWant = -1, false
}

// guard turns a panic on a goroutine of ours into the end of this connection, not of the process.
func (c *Conn) guard() {
	if r := recover(); r != nil {
		c.cfg.OnPanic(r, debug.Stack())
		c.fail(&Error{Code: events.IO, Text: fmt.Sprintf("the connection was lost: internal error: %v", r)})
	}
}

// audioQueue holds whole encoded frames, each behind a record, in a ring that is made when it is first needed. Under mu.
type audioQueue struct {
	size   int // bytes of the ring
	ring   *ringbuffer.RingBuffer
	record [recordBytes]byte // being written or read
	skip   [256]byte
	frames int
	held   int // payload bytes
}

// recordBytes is a record: length of the frame and of its payload (uint32 each), time of capture (int64).
const recordBytes = 16

// push appends a frame, and drops the oldest for it where there is no room. It returns what was dropped, perhaps the
// frame itself, as frames and payload bytes.
func (q *audioQueue) push(encoded []byte, payload int, capturedNS int64) (dropped, droppedPayload int) {
	need := recordBytes + len(encoded)
	if need > q.size {
		return 1, payload
	}
	if q.ring == nil {
		q.ring = ringbuffer.New(q.size)
	}
	for q.ring.Free() < need {
		droppedPayload += q.discard()
		dropped++
	}
	binary.LittleEndian.PutUint32(q.record[0:], uint32(len(encoded)))
	binary.LittleEndian.PutUint32(q.record[4:], uint32(payload))
	binary.LittleEndian.PutUint64(q.record[8:], uint64(capturedNS))
	// there is room, so neither can fail
	_, _ = q.ring.Write(q.record[:])
	_, _ = q.ring.Write(encoded)
	q.frames++
	q.held += payload
	return dropped, droppedPayload
}

// pop takes the oldest frame.
func (q *audioQueue) pop(into *frameBuf) (payload int, capturedNS int64, ok bool) {
	if q.frames == 0 {
		return 0, 0, false
	}
	length, payload, capturedNS := q.readRecord()
	if cap(into.b) < length {
		into.b = make([]byte, 0, length)
	}
	into.b = into.b[:length]
	_, _ = q.ring.Read(into.b) // whole frames only: it is all there
	return payload, capturedNS, true
}

// discard drops the oldest frame and returns its payload bytes.
func (q *audioQueue) discard() int {
	length, payload, _ := q.readRecord()
	for length > 0 {
		n, _ := q.ring.Read(q.skip[:min(length, len(q.skip))])
		length -= n
	}
	return payload
}

func (q *audioQueue) readRecord() (length, payload int, capturedNS int64) {
	_, _ = q.ring.Read(q.record[:])
	length = int(binary.LittleEndian.Uint32(q.record[0:]))
	payload = int(binary.LittleEndian.Uint32(q.record[4:]))
	capturedNS = int64(binary.LittleEndian.Uint64(q.record[8:]))
	q.frames--
	q.held -= payload
	return length, payload, capturedNS
}

// reset gives the ring back and returns what was in it.
func (q *audioQueue) reset() (frames, payload int) {
	frames, payload = q.frames, q.held
	q.ring, q.frames, q.held = nil, 0, 0
	return frames, payload
}
