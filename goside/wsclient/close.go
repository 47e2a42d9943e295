package wsclient

// The end of a connection: the close handshake (RFC 6455 section 7) with a deadline, failures that are not Read's own, and
// the socket's one close.

import (
	"io"
	"net"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/fault"
)

// closeMode says how the close frame is to be sent. A later value overrides an earlier one.
type closeMode int

const (
	closeNone    closeMode = iota
	closeDrained           // after everything that waits
	closeNow               // instead of everything that waits: the server has closed, or broken the protocol
)

const (
	lingerTime  = 500 * time.Millisecond // how long we wait for a server to read why we closed
	lingerBytes = 4 << 20                // and how much it may send meanwhile
)

// Close ends the connection in order: what is queued goes out (texts before audio), then a close frame, then it waits for
// the server's answer, which Read delivers to its own goroutine, and closes the socket. After deadline the socket is
// closed regardless. It blocks until then. Any goroutine but Read's own (unless Read has returned its error already); a second
// call waits for the first. code as RFC 6455 section 7.4 allows it to be sent, else the close frame is empty; reason is cut at
// 123 bytes.
func (c *Conn) Close(code int, reason string, deadline time.Duration) {
	c.closeOnce.Do(func() { c.closeBy(code, reason, deadline) })
}

func (c *Conn) closeBy(code int, reason string, deadline time.Duration) {
	end := time.Now().Add(deadline)
	timer := time.NewTimer(max(deadline, 0))
	defer timer.Stop()
	c.requestClose(closeDrained, code, reason)
	if c.await(c.flushed, timer) && c.await(c.readDone, timer) {
		c.partInOrder(end)
	}
	c.fail(&Error{Code: events.IO, err: net.ErrClosed,
		Text: "the connection was closed here: the server did not answer the close frame in time"})
	c.closeSocket()
	c.sender.Wait()
}

// await waits for ch; false when the socket has gone or the time is up.
func (c *Conn) await(ch <-chan struct{}, timer *time.Timer) bool {
	select {
	case <-ch: // first, for with no time left several are ready
		return true
	default:
	}
	select {
	case <-ch:
		return true
	case <-c.gone:
	case <-timer.C:
		timer.Reset(0) // the next wait must not start anew
	}
	return false
}

// partInOrder ends TLS, if any, and gives a server that broke the protocol time to read our close frame: closing a
// socket with unread input resets the connection, and the frame would be lost with it.
func (c *Conn) partInOrder(end time.Time) {
	if until := time.Now().Add(lingerTime); until.Before(end) {
		end = until
	}
	// crypto/tls allows five seconds for its last alert
	stop := time.AfterFunc(time.Until(end), func() {
		defer c.guard()
		c.closeSocket()
		fault.At("part")
	})
	defer stop.Stop()
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		// a failure means that there is nobody left to part from
		if half.CloseWrite() != nil || !c.breached {
			return
		}
		if c.base.SetReadDeadline(end) == nil {
			_, _ = io.CopyN(io.Discard, c.base, lingerBytes)
		}
	}
}

// Abort closes the socket now; nothing more is sent. Read ends with an *Error. Any goroutine; may be repeated.
func (c *Conn) Abort() {
	c.fail(&Error{Code: events.IO, Text: "the connection was aborted here", err: net.ErrClosed})
	c.closeSocket()
}

// requestClose queues the close frame. A frame that is on the wire already is not replaced.
func (c *Conn) requestClose(mode closeMode, code int, reason string) {
	c.mu.Lock()
	if c.dead || c.closed || c.cur.closing || mode <= c.closing {
		c.mu.Unlock()
		return
	}
	c.closing = mode
	c.closeMsg = nil
	if sendableCode(code) {
		c.closeMsg = ws.NewCloseFrameBody(ws.StatusCode(code), closeReason(reason))
	}
	if mode == closeNow {
		c.empty()
	}
	sent := c.kick()
	c.mu.Unlock()
	c.stopBeat()
	if sent > 0 {
		c.wrote(sent)
	}
}

// closeReason cuts a reason to what fits a close frame (RFC 6455 section 5.5), as valid UTF-8.
func closeReason(reason string) string {
	const most = ws.MaxControlFramePayloadSize - 2
	reason = strings.ToValidUTF8(reason, "?")
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "")
	}
	return reason
}

// fail ends both halves for a reason that Read then returns, unless it has returned already. It does not block.
func (c *Conn) fail(e *Error) {
	c.mu.Lock()
	if c.failure == nil {
		c.failure = e
	}
	c.bury()
	c.mu.Unlock()
	// Not a close, which would wait for a goroutine in the middle of a read or write; it wakes both.
	_ = c.nc.SetDeadline(longAgo)
}

// closeSocket is the one place that closes it. Any goroutine.
func (c *Conn) closeSocket() {
	c.goneOnce.Do(func() {
		c.mu.Lock()
		c.bury()
		c.mu.Unlock()
		c.stopBeat()
		_ = c.base.Close() // what was sent is with the kernel; there is nothing left to do about an error
		close(c.gone)
	})
}
