// What a SIP call is asked while it lasts: facts, what was heard, small deeds. Its setting up and end are in sipcall.go.

package switchtest

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// UUID is the channel's.
func (c *sipCall) UUID() string { return c.uuid }

// Rate is the codec's.
func (c *sipCall) Rate() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.codec.rate
}

// Ptime is the one in force.
func (c *sipCall) Ptime() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ptime
}

// Heard is what arrived over RTP.
func (c *sipCall) Heard() []int16 {
	c.rtp.mu.Lock()
	defer c.rtp.mu.Unlock()
	return c.rtp.heard[:len(c.rtp.heard):len(c.rtp.heard)]
}

// HeardParts divides it by the rate of the packets.
func (c *sipCall) HeardParts() []Part {
	c.rtp.mu.Lock()
	defer c.rtp.mu.Unlock()
	var parts []Part
	at := 0
	for _, p := range c.rtp.packets {
		if len(parts) == 0 || parts[len(parts)-1].Rate != p.Rate {
			parts = append(parts, Part{Rate: p.Rate})
		}
		last := &parts[len(parts)-1]
		last.Samples = append(last.Samples, c.rtp.heard[at:at+p.Samples]...)
		at += p.Samples
	}
	return parts
}

// Packets are the RTP packets.
func (c *sipCall) Packets() []Packet {
	c.rtp.mu.Lock()
	defer c.rtp.mu.Unlock()
	return c.rtp.packets[:len(c.rtp.packets):len(c.rtp.packets)]
}

// WaitHeard waits for RTP.
func (c *sipCall) WaitHeard(ctx context.Context, cond func([]int16) bool) error {
	return c.rtp.waitHeard(ctx, cond)
}

// HeardStats says how it arrived.
func (c *sipCall) HeardStats() HeardStats {
	c.rtp.mu.Lock()
	defer c.rtp.mu.Unlock()
	return c.rtp.stats
}

// HeardDigits are the DTMF digits the switch sent.
func (c *sipCall) HeardDigits() string {
	c.rtp.mu.Lock()
	defer c.rtp.mu.Unlock()
	return c.rtp.pressed
}

// Said counts sent samples.
func (c *sipCall) Said() int {
	c.rtp.mu.Lock()
	defer c.rtp.mu.Unlock()
	return c.rtp.said
}

// Late counts packets that left late.
func (c *sipCall) Late() int {
	c.rtp.mu.Lock()
	defer c.rtp.mu.Unlock()
	return c.rtp.late
}

// Missed reads FreeSWITCH's own figures of the call; they are gone with the call.
func (c *sipCall) Missed(ctx context.Context) int {
	missed := c.Late()
	if reply, err := c.fs.API(ctx, "uuid_set_media_stats "+c.uuid); err != nil || !strings.HasPrefix(reply, "+OK") {
		return missed
	}
	for _, name := range []string{"rtp_audio_in_skip_packet_count", "rtp_audio_in_flush_packet_count"} {
		if reply, err := c.fs.API(ctx, "uuid_getvar "+c.uuid+" "+name); err == nil {
			if n, err := strconv.Atoi(strings.TrimSpace(reply)); err == nil {
				missed += n
			}
		}
	}
	return missed
}

// Other is the second leg.
func (c *sipCall) Other() Call {
	if c.other == nil {
		return nil
	}
	return c.other
}

// Execute queues an application.
func (c *sipCall) Execute(ctx context.Context, app, arg string) error {
	return c.fs.socket.Execute(ctx, c.uuid, app, arg)
}

// Play queues the playback application.
func (c *sipCall) Play(ctx context.Context, source string) error {
	return c.Execute(ctx, "playback", source)
}

// DTMF sends a digit.
func (c *sipCall) DTMF(ctx context.Context, key byte, duration time.Duration) error {
	return c.rtp.dtmf(ctx, key, duration)
}

// Done is closed at the end.
func (c *sipCall) Done() <-chan struct{} { return c.done }
