package module

// What the tests of this package stand on: a module in a switch in memory, and scripted servers.

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/hosttest"
)

const (
	patience = 30 * time.Second // for what must happen
	ok       = "+OK Success\n"
)

type rig struct {
	t   *testing.T
	ctx context.Context
	h   *hosttest.Host
	m   *Module
}

// newRig loads a module with settings of the XML. With the test it is unloaded, and what it left behind is looked for.
func newRig(t *testing.T, params map[string]string) *rig {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	h := hosttest.New(t.TempDir())
	h.SetConfig(params)
	procs := runtime.GOMAXPROCS(0)
	r := &rig{t: t, ctx: ctx, h: h, m: Start(h, h.Bell, params)}
	t.Cleanup(func() {
		r.stop(patience)
		cancel()
		runtime.GOMAXPROCS(procs)
		if leaks := h.Leaks(); leaks != nil {
			t.Errorf("left behind: %v", leaks)
		}
		goleak.VerifyNone(t)
	})
	return r
}

func (r *rig) stop(deadline time.Duration) {
	r.t.Helper()
	if r.m == nil {
		return
	}
	m := r.m
	r.m = nil
	if left := m.Stop(deadline); left != 0 {
		r.t.Errorf("%d did not end", left)
	}
}

func (r *rig) serve(cfg agent.Config) *agent.Server {
	r.t.Helper()
	srv, err := agent.Start(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { srv.Close() })
	return srv
}

func (r *rig) add(uuid string, vars map[string]string) *hosttest.Session {
	return r.h.Add(hosttest.Session{UUID: uuid}, vars)
}

// want runs a command and compares its reply.
func (r *rig) want(uuid, line, reply string) {
	r.t.Helper()
	if got := r.m.Command(uuid, line); got != reply {
		r.t.Errorf("%s: replied %q, want %q", line, got, reply)
	}
}

func (r *rig) accept(srv *agent.Server) *agent.Conn {
	r.t.Helper()
	conn, err := srv.Accept(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return conn
}

func (r *rig) event(uuid, stream, subclass, part string) hosttest.Event {
	r.t.Helper()
	e, err := r.h.UntilEvent(r.ctx, uuid, stream, subclass, part)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *rig) line(part string) {
	r.t.Helper()
	if _, err := r.h.UntilLine(r.ctx, part); err != nil {
		r.t.Fatal(err)
	}
}

// lasts is each stream's last events: disconnect or error.
func (r *rig) lasts(uuid string) map[string]int {
	n := map[string]int{}
	for _, e := range r.h.Events(uuid, "") {
		if strings.HasSuffix(e.Subclass, "::disconnect") || strings.HasSuffix(e.Subclass, "::error") {
			n[e.UUID+"/"+e.Stream]++
		}
	}
	return n
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

// ended waits until no stream is left.
func (r *rig) ended() {
	r.t.Helper()
	r.until("the end of all streams", func() bool { return len(r.m.running()) == 0 && r.m.workers.Pending() == 0 })
}

func start(srv *agent.Server) string { return fmt.Sprintf("start %s mono", srv.URL("/")) }
