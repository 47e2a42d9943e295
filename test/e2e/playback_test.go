// Cases: audio from the server to the caller, while the caller's audio goes on.

package e2e

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zaf/g711"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// streamAudioCases are the formats that are played.
func streamAudioCases() []testcase {
	var out []testcase
	for _, v := range []struct {
		kind string
		rate int
	}{
		{"raw", 8000}, {"raw", 16000}, {"raw", 24000}, {"raw", 44100}, {"raw", 48000}, {"pcmu", 8000}, {"pcma", 8000}, {"pcmu", 16000},
	} {
		out = append(out, testcase{name: fmt.Sprintf("streamAudio %s at %d Hz is played", v.kind, v.rate), run: func(e *env) {
			s := e.agent(agent.Config{})
			c := e.call()
			conn := e.start(c, s, "mono")
			tone := agent.Bytes(agent.SineWave(1000, v.rate, v.rate*3/2, 8000))
			switch v.kind {
			case "pcmu":
				tone = g711.EncodeUlaw(tone)
			case "pcma":
				tone = g711.EncodeAlaw(tone)
			}
			e.check("send", conn.SendText(agent.StreamAudio(v.kind, v.rate, tone)))
			got := e.heardSpan(c, 10500)
			e.tone("heard", got[1000:9000], 8000, 1000, 8000)
			// As the community module has it, each message is announced only when it is stored as a file.
			if got := e.subclasses(c, ""); slices.Contains(got, "play") {
				e.Errorf("events %v", got)
			}
		}})
	}
	return out
}

var playbackCases = slices.Concat([]testcase{
	{name: "both directions at once, sample by sample", limit: time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono 8000")
		e.waitAudio(conn, 25)
		sent := switchtest.Count(1, 32000) // 4 s, all at once
		began := time.Now()
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.eventStatus(c, "playback", "started", 1)
		e.heardExactly("heard", c, sent)
		frames := binary(conn.Frames())
		e.fullRate("captured during playback", frames, began, began.Add(3900*time.Millisecond), 20)
		e.frameSize(frames, 20, 8000, 1)
		e.counterWhole("captured", pcm(frames), 30000)
		stopped := e.eventStatus(c, "playback", "stopped", 1)
		if stopped.PlayedMs != 4000 || stopped.QueuedMs != 0 {
			e.Errorf("stopped event: %+v, expected 4000 ms played", stopped)
		}
	}},
	{name: "both directions at once in 20 ms frames: echo", limit: 2 * time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{Mode: agent.Echo{}})
		for tries := 1; ; tries++ {
			c := e.call()
			conn := e.start(c, s, "mono 8000")
			first := e.waitAudio(conn, 1)[0].At
			got := e.heard(c, 24000)
			e.fullRate("captured", binary(conn.Frames()), first, time.Now().Add(-200*time.Millisecond), 20)
			e.counterWhole("captured", pcm(conn.Frames()), 20000)
			// Frames that arrive one by one may find the queue empty; what is heard is in order and whole all the same.
			r := switchtest.CheckCounter(got)
			if r.Whole() && r.Samples >= 24000 {
				return
			}
			// Where the machine kept the echo waiting, that is caught up with, and what is heard is shorter for it.
			st := e.stats(c, "")
			caught := e.number(st, "playbackShortenedMs") + e.number(st, "playbackStretchedMs")
			if caught == 0 || tries == 3 {
				e.Fatalf("heard: %s; %v ms were put in or taken out", r, caught)
			}
			e.Logf("the machine was late: %v ms were put in or taken out; once more", caught)
			e.check("hangup", c.Hangup(e.ctx))
		}
	}},
	{name: "both directions at once on a stereo stream", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "stereo 8000")
		e.waitAudio(conn, 10)
		sent := switchtest.Count(1, 16000)
		began := time.Now()
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardExactly("heard", c, sent)
		frames := binary(conn.Frames())
		e.fullRate("captured during playback", frames, began, began.Add(1900*time.Millisecond), 20)
		e.counterWhole("left", switchtest.Channel(pcm(frames), 2, 0), 14000)
	}},
	{name: "playback to a caller who sends nothing", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{})
		conn := e.start(c, s, "mono")
		sent := switchtest.Count(1, 16000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardExactly("heard", c, sent)
	}},
	{name: "playback on early media", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, State: switchtest.Early})
		conn := e.start(c, s, "mono")
		sent := switchtest.Count(1, 8000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardExactly("heard", c, sent)
	}},
	{name: "playback at 16 kHz, sample by sample", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, Rate: 16000})
		conn := e.start(c, s, "mono 16k")
		sent := switchtest.Count(1, 32000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardExactly("heard", c, sent)
	}},
	{name: "frames of odd size are put together", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		sent := switchtest.Count(1, 12000)
		b := agent.Bytes(sent)
		for i, n := 0, 1; i < len(b); n = (n*7)%997 + 1 { // 1, 8, 57, 400, … odd and even
			end := min(i+n, len(b))
			e.check("send", conn.SendBinary(b[i:end]))
			i = end
		}
		// The first few samples may be played before the rest has come.
		r := switchtest.CheckCounter(e.heard(c, len(sent)))
		if !r.Whole() || r.Samples != len(sent) || r.Gaps > 2 {
			e.Errorf("heard: %s; expected all %d samples in order", r, len(sent))
		}
	}},
	{name: "a message in fragments is played as one", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		sent := switchtest.Count(1, 3000)
		b := agent.Bytes(sent)
		// Three fragments with a ping in between (RFC 6455 section 5.4).
		raw := slices.Concat(fragment(0x02, false, b[:1001]), fragment(0x09, true, []byte("hi")), fragment(0x00, false, b[1001:4000]), fragment(0x00, true, b[4000:]))
		e.check("send", conn.SendRaw(raw))
		e.heardExactly("heard", c, sent)
		e.check("pong", conn.Wait(e.ctx, func(all []agent.Frame) bool {
			return slices.ContainsFunc(all, func(f agent.Frame) bool { return f.Op == 0xA && string(f.Data) == "hi" })
		}))
	}},
	{name: "pieces of different rates follow one another", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		for _, rate := range []int{8000, 24000, 16000} {
			e.check("send", conn.SendText(agent.StreamAudio("raw", rate, agent.Bytes(agent.SineWave(1000, rate, rate, 8000)))))
		}
		got := e.heardSpan(c, 23000)
		for i := range 3 {
			e.tone(fmt.Sprintf("piece %d", i), got[i*8000+1000:i*8000+6800], 8000, 1000, 8000)
		}
	}},
	{name: "bad messages cost an entry in stats and nothing else", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		bad := []string{
			`{"type":"streamAudio"}`,
			`{"type":"streamAudio","data":"x"}`,
			`{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":8000,"audioData":"!!not base64!!"}}`,
			`{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":"fast","audioData":"AAAA"}}`,
			`{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":7,"audioData":"AAAA"}}`,
			`{"type":"streamAudio","data":{"audioDataType":"flac","sampleRate":8000,"audioData":"AAAA"}}`,
			`{"type":"mark"}`,
			`{"type":"mark","data":{"name":7}}`,
			strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000),
		}
		for _, text := range bad {
			e.check("send", conn.SendText(text))
		}
		sent := switchtest.Count(1, 8000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardExactly("heard", c, sent)
		if n := e.number(e.stats(c, ""), "badMessages"); n != float64(len(bad)) {
			e.Errorf("badMessages %v after %d bad messages", n, len(bad))
		}
		if got := e.subclasses(c, ""); slices.Contains(got, "error") || slices.Contains(got, "disconnect") {
			e.Errorf("events %v", got)
		}
	}},
	{name: "STREAM_PLAYBACK=false plays nothing", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_PLAYBACK", "false"))
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendBinary(agent.Bytes(switchtest.Count(1, 8000))))
		n := countBinary(conn.Frames())
		e.waitAudio(conn, n+75)
		e.silent("heard", c.Heard())
		e.counterWhole("captured", pcm(conn.Frames()), 8000)
	}},
	{name: "a queue beyond STREAM_PLAYBACK_MAX_MS is refused with error 13, the stream goes on", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_PLAYBACK_MAX_MS", "1000"))
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendBinary(agent.Bytes(switchtest.Count(1, 40000))))
		e.errorEvent(c, 13)
		e.ok(c, "clear")
		heard := len(c.Heard())
		e.eventStatus(c, "playback", "cleared", 1)
		sent := switchtest.Count(101, 4000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.check("heard", c.WaitHeard(e.ctx, func(all []int16) bool { return switchtest.Index(all[heard:], sent) >= 0 }))
		n := countBinary(conn.Frames())
		e.waitAudio(conn, n+10)
		e.ok(c, "stop")
		e.event(c, "disconnect")
	}},
	{name: "mix lets other audio through, replace does not", run: func(e *env) {
		s := e.agent(agent.Config{})
		for _, mode := range []string{"mix", "replace"} {
			c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}, Playback: "tone_stream://%(60000,0,400)", Vars: vars("STREAM_PLAYBACK_MODE", mode)})
			e.heardSpan(c, 4000)
			conn := e.start(c, s, "mono")
			before := len(c.Heard())
			e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 16000, 8000))))
			e.check("heard", c.WaitHeard(e.ctx, func(all []int16) bool {
				return len(all) > before+4000 && switchtest.Level(all[len(all)-3200:], 8000, 1000) > 7000
			}))
			all := c.Heard()
			part := all[len(all)-3200:]
			other := switchtest.Level(part, 8000, 400)
			if mode == "mix" && other < 2000 || mode == "replace" && other > 100 {
				e.Errorf("%s: the other audio has level %.0f while the server's is played", mode, other)
			}
			e.ok(c, "clear")
			e.check("the other audio comes back", c.WaitHeard(e.ctx, func(all []int16) bool {
				tail := all[max(len(all)-1600, 0):]
				return switchtest.Level(tail, 8000, 400) > 2000 && switchtest.Level(tail, 8000, 1000) < 100
			}))
			e.hangup(c)
		}
	}},
	{name: "other audio that begins while the server's is played is mixed in", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}})
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 64000, 8000))))
		e.heardSpan(c, 8000)
		// The application's frames and the module's come at the same pace; neither may shut the other out.
		e.check("playback", c.Play(e.ctx, "tone_stream://%(60000,0,400)"))
		at := len(c.Heard())
		e.check("both tones", c.WaitHeard(e.ctx, func(all []int16) bool {
			tail := all[max(len(all)-1600, at):]
			return len(tail) == 1600 && switchtest.Level(tail, 8000, 400) > 8000 && switchtest.Level(tail, 8000, 1000) > 7000
		}))
		if d := time.Duration(len(c.Heard())-at) * time.Second / 8000; d > time.Second {
			e.Errorf("both were heard only %s after the other audio began", d)
		}
	}},
	{name: "two streams play to one caller together", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}})
		e.ok(c, "name=a start "+s.URL("/a")+" mono")
		a := e.accept(s)
		e.ok(c, "name=b start "+s.URL("/b")+" mono")
		b := e.accept(s)
		e.check("send", a.SendBinary(agent.Bytes(agent.SineWave(400, 8000, 16000, 8000))))
		e.check("send", b.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 16000, 8000))))
		e.check("both tones", c.WaitHeard(e.ctx, func(all []int16) bool {
			tail := all[max(len(all)-1600, 0):]
			return switchtest.Level(tail, 8000, 400) > 7000 && switchtest.Level(tail, 8000, 1000) > 7000
		}))
	}},
	{name: "playback while bridged is heard by the caller", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Tone{Hz: 400, Amplitude: 10000}, BridgeTo: &switchtest.Tone{Hz: 1500, Amplitude: 8000}})
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(1000, 8000, 24000, 8000))))
		e.check("both", c.WaitHeard(e.ctx, func(all []int16) bool {
			tail := all[max(len(all)-1600, 0):]
			return switchtest.Level(tail, 8000, 1000) > 7000 && switchtest.Level(tail, 8000, 1500) > 7000
		}))
	}},
}, streamAudioCases())

// fragment is one frame as it goes over the wire.
func fragment(op byte, fin bool, data []byte) []byte {
	b := []byte{op, 126, byte(len(data) >> 8), byte(len(data))}
	if len(data) < 126 {
		b = []byte{op, byte(len(data))}
	}
	if fin {
		b[0] |= 0x80
	}
	return append(b, data...)
}

// encoded is base64 as streamAudio carries it.
func encoded(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
