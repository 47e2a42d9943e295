package wsclient

// The heart beat: a ping after a silence on the wire, and the end of the connection when its pong does not come.
// A timer does it; no goroutine waits.

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/fault"
)

// beat is guarded by mu.
type beat struct {
	timer   *time.Timer
	waiting bool
	sent    time.Duration // when the ping that waits for its pong was queued, since born
}

func (c *Conn) startBeat() {
	if c.cfg.HeartBeat <= 0 {
		return
	}
	c.mu.Lock()
	c.beat.timer = time.AfterFunc(c.cfg.HeartBeat, c.beatDue)
	c.mu.Unlock()
}

func (c *Conn) stopBeat() {
	c.mu.Lock()
	if c.beat.timer != nil {
		c.beat.timer.Stop()
	}
	c.mu.Unlock()
}

// touch notes that there was no silence.
func (c *Conn) touch() {
	if c.cfg.HeartBeat > 0 {
		c.lastWire.Store(int64(time.Since(c.born)))
	}
}

// beatDue runs on a goroutine of the timer.
func (c *Conn) beatDue() {
	defer c.guard()
	fault.At("beat")
	sent, lost := c.tick()
	if sent > 0 {
		c.wrote(sent)
	}
	if lost {
		c.fail(&Error{Code: events.PingTimeout, Text: fmt.Sprintf("the connection was lost: no pong from the server within %v%s", c.cfg.HeartBeat, seeServer)})
	}
}

// tick sends a ping if it is time, and sets the timer for the next look.
func (c *Conn) tick() (sent int, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.closing != closeNone {
		return 0, false
	}
	every, now := c.cfg.HeartBeat, time.Since(c.born)
	since := time.Duration(c.lastWire.Load())
	if c.beat.waiting {
		since = c.beat.sent
	}
	if left := since + every - now; left > 0 {
		c.beat.timer.Reset(left)
		return 0, false
	}
	if c.beat.waiting {
		return 0, true
	}
	binary.LittleEndian.PutUint64(c.ping[:], rand.Uint64())
	c.beat.waiting, c.beat.sent, c.pingWant = true, now, true
	c.beat.timer.Reset(every)
	return c.kick(), false
}

// pongArrived takes a pong; one that answers no ping of ours means nothing (RFC 6455 section 5.5.3).
func (c *Conn) pongArrived(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.beat.waiting || string(payload) != string(c.ping[:]) {
		return
	}
	c.beat.waiting = false
	c.rtt.Store(int64(time.Since(c.born) - c.beat.sent))
}
