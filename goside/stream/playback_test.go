package stream

// The server's audio: what the caller hears, marks, overflow and the graceful end.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mod_audio_stream/goside/agent"
)

func TestOverflowIsOneEventEachTime(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), map[string]string{"STREAM_PLAYBACK_MAX_MS": "200"})
	conn := r.connect(srv, c)
	overflow := func(n uint64) {
		t.Helper()
		sendAudio(t, conn, make([]int16, 3200)) // 400 ms
		sendAudio(t, conn, make([]int16, 160))
		sendAudio(t, conn, make([]int16, 160))
		r.until("the overflow", func() bool { return c.s.Report(nil).Overflows == 3*n })
	}
	overflow(1)
	c.hear(1600)
	sendAudio(t, conn, make([]int16, 160))
	c.hear(160)
	overflow(2)
	_ = conn.Close(1000, "")
	r.ended(c)
	const body = `error {"status":"error","message":{"code":13,"error":"the playback queue is full: 200ms of audio refused, 0s are queued (STREAM_PLAYBACK_MAX_MS is 200)"}}`
	n := 0
	for _, line := range c.told() {
		if line == body {
			n++
		} else if strings.HasPrefix(line, "error") {
			t.Errorf("told %s", line)
		}
	}
	if n != 2 {
		t.Errorf("%d overflow events", n)
	}
	c.checkLast(bye)
}

func TestTheServersAudioIsHeardWhileTheCallerIsSent(t *testing.T) {
	for name, message := range map[string]func([]int16) (string, []byte){
		"binary":      func(s []int16) (string, []byte) { return "", agent.Bytes(s) },
		"streamAudio": func(s []int16) (string, []byte) { return agent.StreamAudio("raw", 8000, agent.Bytes(s)), nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), nil)
			conn := r.connect(srv, c)
			var want, heard []int16
			for n := range 40 {
				s := voice(5000 + n)
				want = append(want, s...)
				if text, data := message(s); data == nil {
					send(t, conn, text)
				} else if err := conn.SendBinary(data); err != nil {
					t.Fatal(err)
				}
				heard = append(heard, c.hear(160)...)
				c.push(1)
			}
			if !slices.Equal(heard, want) {
				t.Error("the caller heard something else")
			}
			frames, _ := r.frames(conn, 40)
			if string(slices.Concat(frames...)) != string(voiceBytes(0, 40)) {
				t.Error("the server got something else")
			}
			if rep := c.s.Report(nil); rep.PlaybackPlayedMS != 800 || rep.BytesReceived < 40*320 || rep.FramesSent != 40 {
				t.Errorf("report %+v", rep)
			}
		})
	}
}

func TestTheRateOfBinaryAudioIsTheOneAskedFor(t *testing.T) {
	for _, tt := range []struct {
		variable string
		start    int
		heard    int
	}{{"", 8000, 1600}, {"", 16_000, 800}, {"16000", 8000, 800}, {"8000", 16_000, 1600}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), map[string]string{"STREAM_SAMPLE_RATE": tt.variable}, func(p *Params) { p.Command.Rate = tt.start })
			conn := r.connect(srv, c)
			sendAudio(t, conn, make([]int16, 1600))
			c.event("playback", "started")
			if got := c.m.Waiting(); got != tt.heard {
				t.Errorf("%+v: %d samples", tt, got)
			}
		})
	}
}

func TestMarksAndClearAreAnsweredToTheServerAndTold(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	mark := func(name string) { send(t, conn, `{"type":"mark","data":{"name":"`+name+`"}}`) }
	sendAudio(t, conn, voice(0))
	mark("one")
	sendAudio(t, conn, voice(1))
	mark("two")
	r.until("the audio", func() bool { return c.m.Waiting() == 320 && c.s.Report(nil).Marks == 2 })
	c.hear(160)
	if got := r.text(conn, "mark"); got != `{"type":"mark","data":{"name":"one","status":"played","playedMs":20}}` {
		t.Errorf("answered %s", got)
	}
	send(t, conn, `{"type":"clear"}`)
	if got := r.text(conn, "mark"); got != `{"type":"mark","data":{"name":"two","status":"cleared","playedMs":20}}` {
		t.Errorf("answered %s", got)
	}
	send(t, conn, `{"type":"pause"}`)
	sendAudio(t, conn, voice(2))
	c.event("playback", `"paused"`)
	r.until("the audio", func() bool { return c.m.Waiting() == 160 })
	if n := c.m.PlayInto(make([]int16, 160)); n != 0 {
		t.Error("it played while paused")
	}
	send(t, conn, `{"type":"resume"}`)
	c.event("playback", `"resumed"`)
	if got := c.hear(160); !slices.Equal(got, voice(2)) {
		t.Error("what came after the clear was not heard")
	}
	c.s.Stop("", false)
	r.ended(c)
	want := []string{here, `playback {"status":"started","playedMs":0,"queuedMs":20}`, `mark {"name":"one","status":"played","playedMs":20}`,
		`mark {"name":"two","status":"cleared","playedMs":20}`, `playback {"status":"cleared","playedMs":20,"queuedMs":0,"droppedMs":20}`,
		`playback {"status":"paused","playedMs":20,"queuedMs":0}`, `playback {"status":"started","playedMs":20,"queuedMs":20}`,
		`playback {"status":"resumed","playedMs":20,"queuedMs":20}`, `playback {"status":"stopped","playedMs":40,"queuedMs":0}`, bye}
	c.wantTold(want...)
}

func TestWithoutPlaybackMarksAreAnsweredAtOnceAndCommandsRefused(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), map[string]string{"STREAM_PLAYBACK": "false"})
	conn := r.connect(srv, c)
	if err := conn.SendBinary(make([]byte, 320)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"type":"clear"}`, `{"type":"pause"}`, `{"type":"resume"}`, `{"type":"mark","data":{"name":"m"}}`} {
		send(t, conn, text)
	}
	if got := r.text(conn, "mark"); got != `{"type":"mark","data":{"name":"m","status":"played","playedMs":0}}` {
		t.Errorf("answered %s", got)
	}
	if n := c.s.Report(nil).UnplayedMS; n != 20 {
		t.Errorf("%d ms are counted as not played", n)
	}
	for _, err := range []error{c.s.Clear(), c.s.PausePlay(), c.s.ResumePlay()} {
		if !errors.Is(err, errNoPlayback) {
			t.Errorf("got %v", err)
		}
	}
	c.s.GracefulShutdown("", false)
	r.ended(c)
	c.wantTold(here, `mark {"name":"m","status":"played","playedMs":0}`, bye)
}

// While captured audio is paused, or the call is on hold, no frame comes by that would wake the pump.
func TestTheEndOfPlaybackIsToldWhileNothingIsCaptured(t *testing.T) {
	for _, resumed := range []bool{false, true} {
		t.Run(fmt.Sprint(resumed), func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), nil)
			conn := r.connect(srv, c)
			c.s.Pause()
			if resumed {
				if err := c.s.PausePlay(); err != nil {
					t.Fatal(err)
				}
				c.event("playback", "paused")
			}
			if err := r.h.Bell.UntilAsleep(r.ctx); err != nil {
				t.Fatal(err)
			}
			sendAudio(t, conn, voice(0))
			c.event("playback", "started")
			if resumed {
				if err := r.h.Bell.UntilAsleep(r.ctx); err != nil {
					t.Fatal(err)
				}
				if err := c.s.ResumePlay(); err != nil {
					t.Fatal(err)
				}
			}
			c.hear(160)
			c.event("playback", "stopped")
		})
	}
}

func TestGracefulShutdownPlaysWhatIsQueued(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	c.push(1)
	var want []int16
	for n := range 30 {
		want = append(want, voice(n)...)
	}
	sendAudio(t, conn, want)
	send(t, conn, `{"type":"mark","data":{"name":"end"}}`)
	c.event("playback", "started")
	r.until("the mark", func() bool { return c.s.Report(nil).Marks == 1 })
	c.s.GracefulShutdown("goodbye", true)
	c.s.Resume() // it does not capture again
	if c.m.Push(8000, 1, 1, voice(0)) {
		t.Error("a frame was captured during the shutdown")
	}
	heard := c.hear(len(want))
	if !slices.Equal(heard, want) {
		t.Error("the caller heard something else")
	}
	r.ended(c)
	r.closed(conn)
	_, texts := r.frames(conn, 1)
	if !slices.Equal(texts, []string{`{"type":"mark","data":{"name":"end","status":"played","playedMs":600}}`, "goodbye"}) {
		t.Errorf("texts %q", texts)
	}
	c.wantTold(here, `playback {"status":"started","playedMs":0,"queuedMs":600}`, `mark {"name":"end","status":"played","playedMs":600}`,
		`playback {"status":"stopped","playedMs":600,"queuedMs":0}`, bye)
}

func TestEndsDuringAGracefulShutdown(t *testing.T) {
	for name, do := range map[string]func(*call, *agent.Conn){
		"stop":    func(c *call, _ *agent.Conn) { c.s.Stop("", false) },
		"clear":   func(c *call, _ *agent.Conn) { _ = c.s.Clear() },
		"hang-up": func(c *call, _ *agent.Conn) { c.session.Hangup() },
		"close":   func(_ *call, conn *agent.Conn) { _ = conn.Close(1000, "") },
		"reset":   func(_ *call, conn *agent.Conn) { conn.Abort() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), nil)
			conn := r.connect(srv, c)
			sendAudio(t, conn, make([]int16, 8000))
			c.event("playback", "started")
			c.s.GracefulShutdown("", false)
			do(c, conn)
			r.ended(c)
			c.checkLast(bye)
		})
	}
}
