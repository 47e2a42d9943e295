package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mod_audio_stream/goside/agent"
)

// runOwn runs a case on a switch of its own, with a witness of its own, and ends both.
func runOwn(ctx context.Context, o options, s scenario) row {
	out := row{name: s.name, runs: 1}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	r := &round{torture: &torture{o: o}, ctx: ctx, name: s.name}
	r.guard(func() { s.run(r) })
	if r.ended { // by the case itself, which has looked at how
		out.survived = 1
	} else if r.sw != nil {
		if r.witness != nil {
			var faults []string
			out.machine = machine.since()
			out.ear, out.server, faults = r.witness.judge(ctx, o)
			r.faults = append(r.faults, faults...)
			r.faults = append(r.faults, r.witness.end(ctx)...)
		}
		select {
		case <-r.sw.Exited():
			r.faults = append(r.faults, fmt.Sprintf("the switch ended: %v; see %s", r.sw.ExitError(), r.sw.LogFile()))
		default:
			out.survived = 1
		}
		if err := r.sw.Close(); err != nil {
			r.faults = append(r.faults, err.Error())
			out.survived = 0
		}
	}
	out.faults = r.faults
	return out
}

// own starts the switch of a case, by a shell script in place of the program if one is given: "$FSHOST" "$@" is the host.
func (r *round) own(script string) { r.ownWith(script, nil) }

// ownWith is own with settings of the module.
func (r *round) ownWith(script string, config map[string]string) {
	name := strings.NewReplacer(" ", "-", ":", "", ",", "").Replace(r.name)
	program := ""
	if script != "" {
		program = filepath.Join(r.o.dir, name+".sh")
		r.check("script", os.WriteFile(program, []byte("#!/bin/bash\nFSHOST='"+r.o.fshost+"'\n"+script+"\n"), 0o755))
	}
	var err error
	r.sw, err = r.o.start(r.ctx, name, program, config)
	r.check("start", err)
	r.torture.sw = r.sw
	r.witness, err = newWitness(r.ctx, r.sw)
	r.check("witness", err)
	r.witness.reset()
}

// work makes a victim's life, so that most of the module is run.
func (r *round) work() {
	for range 3 {
		r.victim(nil)
		conn := r.start(r.agent(agent.Config{Mode: agent.Echo{}}), "stereo 16k metadata")
		r.check("send", conn.SendText(`{"type":"mark","data":{"name":"m"}}`))
		r.pass(300 * time.Millisecond)
		r.ok("stop")
		r.closes()
		r.ok("start " + r.server(httpStatus(500)) + " mono")
		r.eventually("the second one fails", func() bool { return len(r.finals()) == 2 })
		r.untouched()
		r.hangup()
	}
}

func processCases() []scenario {
	return []scenario{
		{name: "process: small stacks (ulimit -s 240)", only: "host", run: func(r *round) {
			r.own(`ulimit -s 240; exec "$FSHOST" "$@"`)
			r.work()
		}},
		{name: "process: nobody reads stdout and stderr", only: "host", run: func(r *round) {
			r.own(`exec "$FSHOST" "$@" > >(head -1) 2>&1`)
			r.work()
		}},
		{name: "process: stdin and stderr are closed", only: "host", run: func(r *round) {
			r.own(`exec "$FSHOST" "$@" > >(head -1) <&- 2>&-`)
			r.work()
		}},
		{name: "process: fork and exec under load", run: func(r *round) {
			r.own("")
			reply, err := r.sw.API(r.ctx, "system true")
			r.check("system", err)
			if strings.Contains(reply, "not found") {
				r.errorf("%s has no command system", r.sw.Name())
				return
			}
			done := r.workMeanwhile()
			for {
				select {
				case <-done:
					return
				default:
					r.api("system true")
				}
			}
		}},
		{name: "process: signals to every thread", run: func(r *round) {
			r.own("")
			done := r.workMeanwhile()
			for {
				select {
				case <-done:
					return
				case <-r.sw.Exited():
					<-done
					return
				case <-time.After(5 * time.Millisecond):
				}
				tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", r.sw.Pid()))
				if err != nil {
					continue
				}
				for _, task := range tasks {
					tid, err := strconv.Atoi(task.Name())
					if err != nil {
						continue
					}
					// URG preempts goroutines; WINCH and CHLD are ignored by a process that does not know them
					for _, sig := range []syscall.Signal{syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCHLD} {
						_ = syscall.Tgkill(r.sw.Pid(), tid, sig) // the thread may be gone by now
					}
				}
			}
		}},
		{name: "process: another Go runtime was there first", only: "host", run: func(r *round) {
			dir := filepath.Join(r.o.dir, "plugin")
			r.check("folder", os.MkdirAll(dir, 0o755))
			source := filepath.Join(dir, "plugin.go")
			r.check("source", os.WriteFile(source, []byte(pluginSource), 0o644))
			library := filepath.Join(dir, "plugin.so")
			build := exec.CommandContext(r.ctx, "go", "build", "-buildmode=c-shared", "-o", library, source)
			if out, err := build.CombinedOutput(); err != nil {
				r.fatalf("build of the plugin: %v: %s", err, out)
			}
			r.own(`export LD_PRELOAD='` + library + `'; exec "$FSHOST" "$@"`)
			maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.sw.Pid()))
			r.check("maps", err)
			if !strings.Contains(string(maps), library) {
				r.fatalf("the plugin is not in the process")
			}
			r.work()
			log, err := os.ReadFile(r.sw.LogFile())
			r.check("log", err)
			if !strings.Contains(string(log), "another Go runtime") {
				r.errorf("nothing in the log warns of the other Go runtime")
			}
		}},
	}
}

func countThreads(pid int) int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0
	}
	return len(tasks)
}

// pluginSource is a library with a Go runtime of its own, at work from the moment it is loaded.
const pluginSource = `package main

import "C"

import "time"

var kept [][]byte

func init() {
	go func() {
		for i := 0; ; i++ {
			kept = append(kept, make([]byte, 1<<16))
			if len(kept) > 100 {
				kept = nil
			}
			time.Sleep(time.Millisecond)
		}
	}()
}

func main() {}
`

// workMeanwhile works on a goroutine of its own; the channel is closed when it is through.
func (r *round) workMeanwhile() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.guard(r.work)
	}()
	return done
}
