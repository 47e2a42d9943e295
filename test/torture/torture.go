package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// scenario is one case.
type scenario struct {
	name   string
	run    func(r *round)
	rounds int           // of the bounded form; 0: 1
	full   int           // of the long form; 0: 20
	memory int64         // bytes that the process may grow by while it runs; 0: 16 MiB
	limit  time.Duration // of one round; 0: 30 s
	vars   map[string]string
	alone  bool   // no victim: run makes its calls itself
	only   string // the backend that can show it
}

// begin and end of a series on one switch.
type torture struct {
	o        options
	name     string // of the kind of cases
	sw       switchtest.Switch
	witness  *witness
	baseline usage
	besides  int
}

// round is one run of one case.
type round struct {
	*torture
	ctx    context.Context
	name   string
	call   switchtest.Call // the victim's
	beside *track          // another stream on the same call

	ended bool // the case has ended the switch itself

	mu     sync.Mutex
	faults []string
}

// abandoned ends a round whose rest makes no sense any more.
type abandoned struct{}

func (r *round) errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func (r *round) fatalf(format string, args ...any) {
	r.errorf(format, args...)
	panic(abandoned{})
}

func (r *round) check(what string, err error) {
	if err != nil {
		r.fatalf("%s: %v", what, err)
	}
}

// begin starts the switch and the witness, and takes the baseline when both have settled.
func begin(ctx context.Context, o options, name string) (*torture, error) {
	sw, err := o.start(ctx, name, "", nil)
	if err != nil {
		return nil, err
	}
	sw.Events().ForgetEnded(30 * time.Second)
	t := &torture{o: o, name: name, sw: sw}
	if t.witness, err = newWitness(ctx, sw); err != nil {
		_ = sw.Close()
		return nil, err
	}
	// Warm up: what is made once (threads of the Go runtime, pools, FreeSWITCH's own) is no leak.
	warm := scenario{name: "warm-up", run: func(r *round) {
		s := r.agent(agent.Config{})
		for range 12 {
			conn := r.start(s, "mono")
			r.check("speak", conn.SendBinary(make([]byte, 1600)))
			r.check("a file", conn.SendText(`{"type":"streamAudio","data":{"audioDataType":"wav","sampleRate":8000,"audioData":"UklGRg=="}}`))
			r.command("stop")
			r.await(conn)
		}
	}}
	for range 3 {
		if w := t.runScenario(ctx, warm); len(w.faults) > 0 {
			t.end(ctx)
			return nil, fmt.Errorf("nothing works here: %s", strings.Join(w.faults, "; "))
		}
		if t.baseline, err = measure(ctx, sw); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// end ends the witness and the switch; the stand-in host checks its accounts then.
func (t *torture) end(ctx context.Context) row {
	r := row{name: "the end of " + t.name + ": witness stopped, switch shut down", runs: 1}
	r.faults = t.witness.end(ctx)
	if err := t.sw.Close(); err != nil {
		r.faults = append(r.faults, err.Error())
	} else {
		r.survived = 1
	}
	return r
}

func (t *torture) runScenario(ctx context.Context, s scenario) row {
	out := row{name: s.name}
	rounds := max(s.rounds, 1)
	if t.o.full {
		if rounds = s.full; rounds == 0 {
			rounds = 20
		}
	}
	bound := s.memory
	if bound == 0 {
		bound = 16 << 20
	}
	memory := watchMemory(t.sw.Pid())
	t.witness.reset()
	for range rounds {
		if ctx.Err() != nil { // interrupted
			break
		}
		out.runs++
		faults := t.runRound(ctx, s)
		select {
		case <-t.sw.Exited():
			out.faults = append(out.faults, fmt.Sprintf("the switch died: %v; see %s", t.sw.ExitError(), t.sw.LogFile()))
			out.rss = memory()
			return out
		default:
		}
		out.survived++
		out.faults = append(out.faults, faults...)
	}
	out.rss = memory()
	if out.rss > bound {
		out.faults = append(out.faults, fmt.Sprintf("the process grew by %.1f MiB, the bound is %.1f", float64(out.rss)/(1<<20), float64(bound)/(1<<20)))
	}
	var faults []string
	out.machine = machine.since()
	out.ear, out.server, faults = t.witness.judge(ctx, t.o)
	out.faults = append(out.faults, faults...)
	if t.baseline.threads > 0 {
		out.leaks = settle(ctx, t.sw, t.baseline)
	}
	return out
}

func (t *torture) runRound(ctx context.Context, s scenario) []string {
	limit := s.limit
	if limit == 0 {
		limit = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r := &round{torture: t, ctx: ctx, name: s.name}
	r.guard(func() {
		if s.alone {
			s.run(r)
			return
		}
		r.victim(s.vars)
		s.run(r)
		r.untouched()
	})
	if r.call != nil {
		r.guard(r.hangup)
	}
	if t.witness != nil {
		t.witness.mode.forget(r.besidePath())
	}
	return r.faults
}

func (r *round) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(abandoned); !ok {
				panic(v)
			}
		}
	}()
	f()
}
