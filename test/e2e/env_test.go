// What a case works with: calls, servers, commands and events, each with the end of the test as its own end. Assertions
// about audio are in audio_test.go.

package e2e

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

// env is one run of one case.
type env struct {
	*testing.T
	ctx    context.Context
	sw     switchtest.Switch
	mayEnd bool // the case may end the switch
	calls  []switchtest.Call
}

// check stops the case on an error.
func (e *env) check(what string, err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// agent starts a WebSocket server for the time of the test.
func (e *env) agent(cfg agent.Config) *agent.Server {
	e.Helper()
	s, err := agent.Start(cfg)
	e.check("agent", err)
	e.Cleanup(func() { _ = s.Close() })
	return s
}

// originate makes a call that is hung up at the end of the test.
func (e *env) originate(spec switchtest.CallSpec) switchtest.Call {
	e.Helper()
	c, err := e.sw.Originate(e.ctx, spec)
	e.check("originate", err)
	e.calls = append(e.calls, c)
	e.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		select {
		case <-e.sw.Exited():
		case <-c.Done():
		default:
			if err := c.Hangup(ctx); err != nil {
				e.Errorf("hangup at the end: %v", err)
			}
		}
	})
	return c
}

// call is originate with the usual spec: parked, 8 kHz, the caller counting.
func (e *env) call() switchtest.Call {
	e.Helper()
	return e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}})
}

// callWith is call with channel variables.
func (e *env) callWith(vars map[string]string) switchtest.Call {
	e.Helper()
	return e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, Vars: vars})
}

// fastCall is a call with much audio: 48 kHz.
func fastCall() switchtest.CallSpec {
	return switchtest.CallSpec{Source: &switchtest.Counter{}, Rate: 48000}
}

// waitSaid waits until the caller has spoken for a second, so that audio flows before the case begins.
func (e *env) waitSaid(c switchtest.Call) {
	e.Helper()
	e.eventually("the caller speaks", func() bool { return c.Said() > c.Rate() })
}

// api runs an API command; the reply comes without its newline.
func (e *env) api(format string, args ...any) string {
	e.Helper()
	reply, err := e.sw.API(e.ctx, fmt.Sprintf(format, args...))
	e.check("api", err)
	return strings.TrimSuffix(reply, "\n")
}

// cmd runs one uuid_audio_stream command on a call.
func (e *env) cmd(c switchtest.Call, line string) string {
	e.Helper()
	return e.api("%s", "uuid_audio_stream "+c.UUID()+" "+line)
}

// ok runs a command that must succeed.
func (e *env) ok(c switchtest.Call, line string) {
	e.Helper()
	if reply := e.cmd(c, line); reply != "+OK Success" {
		e.Fatalf("uuid_audio_stream … %.200s: reply %q, expected %q", line, reply, "+OK Success")
	}
}

// refused runs a command that must fail with -ERR and a reason that holds all the words.
func (e *env) refused(c switchtest.Call, line string, words ...string) {
	e.Helper()
	reply := e.cmd(c, line)
	if !strings.HasPrefix(reply, "-ERR ") || len(reply) < 12 {
		e.Errorf("uuid_audio_stream … %.200s: reply %q, expected -ERR and a reason", line, reply)
		return
	}
	for _, w := range words {
		if !strings.Contains(strings.ToLower(reply), strings.ToLower(w)) {
			e.Errorf("uuid_audio_stream … %.200s: reply %q does not mention %q", line, reply, w)
		}
	}
}

// start starts a stream to a server and waits for its connection. options is what follows the URL.
func (e *env) start(c switchtest.Call, s *agent.Server, options string) *agent.Conn {
	e.Helper()
	e.ok(c, "start "+s.URL("/")+" "+options)
	return e.accept(s)
}

// accept waits for the server's next connection.
func (e *env) accept(s *agent.Server) *agent.Conn {
	e.Helper()
	conn, err := s.Accept(e.ctx)
	e.check("accept", err)
	return conn
}

// event waits for the first event of a subclass on the call.
func (e *env) event(c switchtest.Call, subclass string) switchtest.Event {
	e.Helper()
	return e.nthEvent(c, "", subclass, 1)
}

func (e *env) nthEvent(c switchtest.Call, stream, subclass string, n int) switchtest.Event {
	e.Helper()
	ev, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Stream: stream, Subclass: subclass}, n)
	e.check("event", err)
	return ev
}

// eventBody waits for an event with exactly this body.
func (e *env) eventBody(c switchtest.Call, subclass, body string) {
	e.Helper()
	_, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Subclass: subclass, Body: func(b string) bool { return b == body }}, 1)
	e.check("event with the body "+body, err)
}

// eventStatus waits for a playback or mark event with this status and returns its body.
func (e *env) eventStatus(c switchtest.Call, subclass, status string, n int) statusBody {
	e.Helper()
	ev, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Subclass: subclass, Body: func(b string) bool {
		return strings.Contains(b, `"status":"`+status+`"`)
	}}, n)
	e.check(fmt.Sprintf("%s event with status %s", subclass, status), err)
	var body statusBody
	e.check(subclass+" body "+ev.Body, json.Unmarshal([]byte(ev.Body), &body))
	return body
}

// statusBody is the body of playback and mark events.
type statusBody struct {
	Name     string `json:"name"`
	Status   string `json:"status"`
	PlayedMs int    `json:"playedMs"`
	QueuedMs int    `json:"queuedMs"`
}

// errorEvent waits for the error event and compares its code.
func (e *env) errorEvent(c switchtest.Call, code int) string {
	e.Helper()
	ev := e.event(c, "error")
	var body struct {
		Status  string `json:"status"`
		Message struct {
			Code  int    `json:"code"`
			Error string `json:"error"`
		} `json:"message"`
	}
	e.check("error body "+ev.Body, json.Unmarshal([]byte(ev.Body), &body))
	if body.Status != "error" || body.Message.Code != code || body.Message.Error == "" {
		e.Errorf("error event %s, expected code %d with a text", ev.Body, code)
	}
	return body.Message.Error
}

// subclasses lists the call's module events in order, without the prefix.
func (e *env) subclasses(c switchtest.Call, stream string) []string {
	var out []string
	for _, ev := range e.sw.Events().Module(c.UUID(), stream) {
		out = append(out, strings.TrimPrefix(ev.Subclass, "mod_audio_stream::"))
	}
	return out
}

// ended stops nothing: it waits for the stream's last event and then checks that it is the only one of its kind and the
// last of all. Hanging up the call first makes sure that nothing can follow.
func (e *env) ended(c switchtest.Call, last string) {
	e.Helper()
	e.event(c, last)
	e.hangup(c)
	var finals int
	got := e.subclasses(c, "")
	for _, s := range got {
		if s == "disconnect" || s == "error" {
			finals++
		}
	}
	if finals != 1 || got[len(got)-1] != last {
		e.Errorf("events %v: expected exactly one of disconnect and error, %s, at the end", got, last)
	}
}

// hangup ends a call and waits until the switch has reported it.
func (e *env) hangup(c switchtest.Call) {
	e.Helper()
	e.check("hangup", c.Hangup(e.ctx))
	_, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Name: "CHANNEL_HANGUP_COMPLETE"}, 1)
	e.check("hangup event", err)
}

// stats reads the stats of a stream.
func (e *env) stats(c switchtest.Call, name string) map[string]any {
	e.Helper()
	line := "stats"
	if name != "" {
		line = "name=" + name + " stats"
	}
	reply := e.cmd(c, line)
	var m map[string]any
	if err := json.Unmarshal([]byte(reply), &m); err != nil {
		e.Fatalf("stats: %v in %q", err, reply)
	}
	return m
}

// number reads a figure of stats.
func (e *env) number(m map[string]any, name string) float64 {
	e.Helper()
	v, ok := m[name].(float64)
	if !ok {
		e.Errorf("stats: %s is %v, expected a number", name, m[name])
	}
	return v
}

// logged waits for a text in the switch's log.
func (e *env) logged(text string) {
	e.Helper()
	e.eventually(fmt.Sprintf("%q in %s", text, e.sw.LogFile()), func() bool { return e.inLog(text) })
}

// inLog says whether a text is in the switch's log now.
func (e *env) inLog(text string) bool {
	b, _ := os.ReadFile(e.sw.LogFile())
	return strings.Contains(string(b), text)
}

// eventually repeats a check every 20 ms until it holds.
func (e *env) eventually(what string, ok func() bool) {
	e.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			e.Fatalf("%s: not within the time of the case", what)
		}
	}
}

// pass lets time go by, for cases that show that something does not happen, or goes on happening.
func (e *env) pass(d time.Duration) {
	e.Helper()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.ctx.Done():
		e.Fatal("out of time")
	}
}

// collect leaves the log lines of a failed case's calls, and its events, beside the switch's own log.
func (e *env) collect() {
	if !e.Failed() {
		return
	}
	dir := filepath.Join(paths.logs, e.sw.Name(), "failed")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		e.Log(err)
		return
	}
	var b strings.Builder
	logged, _ := os.ReadFile(e.sw.LogFile())
	for _, c := range e.calls {
		fmt.Fprintf(&b, "call %s\n\nevents\n", c.UUID())
		for _, ev := range e.sw.Events().All(switchtest.Filter{UUID: c.UUID()}) {
			fmt.Fprintf(&b, "  %s %s %s %s %.400s\n", ev.At.Format("15:04:05.000000"), ev.Name, ev.Subclass, ev.Stream, ev.Body)
		}
		b.WriteString("\nlog\n")
		for line := range strings.Lines(string(logged)) {
			if strings.Contains(line, c.UUID()) && !strings.Contains(line, "Audio Codec Compare") {
				b.WriteString("  " + line)
			}
		}
	}
	path := filepath.Join(dir, strings.NewReplacer("/", "_", " ", "_").Replace(e.Name())+".txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		e.Log(err)
		return
	}
	e.Logf("events and log of this case: %s", path)
}
