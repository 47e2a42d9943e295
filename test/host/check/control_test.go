package check

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"mod_audio_stream/test/esl"
)

func named(name, uuid string) func(*esl.Event) bool {
	return func(e *esl.Event) bool {
		return e.Name() == name && (uuid == "" || e.Get("Unique-ID") == uuid)
	}
}

func TestEventsCarryTheChannelAndBodiesVerbatim(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.listen("CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE CHANNEL_DESTROY MEDIA_BUG_START MEDIA_BUG_STOP CUSTOM mod_selftest::event")
	uuid := h.originate("name=host/alice in=counter var:color=dark%20%2Fred:50%25")
	h.await("CREATE", named("CHANNEL_CREATE", uuid))
	h.await("ANSWER", named("CHANNEL_ANSWER", uuid))
	h.ok("selftest", uuid+" attach r")
	if e := h.await("BUG_START", named("MEDIA_BUG_START", uuid)); e.Get("Media-Bug-Function") != "selftest" {
		t.Errorf("function %q", e.Get("Media-Bug-Function"))
	}
	body := `{"text":"line 1\n  ünïcode: 100% \"quoted\"","n":[1,2]}`
	h.ok("selftest", uuid+" fire "+body)
	e := h.await("CUSTOM", named("CUSTOM", uuid))
	for header, want := range map[string]string{
		"Event-Subclass": "mod_selftest::event", "Stream-Name": "a name: with 100% trouble", "Channel-Name": "host/alice",
		"Answer-State": "answered", "variable_color": "dark /red:50%", "Channel-State": "CS_EXECUTE"} {
		if got := e.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	if e.Body != body {
		t.Errorf("body %q, want %q", e.Body, body)
	}
	h.ok("uuid_kill", uuid+" USER_BUSY")
	h.await("BUG_STOP", named("MEDIA_BUG_STOP", uuid))
	if e := h.await("HANGUP_COMPLETE", named("CHANNEL_HANGUP_COMPLETE", uuid)); e.Get("Hangup-Cause") != "USER_BUSY" {
		t.Errorf("cause %q", e.Get("Hangup-Cause"))
	}
	h.await("DESTROY", named("CHANNEL_DESTROY", uuid))
	if r := h.api("uuid_exists", uuid); r != "false" {
		t.Errorf("uuid_exists: %q", r)
	}
	h.stop()
}

func TestBackgroundJobsApplicationsAndErrors(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.listen("ALL")
	uuid := h.originate("state=ringing")
	id, err := h.conn.BgAPI(within(t), "uuid_exists "+uuid)
	if err != nil {
		t.Fatal(err)
	}
	if job := h.await("BACKGROUND_JOB", named("BACKGROUND_JOB", "")); job.Body != "true" || job.Get("Job-UUID") != id || id == "" {
		t.Errorf("job %v, want %s", job, id)
	}
	arg := `start {"a": "b c"}`
	for _, app := range [][2]string{{"answer", ""}, {"set", "k=v w"}, {"selftest", arg}} {
		if err := h.conn.Execute(within(t), uuid, app[0], app[1]); err != nil {
			t.Fatal(err)
		}
	}
	h.await("ANSWER", named("CHANNEL_ANSWER", uuid))
	h.until("the application", func() bool { return h.api("uuid_getvar", uuid+" selftest_result") != "_undef_" })
	if v := h.api("uuid_getvar", uuid+" selftest_result"); v != "ran with "+arg+" in "+uuid {
		t.Errorf("selftest_result %q", v)
	}
	if v := h.api("uuid_getvar", uuid+" k"); v != "v w" {
		t.Errorf("k is %q", v)
	}
	for _, message := range []string{"call-command: execute\nexecute-app-name: set\nexecute-app-arg: k=in a header", "call-command: hangup\nhangup-cause: USER_BUSY"} {
		if r, err := h.conn.Command(within(t), "sendmsg "+uuid+"\n"+message); err != nil || !r.OK() {
			t.Fatalf("sendmsg %q: %v, %v", message, r, err)
		}
		if strings.Contains(message, "execute") {
			h.until("the application", func() bool { return h.api("uuid_getvar", uuid+" k") == "in a header" })
		}
	}
	if e := h.await("HANGUP_COMPLETE", named("CHANNEL_HANGUP_COMPLETE", uuid)); e.Get("Hangup-Cause") != "USER_BUSY" {
		t.Errorf("cause %q", e.Get("Hangup-Cause"))
	}
	if err := h.conn.Execute(within(t), "nobody", "answer", ""); err == nil {
		t.Error("execute on a channel that does not exist")
	}
	if r := h.api("nonsense", "x"); r != "-ERR nonsense Command not found!\n" {
		t.Errorf("unknown command: %q", r)
	}
	if _, err := esl.Dial(within(t), h.addr, "wrong", nil); err == nil {
		t.Error("a wrong password was accepted")
	}
	h.stop()
}

func TestManyClientsAtOnce(t *testing.T) {
	t.Parallel()
	h := start(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			conn, err := esl.Dial(within(t), h.addr, "ClueCon", nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for range 20 {
				r, err := conn.API(within(t), "selftest config")
				if err != nil || !strings.Contains(r, "STREAM_BUFFER_SIZE=20") {
					t.Errorf("client %d: %v %v", i, r, err)
					return
				}
			}
		}()
	}
	wg.Wait()
	h.stop()
}

func TestSettingsComeFromTheFileAndOverrides(t *testing.T) {
	t.Parallel()
	h := start(t)
	want := "STREAM_BUFFER_SIZE=20\nSTREAM_EXTRA_HEADERS={\"a\":\"b <&> é\"}\n"
	if got := h.api("selftest", "config"); got != want {
		t.Errorf("config %q, want %q", got, want)
	}
	h.ok("host_setconf", "STREAM_BUFFER_SIZE 40")
	h.ok("host_setconf", "new value with spaces")
	if got := h.api("selftest", "config"); !strings.HasPrefix(got, "STREAM_BUFFER_SIZE=40\n") || !strings.Contains(got, "new=value with spaces\n") {
		t.Errorf("config %q", got)
	}
	h.ok("host_setconf", "new")
	h.ok("host_setconf", "STREAM_BUFFER_SIZE")
	if got := h.api("selftest", "config"); got != want {
		t.Errorf("config %q, want %q", got, want)
	}
	h.stop()
}

func TestUnloadTakesTheCommandsAwayAndLoadBringsThemBack(t *testing.T) {
	t.Parallel()
	h := start(t)
	if got := h.api("show", "api"); !strings.Contains(got, "selftest,uses the host,<uuid> <what>,mod_selftest\n") {
		t.Errorf("show api: %q", got)
	}
	if got := h.api("show", "application"); !strings.Contains(got, "selftest,sets selftest_result,<text>,mod_selftest\n") {
		t.Errorf("show application: %q", got)
	}
	if got := h.api("complete", "selftest c"); got != "selftest config\n" {
		t.Errorf("complete: %q", got)
	}
	for range 5 {
		h.ok("unload", "mod_selftest")
		if got := h.api("selftest", "config"); !strings.HasPrefix(got, "-ERR selftest Command not found") {
			t.Fatalf("after unload: %q", got)
		}
		if got := h.api("host_completions", ""); got != "-ERR no reply\n" {
			t.Fatalf("completions left: %q", got)
		}
		h.ok("load", "mod_selftest")
	}
	if got := h.api("reload", "mod_selftest"); got != "+OK Reloading XML\n+OK module unloaded\n+OK module loaded\n" {
		t.Errorf("reload: %q", got)
	}
	h.stop()
}

func TestUnloadWaitsForARunningCommand(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.listen("BACKGROUND_JOB MODULE_UNLOAD")
	if _, err := h.conn.BgAPI(within(t), "selftest sleep 300"); err != nil {
		t.Fatal(err)
	}
	h.until("the command", func() bool { return h.api("status", "") != "" })
	h.ok("unload", "mod_selftest")
	job := h.await("BACKGROUND_JOB", named("BACKGROUND_JOB", ""))
	if got := job.Body; got != "+OK slept\n" && !strings.HasPrefix(got, "-ERR selftest") {
		t.Errorf("the command said %q", got)
	}
	h.stop()
}

func TestDigitsReachTheHookAndTheEvent(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.listen("DTMF")
	uuid := h.originate("in=counter")
	for i, want := range []string{"0\n", "1\n"} { // SUCCESS, then FALSE: once per session
		if got := h.api("selftest", uuid+" hook"); got != want {
			t.Errorf("hook %d: %q", i, got)
		}
	}
	h.ok("uuid_recv_dtmf", uuid+" 5#@100")
	for _, digit := range []string{"5", "#"} {
		e := h.await("DTMF "+digit, func(e *esl.Event) bool { return e.Get("DTMF-Digit") == digit })
		if e.Get("DTMF-Duration") != "800" {
			t.Errorf("duration %q", e.Get("DTMF-Duration"))
		}
	}
	if got := h.api("uuid_getvar", uuid+" selftest_digit"); got != "#/800" {
		t.Errorf("the hook saw %q", got)
	}
	h.ok("selftest", uuid+" dtmf 12*")
	if got := h.stats(uuid).DtmfSent; got != "12*" {
		t.Errorf("sent %q", got)
	}
	h.stop()
}

func TestAChannelWithoutMediaIsPreAnsweredOrRefused(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("state=ringing in=counter")
	if got := h.api("selftest", uuid+" ready"); got != "0 4 0\n" {
		t.Errorf("ready: %q", got)
	}
	h.ok("selftest", uuid+" attach r") // pre-answers
	h.awaitFrames(uuid, 3)
	if got := h.api("uuid_dump", uuid); !strings.Contains(got, "Answer-State: early\n") {
		t.Errorf("dump: %q", got)
	}
	dead := h.originate("state=ringing nomedia=1")
	if got := h.api("selftest", dead+" attach r"); got != "-ERR attach\n" {
		t.Errorf("attach: %q", got)
	}
	h.gone(dead)
	bypass := h.originate("bypass=1")
	if got := h.api("selftest", bypass+" ready"); got != "0 4 1\n" {
		t.Errorf("ready: %q", got)
	}
	h.stop()
}

func TestABugThatReturnsFalseIsPrunedAndClosedOnce(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.listen("MEDIA_BUG_STOP")
	uuid := h.originate("in=counter")
	h.ok("selftest", uuid+" attach rp")
	h.await("MEDIA_BUG_STOP", named("MEDIA_BUG_STOP", uuid))
	if got := h.api("selftest", uuid+" detach"); got != "-ERR gone\n" {
		t.Errorf("detach: %q", got)
	}
	refused := h.originate("in=counter")
	if got := h.api("selftest", refused+" attach rR"); got != "-ERR attach\n" {
		t.Errorf("attach: %q", got)
	}
	if got := h.api("selftest", "counts"); got != "inits=2 closes=1 digits=0\n" {
		t.Errorf("counts: %q", got)
	}
	h.stop()
}

func TestSlowCallbacksAreCountedAndMeasured(t *testing.T) {
	t.Parallel()
	h := start(t, "--slow-callback-us", "1000")
	uuid := h.originate("in=counter")
	h.ok("selftest", uuid+" attach rz3000")
	h.awaitFrames(uuid, 5)
	var got struct {
		SlowCallbacks int
		Callbacks     map[string]struct{ Count, P99Ns, MaxNs int }
	}
	if err := json.Unmarshal([]byte(h.api("host_stats", "")), &got); err != nil {
		t.Fatal(err)
	}
	if r := got.Callbacks["read"]; got.SlowCallbacks < 5 || r.MaxNs < 3000000 || r.P99Ns < 3000000 || r.Count < 5 {
		t.Errorf("stats %+v", got)
	}
	h.ok("host_stats", "reset")
	h.stop()
}

func TestShutdownEndsCallsFirstAndAccountsForEverything(t *testing.T) {
	t.Parallel()
	h := start(t, "--sighup-after-load")
	for range 5 {
		uuid := h.originate("in=counter writer=tone:400")
		h.ok("selftest", uuid+" attach rwm1")
		h.awaitFrames(uuid, 2)
	}
	if got := h.api("selftest", "resample"); got == "" {
		t.Error("no resampler")
	}
	h.ok("host_sighup", "200")
	var leaks struct {
		Sessions, ModuleBugs, Fds, ModuleThreads, Sighups int
		Holds                                             []string
		Live                                              map[string]int
	}
	if err := json.Unmarshal([]byte(h.api("host_leaks", "")), &leaks); err != nil {
		t.Fatal(err)
	}
	if leaks.Sessions != 5 || leaks.ModuleBugs != 5 || leaks.Fds < 3 || len(leaks.Holds) != 0 || leaks.Live["media bug"] != 5 || leaks.Sighups == 0 {
		t.Errorf("leaks %+v", leaks)
	}
	if got := h.api("show", "calls count"); got != "\n5 total.\n" {
		t.Errorf("show calls: %q", got)
	}
	if got := h.stop(); !strings.Contains(got, "5 sessions") {
		t.Errorf("summary %q", got)
	}
}

func TestTransferGoesToTheHostsDialplan(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("in=counter")
	h.ok("uuid_transfer", fmt.Sprintf("%s 1000 XML public", uuid))
	if got := h.api("uuid_getvar", uuid+" host_transfer_context"); got != "public" {
		t.Errorf("context %q", got)
	}
	h.ok("uuid_transfer", uuid+" hangup")
	h.gone(uuid)
	h.stop()
}
