// Cases: the bot in the switch's own recordings, and not in what its own server gets.

package e2e

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// tones are levels by frequency; 0 stands for one that must not be there.
type tones map[float64]float64

// tones checks which tones are in the samples, and that there is nothing else to speak of. Two legs are not in step, so
// that a frame of one may be silence now and then.
func (e *env) tones(what string, samples []int16, rate int, want tones) {
	e.Helper()
	if len(samples) < rate/8 {
		e.Errorf("%s: %d samples at %d Hz are too few to judge", what, len(samples), rate)
		return
	}
	var power float64
	for hz, level := range want {
		got := switchtest.Level(samples, rate, hz)
		power += level * level / 2
		if level == 0 && got > 250 || level > 0 && (got < level*0.8 || got > level*1.1) {
			e.Errorf("%s: level %.0f at %.0f Hz, expected %.0f", what, got, hz, level)
		}
	}
	if rms := switchtest.RMS(samples); rms > math.Sqrt(power)*1.1+50 {
		e.Errorf("%s: RMS %.0f, expected %.0f of %v", what, rms, math.Sqrt(power), want)
	}
}

// recordFile names a recording's file.
func (e *env) recordFile(c switchtest.Call) string {
	return filepath.Join(e.sw.TempDir(), fmt.Sprintf("rec-%s.wav", c.UUID()))
}

// record starts a recording, stereo as RECORD_STEREO says: the caller left, what is written to the channel right.
func (e *env) record(c switchtest.Call, app bool) string {
	e.Helper()
	file := e.recordFile(c)
	if app {
		e.check("record_session", c.Execute(e.ctx, "record_session", file))
		e.eventually("the recording's bug", func() bool { return strings.Contains(e.api("uuid_buglist %s", c.UUID()), "session_record") })
	} else if reply := e.api("uuid_record %s start %s", c.UUID(), file); !strings.HasPrefix(reply, "+OK") {
		e.Fatalf("uuid_record: %s", reply)
	}
	return file
}

// stopRecording ends a recording.
func (e *env) stopRecording(c switchtest.Call, file string) {
	e.Helper()
	if reply := e.api("uuid_record %s stop %s", c.UUID(), file); !strings.HasPrefix(reply, "+OK") {
		e.Fatalf("uuid_record stop: %s", reply)
	}
}

// readRecording reads a recording that has ended; its file may be closed a moment later.
func (e *env) readRecording(file string) (samples []int16, rate, channels int) {
	e.Helper()
	e.eventually("the recording", func() bool {
		var err error
		samples, rate, channels, err = agent.ReadWAV(file)
		return err == nil && len(samples) > 0
	})
	return samples, rate, channels
}

// recordCases: started before and after the stream, by command and by application, mono and stereo.
func recordCases() []testcase {
	var out []testcase
	for _, before := range []bool{true, false} {
		for _, stereo := range []bool{false, true} {
			when, how := "after", "uuid_record, mono"
			if before {
				when = "before"
			}
			if stereo {
				how = "record_session, stereo"
			}
			out = append(out, testcase{name: fmt.Sprintf("recording started %s the stream has the bot (%s)", when, how),
				run: func(e *env) { recordingHasTheBot(e, before, stereo) }})
		}
	}
	return out
}

func recordingHasTheBot(e *env, before, stereo bool) {
	const caller, bot = 400, 1000
	s := e.agent(agent.Config{})
	spec := switchtest.CallSpec{Source: &switchtest.Tone{Hz: caller, Amplitude: 6000}}
	if stereo {
		spec.Vars = vars("RECORD_STEREO", "true")
	}
	c := e.originate(spec)
	var file string
	if before {
		file = e.record(c, stereo)
	}
	conn := e.start(c, s, "stereo")
	e.waitAudio(conn, 10)
	if !before {
		file = e.record(c, stereo)
	}
	e.check("send", conn.SendBinary(agent.Bytes(agent.SineWave(bot, 8000, 12000, 8000))))
	e.eventStatus(c, "playback", "started", 1)
	e.eventStatus(c, "playback", "stopped", 1)
	heard := switchtest.Steady(c.Heard(), 8000, bot, 6000)
	e.tones("heard", heard, 8000, tones{bot: 8000, caller: 0})

	e.stopRecording(c, file)
	samples, rate, channels := e.readRecording(file)
	if want := map[bool]int{false: 1, true: 2}[stereo]; channels != want || rate != 8000 {
		e.Fatalf("the recording has %d channels at %d Hz", channels, rate)
	}
	right := switchtest.Channel(samples, channels, channels-1)
	part := switchtest.Steady(right, rate, bot, 6000)
	// The recording pairs the frames of two threads; one that comes late is silence there and then.
	if n := switchtest.Sounding(right, rate, bot, 6000); n < 12000*85/100 || n > 12000*105/100 {
		e.Errorf("%d samples of the bot are recorded, %d were sent", n, 12000)
	}
	if stereo {
		e.tones("recorded right", part, rate, tones{bot: 8000, caller: 0})
		left := switchtest.Channel(samples, 2, 0)
		e.tones("recorded left", left[rate/5:len(left)-rate/5], rate, tones{caller: 6000, bot: 0})
	} else {
		e.tones("recorded", part, rate, tones{caller: 6000, bot: 8000})
	}
	// The bot is what this server sent: it must not come back to it.
	all := pcm(conn.Frames())
	e.tones("captured left", switchtest.Channel(all, 2, 0)[1600:], 8000, tones{caller: 6000, bot: 0})
	e.silent("captured right", switchtest.Channel(all, 2, 1))
}
