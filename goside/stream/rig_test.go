package stream

// What the tests of this package stand on: a switch in memory, the real pump and workers, and servers that the tests script.

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/command"
	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/hosttest"
	"mod_audio_stream/goside/protocol"
	"mod_audio_stream/goside/pump"
	"mod_audio_stream/goside/settings"
	"mod_audio_stream/goside/tempfiles"
	"mod_audio_stream/goside/worker"

	"mod_audio_stream/goside/host"
)

const patience = 30 * time.Second // for what must happen

// rig is a switch with a pump and workers.
type rig struct {
	t     *testing.T
	ctx   context.Context
	h     *hosttest.Host
	temp  *tempfiles.Folder
	pump  *pump.Pump
	queue *worker.Queue
	calls []*call
}

// newRig ends everything with the test and looks for what was left behind.
func newRig(t *testing.T) *rig {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	h := hosttest.New(t.TempDir())
	r := &rig{t: t, ctx: ctx, h: h, temp: tempfiles.New(h.TempDir()), pump: pump.Start(h.Bell, 0, func(any, []byte) {})}
	r.queue = worker.New(2, func(any, []byte) {})
	t.Cleanup(func() {
		cancel()
		r.ctx, cancel = context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, c := range r.calls {
			c.s.Stop("", false)
			r.ended(c)
		}
		r.pump.Stop()
		if err := r.temp.Close(); err != nil {
			t.Error(err)
		}
		if !r.queue.Stop(patience) {
			t.Error("a worker did not end")
		}
		if leaks := h.Leaks(); leaks != nil {
			t.Errorf("left behind: %v", leaks)
		}
		goleak.VerifyNone(t, goleak.Cleanup(func(int) {}))
	})
	return r
}

// serve starts a server that ends before the rig does its checks.
func (r *rig) serve(cfg agent.Config) *agent.Server {
	r.t.Helper()
	srv, err := agent.Start(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { srv.Close() })
	return srv
}

// call is one stream and the telephone's end of it.
type call struct {
	r       *rig
	s       *Stream
	m       *hosttest.Media
	session *hosttest.Session
	pushed  int // frames, for signal
}

// start starts a stream of an 8 kHz call. vars are STREAM_* variables.
func (r *rig) start(url string, vars map[string]string, change ...func(*Params)) *call {
	r.t.Helper()
	set, warnings, err := settings.Default().Stream(vars)
	if err != nil || warnings != nil {
		r.t.Fatal(err, warnings)
	}
	uuid := fmt.Sprintf("call-%d", len(r.calls)+1)
	session := r.h.Add(hosttest.Session{UUID: uuid}, vars)
	p := Params{
		Host: r.h, Temp: r.temp, Pump: r.pump, Lane: r.queue.Lane(), Dialect: protocol.Native(), UUID: uuid,
		Command:  command.Command{Stream: "default", URL: url, Mix: settings.Mono, Rate: 8000},
		Settings: set, MaxMessage: 1 << 20, UserAgent: "test", OnEnd: func(*Stream) {},
	}
	for _, c := range change {
		c(&p)
	}
	legs := 1
	if p.Command.Mix != settings.Mono {
		legs = 2
	}
	p.Attached, err = r.h.Attach(uuid, host.Attach{Legs: legs, Playback: p.Settings.Playback, Capture: 400 * time.Millisecond, PlayoutMS: 200})
	if err != nil {
		r.t.Fatal(err)
	}
	c := &call{r: r, m: session.Media(), session: session}
	c.s = New(p)
	r.calls = append(r.calls, c)
	return c
}

func metadata(text string) func(*Params) {
	return func(p *Params) { p.Command.Text, p.Command.HasText = text, text != "" }
}

// accept gives the next connection of a server.
func (r *rig) accept(srv *agent.Server) *agent.Conn {
	r.t.Helper()
	conn, err := srv.Accept(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// connected waits for the connect event's connection.
func (r *rig) connect(srv *agent.Server, c *call) *agent.Conn {
	r.t.Helper()
	conn := r.accept(srv)
	c.event("connect", "")
	return conn
}

func (c *call) event(subclass, part string) hosttest.Event {
	c.r.t.Helper()
	e, err := c.r.h.UntilEvent(c.r.ctx, c.s.UUID(), c.s.Name(), subclass, part)
	if err != nil {
		c.r.t.Fatal(err)
	}
	return e
}

func (r *rig) line(part string) hosttest.Line {
	r.t.Helper()
	l, err := r.h.UntilLine(r.ctx, part)
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

// ended waits for the stream's end and for its events to be fired.
func (r *rig) ended(c *call) {
	r.t.Helper()
	select {
	case <-c.s.Ended():
	case <-r.ctx.Done():
		buf := make([]byte, 1<<20)
		r.t.Fatalf("the stream of %s did not end\n%s", c.s.UUID(), buf[:runtime.Stack(buf, true)])
	}
	c.flush()
}

// flush waits until every event posted so far has been fired.
func (c *call) flush() {
	done := make(chan struct{})
	if c.s.p.Lane.Post(worker.Event{Do: func() { close(done) }, Rank: worker.Life}) {
		<-done
	}
}

// told is what the user was told: subclass without its prefix, and body.
func (c *call) told() []string {
	var lines []string
	for _, e := range c.r.h.Events(c.s.UUID(), c.s.Name()) {
		lines = append(lines, strings.TrimPrefix(e.Subclass, "mod_audio_stream::")+" "+e.Body)
	}
	return lines
}

func (c *call) wantTold(want ...string) {
	c.r.t.Helper()
	if got := c.told(); !slices.Equal(got, want) {
		c.r.t.Errorf("told\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// checkLast ends the test unless exactly one disconnect or error (but for overflow) is there, as the last event, and at most one
// connect for each connection.
func (c *call) checkLast(prefix string) {
	c.r.t.Helper()
	all := c.told()
	last, n := "", 0
	for i, line := range all {
		if strings.HasPrefix(line, "disconnect ") || strings.HasPrefix(line, "error ") && !strings.Contains(line, `"code":13`) {
			last = line
			if n++; i != len(all)-1 {
				c.r.t.Errorf("%s is not the last event", line)
			}
		}
	}
	if n != 1 || !strings.HasPrefix(last, prefix) {
		c.r.t.Errorf("%d last events, want one beginning with %s; told\n\t%s", n, prefix, strings.Join(all, "\n\t"))
	}
}

const (
	bye  = `disconnect {"status":"disconnected","message":{"code":1000,"reason":"Normal closure"}}`
	here = `connect {"status":"connected"}`
)

// push captures n frames of 20 ms, each with samples of its own, and waits for the pump to have seen them.
func (c *call) push(n int) {
	c.r.t.Helper()
	for range n {
		if !c.m.Push(8000, 1, 1, voice(c.pushed)) {
			c.r.t.Fatal("a frame found no room")
		}
		c.pushed++
		c.settle()
	}
}

// settle waits for the pump to have seen everything that was captured.
func (c *call) settle() {
	c.r.t.Helper()
	for c.m.Captured() > 0 {
		if c.r.ctx.Err() != nil {
			c.r.t.Fatal("the pump does not empty the ring")
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// voice is the n-th frame of a caller's signal.
func voice(n int) []int16 {
	s := make([]int16, 160)
	for i := range s {
		s[i] = int16((n*160 + i) * 7919)
	}
	return s
}

func voiceBytes(from, n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, agent.Bytes(voice(from+i))...)
	}
	return b
}

// frames waits for n binary frames on a connection and returns all so far, texts as strings.
func (r *rig) frames(conn *agent.Conn, n int) (binary [][]byte, texts []string) {
	r.t.Helper()
	err := conn.Wait(r.ctx, func(all []agent.Frame) bool {
		binary, texts = nil, nil
		for _, f := range all {
			switch {
			case f.IsBinary():
				binary = append(binary, f.Data)
			case f.IsText():
				texts = append(texts, string(f.Data))
			}
		}
		return len(binary) >= n
	})
	if err != nil {
		r.t.Fatalf("%d binary frames: %v", n, err)
	}
	return binary, texts
}

// text waits for a text on a connection that holds part.
func (r *rig) text(conn *agent.Conn, part string) string {
	r.t.Helper()
	f, err := conn.NextWhere(r.ctx, func(f agent.Frame) bool { return f.IsText() && strings.Contains(string(f.Data), part) })
	if err != nil {
		r.t.Fatalf("no text with %q: %v", part, err)
	}
	return string(f.Data)
}

// closed waits for the end of a connection and returns the close code that the server got, 0 for none.
func (r *rig) closed(conn *agent.Conn) int {
	r.t.Helper()
	select {
	case <-conn.Done():
	case <-r.ctx.Done():
		r.t.Fatal("the connection did not end")
	}
	code, _, _ := conn.CloseReceived()
	return code
}

// hear plays until n samples have come from the ring.
func (c *call) hear(n int) []int16 {
	c.r.t.Helper()
	var heard []int16
	buf := make([]int16, 160)
	for len(heard) < n {
		took := c.m.PlayInto(buf[:min(160, n-len(heard))])
		heard = append(heard, buf[:took]...)
		if took == 0 {
			if c.r.ctx.Err() != nil {
				c.r.t.Fatalf("the caller heard %d of %d samples", len(heard), n)
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	return heard
}

// until waits for something that nobody tells.
func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	for !cond() {
		if r.ctx.Err() != nil {
			r.t.Fatalf("%s did not happen", what)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func send(t *testing.T, conn *agent.Conn, text string) {
	t.Helper()
	if err := conn.SendText(text); err != nil {
		t.Fatal(err)
	}
}

func sendAudio(t *testing.T, conn *agent.Conn, samples []int16) {
	t.Helper()
	if err := conn.SendBinary(agent.Bytes(samples)); err != nil {
		t.Fatal(err)
	}
}

func errorBody(code events.Code) string {
	return fmt.Sprintf(`error {"status":"error","message":{"code":%d,"error":"`, code)
}

// refuser holds every handshake until released.
type gate struct{ open chan struct{} }

func newGate() *gate { return &gate{make(chan struct{})} }

func (g *gate) wait(agent.Handshake) *agent.Refusal {
	<-g.open
	return nil
}
