package stream

import (
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/hosttest"
)

// What the media threads lost is known after the stream's end, too: drops are looked for when a call has gone wrong.
func TestWhatTheMediaLostIsReportedBeforeAndAfterTheEnd(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	r.connect(srv, c)
	c.m.Skip(2)
	c.m.LoseCallee()
	c.m.LoseCallee()
	c.m.LoseCallee()
	check := func(when string) {
		t.Helper()
		if d := c.s.Report(nil).FramesDropped; d.RingFull != 2 || d.Callee != 3 {
			t.Errorf("%s: %+v", when, d)
		}
	}
	check("running")
	c.s.Stop("", false)
	r.ended(c)
	check("ended")
}

func TestTextsThatNoConnectionCameForAreCountedAndLogged(t *testing.T) {
	r := newRig(t)
	asked, carryOn := make(chan struct{}), make(chan struct{})
	srv := r.serve(agent.Config{Refuse: func(agent.Handshake) *agent.Refusal {
		close(asked)
		<-carryOn
		return &agent.Refusal{Status: 500}
	}})
	c := r.start(srv.URL(""), nil)
	<-asked
	for _, text := range []string{"one", "two"} {
		if err := c.s.SendText(text); err != nil {
			t.Error(err)
		}
	}
	c.push(3)
	c.settle()
	close(carryOn)
	r.ended(c)
	rep := c.s.Report(nil)
	if rep.TextsDropped != 2 || rep.FramesDropped.ConnectBuffer != 3 {
		t.Errorf("%d texts and %+v", rep.TextsDropped, rep.FramesDropped)
	}
	r.line("2 texts did not get to " + srv.URL("") + ": the stream ended without a connection")
}

func TestTextsThatALostConnectionLeftUnsentAreCounted(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{HoldReads: true})
	c := r.start(srv.URL(""), map[string]string{"STREAM_NO_RECONNECT": "true"})
	conn := r.connect(srv, c)
	r.until("the connection", func() bool { return c.s.conn.Load() != nil })
	long := strings.Repeat("x", 64<<10)
	for c.s.SendText(long) == nil { // until the socket and the queue are full
	}
	conn.Abort()
	r.ended(c)
	if n := c.s.Report(nil).TextsDropped; n < 10 {
		t.Errorf("%d texts are counted as lost", n)
	}
	r.line("texts did not get to " + srv.URL("") + ": the connection ended before they were sent")
}

func TestDigitsThatFindNoRoomAreCounted(t *testing.T) {
	r := newRig(t)
	fresh := hosttest.NewMedia(9, r.h.Bell, 4, 0, 0) // no pump takes these
	for range 40 {
		fresh.Press('5', 100*time.Millisecond)
	}
	if lost := readLost(fresh); lost.digits != 8 {
		t.Errorf("%+v of 40 digits, 32 of which are kept", lost)
	}
}
