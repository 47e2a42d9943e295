// One call of the stand-in host as a Call.

package switchtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// standInCall is a call; what its caller hears is a file that grows.
type standInCall struct {
	host  *StandIn
	uuid  string
	rate  int
	began time.Time
	said  bool // whether a source speaks
	other *standInCall
	done  chan struct{}
	ended sync.Once

	mu    sync.Mutex
	ptime int
	files int // 1 + the number of renegotiations: a new file each time
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
	if spec.Codec != "" && spec.Codec != "L16" {
		return nil, fmt.Errorf("the stand-in host has no codec %s", spec.Codec)
	}
	in, err := h.sourceSpec(source, spec.Rate)
	if err != nil {
		return nil, err
	}
	c := &standInCall{host: h, uuid: uuid.NewString(), rate: spec.Rate, ptime: spec.Ptime, files: 1, done: make(chan struct{})}
	c.said = in != "silence"
	state := map[State]string{Answered: "answered", Early: "early", Ringing: "ringing"}[spec.State]
	line := fmt.Sprintf("host_originate uuid=%s rate=%d ptime=%d state=%s in=%s out=%s", c.uuid, c.rate, c.ptime, state,
		escape(in), escape(c.file(1)))
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

// escape encodes a value of host_originate.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// UUID is the channel's.
func (c *standInCall) UUID() string { return c.uuid }

// Rate is the channel's.
func (c *standInCall) Rate() int { return c.rate }

// Ptime is the channel's.
func (c *standInCall) Ptime() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ptime
}

// Heard reads the files.
func (c *standInCall) Heard() []int16 {
	c.mu.Lock()
	files := c.files
	c.mu.Unlock()
	var all []int16
	for n := 1; n <= files; n++ {
		part, err := readGrowing(c.file(n))
		if err != nil && !os.IsNotExist(err) {
			continue
		}
		all = append(all, part...)
	}
	return all
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
	return int(time.Since(c.began).Seconds() * float64(c.rate))
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

// Renegotiate changes the ptime.
func (c *standInCall) Renegotiate(ctx context.Context, ptime int) error {
	if err := c.command(ctx, fmt.Sprintf("reneg %s %d %d", c.uuid, c.rate, ptime)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ptime = ptime
	c.files++
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
