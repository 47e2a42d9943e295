// Cases: a tone comes out as it went in: split in pieces of any size, at every rate, over a re-INVITE to another rate.

package e2e

import (
	"fmt"
	"slices"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// cleanTone checks that a tone is nothing but the tone. Rounding to 16 bits alone leaves some 90 dB at this level, the
// resampler at least 78. One sample lost or doubled leaves less than 30.
func (e *env) cleanTone(what string, samples []int16, rate int, hz, level float64, resampled bool) {
	e.Helper()
	amplitude, sinad, peak := switchtest.Residual(samples, rate, hz)
	least := 85.0
	if resampled {
		least = 70
	}
	e.Logf("%s: amplitude %.0f, SINAD %.1f dB, largest deviation %.0f over %d samples", what, amplitude, sinad, peak, len(samples))
	if amplitude < level*0.95 || amplitude > level*1.05 || sinad < least || peak > level/50 {
		e.Errorf("%s: amplitude %.0f of %.0f, SINAD %.1f dB (at least %.0f), largest deviation %.0f (at most %.0f) over %d samples",
			what, amplitude, level, sinad, least, peak, level/50, len(samples))
	}
}

// pieces cuts a message's bytes into sizes that are odd, even, tiny and large.
func pieces(b []byte) [][]byte {
	var out [][]byte
	for n := 1; len(b) > 0; n = (n*7)%997 + 1 {
		k := min(n, len(b))
		out = append(out, b[:k])
		b = b[k:]
	}
	return out
}

var spectrumCases = []testcase{
	{name: "a tone in odd-sized pieces is clean at every rate", limit: time.Minute, run: oddPieces},
	{name: "stereo streamAudio is mixed down to the caller, whole", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}})
		conn := e.start(c, s, "mono")
		left, right := agent.SineWave(1000, 8000, 12000, 8000), agent.SineWave(1700, 8000, 12000, 8000)
		both := make([]int16, 0, 24000)
		for i := range left {
			both = append(both, left[i], right[i])
		}
		e.check("send", conn.SendText(fmt.Sprintf(`{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":8000,"channels":2,"audioData":%q}}`, encoded(agent.Bytes(both)))))
		e.eventStatus(c, "playback", "started", 1)
		if ev := e.eventStatus(c, "playback", "stopped", 1); ev.PlayedMs != 1500 {
			e.Errorf("1500 ms were sent, %d were played", ev.PlayedMs)
		}
		got := switchtest.Trim(c.Heard())
		e.tones("heard", got[1600:10400], 8000, tones{1000: 4000, 1700: 4000})
	}},
	{name: "a re-INVITE to another rate and ptime loses no queued audio", limit: time.Minute, run: otherRate},
}

// oddPieces plays a tone to a call for each rate of the server, all at once: binary messages of odd sizes, so that samples
// are cut in two, and streamAudio messages that cut the tone at odd samples.
func oddPieces(e *env) {
	const hz, level = 1000, 10000
	type line struct {
		what string
		rate int
		call switchtest.Call
	}
	s := e.agent(agent.Config{})
	var lines []line
	for _, rate := range []int{8000, 16000, 22050, 24000, 44100, 48000} {
		for _, how := range []string{"binary", "streamAudio"} {
			c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}, Vars: vars("STREAM_SAMPLE_RATE", fmt.Sprint(rate))})
			conn := e.start(c, s, "mono")
			tone := agent.Bytes(agent.SineWave(hz, rate, rate*3/2, level))
			// The pieces leave in one go: what is shown is the seams, not how a queue behaves that runs dry.
			var wire []byte
			if how == "binary" {
				for _, b := range pieces(tone) {
					wire = append(wire, agent.BinaryFrame(b)...)
				}
			} else {
				for _, b := range pieces(tone[:len(tone)/2]) { // whole samples, an odd number of them
					n := 2 * len(b)
					wire = append(wire, agent.TextFrame(agent.StreamAudio("raw", rate, tone[:n]))...)
					tone = tone[n:]
				}
			}
			e.check("send", conn.SendRaw(wire))
			lines = append(lines, line{fmt.Sprintf("%s at %d Hz", how, rate), rate, c})
		}
	}
	for _, l := range lines {
		e.eventStatus(l.call, "playback", "started", 1)
		// Resampling keeps the length: the remainders of all pieces are in it.
		if ev := e.eventStatus(l.call, "playback", "stopped", 1); ev.PlayedMs < 1498 || ev.PlayedMs > 1502 {
			e.Errorf("%s: %d ms were played of 1500", l.what, ev.PlayedMs)
		}
		got := switchtest.Trim(l.call.Heard())
		if len(got) < 11900 || len(got) > 12100 {
			e.Errorf("%s: %d samples were heard of 12000", l.what, len(got))
			continue
		}
		e.cleanTone(l.what, got[400:11600], 8000, hz, level, l.rate != 8000)
	}
}

// otherRate changes the call's codec in the middle of playback and adds up what was heard at each rate.
func otherRate(e *env) {
	const hz, level = 1000, 10000
	s := e.agent(agent.Config{})
	c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}})
	conn := e.start(c, s, "mono 8000")
	steps := []struct{ rate, ptime int }{{16000, 20}, {16000, 40}, {48000, 20}, {8000, 30}}
	e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(hz, 8000, 8000*(len(steps)+1), level))))
	e.check("mark", conn.SendText(mark("end")))
	for i, step := range steps {
		at := len(c.Heard())
		e.check("heard", c.WaitHeard(e.ctx, func(all []int16) bool { return len(all) > at+c.Rate()*6/10 }))
		e.check("re-INVITE", c.Renegotiate(e.ctx, step.rate, step.ptime))
		if got := c.Rate(); got != step.rate {
			e.Errorf("step %d: the call is at %d Hz", i, got)
		}
	}
	total := 1000 * (len(steps) + 1)
	if played := e.waitMark(conn, "end", "played"); played < total-2 || played > total+2 {
		e.Errorf("the mark says %d ms, %d were sent", played, total)
	}
	e.eventStatus(c, "playback", "stopped", 1)
	heard := 0.0
	var parts []string
	for _, p := range c.HeardParts() {
		// Blocks of 1 ms, one period of the tone each.
		block, n := p.Rate/1000, 0
		for b := range slices.Chunk(p.Samples, block) {
			if switchtest.RMS(b) > level/3 {
				n += len(b)
			}
		}
		heard += float64(n) * 1000 / float64(p.Rate)
		parts = append(parts, fmt.Sprintf("%.0f ms at %d Hz", float64(n)*1000/float64(p.Rate), p.Rate))
		if steady := switchtest.Steady(p.Samples, p.Rate, hz, level*0.8); len(steady) > p.Rate/5 {
			// What was in the ring at the change is resampled from the old rate, what follows it from the server's: where the
			// two meet, 1 to 2 ms are missing, the length of the resamplers' filters. A wrong pitch would be 0 dB.
			amplitude, sinad, _ := switchtest.Residual(steady, p.Rate, hz)
			e.Logf("at %d Hz: amplitude %.0f, SINAD %.1f dB over %d samples", p.Rate, amplitude, sinad, len(steady))
			if amplitude < level*0.95 || amplitude > level*1.05 || sinad < 20 {
				e.Errorf("at %d Hz: amplitude %.0f of %d, SINAD %.1f dB over %d samples", p.Rate, amplitude, level, sinad, len(steady))
			}
		} else {
			e.Errorf("only %d samples in one piece at %d Hz", len(steady), p.Rate)
		}
	}
	e.Logf("heard %.0f ms: %v", heard, parts)
	// A frame may be cut by each change: the switch throws away what its own encoder had begun. And FreeSWITCH may write a
	// frame or two of the new size while it still says that it has the old rate: they are heard for longer.
	most := float64(total + 10)
	if e.sw.Name() == "freeswitch" {
		most += 20 * float64(len(steps))
	}
	if heard < float64(total-20*len(steps)) || heard > most {
		e.Errorf("%.0f ms of %d were heard: %v", heard, total, parts)
	}
}
