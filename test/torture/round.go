// What a case works with: the call that is put to the test, servers, commands, and what must be true of them.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// victim makes the call that is to suffer, with a second stream beside the one that the case starts.
func (r *round) victim(vars map[string]string) {
	var err error
	r.call, err = r.sw.Originate(r.ctx, switchtest.CallSpec{Source: &switchtest.Counter{}, Vars: vars})
	r.check("originate", err)
	r.besides++
	path := r.besidePath()
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

func (r *round) besidePath() string { return fmt.Sprintf("/beside/%d", r.besides) }

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
		if !strings.HasSuffix(ev.Subclass, "::connect") && !strings.HasSuffix(ev.Subclass, "::playback") {
			r.errorf("the stream beside got the event %s %s", ev.Subclass, ev.Body)
		}
	}
	var lost losses
	if fault := lost.judge(r.ctx, r.sw, r.call, "beside", r.beside.report()); fault != "" {
		r.errorf("the stream beside: %s", fault)
	}
	// what its server says to the caller
	const enough = 800
	err := r.call.WaitHeard(r.ctx, func(heard []int16) bool { return longestSilence(heard).sound > enough })
	r.check("the victim hears the stream beside", err)
	gap := time.Duration(longestSilence(r.call.Heard()).longest) * time.Second / time.Duration(r.call.Rate())
	if gap > r.o.pauseLimit() {
		r.errorf("the victim heard nothing for %s", gap)
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
