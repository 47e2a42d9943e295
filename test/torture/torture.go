package main

import (
	"context"
	"encoding/json"
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
		if ctx.Err() != nil {
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
	out.ear, out.server, faults = t.witness.judge(ctx, t.o.pause)
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

// victim makes the call that is to suffer, with a second stream beside the one that the case starts.
func (r *round) victim(vars map[string]string) {
	var err error
	r.call, err = r.sw.Originate(r.ctx, switchtest.CallSpec{Source: &switchtest.Counter{}, Vars: vars})
	r.check("originate", err)
	r.besides++
	path := fmt.Sprintf("/beside/%d", r.besides)
	// without TLS, deflate and the like, which are the other stream's
	for name := range vars {
		reply, err := r.sw.API(r.ctx, "uuid_setvar "+r.call.UUID()+" "+name)
		if err != nil || !strings.HasPrefix(reply, "+OK") {
			r.fatalf("uuid_setvar: %q, %v", reply, err)
		}
	}
	r.ok("name=beside start " + r.witness.server.URL(path) + " mono")
	for name, value := range vars {
		reply, err := r.sw.API(r.ctx, "uuid_setvar "+r.call.UUID()+" "+name+" "+value)
		if err != nil || !strings.HasPrefix(reply, "+OK") {
			r.fatalf("uuid_setvar: %q, %v", reply, err)
		}
	}
	r.beside = r.witness.mode.track(path)
	r.eventually("the stream beside runs", func() bool { return r.beside.count() > 2 })
}

// untouched checks that the victim's call is up and that its other stream has lost nothing.
func (r *round) untouched() {
	select {
	case <-r.call.Done():
		r.fatalf("the victim's call has ended")
	default:
	}
	n := r.beside.count()
	r.eventually("the stream beside goes on", func() bool { return r.beside.count() > n })
	for _, ev := range r.sw.Events().Module(r.call.UUID(), "beside") {
		if !strings.HasSuffix(ev.Subclass, "::connect") {
			r.errorf("the stream beside got the event %s %s", ev.Subclass, ev.Body)
		}
	}
	if report := r.beside.report(); !report.WholeBut(r.call.Missed(r.ctx) * r.call.Rate() * r.call.Ptime() / 1000) {
		r.errorf("the stream beside: %s", report)
	}
}

func (r *round) hangup() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 15*time.Second)
	defer cancel()
	select {
	case <-r.call.Done():
	case <-r.sw.Exited():
		return
	default:
		r.check("hang up", r.call.Hangup(ctx))
	}
	if _, err := r.sw.Events().Wait(ctx, switchtest.Filter{UUID: r.call.UUID(), Name: "CHANNEL_HANGUP_COMPLETE"}, 1); err != nil {
		r.errorf("%v", err)
	}
}

// ---- what cases use ----

func (r *round) api(line string) string {
	reply, err := r.sw.API(r.ctx, line)
	r.check("api "+line, err)
	return strings.TrimSuffix(reply, "\n")
}

// command runs a command on the victim's call.
func (r *round) command(line string) string {
	return r.api("uuid_audio_stream " + r.call.UUID() + " " + line)
}

func (r *round) ok(line string) {
	if reply := r.command(line); reply != "+OK Success" {
		r.fatalf("%.120s: %q", line, reply)
	}
}

// agent starts a well-behaved server for the time of the round.
func (r *round) agent(cfg agent.Config) *agent.Server {
	s, err := agent.Start(cfg)
	r.check("agent", err)
	context.AfterFunc(r.ctx, func() { _ = s.Close() })
	return s
}

// start starts the victim's stream and waits for its connection.
func (r *round) start(s *agent.Server, options string) *agent.Conn {
	r.ok("start " + s.URL("/") + " " + options)
	conn, err := s.Accept(r.ctx)
	r.check("accept", err)
	return conn
}

// await waits for the end of a connection.
func (r *round) await(conn *agent.Conn) {
	select {
	case <-conn.Done():
	case <-r.ctx.Done():
		r.fatalf("the connection did not end")
	}
}

// fails waits for the stream's error event and wants this code, and nothing like it a second time.
func (r *round) fails(code int) {
	ev := r.last("error")
	var body struct {
		Message struct {
			Code  int    `json:"code"`
			Error string `json:"error"`
		} `json:"message"`
	}
	if err := json.Unmarshal([]byte(ev.Body), &body); err != nil || body.Message.Code != code || body.Message.Error == "" {
		r.errorf("the error event is %s, want code %d with a text", ev.Body, code)
	}
}

// closes waits for the stream's disconnect event.
func (r *round) closes() { r.last("disconnect") }

// last waits for the stream's last event, and checks that it is the only one of its kind and that nothing follows it.
func (r *round) last(subclass string) switchtest.Event {
	var finals []switchtest.Event
	r.eventually("the last event of the stream", func() bool {
		finals = r.finals()
		return len(finals) > 0
	})
	r.eventually("the stream is gone", func() bool {
		return !strings.Contains(r.api("audio_stream list json"), r.call.UUID()+`","stream":"default"`)
	})
	all := r.sw.Events().Module(r.call.UUID(), "default")
	finals = r.finals()
	if len(finals) != 1 || !strings.HasSuffix(all[len(all)-1].Subclass, "::"+subclass) {
		var names []string
		for _, ev := range all {
			names = append(names, strings.TrimPrefix(ev.Subclass, "mod_audio_stream::")+" "+ev.Body)
		}
		if len(names) > 12 {
			names = append(names[:6], names[len(names)-6:]...)
		}
		r.errorf("the stream's events are %.600q, want one %s, and at the end", names, subclass)
	}
	return finals[0]
}

// finals are the victim's events that may only come once, but for error 13, which ends nothing.
func (r *round) finals() (out []switchtest.Event) {
	for _, ev := range r.sw.Events().Module(r.call.UUID(), "default") {
		switch strings.TrimPrefix(ev.Subclass, "mod_audio_stream::") {
		case "disconnect":
			out = append(out, ev)
		case "error":
			if !strings.Contains(ev.Body, `"code":13,`) {
				out = append(out, ev)
			}
		}
	}
	return out
}

// runs checks that the victim's stream is up, and then stops it in order.
func (r *round) runs() {
	stats := r.stats()
	if stats.State != "streaming" {
		r.errorf("the stream is %s, want streaming", stats.State)
	}
	if got := r.finals(); len(got) > 0 {
		r.fatalf("the stream has ended: %s", got[0].Body)
	}
	r.ok("stop")
	r.closes()
}

type stats struct {
	State         string            `json:"state"`
	BadMessages   int               `json:"badMessages"`
	SendQueueMS   int               `json:"sendQueueMs"`
	FramesDropped map[string]uint64 `json:"framesDropped"`
	FramesSent    uint64            `json:"framesSent"`
	Reconnects    int               `json:"reconnects"`
	Overflows     int               `json:"overflows"`
	QueuedMS      int               `json:"playbackQueuedMs"`
}

func (r *round) stats() (s stats) {
	reply := r.command("stats")
	r.check("stats "+reply, json.Unmarshal([]byte(reply), &s))
	return s
}

func (r *round) eventually(what string, ok func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-r.sw.Exited():
			r.fatalf("%s: the switch ended", what)
		case <-r.ctx.Done():
			r.fatalf("%s: not in time", what)
		}
	}
}

// pass lets time go by.
func (r *round) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.ctx.Done():
		r.fatalf("out of time")
	}
}
