package faults

// What the cases work with: one switch with two calls whose streams must go on, and the order to panic.

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// folder is goside/fault's variable; that package has its name for it in builds with the tag only.
const folder = "AUDIO_STREAM_FAULTS"

const patience = 20 * time.Second

type rig struct {
	*testing.T
	ctx    context.Context
	sw     *switchtest.StandIn
	faults string
	server *agent.Server
	calls  []switchtest.Call // each with a stream to server
}

// path is where a variable says something was built, or where make builds it.
func path(t *testing.T, variable, fallback string) string {
	t.Helper()
	p := os.Getenv(variable)
	if p == "" {
		p = filepath.Join("..", "..", "build", fallback)
	}
	p, err := filepath.Abs(p)
	if err == nil {
		_, err = os.Stat(p)
	}
	if err != nil {
		t.Fatalf("%v; make faults builds it", err)
	}
	return p
}

func newRig(t *testing.T, config map[string]string) *rig {
	t.Helper()
	module, program := path(t, "FAULTS_SO", "faults/mod_audio_stream.so"), path(t, "FSHOST", "test/fshost")
	dir := t.TempDir()
	r := &rig{T: t, faults: filepath.Join(dir, "faults")}
	r.check("folder", os.Mkdir(r.faults, 0o755))
	t.Setenv(folder, r.faults)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	r.ctx = ctx
	var err error
	r.sw, err = switchtest.StartStandIn(ctx, switchtest.StandInOptions{Program: program, Module: module, Dir: filepath.Join(dir, "host"), Config: config})
	r.check("start", err)
	t.Cleanup(func() {
		if err := r.sw.Close(); err != nil {
			t.Errorf("the switch did not end well: %v\n%s", err, r.log())
		}
	})
	r.server, err = agent.Start(agent.Config{})
	r.check("server", err)
	t.Cleanup(func() { _ = r.server.Close() })
	for range 2 {
		call, err := r.sw.Originate(ctx, switchtest.CallSpec{Source: &switchtest.Counter{}})
		r.check("originate", err)
		r.calls = append(r.calls, call)
	}
	return r
}

func (r *rig) check(what string, err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

// on gives the case a T of its own.
func (r *rig) on(t *testing.T) *rig {
	own := *r
	own.T = t
	return &own
}

func (r *rig) log() string {
	b, err := os.ReadFile(r.sw.LogFile())
	r.check("log", err)
	return string(b)
}

func (r *rig) api(line string) string {
	r.Helper()
	reply, err := r.sw.API(r.ctx, line)
	r.check(line, err)
	return strings.TrimSuffix(reply, "\n")
}

func (r *rig) ok(line string) {
	r.Helper()
	if reply := r.api(line); !strings.HasPrefix(reply, "+OK") {
		r.Fatalf("%s: %q", line, reply)
	}
}

func (r *rig) until(what string, cond func() bool) {
	r.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-r.sw.Exited():
			r.Fatalf("%s: the switch has ended: %v\n%s", what, r.sw.ExitError(), r.log())
		default:
		}
		if time.Now().After(end) {
			r.Fatalf("%s: it did not happen", what)
		}
	}
}

// arm gives the order to panic at a place.
func (r *rig) arm(place string) {
	r.Helper()
	r.check("arm", os.WriteFile(filepath.Join(r.faults, place), nil, 0o600))
}

// happened waits until the order was carried out and its line is in the log, with a stack.
func (r *rig) happened(place string) {
	r.Helper()
	r.until("the panic at "+place, func() bool {
		_, err := os.Stat(filepath.Join(r.faults, place))
		return os.IsNotExist(err)
	})
	r.until("its line in the log", func() bool {
		_, behind, ok := strings.Cut(r.log(), "injected at "+place+"\n")
		return ok && strings.Contains(behind, "goroutine ")
	})
}

// running starts the two calls' streams where they do not run, and waits until both are sending.
func (r *rig) running() {
	r.Helper()
	for _, c := range r.calls {
		if !strings.HasPrefix(r.api("uuid_audio_stream "+c.UUID()+" stats"), "{") {
			r.ok("uuid_audio_stream " + c.UUID() + " start " + r.server.URL("/") + " mono")
		}
	}
	for i := range r.calls {
		r.sends(i)
	}
}

// sent is how many frames a call's stream has sent, and whether it is running.
func (r *rig) sent(i int) (frames uint64, running bool) {
	r.Helper()
	var stats struct {
		State      string `json:"state"`
		FramesSent uint64 `json:"framesSent"`
	}
	reply := r.api("uuid_audio_stream " + r.calls[i].UUID() + " stats")
	if json.Unmarshal([]byte(reply), &stats) != nil || stats.State == "closing" || stats.State == "closed" {
		return 0, false
	}
	return stats.FramesSent, true
}

// sends waits until a call's stream has sent more than by now.
func (r *rig) sends(i int) {
	r.Helper()
	before, _ := r.sent(i)
	r.until(fmt.Sprintf("call %d sends", i), func() bool { n, ok := r.sent(i); return ok && n > before })
}

// bothSend is what must be true when a fault was nobody's.
func (r *rig) bothSend() {
	r.Helper()
	for i := range r.calls {
		r.sends(i)
	}
}

// final waits for the last event of a stream, and wants it to be the only one. It returns its subclass and body.
func (r *rig) final(uuid, stream string) string {
	r.Helper()
	finals := func() (all []string) {
		for _, e := range r.sw.Events().Module(uuid, stream) {
			if s := strings.TrimPrefix(e.Subclass, "mod_audio_stream::"); s == "error" || s == "disconnect" {
				all = append(all, s+" "+e.Body)
			}
		}
		return all
	}
	r.until("the last event of "+stream, func() bool { return len(finals()) > 0 && r.listed(uuid, stream) == 0 })
	if all := finals(); len(all) != 1 {
		r.Errorf("stream %s had several last events: %q", stream, all)
	}
	return finals()[0]
}

// listed counts a stream's lines in the module's list: it is there until nothing of it is left.
func (r *rig) listed(uuid, stream string) int {
	return strings.Count(r.api("audio_stream list"), uuid+" "+stream+" ")
}
