// RTP of one call: a sender that keeps time by itself, and a receiver that writes down exactly what it got.

package switchtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pion/rtp"
)

// HeardStats say how the packets came.
type HeardStats struct {
	Packets    int
	Lost       int // sequence numbers that never came
	Reordered  int
	MaxGap     time.Duration // longest time between two packets
	FirstAt    time.Time
	LastAt     time.Time
	OtherTypes int // packets of another payload type, e.g. telephone-event
}

// rtpSession is one UDP socket.
type rtpSession struct {
	conn   *net.UDPConn
	source Source // nil: nothing is sent
	wait   sync.WaitGroup

	mu       sync.Mutex
	codec    codec
	known    map[uint8]codec // every codec of the call by payload type: what was sent before a re-INVITE still comes
	ptime    int
	remote   *net.UDPAddr
	started  bool
	closed   bool
	stop     chan struct{}
	sequence uint16
	stamp    uint32
	said     int
	late     int // packets sent more than half a ptime late
	digits   []digit

	heard   []int16
	pressed string // digits that the switch sent
	lastEnd uint32 // timestamp of the last of them
	packets []Packet
	stats   HeardStats
	changed chan struct{}
}

// digit is one DTMF digit to be sent.
type digit struct {
	event    byte // RFC 4733 table 3
	duration time.Duration
	done     chan struct{}
}

const (
	ssrc = 0x5eed
	// firstStamp is not 0, which FreeSWITCH takes for "no timestamp" in telephone events (switch_rtp.c).
	firstStamp = 16000
)

func newRTPSession(c codec, ptime int, source Source) (*rtpSession, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(1 << 20)
	stampArrivals(conn)
	r := &rtpSession{conn: conn, source: source, codec: c, known: map[uint8]codec{}, ptime: ptime, stamp: firstStamp, stop: make(chan struct{}), changed: make(chan struct{})}
	r.wait.Add(1)
	go r.receive()
	return r, nil
}

func (r *rtpSession) port() int { return r.conn.LocalAddr().(*net.UDPAddr).Port }

// start begins to send to a port of 127.0.0.1; again, it only changes where to and how.
func (r *rtpSession) start(port int, c codec, ptime int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remote = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	r.codec, r.ptime = c, ptime
	r.known[c.payload] = c
	if r.started || r.closed {
		return
	}
	r.started = true
	r.wait.Add(1)
	go r.send()
}

// expect takes packets of a further codec from now on.
func (r *rtpSession) expect(c codec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[c.payload] = c
}

func (r *rtpSession) close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.closed = true
	close(r.stop)
	r.mu.Unlock()
	_ = r.conn.Close()
	r.wait.Wait()
	r.mu.Lock()
	r.announce()
	r.mu.Unlock()
}

// announce wakes those who wait for what is heard; the caller holds mu.
func (r *rtpSession) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// send keeps to a schedule counted from the start, so that lateness does not add up.
func (r *rtpSession) send() {
	defer r.wait.Done()
	clock := newPacer()
	var samples []int16
	var payload, packet []byte
	for late := time.Duration(0); ; {
		select {
		case <-r.stop:
			return
		default:
		}
		r.mu.Lock()
		c, ptime, to := r.codec, r.ptime, r.remote
		if late > time.Duration(ptime)*time.Millisecond/2 {
			r.late++
		}
		var d *digit
		if len(r.digits) > 0 {
			d = &r.digits[0]
		}
		r.mu.Unlock()
		switch {
		case d != nil:
			r.sendDigit(*d, c, ptime, to, clock)
		case r.source != nil:
			n := c.rate * ptime / 1000
			if cap(samples) < n {
				samples = make([]int16, n)
			}
			samples = samples[:n]
			r.source.Next(c.rate, samples)
			payload = c.encode(payload[:0], samples)
			packet = r.packet(packet[:0], c.payload, r.said == 0, payload)
			_, _ = r.conn.WriteToUDP(packet, to) // the far end may have hung up already
			r.mu.Lock()
			r.said += n
			r.stamp += uint32(n)
			r.mu.Unlock()
		default:
			r.mu.Lock()
			r.stamp += uint32(c.rate * ptime / 1000)
			r.mu.Unlock()
		}
		late = clock.wait(time.Duration(ptime) * time.Millisecond)
	}
}

func (r *rtpSession) packet(dst []byte, payloadType uint8, marker bool, payload []byte) []byte {
	r.mu.Lock()
	h := rtp.Header{Version: 2, PayloadType: payloadType, Marker: marker, SequenceNumber: r.sequence, Timestamp: r.stamp, SSRC: ssrc}
	r.sequence++
	r.mu.Unlock()
	b, err := h.Marshal()
	if err != nil { // a fixed header always fits
		return nil
	}
	return append(append(dst, b...), payload...)
}

// sendDigit sends RFC 4733 events in place of audio: one every ptime with the duration so far, the last three times.
func (r *rtpSession) sendDigit(d digit, c codec, ptime int, to *net.UDPAddr, clock *pacer) {
	step := c.rate * ptime / 1000
	total := int(int64(c.rate) * int64(d.duration) / int64(time.Second))
	first := true
	emit := func(duration int, end bool) {
		body := make([]byte, 4)
		body[0], body[1] = d.event, 10 // volume -10 dBm0
		if end {
			body[1] |= 0x80
		}
		binary.BigEndian.PutUint16(body[2:], uint16(duration))
		_, _ = r.conn.WriteToUDP(r.packet(nil, dtmfPayload, first, body), to)
		first = false
	}
	for sent := step; sent < total; sent += step {
		emit(sent, false)
		clock.wait(time.Duration(ptime) * time.Millisecond)
	}
	for range 3 {
		emit(total, true)
	}
	r.mu.Lock()
	r.stamp += uint32(total)
	r.digits = r.digits[1:]
	r.mu.Unlock()
	close(d.done)
}

// dtmf queues a digit and waits until it was sent.
func (r *rtpSession) dtmf(ctx context.Context, key byte, duration time.Duration) error {
	event, err := dtmfEvent(key)
	if err != nil {
		return err
	}
	d := digit{event: event, duration: duration, done: make(chan struct{})}
	r.mu.Lock()
	r.digits = append(r.digits, d)
	r.mu.Unlock()
	select {
	case <-d.done:
		return nil
	case <-r.stop:
		return errors.New("the call ended before the digit was sent")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dtmfKeys are the digits by event number (RFC 4733 table 3).
const dtmfKeys = "0123456789*#ABCD"

func dtmfEvent(key byte) (byte, error) {
	for i, k := range []byte(dtmfKeys) {
		if k == key {
			return byte(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a DTMF digit", key)
}

func (r *rtpSession) receive() {
	defer r.wait.Done()
	buf, control := make([]byte, 65536), make([]byte, 128)
	for {
		n, cn, _, _, err := r.conn.ReadMsgUDP(buf, control)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // ECONNREFUSED of an earlier packet
		}
		now := arrival(control[:cn])
		var p rtp.Packet
		if err := p.Unmarshal(buf[:n]); err != nil {
			continue
		}
		r.take(&p, now)
	}
}

func (r *rtpSession) take(p *rtp.Packet, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.known[p.PayloadType]
	if !ok {
		r.stats.OtherTypes++
		// RFC 4733: the end bit comes three times with one timestamp.
		if p.PayloadType == dtmfPayload && len(p.Payload) >= 4 && p.Payload[1]&0x80 != 0 && p.Timestamp != r.lastEnd && p.Payload[0] < 16 {
			r.lastEnd = p.Timestamp
			r.pressed += string(dtmfKeys[p.Payload[0]])
		}
		return
	}
	if n := len(r.packets); n > 0 {
		switch step := p.SequenceNumber - r.packets[n-1].Sequence; {
		case step == 0 || step >= 1<<15:
			r.stats.Reordered++
		case step > 1:
			r.stats.Lost += int(step) - 1
		}
		r.stats.MaxGap = max(r.stats.MaxGap, now.Sub(r.stats.LastAt))
	} else {
		r.stats.FirstAt = now
	}
	before := len(r.heard)
	r.heard = c.decode(r.heard, p.Payload)
	r.packets = append(r.packets, Packet{p.SequenceNumber, p.Timestamp, c.rate, len(r.heard) - before, now})
	r.stats.Packets++
	r.stats.LastAt = now
	r.announce()
}

// waitHeard waits until cond is true of all samples so far.
func (r *rtpSession) waitHeard(ctx context.Context, cond func([]int16) bool) error {
	for {
		r.mu.Lock()
		heard, changed, closed := r.heard, r.changed, r.closed
		r.mu.Unlock()
		if cond(heard) {
			return nil
		}
		if closed {
			return fmt.Errorf("the call ended with %d samples heard", len(heard))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("with %d samples heard: %w", len(heard), ctx.Err())
		}
	}
}
