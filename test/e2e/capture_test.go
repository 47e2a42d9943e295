// Cases: what the server gets of the call, sample by sample where nothing is resampled.

package e2e

import (
	"fmt"
	"slices"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// bufferCases are sizes of STREAM_BUFFER_SIZE.
func bufferCases() []testcase {
	var out []testcase
	for _, ms := range []int{20, 40, 100, 1000} {
		out = append(out, testcase{name: fmt.Sprintf("frames are exactly STREAM_BUFFER_SIZE of %d ms", ms), run: func(e *env) {
			s := e.agent(agent.Config{})
			c := e.callWith(vars("STREAM_BUFFER_SIZE", fmt.Sprint(ms)))
			conn := e.start(c, s, "mono")
			frames := e.waitAudio(conn, max(3000/ms, 3))
			e.frameSize(frames, ms, 8000, 1)
			e.ok(c, "stop")
			e.waitClose(conn, 1000)
			all := binary(conn.Frames())
			e.frameSize(all, ms, 8000, 1)
			if last := len(all[len(all)-1].Data); last > ms*16 || last%2 != 0 {
				e.Errorf("the last frame has %d bytes", last)
			}
			e.counterWhole("captured", pcm(all), 16000)
		}})
	}
	return out
}

// ptimeCases are the packet times of a call.
func ptimeCases() []testcase {
	var out []testcase
	for _, ptime := range []int{10, 20, 30, 40} {
		out = append(out, testcase{name: fmt.Sprintf("ptime %d both ways", ptime), run: func(e *env) {
			s := e.agent(agent.Config{})
			c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, Ptime: ptime})
			conn := e.start(c, s, "mono")
			sent := switchtest.Count(1, 16000)
			e.check("send", conn.SendBinary(agent.Bytes(sent)))
			e.heardExactly("playback", c, sent)
			frames := e.waitAudio(conn, 100)
			e.frameSize(frames, 20, 8000, 1)
			e.counterWhole("captured", pcm(frames), 14000)
			if got := c.Ptime(); got != ptime {
				e.Errorf("the call has ptime %d", got)
			}
		}})
	}
	return out
}

var captureCases = slices.Concat(bufferCases(), ptimeCases(), []testcase{
	{name: "mono is the caller, sample by sample, 50 frames a second", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono 8000")
		first := e.waitAudio(conn, 1)[0].At
		frames := e.waitAudio(conn, 200)
		e.frameSize(frames, 20, 8000, 1)
		e.fullRate("captured", frames, first, first.Add(3900*time.Millisecond), 20)
		e.counterWhole("captured", pcm(frames), 30000)
	}},
	{name: "16 kHz call to a 16 kHz server, sample by sample", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, Rate: 16000})
		frames := e.waitAudio(e.start(c, s, "mono 16k"), 150)
		e.frameSize(frames, 20, 16000, 1)
		e.counterWhole("captured", pcm(frames), 45000)
	}},
	{name: "48 kHz call to a 48 kHz server, sample by sample", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, Rate: 48000})
		frames := e.waitAudio(e.start(c, s, "mono 48000"), 100)
		e.frameSize(frames, 20, 48000, 1)
		e.counterWhole("captured", pcm(frames), 90000)
	}},
	{name: "stereo on a parked call has the caller left and silence right", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "stereo 8000")
		first := e.waitAudio(conn, 1)[0].At
		frames := e.waitAudio(conn, 150)
		e.frameSize(frames, 20, 8000, 2)
		e.fullRate("captured", frames, first, first.Add(2900*time.Millisecond), 20)
		e.counterWhole("left", switchtest.Channel(pcm(frames), 2, 0), 22000)
		e.silent("right", switchtest.Channel(pcm(frames), 2, 1))
	}},
	{name: "mixed on a parked call is the caller", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		frames := e.waitAudio(e.start(c, s, "mixed 8000"), 100)
		e.frameSize(frames, 20, 8000, 1)
		e.counterWhole("captured", pcm(frames), 15000)
	}},
	{name: "stereo on a bridged call has the caller left", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, BridgeTo: &switchtest.Tone{Hz: 1000, Amplitude: 10000}})
		frames := e.waitAudio(e.start(c, s, "stereo 8000"), 150)
		e.frameSize(frames, 20, 8000, 2)
		e.counterWhole("left", switchtest.Channel(pcm(frames), 2, 0), 20000)
		e.level("right", switchtest.Channel(pcm(frames), 2, 1)[8000:20000], 1000, 10000)
	}},
	{name: "stereo on a bridged call has the callee right", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 400, Amplitude: 10000}, BridgeTo: &switchtest.Counter{}})
		frames := e.waitAudio(e.start(c, s, "stereo 8000"), 150)
		e.frameSize(frames, 20, 8000, 2)
		e.level("left", switchtest.Channel(pcm(frames), 2, 0)[8000:20000], 400, 10000)
		e.counterOfOther("right", switchtest.Channel(pcm(frames), 2, 1), 20000)
	}},
	{name: "mixed on a bridged call has both legs", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 400, Amplitude: 10000}, BridgeTo: &switchtest.Tone{Hz: 1000, Amplitude: 10000}})
		frames := e.waitAudio(e.start(c, s, "mixed 8000"), 150)
		e.frameSize(frames, 20, 8000, 1)
		all := pcm(frames)[8000:20000]
		e.level("the caller", all, 400, 10000)
		e.level("the callee", all, 1000, 10000)
	}},
	{name: "a caller who sends nothing is silence, not a stall", run: func(e *env) {
		s := e.agent(agent.Config{})
		for _, mix := range []string{"mono", "mixed", "stereo"} {
			c := e.originate(switchtest.CallSpec{})
			conn := e.start(c, s, mix)
			first := e.waitAudio(conn, 1)[0].At
			frames := e.waitAudio(conn, 60)
			e.fullRate(mix, frames, first, first.Add(1100*time.Millisecond), 20)
			e.silent(mix, pcm(frames))
			e.hangup(c)
		}
	}},
	{name: "a bridged leg that sends nothing is silence, not a stall", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, BridgeTo: switchtest.Nobody{}})
		conn := e.start(c, s, "stereo 8000")
		first := e.waitAudio(conn, 1)[0].At
		frames := e.waitAudio(conn, 100)
		e.fullRate("captured", frames, first, first.Add(1900*time.Millisecond), 20)
		e.counterWhole("left", switchtest.Channel(pcm(frames), 2, 0), 14000)
		e.silent("right", switchtest.Channel(pcm(frames), 2, 1))
	}},
	{name: "what was said while paused is never sent", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 25)
		e.ok(c, "pause")
		// What was captured before the command may still be on its way; after that, nothing comes.
		e.pass(200 * time.Millisecond)
		before := binary(conn.Frames())
		e.pass(time.Second)
		if n := countBinary(conn.Frames()) - len(before); n != 0 {
			e.Errorf("%d frames arrived while paused", n)
		}
		saidAtResume := c.Said()
		e.ok(c, "resume")
		after := e.waitAudio(conn, len(before)+25)[len(before):]
		e.counterWhole("before the pause", pcm(before), 3000)
		r := e.counterWhole("after the pause", pcm(after), 3000)
		// The first sample sent after resume was said after resume, less what the switch itself held back then.
		if late := saidAtResume - int(r.First); late > 8000/5 {
			e.Errorf("the first sample after resume is %d, said %d samples before resume", r.First, late)
		}
	}},
	{name: "pause does not touch playback", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.ok(c, "pause")
		sent := switchtest.Count(1, 8000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardExactly("playback", c, sent)
	}},
	{name: "renegotiation in mid-call goes on without a stall", limit: time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 25)
		for _, ptime := range []int{30, 10, 40, 20} {
			e.check("renegotiate", c.Renegotiate(e.ctx, 8000, ptime))
			n := countBinary(conn.Frames())
			frames := e.waitAudio(conn, n+60)
			e.frameSize(frames, 20, 8000, 1)
			// The switch itself drops what is on the way when it changes its codec; behind that nothing is lost.
			e.counterWhole(fmt.Sprintf("ptime %d", ptime), pcm(frames[n+15:]), 6000)
			sent := switchtest.Count(1, 4000)
			heard := len(c.Heard())
			e.check("send", conn.SendBinary(agent.Bytes(sent)))
			e.check("heard", c.WaitHeard(e.ctx, func(all []int16) bool { return nonZero(all[heard:]) >= len(sent) }))
			e.counterExact(fmt.Sprintf("playback at ptime %d", ptime), c.Heard()[heard:], len(sent))
		}
	}},
	{name: "hold does not end the stream", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 25)
		e.hold(c, true)
		e.pass(500 * time.Millisecond)
		e.hold(c, false)
		n := countBinary(conn.Frames())
		e.waitAudio(conn, n+50)
		if got := e.subclasses(c, ""); !slices.Equal(got, []string{"connect"}) {
			e.Errorf("events %v", got)
		}
	}},
	{name: "PCMU call", only: "freeswitch", why: "the stand-in host has no lossy codec", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 400, Amplitude: 10000}, Codec: "PCMU"})
		conn := e.start(c, s, "mono")
		e.tone("captured", pcm(e.waitAudio(conn, 100))[4000:12000], 8000, 400, 10000)
		e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 16000, 8000))))
		got := e.heardSpan(c, 14000)
		e.tone("heard", got[2000:12000], 8000, 1000, 8000)
	}},
	{name: "record_session hears the server's audio too", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}})
		file := fmt.Sprintf("%s/rec-%s.wav", e.sw.TempDir(), c.UUID())
		if reply := e.api("uuid_record %s start %s", c.UUID(), file); reply[0] != '+' {
			e.Fatalf("uuid_record: %s", reply)
		}
		conn := e.start(c, s, "mono")
		sent := agent.SineWave(1000, 8000, 12000, 8000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardSpan(c, 11000)
		e.ok(c, "stop")
		e.waitClose(conn, 1000)
		if reply := e.api("uuid_record %s stop %s", c.UUID(), file); reply[0] != '+' {
			e.Fatalf("uuid_record: %s", reply)
		}
		var got []int16
		e.eventually("the recording", func() bool {
			samples, _, channels, err := agent.ReadWAV(file)
			if err != nil || len(samples) == 0 {
				return false
			}
			got = switchtest.Trim(switchtest.Channel(samples, channels, channels-1))
			return len(got) > 9000
		})
		e.tone("recorded", got[1000:8000], 8000, 1000, 8000)
	}},
})

// hold puts a call on hold, or takes it off.
func (e *env) hold(c switchtest.Call, on bool) {
	e.Helper()
	line := "uuid_hold " + c.UUID()
	if !on {
		line = "uuid_hold off " + c.UUID()
	}
	if reply := e.api("%s", line); len(reply) == 0 || reply[0] != '+' {
		e.Fatalf("%s: %q", line, reply)
	}
}
