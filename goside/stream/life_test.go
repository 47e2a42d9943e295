package stream

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/events"
)

func TestTheMetadataIsFirstThenTextsThenAudioAndNothingIsLost(t *testing.T) {
	r := newRig(t)
	hold := newGate()
	srv := r.serve(agent.Config{Refuse: hold.wait})
	const meta = `{"a": "b \"c\" \\ d"}  é`
	c := r.start(srv.URL("/x?y=z"), nil, metadata(meta))
	var want []string
	for i := range 20 {
		c.push(1)
		text := fmt.Sprintf("text %d", i)
		if err := c.s.SendText(text); err != nil {
			t.Fatal(err)
		}
		want = append(want, text)
	}
	close(hold.open)
	conn := r.connect(srv, c)
	c.push(10)
	frames, texts := r.frames(conn, 30)
	if got := slices.Concat(frames...); string(got) != string(voiceBytes(0, 30)) {
		t.Error("the audio is not what was captured")
	}
	if !slices.Equal(texts, append([]string{meta}, want...)) {
		t.Errorf("texts %q", texts)
	}
	all := conn.Frames()
	if string(all[0].Data) != meta || slices.ContainsFunc(all[:21], agent.Frame.IsBinary) {
		t.Error("audio or a text overtook")
	}
	for _, f := range frames {
		if len(f) != 320 {
			t.Errorf("a frame of %d bytes", len(f))
		}
	}
	c.s.Stop("", false)
	r.ended(c)
	c.wantTold(here, bye)
	if code := r.closed(conn); code != 1000 {
		t.Errorf("closed with %d", code)
	}
	rep := c.s.Report(nil)
	if rep.FramesCaptured != 30 || rep.FramesSent != 30 || rep.State != "closed" {
		t.Errorf("report %+v", rep)
	}
}

func TestWithoutMetadataAudioComesFirst(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	c.push(1)
	if frames, texts := r.frames(conn, 1); len(frames) != 1 || texts != nil {
		t.Errorf("%d frames and %q", len(frames), texts)
	}
}

func TestTheLastFrameMayBeShorter(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), map[string]string{"STREAM_BUFFER_SIZE": "60"})
	conn := r.connect(srv, c)
	c.push(5)
	c.s.Stop("", false)
	r.ended(c)
	r.closed(conn)
	frames, _ := r.frames(conn, 2)
	if len(frames) != 2 || len(frames[0]) != 960 || len(frames[1]) != 640 {
		t.Errorf("%d frames", len(frames))
	}
	if string(slices.Concat(frames...)) != string(voiceBytes(0, 5)) {
		t.Error("the audio is not what was captured")
	}
}

func TestAServerThatSpeaksAndClosesAtOnce(t *testing.T) {
	for range 20 {
		t.Run("", func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{Greet: func(agent.Handshake) []byte {
				return slices.Concat(agent.TextFrame("hello"), agent.BinaryFrame(make([]byte, 320)), agent.CloseFrame(4001, "no \"thanks\""))
			}})
			c := r.start(srv.URL(""), map[string]string{"STREAM_PLAYBACK": "false"}, metadata("m"))
			conn := r.accept(srv)
			r.ended(c)
			c.wantTold(here, "json hello",
				`disconnect {"status":"disconnected","message":{"code":4001,"reason":"no \"thanks\""}}`)
			r.closed(conn)
			if all := conn.Frames(); len(all) == 0 || string(all[0].Data) != "m" {
				t.Error("the metadata did not come first")
			}
		})
	}
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "ws://" + l.Addr().String()
}

// Exactly one disconnect or error, as the last event, however a stream ends.
func TestTheLastEvent(t *testing.T) {
	noReconnect := map[string]string{"STREAM_NO_RECONNECT": "true"}
	quick := map[string]string{"STREAM_CONNECT_TIMEOUT_MS": "150"}
	closeWith := func(code int, reason string) func(*rig, *call, *agent.Server) {
		return func(r *rig, c *call, srv *agent.Server) { _ = r.connect(srv, c).Close(code, reason) }
	}
	raw := func(b []byte) func(*rig, *call, *agent.Server) {
		return func(r *rig, c *call, srv *agent.Server) { _ = r.connect(srv, c).SendRaw(b) }
	}
	masked := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x"))))
	large := ws.MustCompileFrame(ws.NewBinaryFrame(make([]byte, 2<<20)))
	tests := []struct {
		name   string
		cfg    agent.Config
		vars   map[string]string
		nobody bool // no server at all
		do     func(*rig, *call, *agent.Server)
		first  bool // a connect event is told
		last   string
	}{
		{name: "nothing listens", nobody: true, last: errorBody(events.ConnectFailed)},
		{name: "the handshake is refused", cfg: agent.Config{Refuse: func(agent.Handshake) *agent.Refusal {
			return &agent.Refusal{Status: 403, Reason: "no"}
		}}, last: errorBody(events.ConnectFailed)},
		{name: "the server says nothing", cfg: agent.Config{Silent: true}, vars: quick, last: errorBody(events.Timeout)},
		{name: "the server closes", do: closeWith(1000, ""), first: true, last: bye},
		{name: "the server closes with a reason", do: closeWith(1011, "broke"), first: true,
			last: `disconnect {"status":"disconnected","message":{"code":1011,"reason":"broke"}}`},
		{name: "the server closes without a code", do: closeWith(0, ""), first: true,
			last: `disconnect {"status":"disconnected","message":{"code":1005,"reason":"No status received"}}`},
		{name: "reset, no reconnect", vars: noReconnect, first: true, last: errorBody(events.IO),
			do: func(r *rig, c *call, srv *agent.Server) { r.connect(srv, c).Abort() }},
		{name: "the socket is closed, no reconnect", vars: noReconnect, first: true, last: errorBody(events.IO),
			do: func(r *rig, c *call, srv *agent.Server) { r.connect(srv, c).CloseSocket() }},
		{name: "a masked frame", do: raw(masked), first: true, last: errorBody(events.ServerMasked)},
		{name: "a masked frame and much behind it", do: raw(slices.Concat(masked, make([]byte, 300_000))), first: true,
			last: errorBody(events.ServerMasked)},
		{name: "an unknown opcode", do: raw([]byte{0x83, 0}), first: true, last: errorBody(events.Protocol)},
		{name: "text that is not UTF-8", do: raw(ws.MustCompileFrame(ws.NewTextFrame([]byte{0xff}))), first: true,
			last: errorBody(events.Protocol)},
		{name: "a message that is too large", do: raw(large), first: true, last: errorBody(events.TooLarge)},
		{name: "no pong", cfg: agent.Config{NoPong: true}, vars: map[string]string{"STREAM_HEART_BEAT": "1",
			"STREAM_NO_RECONNECT": "true"}, first: true, last: errorBody(events.PingTimeout)},
		{name: "stop", first: true, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) { r.connect(srv, c); c.s.Stop("", false) }},
		{name: "two stops", first: true, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) { r.connect(srv, c); c.s.Stop("", false); c.s.Stop("x", true) }},
		{name: "hang-up", first: true, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) { r.connect(srv, c); c.session.Hangup() }},
		{name: "the server asks for a hang-up", vars: map[string]string{"STREAM_ALLOW_CONTROL": "hangup"}, first: true,
			last: bye,
			do:   func(r *rig, c *call, srv *agent.Server) { _ = r.connect(srv, c).SendText(`{"type":"hangup"}`) }},
		{name: "graceful shutdown with nothing to play", first: true, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) { r.connect(srv, c); c.s.GracefulShutdown("", false) }},
		{name: "stop while connecting", cfg: agent.Config{Silent: true}, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) { _ = srv.WaitAttempts(r.ctx, 1); c.s.Stop("", false) }},
		{name: "hang-up while connecting", cfg: agent.Config{Silent: true}, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) { _ = srv.WaitAttempts(r.ctx, 1); c.session.Hangup() }},
		{name: "graceful shutdown while connecting", cfg: agent.Config{Silent: true}, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) {
				_ = srv.WaitAttempts(r.ctx, 1)
				c.s.GracefulShutdown("", false)
			}},
		{name: "abort while connecting", cfg: agent.Config{Silent: true}, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) { _ = srv.WaitAttempts(r.ctx, 1); c.s.Abort() }},
		{name: "abort", first: true, last: bye,
			do: func(r *rig, c *call, srv *agent.Server) { r.connect(srv, c); c.s.Abort() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			url := closedPort(t)
			var srv *agent.Server
			if !tt.nobody {
				srv = r.serve(tt.cfg)
				url = srv.URL("/")
			}
			c := r.start(url, tt.vars)
			if tt.do != nil {
				tt.do(r, c, srv)
			}
			r.ended(c)
			c.checkLast(tt.last)
			connects := 0
			for _, line := range c.told() {
				if strings.HasPrefix(line, "connect ") {
					connects++
				}
			}
			if connects > 1 || (connects == 1) != tt.first {
				t.Errorf("%d connect events: %q", connects, c.told())
			}
		})
	}
}

// What the server gets to see of each end.
func TestTheServerGetsACloseFrame(t *testing.T) {
	masked := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x"))))
	tests := []struct {
		name string
		do   func(*call, *agent.Conn)
		code int
	}{
		{"stop", func(c *call, _ *agent.Conn) { c.s.Stop("", false) }, 1000},
		{"hang-up", func(c *call, _ *agent.Conn) { c.session.Hangup() }, 1000},
		{"graceful shutdown", func(c *call, _ *agent.Conn) { c.s.GracefulShutdown("", false) }, 1000},
		{"its own close is answered", func(_ *call, conn *agent.Conn) { _ = conn.Close(4321, "x") }, 4321},
		{"its own close without a code is answered", func(_ *call, conn *agent.Conn) { _ = conn.Close(0, "") }, 1005},
		{"masked", func(_ *call, conn *agent.Conn) { _ = conn.SendRaw(masked) }, 1002},
		{"masked with much behind it", func(_ *call, conn *agent.Conn) { _ = conn.SendRaw(slices.Concat(masked, make([]byte, 300_000))) }, 1002},
		{"too large", func(_ *call, conn *agent.Conn) { _ = conn.SendBinary(make([]byte, 2<<20)) }, 1009},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), nil)
			conn := r.connect(srv, c)
			tt.do(c, conn)
			if code := r.closed(conn); code != tt.code {
				t.Errorf("the server got %d, want %d", code, tt.code)
			}
			r.ended(c)
		})
	}
}

func TestStopDetachesTheBugBeforeItReturns(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{Silent: true})
	c := r.start(srv.URL(""), nil)
	c.s.Stop("", false)
	if !c.m.Closed() {
		t.Error("the bug is still on the channel")
	}
	r.ended(c)
}

func TestAServerThatNeverAnswersDoesNotHoldUpTheEnd(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{HoldReads: true})
	c := r.start(srv.URL(""), nil)
	r.connect(srv, c)
	c.s.Stop("", false)
	begun := time.Now()
	r.ended(c)
	if d := time.Since(begun); d > closeDeadline+5*time.Second {
		t.Errorf("it took %v", d)
	}
	c.wantTold(here, bye)
}

func TestAHangUpTellsItsEndWithoutWaitingForTheServer(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{HoldReads: true})
	c := r.start(srv.URL(""), nil)
	r.connect(srv, c)
	c.session.Hangup()
	c.event("disconnect", "1000")
	if c.s.State() == Closed {
		t.Error("the server has answered, so this shows nothing")
	}
	c.session.End()
	r.ended(c)
}

func TestAbortCutsAClosingHandshakeShort(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{HoldReads: true})
	c := r.start(srv.URL(""), nil)
	r.connect(srv, c)
	begun := time.Now()
	c.s.Stop("", false)
	r.until("closing", func() bool { return c.s.State() == Closing })
	c.s.Abort()
	r.ended(c)
	if d := time.Since(begun); d >= closeDeadline {
		t.Errorf("it took %v, as long as waiting for the server", d)
	}
}

func TestEndsThatComeTogether(t *testing.T) {
	ends := map[string]func(*call, *agent.Conn){
		"stop":     func(c *call, _ *agent.Conn) { c.s.Stop("a", true) },
		"stop too": func(c *call, _ *agent.Conn) { c.s.Stop("", false) },
		"graceful": func(c *call, _ *agent.Conn) { c.s.GracefulShutdown("b", true) },
		"hang-up":  func(c *call, _ *agent.Conn) { c.session.Hangup() },
		"close":    func(_ *call, conn *agent.Conn) { _ = conn.Close(4000, "") },
		"reset":    func(_ *call, conn *agent.Conn) { conn.Abort() },
		"abort":    func(c *call, _ *agent.Conn) { c.s.Abort() },
	}
	r := newRig(t)
	srv := r.serve(agent.Config{})
	for one, doOne := range ends {
		for other, doOther := range ends {
			if one >= other {
				continue
			}
			for range 3 {
				c := r.start(srv.URL(""), map[string]string{"STREAM_NO_RECONNECT": "true"})
				conn := r.connect(srv, c)
				c.push(2)
				sendAudio(t, conn, make([]int16, 800))
				var both sync.WaitGroup
				both.Go(func() { doOne(c, conn) })
				both.Go(func() { doOther(c, conn) })
				both.Go(func() { c.s.Report(nil); _ = c.s.Clear(); c.s.Pause(); c.s.Resume(); _ = c.s.SendText("t") })
				both.Wait()
				r.ended(c)
				c.checkLast("")
				if t.Failed() {
					t.Fatalf("%s and %s", one, other)
				}
			}
		}
	}
}

func TestCommandsAfterTheEndAreHarmless(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	r.connect(srv, c)
	c.s.Stop("", false)
	r.ended(c)
	c.s.Stop("x", true)
	c.s.GracefulShutdown("", false)
	c.s.Pause()
	c.s.Resume()
	c.s.Abort()
	for _, err := range []error{c.s.Clear(), c.s.PausePlay(), c.s.ResumePlay()} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := c.s.SendText("x"); !errors.Is(err, errClosing) {
		t.Errorf("SendText: %v", err)
	}
	if rep := c.s.Report(nil); rep.State != "closed" {
		t.Errorf("state %s", rep.State)
	}
	r.ended(c)
	c.wantTold(here, bye)
}

func TestStreamsOnOneChannelAreIndependent(t *testing.T) {
	r := newRig(t)
	srv, other := r.serve(agent.Config{}), r.serve(agent.Config{})
	a := r.start(srv.URL(""), nil)
	b := r.start(other.URL(""), nil)
	connA, connB := r.connect(srv, a), r.connect(other, b)
	a.push(1)
	connA.Abort()
	r.until("the loss", func() bool { return a.s.State() == Reconnecting })
	b.push(5)
	r.frames(connB, 5)
	a.s.Stop("", false)
	r.ended(a)
	b.push(5)
	r.frames(connB, 10)
	if b.s.State() != Streaming {
		t.Errorf("the other stream is %v", b.s.State())
	}
}
