// Cases: where playback is heard: beside a second stream, in a conference, with other audio, on hold and after, before
// the answer, over a transfer.

package e2e

import (
	"path/filepath"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// needs skips the case on a FreeSWITCH without this module.
func (e *env) needs(module string) {
	e.Helper()
	if e.sw.Name() == "freeswitch" && e.api("module_exists %s", module) != "true" {
		e.Skipf("this FreeSWITCH has no %s", module)
	}
}

// soundFile writes samples to a WAV file that the switch can play.
func (e *env) soundFile(name string, samples []int16, rate int) string {
	e.Helper()
	path := filepath.Join(e.T.TempDir(), name+".wav")
	e.check("sound file", agent.WriteWAV(path, samples, rate, 1))
	return path
}

// waitTones waits until the last 200 ms that the caller heard have all these tones.
func (e *env) waitTones(what string, c switchtest.Call, want tones) {
	e.Helper()
	rate := c.Rate()
	err := c.WaitHeard(e.ctx, func(all []int16) bool {
		tail := all[max(len(all)-rate/5, 0):]
		if len(tail) < rate/5 {
			return false
		}
		for hz, level := range want {
			got := switchtest.Level(tail, rate, hz)
			if level == 0 && got > 250 || level > 0 && (got < level*0.8 || got > level*1.15) {
				return false
			}
		}
		return true
	})
	if err != nil {
		all := c.Heard()
		tail := all[max(len(all)-rate/5, 0):]
		got := tones{}
		for hz := range want {
			got[hz] = switchtest.Level(tail, rate, hz)
		}
		e.Fatalf("%s: %v; the last 200 ms have %.0f, expected %v", what, err, got, want)
	}
}

var whereCases = []testcase{
	{name: "two streams to two servers, each with its own playback, marks, events and stats", run: twoServers},
	{name: "a conference: the bot is heard by its caller and nobody else", run: func(e *env) {
		e.needs("mod_conference")
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 400, Amplitude: 6000}})
		other := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 1500, Amplitude: 6000}})
		for _, leg := range []switchtest.Call{c, other} {
			e.check("conference", leg.Execute(e.ctx, "conference", "room-"+c.UUID()+"@default"))
		}
		conn := e.start(c, s, "stereo")
		e.waitTones("the conference", c, tones{1500: 6000, 1000: 0})
		e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 16000, 8000))))
		e.waitTones("the bot in the conference", c, tones{1500: 6000, 1000: 8000})
		e.waitTones("the other member", other, tones{400: 6000, 1000: 0})
		e.eventStatus(c, "playback", "stopped", 1)
		e.waitTones("the conference afterwards", c, tones{1500: 6000, 1000: 0})
		if n := switchtest.Sounding(c.Heard(), 8000, 1000, 6000); n < 16000*9/10 || n > 16000 {
			e.Errorf("%d samples of the bot were heard, %d were sent", n, 16000)
		}
		all := pcm(conn.Frames())
		e.tones("captured left", switchtest.Channel(all, 2, 0)[1600:], 8000, tones{400: 6000, 1000: 0, 1500: 0})
		right := switchtest.Steady(switchtest.Channel(all, 2, 1), 8000, 1500, 4500)
		e.tones("captured right", right, 8000, tones{1500: 6000, 1000: 0, 400: 0})
	}},
	{name: "playback of a file: mixed with it, or in its place", run: func(e *env) {
		file := e.soundFile("other", agent.SineWave(700, 8000, 80000, 6000), 8000)
		s := e.agent(agent.Config{})
		for _, mode := range []string{"mix", "replace"} {
			c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}, Playback: file, Vars: vars("STREAM_PLAYBACK_MODE", mode)})
			e.waitTones("the file", c, tones{700: 6000})
			conn := e.start(c, s, "mono")
			e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 12000, 8000))))
			e.eventStatus(c, "playback", "started", 1)
			e.eventStatus(c, "playback", "stopped", 1)
			e.waitTones("the file goes on", c, tones{700: 6000, 1000: 0})
			if n := switchtest.Sounding(c.Heard(), 8000, 1000, 6000); n < 12000*9/10 || n > 12000 {
				e.Errorf("%s: %d samples of the bot were heard, %d were sent", mode, n, 12000)
			}
			e.tones(mode, switchtest.Steady(c.Heard(), 8000, 1000, 6000), 8000, tones{1000: 8000, 700: map[string]float64{"mix": 6000}[mode]})
			e.hangup(c)
		}
	}},
	{name: "a stream ends while its audio is in somebody else's frame", run: func(e *env) {
		// FreeSWITCH goes on with a replaced frame behind the bugs' lock, for up to a tick: the sanitizers look at this.
		file := e.soundFile("long", agent.SineWave(700, 8000, 240000, 6000), 8000)
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Codec: "L16", Source: switchtest.Silence{}, Playback: file})
		e.waitTones("the file", c, tones{700: 6000})
		for round := range 40 {
			conn := e.start(c, s, "mono")
			e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 8000, 8000))))
			e.eventually("the bot is heard", func() bool { return e.number(e.stats(c, ""), "playbackPlayedMs") > 0 })
			if round%2 == 0 {
				e.ok(c, "stop")
			} else {
				e.check("close", conn.Close(1000, ""))
			}
			e.nthEvent(c, "", "disconnect", round+1)
		}
		e.waitTones("the file goes on", c, tones{700: 6000, 1000: 0})
	}},
	{name: "speak: the bot is heard with the voice", only: "freeswitch", why: "text to speech is FreeSWITCH's", run: func(e *env) {
		e.needs("mod_tts_commandline")
		file := e.soundFile("voice", agent.SineWave(700, 8000, 80000, 6000), 8000)
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}})
		conn := e.start(c, s, "mono")
		e.check("speak", c.Execute(e.ctx, "speak", "tts_commandline|any|"+file))
		e.waitTones("the voice", c, tones{700: 6000, 1000: 0})
		e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 12000, 8000))))
		e.waitTones("the bot beside the voice", c, tones{700: 6000, 1000: 8000})
		e.eventStatus(c, "playback", "stopped", 1)
		e.waitTones("the voice goes on", c, tones{700: 6000, 1000: 0})
		if n := switchtest.Sounding(c.Heard(), 8000, 1000, 6000); n < 12000*9/10 || n > 12000 {
			e.Errorf("%d samples of the bot were heard, %d were sent", n, 12000)
		}
	}},
	{name: "a bridge of two L16 legs passes the bot, not the packet it came with", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Codec: "L16", Source: &switchtest.Tone{Hz: 400, Amplitude: 6000},
			BridgeTo: &switchtest.Tone{Hz: 1500, Amplitude: 6000}})
		conn := e.start(c, s, "mono")
		e.waitTones("the callee", c, tones{1500: 6000})
		e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 12000, 8000))))
		e.eventStatus(c, "playback", "started", 1)
		e.eventStatus(c, "playback", "stopped", 1)
		e.tones("heard", switchtest.Steady(c.Heard(), 8000, 1000, 6000), 8000, tones{1000: 8000, 1500: 6000, 400: 0})
		e.waitTones("the callee hears the caller only", c.Other(), tones{400: 6000, 1000: 0})
	}},
	{name: "hold keeps the queue; after it the rest is heard", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		sent := switchtest.Count(1, 16000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.check("mark", conn.SendText(mark("end")))
		e.heard(c, 4000)
		e.hold(c, true)
		e.pass(600 * time.Millisecond)
		e.hold(c, false)
		if played := e.waitMark(conn, "end", "played"); played != 2000 {
			e.Errorf("the mark says %d ms, 2000 were sent", played)
		}
		if r := switchtest.CheckCounter(e.heard(c, len(sent))); !r.Whole() || r.Samples != len(sent) {
			e.Errorf("heard: %s; expected all %d samples", r, len(sent))
		}
	}},
	{name: "playback goes on from early media through the answer", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, State: switchtest.Early})
		conn := e.start(c, s, "mono")
		sent := switchtest.Count(1, 16000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heard(c, 4000)
		if reply := e.api("uuid_answer %s", c.UUID()); !strings.HasPrefix(reply, "+OK") {
			e.Fatalf("uuid_answer: %q", reply)
		}
		if r := switchtest.CheckCounter(e.heard(c, len(sent))); !r.Whole() || r.Samples != len(sent) {
			e.Errorf("heard: %s; expected all %d samples", r, len(sent))
		}
	}},
	{name: "a transfer in mid-playback loses nothing", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		sent := switchtest.Count(1, 16000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heard(c, 4000)
		if reply := e.api("uuid_transfer %s transferred", c.UUID()); !strings.HasPrefix(reply, "+OK") {
			e.Fatalf("uuid_transfer: %q", reply)
		}
		if r := switchtest.CheckCounter(e.heard(c, len(sent))); !r.Whole() || r.Samples != len(sent) {
			e.Errorf("heard: %s; expected all %d samples", r, len(sent))
		}
	}},
	{name: "a transfer to an extension that plays: mixed from then on", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}})
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 24000, 8000))))
		e.waitTones("parked", c, tones{1000: 8000, 400: 0})
		if reply := e.api("uuid_transfer %s tone", c.UUID()); !strings.HasPrefix(reply, "+OK") {
			e.Fatalf("uuid_transfer: %q", reply)
		}
		e.check("both", c.WaitHeard(e.ctx, func(all []int16) bool {
			tail := all[max(len(all)-1600, 0):]
			return switchtest.Level(tail, 8000, 1000) > 7000 && switchtest.Level(tail, 8000, 400) > 6000
		}))
		e.eventStatus(c, "playback", "stopped", 1)
		e.check("the tone", c.WaitHeard(e.ctx, func(all []int16) bool {
			tail := all[max(len(all)-1600, 0):]
			return switchtest.Level(tail, 8000, 1000) < 200 && switchtest.Level(tail, 8000, 400) > 6000
		}))
		if played := e.number(e.stats(c, ""), "playbackPlayedMs"); played != 3000 {
			e.Errorf("playbackPlayedMs %v of 3000", played)
		}
	}},
}

func twoServers(e *env) {
	one, two := e.agent(agent.Config{}), e.agent(agent.Config{})
	c := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 400, Amplitude: 6000}})
	e.ok(c, "name=one start "+one.URL("/")+" mono 8k")
	a := e.accept(one)
	e.ok(c, "name=two start "+two.URL("/")+" stereo 16k")
	b := e.accept(two)
	e.check("send", a.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 8000, 7000))))
	e.check("mark", a.SendText(mark("a")))
	e.check("send", b.SendBinary(agent.Bytes(agent.SineWave(1700, 16000, 64000, 7000)))) // 4 s
	e.check("mark", b.SendText(mark("b")))
	e.waitTones("both", c, tones{1000: 7000, 1700: 7000})
	if played := e.waitMark(a, "a", "played"); played != 1000 {
		e.Errorf("stream one's mark says %d ms, 1000 were sent", played)
	}
	e.waitTones("the second alone", c, tones{1000: 0, 1700: 7000})
	// What is done to one is not done to the other.
	e.ok(c, "name=one clear")
	e.waitTones("the second after the first's clear", c, tones{1000: 0, 1700: 7000})
	e.ok(c, "name=two clear")
	e.waitMark(b, "b", "cleared")
	if got := texts(a.Frames()); len(got) != 1 || !strings.Contains(got[0], `"a"`) {
		e.Errorf("server one got %q", got)
	}
	first, second := e.stats(c, "one"), e.stats(c, "two")
	if played := e.number(first, "playbackPlayedMs"); played != 1000 {
		e.Errorf("stream one: playbackPlayedMs %v", played)
	}
	if played := e.number(second, "playbackPlayedMs"); played < 1000 || played > 3900 {
		e.Errorf("stream two: playbackPlayedMs %v, cleared in its fourth second", played)
	}
	if n, m := e.number(first, "marks"), e.number(second, "marks"); n != 1 || m != 1 {
		e.Errorf("marks %v and %v", n, m)
	}
	for _, name := range []string{"one", "two"} {
		ev := e.nthEvent(c, name, "mark", 1)
		if want := map[string]string{"one": `"a"`, "two": `"b"`}[name]; !strings.Contains(ev.Body, want) {
			e.Errorf("mark event of stream %s: %s", name, ev.Body)
		}
		if n := len(e.sw.Events().All(switchtest.Filter{UUID: c.UUID(), Stream: name, Subclass: "mark"})); n != 1 {
			e.Errorf("%d mark events of stream %s", n, name)
		}
		e.nthEvent(c, name, "playback", 2)
	}
	// Each server got the caller in its own mix and rate, and neither bot.
	e.tones("captured by one", pcm(a.Frames())[1600:], 8000, tones{400: 6000, 1000: 0, 1700: 0})
	all := pcm(b.Frames())
	e.tones("captured by two, left", switchtest.Channel(all, 2, 0)[3200:], 16000, tones{400: 6000, 1000: 0, 1700: 0})
	e.silent("captured by two, right", switchtest.Channel(all, 2, 1))
}
