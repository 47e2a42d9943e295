//go:build !race

package check

import (
	"context"
	"testing"
	"time"

	"github.com/percipia/eslgo"
	"github.com/percipia/eslgo/command"
	"github.com/percipia/eslgo/command/call"
)

// The library's Conn.close deletes from a map that its authLoop and disconnectLoop read without a lock, so this file
// is not part of a build with -race.

func TestEslgoCommandsWorkUnchanged(t *testing.T) {
	t.Parallel()
	h := start(t)
	opts := eslgo.DefaultInboundOptions
	opts.Logger = eslgo.NilLogger{}
	conn, err := opts.Dial(h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	events := make(chan *eslgo.Event, 1000)
	conn.RegisterEventListener(eslgo.EventListenAll, func(e *eslgo.Event) { events <- e })
	await := func(name string) *eslgo.Event {
		for {
			select {
			case e := <-events:
				if e.GetName() == name {
					return e
				}
			case <-time.After(slack):
				t.Fatalf("no event %s", name)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), slack)
	defer cancel()
	if err := conn.EnableEvents(ctx); err != nil {
		t.Fatal(err)
	}
	uuid := h.originate("state=ringing")
	r, err := conn.SendCommand(ctx, command.API{Command: "uuid_exists", Arguments: uuid, Background: true})
	if err != nil || !r.IsOk() {
		t.Fatalf("bgapi: %v %v", r, err)
	}
	job := await("BACKGROUND_JOB")
	if string(job.Body) != "true" || job.GetHeader("Job-Uuid") != r.GetHeader("Job-Uuid") {
		t.Errorf("job %v", job)
	}
	if err := conn.AnswerCall(ctx, uuid); err != nil {
		t.Fatal(err)
	}
	await("CHANNEL_ANSWER")
	for _, m := range []command.Command{
		call.Set{UUID: uuid, Key: "k", Value: "v w"},
		&call.Execute{UUID: uuid, AppName: "selftest", AppArgs: `start {"a": "b c"}`}} {
		if r, err := conn.SendCommand(ctx, m); err != nil || !r.IsOk() {
			t.Fatalf("sendmsg: %v %v", r, err)
		}
	}
	h.until("the application", func() bool { return h.api("uuid_getvar", uuid+" selftest_result") != "_undef_" })
	if v := h.api("uuid_getvar", uuid+" selftest_result"); v != `ran with start {"a": "b c"} in `+uuid {
		t.Errorf("selftest_result %q", v)
	}
	if v := h.api("uuid_getvar", uuid+" k"); v != "v w" {
		t.Errorf("k is %q", v)
	}
	if err := conn.HangupCall(ctx, uuid, "NORMAL_CLEARING"); err != nil {
		t.Fatal(err)
	}
	await("CHANNEL_HANGUP_COMPLETE")
	if r := h.api("nonsense", "x"); r != "-ERR nonsense Command not found!\n" {
		t.Errorf("unknown command: %q", r)
	}
	bad := eslgo.DefaultInboundOptions
	bad.Logger, bad.Password, bad.ExitTimeout = eslgo.NilLogger{}, "wrong", time.Second
	if _, err := bad.Dial(h.addr); err == nil {
		t.Error("a wrong password was accepted")
	}
	h.stop()
}
