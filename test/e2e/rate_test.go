// Cases: every rate, with resampling: frequency, level and delay.

package e2e

import (
	"fmt"
	"math"
	"slices"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// streamRates are the rates of start, as typed.
var streamRates = []struct {
	typed string
	hz    int
}{
	{"8000", 8000}, {"11025", 11025}, {"12000", 12000}, {"16000", 16000}, {"22050", 22050}, {"24000", 24000}, {"32000", 32000},
	{"44100", 44100}, {"48000", 48000}, {"8k", 8000}, {"12k", 12000}, {"16k", 16000}, {"24k", 24000}, {"32k", 32000}, {"48k", 48000},
}

var rateCases = []testcase{
	{name: "every rate of start, captured and played", limit: 2 * time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 400, Amplitude: 10000}})
		for _, r := range streamRates {
			heard := len(c.Heard())
			conn := e.start(c, s, "mono "+r.typed)
			e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, r.hz, r.hz, 8000))))
			frames := e.waitAudio(conn, 60)
			e.frameSize(frames, 20, r.hz, 1)
			e.tone("captured at "+r.typed, pcm(frames)[r.hz/5:r.hz], r.hz, 400, 10000)
			e.check("heard", c.WaitHeard(e.ctx, func(all []int16) bool { return len(switchtest.Trim(all[heard:])) > 6500 }))
			e.ok(c, "clear")
			got := switchtest.Trim(c.Heard()[heard:])
			e.tone("played at "+r.typed, got[1000:6000], 8000, 1000, 8000)
			e.ok(c, "stop")
			e.waitClose(conn, 1000)
		}
	}},
	{name: "8 kHz call to a 16 kHz server: frequency, level, delay", run: func(e *env) { resampled(e, 8000, 16000) }},
	{name: "16 kHz call to an 8 kHz server: frequency, level, delay", run: func(e *env) { resampled(e, 16000, 8000) }},
	{name: "48 kHz call to a 44.1 kHz server: frequency, level, delay", run: func(e *env) { resampled(e, 48000, 44100) }},
	{name: "STREAM_SAMPLE_RATE is the rate of the server's audio", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, Vars: vars("STREAM_SAMPLE_RATE", "24000")})
		conn := e.start(c, s, "mono 8000")
		e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 24000, 36000, 8000))))
		got := e.heardSpan(c, 11000)
		e.tone("heard", got[1000:10000], 8000, 1000, 8000)
		e.frameSize(e.waitAudio(conn, 30), 20, 8000, 1)
	}},
	{name: "stereo with resampling keeps the legs apart", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 400, Amplitude: 10000}})
		frames := e.waitAudio(e.start(c, s, "stereo 16k"), 100)
		e.frameSize(frames, 20, 16000, 2)
		all := pcm(frames)[2*8000 : 2*24000]
		e.tone("left", switchtest.Channel(all, 2, 0), 16000, 400, 10000)
		e.silent("right", switchtest.Channel(all, 2, 1))
	}},
}

// resampled sends a tone that begins at a known moment each way and compares frequency, level and delay.
func resampled(e *env, callRate, serverRate int) {
	const hz, level = 1000, 10000
	s := e.agent(agent.Config{})
	// One second of silence, then the tone, so that its beginning can be told.
	said := slices.Concat(make([]int16, 2*callRate), agent.SineWave(hz, callRate, 3*callRate, level))
	c := e.originate(switchtest.CallSpec{Source: &switchtest.Samples{PCM: said}, Rate: callRate})
	conn := e.start(c, s, fmt.Sprintf("mono %d", serverRate))
	heardBefore := len(c.Heard())
	e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(hz, serverRate, 2*serverRate, level))))
	e.waitLevel(conn, level)
	beganAt := time.Now()
	frames := e.waitAudio(conn, countBinary(conn.Frames())+75)
	e.frameSize(frames, 20, serverRate, 1)
	all := pcm(frames)
	start := onset(all, level/2)
	e.tone("captured", all[start+serverRate/10:start+serverRate], serverRate, hz, level)
	// The caller began the tone after two seconds of its own clock; the server must have it within 200 ms of that: the
	// switch's own buffering, a frame, and the resampler.
	if spoken := c.Said() - int(time.Since(beganAt).Seconds()*float64(callRate)); spoken > 0 {
		delay := time.Duration(spoken-2*callRate) * time.Second / time.Duration(callRate)
		if delay > 250*time.Millisecond {
			e.Errorf("the tone arrived %s after it was said", delay)
		}
	}
	e.check("heard", c.WaitHeard(e.ctx, func(h []int16) bool { return len(switchtest.Trim(h[heardBefore:])) > callRate*3/2 }))
	got := switchtest.Trim(c.Heard()[heardBefore:])
	e.tone("heard", got[callRate/10:callRate], callRate, hz, level)
}

// waitLevel waits until the server gets a signal.
func (e *env) waitLevel(conn *agent.Conn, level float64) {
	e.Helper()
	err := conn.Wait(e.ctx, func(all []agent.Frame) bool {
		for i := len(all) - 1; i >= 0; i-- {
			if all[i].IsBinary() {
				return onset(agent.Samples(all[i].Data), level/2) >= 0
			}
		}
		return false
	})
	e.check("the caller's tone", err)
}

// onset is the first sample as loud as level, -1 without one.
func onset(samples []int16, level float64) int {
	return slices.IndexFunc(samples, func(s int16) bool { return math.Abs(float64(s)) >= level })
}
