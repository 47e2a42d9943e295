// Cases: what the channel does × the mix × the channel's rate. In each cell the caller's ear, the switch's recording and
// the server are compared with what was sent.

package e2e

import (
	"fmt"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// The signals of a cell, all different in frequency.
const (
	callerHz, fileHz, calleeHz, botHz             = 400, 700, 1500, 1000
	callerLevel, fileLevel, calleeLevel, botLevel = 5000.0, 6000.0, 6000.0, 8000.0
	botLength                                     = 1500 // ms
)

// cell is one combination, and what came of it.
type cell struct {
	where, mix string
	rate       int

	call switchtest.Call
	conn *agent.Conn
	file string // of the recording

	heard, captured, recorded []int16
	recordedRate, recordedAs  int // Hz and channels
}

func (x *cell) String() string { return fmt.Sprintf("%s, %s, %d Hz", x.where, x.mix, x.rate) }

// other is what else is written to the channel, beside the bot.
func (x *cell) other() tones {
	switch x.where {
	case "playback":
		return tones{fileHz: fileLevel, calleeHz: 0}
	case "bridge":
		return tones{fileHz: 0, calleeHz: calleeLevel}
	}
	return tones{fileHz: 0, calleeHz: 0}
}

// with joins tones.
func (t tones) with(more tones) tones {
	out := tones{}
	for _, m := range []tones{t, more} {
		for hz, level := range m {
			out[hz] = level
		}
	}
	return out
}

var matrixCases = []testcase{
	{name: "matrix at 8 kHz: park, playback, bridge × mono, mixed, stereo", limit: time.Minute, run: func(e *env) { matrix(e, 8000) }},
	{name: "matrix at 16 kHz: park, playback, bridge × mono, mixed, stereo", limit: time.Minute, run: func(e *env) { matrix(e, 16000) }},
	{name: "matrix at 48 kHz: park, playback, bridge × mono, mixed, stereo", limit: time.Minute, run: func(e *env) { matrix(e, 48000) }},
}

// matrix runs the nine cells of a rate at once.
func matrix(e *env, rate int) {
	s := e.agent(agent.Config{})
	sound := e.soundFile("file", agent.SineWave(fileHz, rate, 30*rate, fileLevel), rate)
	var cells []*cell
	for _, where := range []string{"park", "playback", "bridge"} {
		for _, mix := range []string{"mono", "mixed", "stereo"} {
			x := &cell{where: where, mix: mix, rate: rate}
			spec := switchtest.CallSpec{Source: &switchtest.Tone{Hz: callerHz, Amplitude: callerLevel}, Rate: rate, Vars: vars("RECORD_STEREO", "true")}
			switch where {
			case "playback":
				spec.Playback = sound
			case "bridge":
				spec.BridgeTo = &switchtest.Tone{Hz: calleeHz, Amplitude: calleeLevel}
			}
			x.call = e.originate(spec)
			x.conn = e.start(x.call, s, fmt.Sprintf("%s %d", mix, rate))
			x.file = e.record(x.call, false)
			cells = append(cells, x)
		}
	}
	for _, x := range cells { // both legs are under way before the bot begins
		e.waitAudio(x.conn, 25)
	}
	for _, x := range cells {
		e.check("send", x.conn.SendBinary(agent.Bytes(agent.SineWave(botHz, rate, rate*botLength/1000, botLevel))))
	}
	for _, x := range cells {
		e.eventStatus(x.call, "playback", "started", 1)
		if ev := e.eventStatus(x.call, "playback", "stopped", 1); ev.PlayedMs != botLength {
			e.Errorf("%s: %d ms were played of %d", x, ev.PlayedMs, botLength)
		}
	}
	// All is taken first and judged afterwards, which takes longer than it lasted.
	for _, x := range cells {
		e.stopRecording(x.call, x.file)
		x.heard, x.captured = x.call.Heard(), pcm(x.conn.Frames())
	}
	for _, x := range cells {
		e.hangup(x.call)
	}
	for _, x := range cells {
		x.recorded, x.recordedRate, x.recordedAs = e.readRecording(x.file)
		x.judge(e)
	}
}

// judge compares the three ends with what was sent.
func (x *cell) judge(e *env) {
	e.Helper()
	other, whole := x.other(), x.rate*botLength/1000
	samples, rate, channels := x.recorded, x.recordedRate, x.recordedAs
	all, heard := x.captured, x.heard

	// The ear: the bot beside what else is played, never the caller himself.
	ear := switchtest.Steady(heard, x.rate, botHz, botLevel*0.75)
	e.tones(fmt.Sprintf("%s: heard", x), ear, x.rate, tones{botHz: botLevel, callerHz: 0}.with(other))
	if n := switchtest.Sounding(heard, x.rate, botHz, botLevel*0.75); n < whole*9/10 || n > whole {
		e.Errorf("%s: %d samples of the bot were heard, %d were sent", x, n, whole)
	}

	// The recording: the caller left, what he heard right.
	if rate != x.rate || channels != 2 {
		e.Errorf("%s: the recording has %d channels at %d Hz", x, channels, rate)
		return
	}
	left, right := switchtest.Channel(samples, 2, 0), switchtest.Channel(samples, 2, 1)
	e.tones(fmt.Sprintf("%s: recorded left", x), left[rate/5:len(left)-rate/5], rate, tones{callerHz: callerLevel, botHz: 0, fileHz: 0, calleeHz: 0})
	e.tones(fmt.Sprintf("%s: recorded right", x), switchtest.Steady(right, rate, botHz, botLevel*0.75), rate, tones{botHz: botLevel, callerHz: 0}.with(other))
	if n := switchtest.Sounding(right, rate, botHz, botLevel*0.75); n < whole*85/100 {
		e.Errorf("%s: %d samples of the bot are recorded, %d were sent", x, n, whole)
	}

	// The server: the caller, and where the mix has it the other leg, never the bot.
	caller := tones{callerHz: callerLevel, botHz: 0}
	skip := x.rate / 2
	switch x.mix {
	case "mono":
		e.tones(fmt.Sprintf("%s: captured", x), all[skip:], x.rate, caller.with(tones{fileHz: 0, calleeHz: 0}))
	case "mixed":
		e.tones(fmt.Sprintf("%s: captured", x), all[skip:], x.rate, caller.with(other))
	case "stereo":
		e.tones(fmt.Sprintf("%s: captured left", x), switchtest.Channel(all, 2, 0)[skip:], x.rate, caller.with(tones{fileHz: 0, calleeHz: 0}))
		e.tones(fmt.Sprintf("%s: captured right", x), switchtest.Channel(all, 2, 1)[skip:], x.rate, tones{callerHz: 0, botHz: 0}.with(other))
	}
}
