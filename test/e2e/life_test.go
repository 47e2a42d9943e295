// Cases: the module's and the switch's own life while streams run: load, unload, shutdown, threads, signals.

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// hup sends one SIGHUP to the process and waits until its main thread has handled it, so that each signal is one on its
// own. The flood is a case by itself.
func (e *env) hup() {
	e.Helper()
	pid := e.sw.Pid()
	e.check("kill", syscall.Kill(pid, syscall.SIGHUP))
	status := fmt.Sprintf("/proc/%d/task/%d/status", pid, pid)
	for range 1000 { // each look takes some microseconds; a main thread that never takes signals is not waited for
		data, err := os.ReadFile(status)
		if err != nil {
			return // it died, which the case sees
		}
		if !hupIn(data, "ShdPnd:") && !hupIn(data, "SigBlk:") {
			return
		}
		runtime.Gosched()
	}
}

// hupIn reports whether SIGHUP, the lowest bit, is in one of the signal sets of /proc/<pid>/status.
func hupIn(status []byte, set string) bool {
	_, rest, _ := strings.Cut(string(status), set)
	line, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	return line != "" && strings.ContainsAny(line[len(line)-1:], "13579bdf")
}

// threads gives the scheduling policy of every thread of a process.
func (e *env) threads(pid int) map[int]int {
	e.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	e.check("threads", err)
	out := map[int]int{}
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		e.check("thread id", err)
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil {
			continue // it has ended meanwhile
		}
		out[tid] = int(attr.Policy)
	}
	return out
}

// duplex makes calls with a stream each and audio both ways, and returns them when all are under way.
func (e *env) duplex(s *agent.Server, n int) (calls []switchtest.Call, conns []*agent.Conn) {
	e.Helper()
	for range n {
		c := e.call()
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendBinary(make([]byte, 10*16000)))
		calls, conns = append(calls, c), append(conns, conn)
	}
	for _, conn := range conns {
		e.waitAudio(conn, 10)
	}
	return calls, conns
}

// unload and load are the switch's commands.
func (e *env) unload() {
	e.Helper()
	if reply := e.api("unload mod_audio_stream"); !strings.HasPrefix(reply, "+OK") {
		e.Fatalf("unload: %q", reply)
	}
}

func (e *env) load() {
	e.Helper()
	if reply := e.api("load mod_audio_stream"); !strings.Contains(reply, "+OK") || strings.Contains(reply, "-ERR") {
		e.Fatalf("load: %q", reply)
	}
}

var moduleCases = []testcase{
	{name: "unload with live streams closes them, load starts from clean", own: true, limit: 2 * time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		for round := range 3 {
			calls, conns := e.duplex(s, 3)
			began := time.Now()
			e.unload()
			if d := time.Since(began); d > 10*time.Second {
				e.Errorf("round %d: unload took %s", round, d)
			}
			for _, conn := range conns {
				select {
				case <-conn.Done():
				case <-e.ctx.Done():
					e.Fatal("a connection outlived the module")
				}
			}
			for _, c := range calls {
				e.event(c, "disconnect")
			}
			if reply := e.cmd(calls[0], "stats"); strings.HasPrefix(reply, "+OK") || strings.HasPrefix(reply, "{") {
				e.Errorf("the command answers after unload: %q", reply)
			}
			e.load()
			// The calls go on, and can be streamed again.
			again := e.start(calls[0], s, "mono")
			e.waitAudio(again, 20)
			e.ok(calls[0], "stop")
			for _, c := range calls {
				e.hangup(c)
			}
		}
	}},
	{name: "a hundred rounds of unload and load with a live stream", own: true, limit: 4 * time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		threads := 0
		rounds := 20
		if os.Getenv("E2E_LONG") != "" {
			rounds = 100
		}
		for round := range rounds {
			conn := e.start(c, s, "mono")
			e.waitAudio(conn, 2)
			e.unload()
			e.load()
			if round == 5 {
				threads = len(e.threads(e.sw.Pid()))
			}
		}
		if now := len(e.threads(e.sw.Pid())); now > threads+8 {
			e.Errorf("%d threads after %d rounds, %d after 6", now, rounds, threads)
		}
		e.waitAudio(e.start(c, s, "mono"), 20)
	}},
	{name: "shutdown with live streams is clean", own: true, limit: 2 * time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		_, conns := e.duplex(s, 4)
		began := time.Now()
		_, _ = e.sw.API(e.ctx, "fsctl shutdown") // the reply may be lost with the connection
		select {
		case <-e.sw.Exited():
		case <-time.After(40 * time.Second):
			e.Fatalf("%s has not ended 40 s after fsctl shutdown", e.sw.Name())
		}
		e.Logf("shutdown took %s", time.Since(began).Round(time.Millisecond))
		if err := e.sw.ExitError(); err != nil {
			e.Errorf("%s ended with %v", e.sw.Name(), err)
		}
		for _, conn := range conns {
			select {
			case <-conn.Done():
			case <-e.ctx.Done():
				e.Fatal("a connection is still open")
			}
			if code, _, ok := conn.CloseReceived(); !ok || code != 1000 && code != 1001 {
				e.Errorf("close frame %v, code %d", ok, code)
			}
		}
	}},
	{name: "status adds up over streams that have ended", alone: true, run: func(e *env) {
		s := e.agent(agent.Config{})
		calls, _ := e.duplex(s, 3)
		if list := e.api("audio_stream list"); strings.Count(list, "\n")+1 < 3 {
			e.Errorf("audio_stream list: %q", list)
		}
		for _, c := range calls {
			e.hangup(c)
		}
		e.eventually("no streams left", func() bool { return strings.Contains(e.api("audio_stream status json"), `"streams":0`) })
	}},
}

var lifeCases = []testcase{
	{name: "Go's threads are SCHED_OTHER while the switch runs in real time", only: "freeswitch",
		why: "the stand-in host checks its own module threads at exit", alone: true, run: func(e *env) {
			s := e.agent(agent.Config{})
			e.duplex(s, 4)
			realtime, other := 0, 0
			for tid, policy := range e.threads(e.sw.Pid()) {
				comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", e.sw.Pid(), tid))
				if policy == unix.SCHED_NORMAL {
					other++
				} else {
					realtime++
				}
				e.Logf("thread %d %s policy %d", tid, strings.TrimSpace(string(comm)), policy)
			}
			if realtime == 0 {
				e.Skip("FreeSWITCH has no real-time threads here: it needs CAP_SYS_NICE")
			}
			// The threads that the module brought: unload leaves Go's, so compare with a FreeSWITCH without it.
			b := backends()[1]
			bare, err := switchtest.StartFreeSWITCH(e.ctx, switchtest.FreeSWITCHOptions{Module: paths.module, NoLoad: true,
				Dir: filepath.Join(paths.logs, b.name, "threads")})
			e.check("FreeSWITCH without the module", err)
			defer func() {
				if err := bare.Close(); err != nil {
					e.Error(err)
				}
			}()
			before := e.threads(bare.Pid())
			reply, err := bare.API(e.ctx, "load mod_audio_stream")
			e.check("load", err)
			if strings.Contains(reply, "-ERR") {
				e.Fatalf("load: %q", reply)
			}
			brought, media := 0, 0
			for tid, policy := range e.threads(bare.Pid()) {
				if _, old := before[tid]; old {
					continue
				}
				comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", bare.Pid(), tid))
				brought++
				if policy != unix.SCHED_NORMAL {
					media++
					e.Logf("thread %d (%s), which came with the module, has policy %d", tid, strings.TrimSpace(string(comm)), policy)
				}
			}
			// One thread of the module is not Go's: the pacer, which writes media and is to run as media does.
			if media > 1 {
				e.Errorf("%d of the %d threads that came with the module run in real time; only the pacer may", media, brought)
			}
			if brought < 3 {
				e.Errorf("the module brought %d threads; Go has more", brought)
			}
			for tid, policy := range before {
				if now, ok := e.threads(bare.Pid())[tid]; ok && now != policy {
					e.Errorf("thread %d of FreeSWITCH changed its policy from %d to %d", tid, policy, now)
				}
			}
			if other < 3 {
				e.Errorf("%d threads are SCHED_OTHER with the module at work; Go has more", other)
			}
		}},
	{name: "a thousand SIGHUPs are survived", own: true, limit: 2 * time.Minute, run: func(e *env) {
		s := e.agent(agent.Config{})
		calls, conns := e.duplex(s, 2)
		for i := range 1000 {
			e.hup()
			select {
			case <-e.sw.Exited():
				e.Fatalf("%s died after %d signals: %v", e.sw.Name(), i, e.sw.ExitError())
			default:
			}
		}
		for i, conn := range conns {
			e.waitAudio(conn, countBinary(conn.Frames())+25)
			e.counterWhole("captured", pcm(conn.Frames()), 1000)
			e.ok(calls[i], "stop")
			e.waitClose(conn, 1000)
		}
	}},
	// FreeSWITCH fires an event inside its signal handler. While one thread handles a signal the kernel gives the next to
	// another, and when that one is just taking from the event queue it waits for the queue's lock, which it holds itself:
	// from then on nobody can fire an event. That happens without the module, too (once in 20 runs of 18,000 signals), so
	// it says nothing about the module, and the case above sends one signal at a time.
	{name: "a flood of SIGHUPs is survived", own: true, limit: 2 * time.Minute, run: func(e *env) {
		if e.sw.Name() == "freeswitch" && os.Getenv("E2E_LONG") == "" {
			e.Skip("FreeSWITCH 1.10.12 can lock itself up in its own SIGHUP handler, with or without the module: run it with E2E_LONG=1")
		}
		s := e.agent(agent.Config{})
		_, conns := e.duplex(s, 2)
		for range 1000 {
			e.check("kill", syscall.Kill(e.sw.Pid(), syscall.SIGHUP))
		}
		for _, conn := range conns {
			e.waitAudio(conn, countBinary(conn.Frames())+25)
		}
	}},
	{name: "streams survive signals after a reload of the module", own: true, run: func(e *env) {
		s := e.agent(agent.Config{})
		e.unload()
		e.load()
		_, conns := e.duplex(s, 2)
		for range 200 {
			e.hup()
		}
		for _, conn := range conns {
			e.waitAudio(conn, countBinary(conn.Frames())+25)
		}
	}},
	{name: "loopback calls are streamed", only: "freeswitch", why: "loopback channels are FreeSWITCH's", run: func(e *env) {
		s := e.agent(agent.Config{Mode: agent.Echo{}})
		reply := e.api("originate loopback/loopback/default &park()")
		uuid, ok := strings.CutPrefix(reply, "+OK ")
		if !ok {
			e.Fatalf("originate: %q", reply)
		}
		uuid = strings.TrimSpace(uuid)
		defer func() { e.api("uuid_kill %s", uuid) }()
		if reply := e.api("uuid_audio_stream %s start %s mono 16k loop", uuid, s.URL("/")); reply != "+OK Success" {
			e.Fatalf("start: %q", reply)
		}
		conn := e.accept(s)
		e.waitText(conn, "loop")
		first := e.waitAudio(conn, 1)[0].At
		frames := e.waitAudio(conn, 100)
		e.frameSize(frames, 20, 16000, 1)
		e.fullRate("captured", frames, first, first.Add(1900*time.Millisecond), 20)
	}},
}
