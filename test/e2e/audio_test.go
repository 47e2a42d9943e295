// Assertions about audio: what a server got of what the caller said, and what the caller heard of what a server sent.

package e2e

import (
	"math"
	"slices"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// binary gives the binary frames among frames.
func binary(frames []agent.Frame) []agent.Frame {
	return slices.DeleteFunc(slices.Clone(frames), func(f agent.Frame) bool { return !f.IsBinary() })
}

// texts gives the text messages among frames.
func texts(frames []agent.Frame) []string {
	var out []string
	for _, f := range frames {
		if f.IsText() {
			out = append(out, string(f.Data))
		}
	}
	return out
}

// pcm joins the audio of frames.
func pcm(frames []agent.Frame) []int16 {
	var out []int16
	for _, f := range frames {
		if f.IsBinary() {
			out = append(out, agent.Samples(f.Data)...)
		}
	}
	return out
}

// waitAudio waits until the server has n binary frames and returns all it has then.
func (e *env) waitAudio(c *agent.Conn, n int) []agent.Frame {
	e.Helper()
	e.check("audio frames", c.Wait(e.ctx, func(all []agent.Frame) bool { return countBinary(all) >= n }))
	return binary(c.Frames())
}

func countBinary(all []agent.Frame) int {
	n := 0
	for _, f := range all {
		if f.IsBinary() {
			n++
		}
	}
	return n
}

// waitText waits for a text message.
func (e *env) waitText(c *agent.Conn, text string) {
	e.Helper()
	err := c.Wait(e.ctx, func(all []agent.Frame) bool { return slices.Contains(texts(all), text) })
	if err != nil {
		e.Fatalf("text %q did not arrive: %v; texts: %q", text, err, texts(c.Frames()))
	}
}

// waitClose waits until the connection is over and compares the close code the module sent.
func (e *env) waitClose(c *agent.Conn, code int) {
	e.Helper()
	select {
	case <-c.Done():
	case <-e.ctx.Done():
		e.Fatalf("connection %d is still open", c.Handshake.N)
	}
	if got, reason, ok := c.CloseReceived(); !ok || got != code {
		e.Errorf("close frame: %v, code %d %q; expected code %d (read error: %v)", ok, got, reason, code, c.Err())
	}
}

// frameSize checks that every frame but the last has exactly ms of audio.
func (e *env) frameSize(frames []agent.Frame, ms, rate, channels int) {
	e.Helper()
	want := ms * rate / 1000 * channels * 2
	for i, f := range frames {
		if len(f.Data) != want && i < len(frames)-1 {
			e.Fatalf("frame %d has %d bytes, expected %d (%d ms at %d Hz, %d channels)", i, len(f.Data), want, ms, rate, channels)
		}
	}
}

// counterWhole checks that a counter came through without loss, repetition or change. Silence that the switch put in for
// a late packet is allowed, up to a tenth; a packet's worth of loss is allowed for every packet that the switch says it
// missed, since that is what it throws away to keep up. Without one, nothing may be lost.
func (e *env) counterWhole(what string, samples []int16, atLeast int) switchtest.CounterReport {
	e.Helper()
	r := switchtest.CheckCounter(samples)
	late := 0
	if !r.Whole() {
		late = e.missed()
	}
	if !r.WholeBut(late) || r.Samples < atLeast-late || r.Silence > len(samples)/10+late {
		e.Errorf("%s: %s; expected at least %d samples in order; the switch missed %d samples of the callers", what, r, atLeast, late)
	}
	return r
}

// counterOfOther is counterWhole for the callee's leg. It has a thread of its own: when that is late, FreeSWITCH hands out
// silence in place of its frame, and throws a frame away when more than two have piled up (switch_core_media_bug_read). So
// no more may be lost than was silence.
func (e *env) counterOfOther(what string, samples []int16, atLeast int) {
	e.Helper()
	r := switchtest.CheckCounter(samples)
	late := 0
	if !r.Whole() {
		late = e.missed()
	}
	if !r.WholeBut(late+r.Silence) || r.Samples < atLeast-late-r.Silence || r.Silence > len(samples)/10+late {
		e.Errorf("%s: %s; expected at least %d samples in order", what, r, atLeast)
	}
}

// late is the audio, in samples, that the callers sent late: 0 on a machine that keeps up.
func (e *env) late() int {
	n := 0
	for _, c := range e.calls {
		n += lateSamples(c)
		if other := c.Other(); other != nil {
			n += lateSamples(other)
		}
	}
	return n
}

// missed is the audio, in samples, that the switch did not have in time or threw away, by its own count.
func (e *env) missed() int {
	n := 0
	for _, c := range e.calls {
		for _, leg := range []switchtest.Call{c, c.Other()} {
			if leg != nil {
				n += leg.Missed(e.ctx) * leg.Rate() * leg.Ptime() / 1000
			}
		}
	}
	return n
}

func lateSamples(c switchtest.Call) int { return c.Late() * c.Rate() * c.Ptime() / 1000 }

// counterExact is counterWhole without any silence inside.
func (e *env) counterExact(what string, samples []int16, atLeast int) {
	e.Helper()
	if r := switchtest.CheckCounter(samples); !r.Whole() || r.Samples < atLeast || r.Silence > 0 {
		e.Errorf("%s: %s; expected at least %d samples in order and without a gap", what, r, atLeast)
	}
}

// fullRate checks that frames came at their real-time rate between two moments: 20 ms frames are 50 a second.
func (e *env) fullRate(what string, frames []agent.Frame, from, to time.Time, ms int) {
	e.Helper()
	n := 0
	for _, f := range frames {
		if f.At.After(from) && !f.At.After(to) {
			n++
		}
	}
	want := float64(to.Sub(from).Milliseconds()) / float64(ms)
	// One frame at each end may fall on either side, and a switch short of CPU is a frame or two late. A machine that
	// stood still, as the callers' lateness shows, moves frames beyond the ends.
	allowed := 3 + want*0.03
	if e.late() > 0 {
		allowed += 200 / float64(ms)
	}
	if math.Abs(float64(n)-want) > allowed {
		e.Errorf("%s: %d frames of %d ms in %s, expected %.0f", what, n, ms, to.Sub(from).Round(time.Millisecond), want)
	}
}

// tone checks frequency and level. level is the expected peak.
func (e *env) tone(what string, samples []int16, rate int, hz, level float64) {
	e.Helper()
	got := switchtest.Level(samples, rate, hz)
	purity := switchtest.Purity(samples, rate, hz)
	if math.Abs(20*math.Log10(max(got, 1)/level)) > 1 || purity < 0.95 {
		e.Errorf("%s: level %.0f and %.1f%% of the energy at %.0f Hz over %d samples; expected %.0f within 1 dB and 95%%",
			what, got, 100*purity, hz, len(samples), level)
	}
}

// level checks that a tone is there, at 8 kHz, beside others. Two legs of a call are not in step: a frame of one may be
// missing at the moment it is needed and be silence then.
func (e *env) level(what string, samples []int16, hz, level float64) {
	e.Helper()
	if got := switchtest.Level(samples, 8000, hz); got < level*0.8 || got > level*1.1 {
		e.Errorf("%s: level %.0f at %.0f Hz, expected %.0f", what, got, hz, level)
	}
}

// silent checks that nothing but zeros is in the samples.
func (e *env) silent(what string, samples []int16) {
	e.Helper()
	for i, s := range samples {
		if s != 0 {
			e.Errorf("%s: sample %d of %d is %d, expected silence", what, i, len(samples), s)
			return
		}
	}
}

// heard waits until the caller has heard the counter up to and including n samples of it, and returns all that was heard.
func (e *env) heard(c switchtest.Call, n int) []int16 {
	e.Helper()
	err := c.WaitHeard(e.ctx, func(all []int16) bool { return nonZero(all) >= n })
	if err != nil {
		e.Fatalf("the caller heard %d samples that are not silence, expected %d: %v", nonZero(c.Heard()), n, err)
	}
	return c.Heard()
}

func nonZero(samples []int16) int {
	n := 0
	for _, s := range samples {
		if s != 0 {
			n++
		}
	}
	return n
}

// heardSpan waits until n samples lie between the first and the last sound the caller heard, and returns them. For tones,
// which pass through zero.
func (e *env) heardSpan(c switchtest.Call, n int) []int16 {
	e.Helper()
	err := c.WaitHeard(e.ctx, func(all []int16) bool { return len(switchtest.Trim(all)) >= n })
	if err != nil {
		e.Fatalf("the caller heard sound for %d samples, expected %d: %v", len(switchtest.Trim(c.Heard())), n, err)
	}
	return switchtest.Trim(c.Heard())
}

// heardExactly waits for what was sent and checks that the caller heard it sample by sample, in one piece.
func (e *env) heardExactly(what string, c switchtest.Call, sent []int16) {
	e.Helper()
	got := switchtest.Trim(e.heard(c, nonZero(sent)))
	want := switchtest.Trim(sent)
	if !slices.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		e.Errorf("%s: heard %d samples, sent %d; the first difference is at %d: heard %v, sent %v; as a counter: %s", what, len(got), len(want),
			at, window(got, at), window(want, at), switchtest.CheckCounter(got))
	}
}

func window(s []int16, at int) []int16 {
	return s[max(min(at-2, len(s)), 0):min(at+6, len(s))]
}

// vars makes a map of name, value pairs.
func vars(pairs ...string) map[string]string {
	m := make(map[string]string)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}
