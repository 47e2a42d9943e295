// One call of the stand-in host as a Call.

package switchtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// standInCall is a call; what its caller hears is a file that grows.
type standInCall struct {
	host  *StandIn
	uuid  string
	said  bool // whether a source speaks
	codec string
	other *standInCall
	done  chan struct{}
	ended sync.Once

	mu     sync.Mutex
	ptime  int
	rates  []int // of each part of what is heard: a renegotiation begins a new file
	began  time.Time
	before int // samples said before began, at other rates
}

// Originate makes a call.
func (h *StandIn) Originate(ctx context.Context, spec CallSpec) (Call, error) {
	c, err := h.originate(ctx, spec, spec.Source)
	if err != nil {
		return nil, err
	}
	if err := c.setUp(ctx, spec); err != nil {
		_ = c.Hangup(context.WithoutCancel(ctx))
		return nil, err
	}
	return c, nil
}

func (h *StandIn) originate(ctx context.Context, spec CallSpec, source Source) (*standInCall, error) {
	if spec.Rate == 0 {
		spec.Rate = 8000
	}
	if spec.Ptime == 0 {
		spec.Ptime = 20
	}
	codec := "RAW" // lossless, and decoded and encoded as any other codec is; L16 frames pass through as they are
	switch spec.Codec {
	case "":
	case "L16":
		codec = "L16"
	default:
		return nil, fmt.Errorf("the stand-in host has no codec %s", spec.Codec)
	}
	in, err := h.sourceSpec(source, spec.Rate)
	if err != nil {
		return nil, err
	}
	c := &standInCall{host: h, uuid: uuid.NewString(), ptime: spec.Ptime, rates: []int{spec.Rate}, codec: codec, done: make(chan struct{})}
	c.said = in != "silence"
	state := map[State]string{Answered: "answered", Early: "early", Ringing: "ringing"}[spec.State]
	line := fmt.Sprintf("host_originate uuid=%s codec=%s rate=%d ptime=%d state=%s in=%s out=%s", c.uuid, codec, spec.Rate, c.ptime, state,
		escape(in), escape(c.file(1)))
	if spec.Timed {
		line += " times=" + escape(c.timesFile())
	}
	for name, value := range spec.Vars {
		line += fmt.Sprintf(" var:%s=%s", name, escape(value))
	}
	c.began = time.Now()
	reply, err := h.API(ctx, line)
	if err == nil && !strings.HasPrefix(reply, "+OK "+c.uuid) {
		err = fmt.Errorf("%s", reply)
	}
	if err != nil {
		return nil, fmt.Errorf("host_originate: %w", err)
	}
	go c.watch()
	return c, nil
}

// watch notices the end of the call; it ends with the call or the event socket.
func (c *standInCall) watch() {
	_, _ = c.host.Events().Wait(context.Background(), Filter{UUID: c.uuid, Name: "CHANNEL_HANGUP_COMPLETE"}, 1)
	c.ended.Do(func() { close(c.done) })
}

// setUp does what a dialplan would.
func (c *standInCall) setUp(ctx context.Context, spec CallSpec) error {
	switch {
	case spec.BridgeTo != nil:
		var err error
		second := spec
		second.Vars = map[string]string{}
		if c.other, err = c.host.originate(ctx, second, spec.BridgeTo); err != nil {
			return err
		}
		c.other.other = c
		return c.command(ctx, fmt.Sprintf("uuid_bridge %s %s", c.uuid, c.other.uuid))
	case spec.Stream != "":
		return c.Execute(ctx, "audio_stream", spec.Stream)
	case spec.Playback != "":
		return c.Play(ctx, spec.Playback)
	}
	return nil
}

// command runs an API command that answers +OK.
func (c *standInCall) command(ctx context.Context, line string) error {
	reply, err := c.host.API(ctx, line)
	if err == nil && !strings.HasPrefix(reply, "+OK") {
		err = fmt.Errorf("%s", strings.TrimSpace(reply))
	}
	if err != nil {
		name, _, _ := strings.Cut(line, " ")
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// file is where the n-th part of what is heard is written: after a renegotiation the host starts a new one.
func (c *standInCall) file(n int) string {
	name := c.uuid
	if n > 1 {
		name = fmt.Sprintf("%s-%d", c.uuid, n)
	}
	return filepath.Join(c.host.options.Dir, "sound", name+".wav")
}

// timesFile is where the host notes when it wrote what.
func (c *standInCall) timesFile() string {
	return filepath.Join(c.host.options.Dir, "sound", c.uuid+".times")
}

// escape encodes a value of host_originate.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// UUID is the channel's.
func (c *standInCall) UUID() string { return c.uuid }

// Rate is the channel's.
func (c *standInCall) Rate() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rates[len(c.rates)-1]
}

// Ptime is the channel's.
func (c *standInCall) Ptime() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ptime
}

// Heard reads the files.
func (c *standInCall) Heard() []int16 {
	var all []int16
	for _, part := range c.HeardParts() {
		all = append(all, part.Samples...)
	}
	return all
}

// HeardParts reads the files, one for each part.
func (c *standInCall) HeardParts() []Part {
	c.mu.Lock()
	rates := slices.Clone(c.rates)
	c.mu.Unlock()
	var parts []Part
	for i, rate := range rates {
		samples, err := readGrowing(c.file(i + 1))
		if err != nil {
			continue // not made yet
		}
		parts = append(parts, Part{rate, samples})
	}
	return parts
}

// Packets reads what the host noted: pairs of CLOCK_REALTIME in ns and the samples written up to there.
func (c *standInCall) Packets() []Packet {
	b, err := os.ReadFile(c.timesFile())
	if err != nil {
		return nil
	}
	const entry = 16
	var out []Packet
	var before uint64
	for ; len(b) >= entry; b = b[entry:] {
		total := binary.NativeEndian.Uint64(b[8:])
		out = append(out, Packet{Rate: c.Rate(), Samples: int(total - before), At: time.Unix(0, int64(binary.NativeEndian.Uint64(b)))})
		before = total
	}
	return out
}

// WaitHeard looks every 20 ms, a frame's length.
func (c *standInCall) WaitHeard(ctx context.Context, cond func([]int16) bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		over := false
		select {
		case <-c.done:
			over = true
		default:
		}
		heard := c.Heard()
		if cond(heard) {
			return nil
		}
		if over {
			return fmt.Errorf("the call ended with %d samples heard", len(heard))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("with %d samples heard: %w", len(heard), ctx.Err())
		}
	}
}

// Said follows from the time: the host's clock is the test's.
func (c *standInCall) Said() int {
	if !c.said {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.before + int(time.Since(c.began).Seconds()*float64(c.rates[len(c.rates)-1]))
}

// Late is always 0: the host makes the caller's samples itself.
func (c *standInCall) Late() int { return 0 }

// Missed is always 0, as Late.
func (c *standInCall) Missed(context.Context) int { return 0 }

// Other is the second leg.
func (c *standInCall) Other() Call {
	if c.other == nil {
		return nil
	}
	return c.other
}

// Execute runs an application and waits for its end.
func (c *standInCall) Execute(ctx context.Context, app, arg string) error {
	return c.command(ctx, fmt.Sprintf("execute %s %s %s", c.uuid, app, arg))
}

// Play sets the channel's writer.
func (c *standInCall) Play(ctx context.Context, source string) error {
	if strings.HasPrefix(source, "tone_stream://") {
		hz := strings.TrimSuffix(source[strings.LastIndexByte(source, ',')+1:], ")")
		source = "tone:" + hz
	}
	return c.command(ctx, fmt.Sprintf("host_play %s %s", c.uuid, source))
}

// DTMF hands a digit to the channel.
func (c *standInCall) DTMF(ctx context.Context, key byte, duration time.Duration) error {
	return c.command(ctx, fmt.Sprintf("uuid_recv_dtmf %s %c@%d", c.uuid, key, duration.Milliseconds()))
}

// Renegotiate changes rate and ptime.
func (c *standInCall) Renegotiate(ctx context.Context, rate, ptime int) error {
	if err := c.command(ctx, fmt.Sprintf("reneg %s %d %d 1 %s", c.uuid, rate, ptime, c.codec)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.before += int(now.Sub(c.began).Seconds() * float64(c.rates[len(c.rates)-1]))
	c.began = now
	c.ptime = ptime
	c.rates = append(c.rates, rate)
	return nil
}

// Hangup ends the call.
func (c *standInCall) Hangup(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	default:
	}
	for _, leg := range []*standInCall{c.other, c} {
		if leg == nil {
			continue
		}
		reply, err := c.host.API(ctx, "uuid_kill "+leg.uuid)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(reply, "+OK") && !strings.Contains(reply, "No such channel") {
			return fmt.Errorf("uuid_kill: %s", reply)
		}
	}
	return nil
}

// Done is closed at the end.
func (c *standInCall) Done() <-chan struct{} { return c.done }
