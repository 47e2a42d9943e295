package stream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/hosttest"
	"mod_audio_stream/goside/protocol"
)

// ruined is a dialect that panics in one of its methods.
type ruined struct {
	protocol.Dialect
	in string
}

func (d ruined) at(method string) {
	if d.in == method {
		panic("boom in " + method)
	}
}

func (d ruined) Open(metadata string) [][]byte {
	d.at("Open")
	return d.Dialect.Open(metadata)
}

func (d ruined) Audio(dst, pcm []byte) ([]byte, bool) {
	d.at("Audio")
	return d.Dialect.Audio(dst, pcm)
}

func (d ruined) Decode(binary bool, data []byte, playback bool, into *protocol.Message) error {
	d.at("Decode")
	return d.Dialect.Decode(binary, data, playback, into)
}

func (d ruined) Mark(name, status string, played time.Duration) []byte {
	d.at("Mark")
	return d.Dialect.Mark(name, status, played)
}

func (d ruined) Close(text string, ok bool) [][]byte {
	d.at("Close")
	return d.Dialect.Close(text, ok)
}

const internal = `error {"status":"error","message":{"code":1,"error":"internal error`

// Whatever panics ends its own stream, with an error event and everything given back, and no other.
func TestAPanicEndsItsOwnStreamOnly(t *testing.T) {
	dialect := func(in string) func(*Params) {
		return func(p *Params) { p.Dialect = ruined{p.Dialect, in} }
	}
	audio := func(c *call) { c.m.Push(8000, 1, 1, voice(0)) }
	text := func(conn *agent.Conn) { _ = conn.SendText(`{"type":"mark","data":{"name":"m"}}`) }
	tests := []struct {
		name string
		vars map[string]string
		with func(*Params)
		ruin func(*rig, *call)
		do   func(*call, *agent.Conn)
		last string
	}{
		{name: "Dialect.Open", with: dialect("Open"), last: internal},
		{name: "Dialect.Audio, on the pump", with: dialect("Audio"), do: func(c *call, _ *agent.Conn) { audio(c) }, last: internal},
		{name: "Dialect.Decode, in the receiver", with: dialect("Decode"), do: func(_ *call, conn *agent.Conn) { text(conn) }, last: internal},
		{name: "Dialect.Mark, under the player's lock", with: dialect("Mark"), do: func(_ *call, conn *agent.Conn) { text(conn) }, last: internal},
		{name: "Dialect.Close, while leaving", with: dialect("Close"), do: func(c *call, _ *agent.Conn) { c.s.Stop("", false) }, last: internal},
		{name: "Host.NewResampler, on the pump", ruin: func(r *rig, c *call) {
			r.h.On(hosttest.NewResample, func(string) error { panic("boom") })
		}, do: func(c *call, _ *agent.Conn) { c.m.Push(16_000, 1, 1, make([]int16, 320)) }, last: internal},
		{name: "Media.Detach", ruin: func(_ *rig, c *call) { c.m.OnDetach = func() { c.m.Close(); panic("boom") } },
			do: func(_ *call, conn *agent.Conn) { _ = conn.Close(1000, "") }, last: bye},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			good := r.start(srv.URL(""), nil)
			goodConn := r.connect(srv, good)
			with := tt.with
			if with == nil {
				with = func(*Params) {}
			}
			bad := r.start(srv.URL(""), tt.vars, with)
			badConn := r.accept(srv)
			if tt.ruin != nil {
				tt.ruin(r, bad)
			}
			if tt.do != nil {
				bad.event("connect", "")
				r.until("the connection", func() bool { return bad.s.conn.Load() != nil })
				tt.do(bad, badConn)
			}
			r.ended(bad)
			r.closed(badConn)
			bad.checkLast(tt.last)
			for _, line := range bad.told() {
				if strings.HasPrefix(line, "reconnect") {
					t.Errorf("told %s", line)
				}
			}
			r.line("boom")
			r.h.On(hosttest.NewResample, nil)
			good.push(3)
			r.frames(goodConn, 3)
			sendAudio(t, goodConn, voice(1))
			good.hear(160)
		})
	}
}

func TestAnEventThatPanicsIsOneEventLost(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	r.h.On(hosttest.FireEvent, func(string) error { panic("boom") })
	c := r.start(srv.URL(""), nil)
	conn := r.accept(srv)
	r.until("the connection", func() bool { return c.s.conn.Load() != nil })
	c.flush()
	r.h.On(hosttest.FireEvent, nil)
	c.push(1)
	r.frames(conn, 1)
	c.s.Stop("", false)
	r.ended(c)
	c.wantTold(bye)
}

func TestEventsOfASessionThatIsGoneAreDropped(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	r.connect(srv, c)
	c.session.End()
	r.ended(c)
	c.wantTold(here)
	r.line("not fired")
}

func TestAudioThatCannotBeResampledIsCountedAndLoggedOnce(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	r.h.On(hosttest.NewResample, func(string) error { return errors.New("no memory for it") })
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	for range 3 {
		c.m.Push(16_000, 1, 1, make([]int16, 320))
	}
	c.settle()
	c.push(2)
	frames, _ := r.frames(conn, 2)
	if len(frames) != 2 || string(frames[0]) != string(voiceBytes(0, 1)) {
		t.Errorf("%d frames", len(frames))
	}
	r.line("no memory for it")
	if rep := c.s.Report(nil); rep.FramesDropped.Convert != 3 {
		t.Errorf("%+v", rep.FramesDropped)
	}
	n := 0
	for _, l := range r.h.Lines() {
		if strings.Contains(l.Text, "audio is lost") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("logged %d times", n)
	}
}
