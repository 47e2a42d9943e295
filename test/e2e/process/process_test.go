// Package process runs the module in processes that are not as one would wish: with another Go runtime in it, without
// stdout and stderr. On the stand-in host; the suite's own cases show the rest.
package process

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

const patience = 60 * time.Second

type rig struct {
	*testing.T
	ctx    context.Context
	sw     *switchtest.StandIn
	killed bool
}

// built is where something was built, or where a variable says it is.
func built(t *testing.T, variable, fallback string) string {
	t.Helper()
	p := os.Getenv(variable)
	if p == "" {
		p = filepath.Join("..", "..", "..", "build", fallback)
	}
	p, err := filepath.Abs(p)
	if err == nil {
		_, err = os.Stat(p)
	}
	if err != nil {
		t.Fatalf("%v; make test builds it", err)
	}
	return p
}

// begin starts the host through a shell script, in which "$FSHOST" "$@" is the host with its arguments.
func begin(t *testing.T, script string, args ...string) *rig {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "host.sh")
	text := "#!/bin/bash\nFSHOST='" + built(t, "FSHOST", "test/fshost") + "'\n" + script + "\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	r := &rig{T: t, ctx: ctx}
	var err error
	r.sw, err = switchtest.StartStandIn(ctx, switchtest.StandInOptions{Program: program, Module: built(t, "AUDIO_STREAM_SO", "mod_audio_stream.so"),
		Dir: filepath.Join(dir, "host"), Args: args})
	r.check("start", err)
	t.Cleanup(func() {
		if err := r.sw.Close(); err != nil && !r.killed {
			t.Errorf("it did not end well: %v\n%s", err, r.log())
		}
	})
	return r
}

func (r *rig) check(what string, err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

func (r *rig) log() string {
	b, err := os.ReadFile(r.sw.LogFile())
	r.check("log", err)
	return string(b)
}

func (r *rig) ok(line string) {
	r.Helper()
	reply, err := r.sw.API(r.ctx, line)
	r.check(line, err)
	if !strings.HasPrefix(reply, "+OK") {
		r.Fatalf("%s: %q", line, reply)
	}
}

// work makes a call that is streamed and hears what it says, and one whose server refuses it.
func (r *rig) work() {
	r.Helper()
	echo, err := agent.Start(agent.Config{Mode: agent.Echo{}})
	r.check("agent", err)
	defer echo.Close()
	call, err := r.sw.Originate(r.ctx, switchtest.CallSpec{Source: &switchtest.Counter{}})
	r.check("originate", err)
	r.ok("uuid_audio_stream " + call.UUID() + " start " + echo.URL("/") + " mono metadata")
	r.ok("uuid_audio_stream " + call.UUID() + " name=refused start ws://127.0.0.1:1/ mono")
	_, err = r.sw.Events().Wait(r.ctx, switchtest.Filter{UUID: call.UUID(), Stream: "refused", Subclass: "error"}, 1)
	r.check("refused", err)
	r.check("echo", call.WaitHeard(r.ctx, func(heard []int16) bool {
		sound := 0
		for _, v := range heard {
			if v != 0 {
				sound++
			}
		}
		return sound > call.Rate()/2
	}))
	r.ok("uuid_audio_stream " + call.UUID() + " stop")
	_, err = r.sw.Events().Wait(r.ctx, switchtest.Filter{UUID: call.UUID(), Stream: "default", Subclass: "disconnect"}, 1)
	r.check("stop", err)
	r.check("hang up", call.Hangup(r.ctx))
}

// Go's makers do not support two runtimes in a process, and it works most of the time: the operator is told, and calls go on.
func TestAnotherGoLibraryInTheProcessIsAWarning(t *testing.T) {
	second := filepath.Join(t.TempDir(), "libsecond.so")
	out, err := exec.Command("go", "build", "-buildmode=c-shared", "-o", second, "./testdata/second").CombinedOutput()
	if err != nil {
		t.Fatalf("the second library does not build: %v\n%s", err, out)
	}
	r := begin(t, `LD_PRELOAD='`+second+`' exec "$FSHOST" "$@"`)
	if log := r.log(); !strings.Contains(log, "[WARNING] mod_audio_stream:0 mod_audio_stream: there is another Go runtime in this process, of "+second) &&
		!strings.Contains(log, "there is another Go runtime in this process, of "+second) {
		t.Errorf("no warning in the log:\n%s", log)
	}
	r.work()
	r.ok("unload mod_audio_stream")
	r.ok("load mod_audio_stream")
	r.work()
	if n := strings.Count(r.log(), "there is another Go runtime"); n != 2 {
		t.Errorf("%d warnings in two loads", n)
	}
}

func TestAloneInTheProcessThereIsNoWarning(t *testing.T) {
	r := begin(t, `exec "$FSHOST" "$@"`)
	r.work()
	if strings.Contains(r.log(), "another Go runtime") {
		t.Error("it warns of itself")
	}
}

// A switch that is killed leaves its streams' files, which only its user can read, and the next load removes them.
func TestWhatAKilledProcessLeftIsRemovedAtTheNextLoad(t *testing.T) {
	temp := t.TempDir()
	files := func() (all []string) {
		err := filepath.WalkDir(temp, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if err := os.WriteFile(filepath.Join(temp, "somebody-elses"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r := begin(t, `exec "$FSHOST" "$@"`, "--tmp", temp)
	server, err := agent.Start(agent.Config{})
	r.check("agent", err)
	defer server.Close()
	call, err := r.sw.Originate(r.ctx, switchtest.CallSpec{Source: &switchtest.Counter{}})
	r.check("originate", err)
	r.ok("uuid_audio_stream " + call.UUID() + " start " + server.URL("/") + " mono")
	conn, err := server.Accept(r.ctx)
	r.check("accept", err)
	r.check("send", conn.SendText(agent.StreamAudio("wav", 8000, []byte("RIFF and so on"))))
	ev, err := r.sw.Events().Wait(r.ctx, switchtest.Filter{UUID: call.UUID(), Subclass: "play"}, 1)
	r.check("play", err)
	stored := 0
	for _, path := range files() {
		info, err := os.Stat(path)
		r.check("stat", err)
		if strings.Contains(ev.Body, path) {
			stored++
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
		}
	}
	if stored != 1 {
		t.Fatalf("%d files of %s are in %v", stored, ev.Body, files())
	}
	r.killed = true
	r.check("kill", syscall.Kill(r.sw.Pid(), syscall.SIGKILL))
	<-r.sw.Exited()
	if len(files()) < 2 {
		t.Fatal("the files are gone before the next load, so that this shows nothing")
	}
	next := begin(t, `exec "$FSHOST" "$@"`, "--tmp", temp)
	if left := files(); len(left) != 1 || filepath.Base(left[0]) != "somebody-elses" {
		t.Errorf("left: %v", left)
	}
	if !strings.Contains(next.log(), "removed the files that 1 earlier processes had left in "+temp) {
		t.Errorf("the log does not say so:\n%s", next.log())
	}
}

// Descriptors 1 and 2 are closed from the start, so that they become somebody's sockets or files: nothing of ours may be
// written to them.
func TestWithoutStdoutAndStderrCallsGoOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	// what the host would say on its stdout is said for it, once it listens
	script := fmt.Sprintf(`
(until (exec 3<>/dev/tcp/127.0.0.1/%d) 2>/dev/null; do sleep 0.02; done; echo "fshost: listening on 127.0.0.1:%d") &
exec "$FSHOST" "$@" >&- 2>&-`, port, port)
	r := begin(t, script, "--port", fmt.Sprint(port))
	for _, fd := range []string{"1", "2"} {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", r.sw.Pid(), fd)); err == nil && strings.HasSuffix(to, "output.log") {
			t.Errorf("descriptor %s is %s", fd, to)
		}
	}
	r.work()
	r.ok("unload mod_audio_stream")
	r.ok("load mod_audio_stream")
	r.work()
}
