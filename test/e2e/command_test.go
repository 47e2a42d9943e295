// Cases: replies and their reasons, named streams, stats, the audio_stream command, completion.

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
)

// statsFields are all of a stream's figures.
var statsFields = []string{"uptimeMs", "state", "url", "framesCaptured", "framesSent", "framesDropped", "bytesSent", "bytesReceived",
	"sendQueueMs", "captureLatencyMs", "playbackQueuedMs", "playbackPlayedMs", "underruns", "clears", "marks", "reconnects", "pingRttMs", "badMessages"}

var commandCases = []testcase{
	{name: "a wrong form is answered with the syntax", run: func(e *env) {
		c := e.call()
		for _, line := range []string{"", "start", "start ws://127.0.0.1/", "send_text", "nonsense", "name=x", "Stop now please extra"} {
			reply := e.cmd(c, line)
			if line == "Stop now please extra" {
				if strings.HasPrefix(reply, "+OK") {
					e.Errorf("%q: reply %q", line, reply)
				}
				continue
			}
			if !strings.HasPrefix(reply, "-USAGE: <uuid> ") {
				e.Errorf("%q: reply %q, expected -USAGE and the syntax", line, reply)
			}
		}
		for _, line := range []string{"uuid_audio_stream", "uuid_audio_stream " + c.UUID(), "audio_stream", "audio_stream nonsense"} {
			if reply := e.api("%s", line); !strings.HasPrefix(reply, "-USAGE: ") {
				e.Errorf("%q: reply %q, expected -USAGE and the syntax", line, reply)
			}
		}
	}},
	{name: "a wrong argument is refused with a reason", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		url := s.URL("/")
		long := "ws://127.0.0.1/" + strings.Repeat("x", 4096)
		for _, r := range []struct {
			line  string
			words []string
		}{
			{"start " + url + " mono 8001", []string{"8001"}},
			{"start " + url + " mono 96000", []string{"96000"}},
			{"start " + url + " both", []string{"both"}},
			{"start http://127.0.0.1/ mono", []string{"ws"}},
			{"start ws:// mono", []string{"host"}},
			{"start ws://127.0.0.1:99999/ mono", []string{"port"}},
			{"start " + long + " mono", []string{"4096"}},
			{"stop", []string{"default"}},
			{"pause", []string{"default"}},
			{"resume", []string{"default"}},
			{"clear", []string{"default"}},
			{"break", []string{"default"}},
			{"stop_play", []string{"default"}},
			{"pause_play", []string{"default"}},
			{"resume_play", []string{"default"}},
			{"graceful-shutdown", []string{"default"}},
			{"stats", []string{"default"}},
			{"send_text hello", []string{"default"}},
			{"name=other stop", []string{"other"}},
			{"send_text " + strings.Repeat("y", 64<<10+1), []string{"65536"}},
		} {
			e.refused(c, r.line, r.words...)
		}
		if n := s.Attempts(); n != 0 {
			e.Errorf("%d connections were made by refused commands", n)
		}
		if got := e.subclasses(c, ""); len(got) != 0 {
			e.Errorf("refused commands fired %v", got)
		}
	}},
	{name: "an unknown channel is refused", run: func(e *env) {
		reply := e.api("uuid_audio_stream 5e1f0000-0000-4000-8000-000000000000 start ws://127.0.0.1:1/ mono")
		if !strings.HasPrefix(reply, "-ERR ") || !strings.Contains(reply, "5e1f0000") && !strings.Contains(reply, "channel") && !strings.Contains(reply, "session") {
			e.Errorf("reply %q", reply)
		}
	}},
	{name: "a channel variable that cannot be followed is refused", run: func(e *env) {
		s := e.agent(agent.Config{})
		for _, v := range []struct{ name, value string }{
			{"STREAM_EXTRA_HEADERS", `{"Host": "x"}`}, {"STREAM_EXTRA_HEADERS", `{"Sec-WebSocket-Key": "x"}`},
			{"STREAM_EXTRA_HEADERS", `{"X-A": "b\r\nX-Injected: c"}`}, {"STREAM_EXTRA_HEADERS", `not json`},
			{"STREAM_SAMPLE_RATE", "12345"}, {"STREAM_TLS_CERT_FILE", "/no/such/file.pem"},
			{"STREAM_SUBPROTOCOL", "two words"},
		} {
			c := e.callWith(vars(v.name, v.value))
			e.Logf("%s=%s", v.name, v.value)
			e.refused(c, "start "+s.URL("/")+" mono", v.name)
			e.hangup(c)
		}
		if n := s.Attempts(); n != 0 {
			e.Errorf("%d connections were made by refused commands", n)
		}
	}},
	{name: "any other wrong channel variable costs a warning", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_BUFFER_SIZE", "33", "STREAM_RECONNECT_MAX", "many", "STREAM_PLAYBACK_MODE", "loud"))
		e.frameSize(e.waitAudio(e.start(c, s, "mono"), 5), 20, 8000, 1)
		for _, name := range []string{"STREAM_BUFFER_SIZE", "STREAM_RECONNECT_MAX", "STREAM_PLAYBACK_MODE"} {
			e.logged(name)
		}
	}},
	{name: "a stream's name can be used once at a time", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.refused(c, "start "+s.URL("/")+" mono", "default")
		e.ok(c, "stop")
		e.waitClose(conn, 1000)
		e.event(c, "disconnect")
		again := e.start(c, s, "mono")
		e.waitAudio(again, 5)
		e.nthEvent(c, "", "connect", 2)
	}},
	{name: "two named streams are independent", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		e.ok(c, "name=left start "+s.URL("/left")+" mono 8000 one")
		left := e.accept(s)
		e.ok(c, "name=right start "+s.URL("/right")+" stereo 16000 two")
		right := e.accept(s)
		e.waitText(left, "one")
		e.waitText(right, "two")
		e.frameSize(e.waitAudio(left, 20), 20, 8000, 1)
		e.frameSize(e.waitAudio(right, 20), 20, 16000, 2)
		for _, name := range []string{"left", "right"} {
			if ev := e.nthEvent(c, name, "connect", 1); ev.Stream != name {
				e.Errorf("Stream-Name %q, expected %q", ev.Stream, name)
			}
		}
		if e.stats(c, "left")["url"] == e.stats(c, "right")["url"] {
			e.Error("both streams report the same url")
		}
		e.ok(c, "name=left send_text only left")
		e.waitText(left, "only left")
		e.ok(c, "name=left stop")
		e.waitClose(left, 1000)
		n := countBinary(right.Frames())
		e.waitAudio(right, n+20)
		e.nthEvent(c, "left", "disconnect", 1)
		if got := e.subclasses(c, "right"); len(got) != 1 {
			e.Errorf("events of the stream that goes on: %v", got)
		}
		for _, text := range texts(right.Frames()) {
			if text == "only left" {
				e.Error("a text for one stream arrived at the other")
			}
		}
	}},
	{name: "the ninth stream is refused", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		for i := range 8 {
			e.ok(c, fmt.Sprintf("name=s%d start %s mono", i, s.URL("/")))
			e.accept(s)
		}
		e.refused(c, "name=s8 start "+s.URL("/")+" mono", "8")
		e.ok(c, "name=s3 stop")
		e.nthEvent(c, "s3", "disconnect", 1)
		e.eventually("a free place", func() bool { return e.cmd(c, "name=s8 start "+s.URL("/")+" mono") == "+OK Success" })
		e.waitAudio(e.accept(s), 5)
	}},
	{name: "stats has every figure and no credentials", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		e.ok(c, "start "+strings.Replace(s.URL("/?token=s3cr3t"), "ws://", "ws://bob:pa55w0rd@", 1)+" mono")
		conn := e.accept(s)
		e.check("send", conn.SendBinary(make([]byte, 3200)))
		e.check("send", conn.SendText("not json {"))
		e.event(c, "json")
		e.waitAudio(conn, 30)
		reply := e.cmd(c, "stats")
		for _, secret := range []string{"pa55w0rd", "s3cr3t"} {
			if strings.Contains(reply, secret) {
				e.Errorf("stats holds a credential: %s", reply)
			}
		}
		m := e.stats(c, "")
		for _, name := range statsFields {
			if _, ok := m[name]; !ok {
				e.Errorf("stats lacks %s: %s", name, reply)
			}
		}
		if n := e.number(m, "framesSent"); n < 29 || n > 1000 {
			e.Errorf("framesSent %v", n)
		}
		if e.number(m, "framesCaptured") < 29 || e.number(m, "bytesSent") < 29*320 || e.number(m, "bytesReceived") < 3200 || e.number(m, "uptimeMs") < 500 {
			e.Errorf("stats do not add up: %s", reply)
		}
		if state, _ := m["state"].(string); state != "streaming" {
			e.Errorf("state %q", state)
		}
		latency, ok := m["captureLatencyMs"].(map[string]any)
		if !ok {
			e.Fatalf("captureLatencyMs is %v", m["captureLatencyMs"])
		}
		for _, name := range []string{"p50", "p99", "max"} {
			e.number(latency, name)
		}
	}},
	{name: "audio_stream answers for people and as json", alone: true, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.waitAudio(conn, 5)
		for _, what := range []string{"status", "list", "version"} {
			if reply := e.api("audio_stream %s", what); reply == "" || strings.HasPrefix(reply, "-") || strings.HasPrefix(reply, "{") {
				e.Errorf("audio_stream %s: %q", what, reply)
			}
			var v any
			if reply := e.api("audio_stream %s json", what); json.Unmarshal([]byte(reply), &v) != nil {
				e.Errorf("audio_stream %s json: %q", what, reply)
			}
		}
		if reply := e.api("audio_stream list"); !strings.Contains(reply, c.UUID()) {
			e.Errorf("audio_stream list does not show the stream: %q", reply)
		}
		var status map[string]any
		reply := e.api("audio_stream status json")
		e.check(reply, json.Unmarshal([]byte(reply), &status))
		sum, _ := status["sum"].(map[string]any)
		if e.number(status, "streams") != 1 || e.number(status, "goroutines") < 1 || e.number(status, "goHeapBytes") < 1 || e.number(sum, "framesSent") < 5 {
			e.Errorf("audio_stream status json: %s", reply)
		}
		if reply := e.api("audio_stream reload"); !strings.HasPrefix(reply, "+OK") {
			e.Errorf("audio_stream reload: %q", reply)
		}
		var reloaded any
		if reply := e.api("audio_stream reload json"); json.Unmarshal([]byte(reply), &reloaded) != nil {
			e.Errorf("audio_stream reload json: %q", reply)
		}
		e.waitAudio(conn, countBinary(conn.Frames())+10)
	}},
	{name: "reload takes new defaults for new streams", own: true, run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.frameSize(e.waitAudio(conn, 5), 20, 8000, 1)
		e.check("config", e.sw.SetConfig(e.ctx, vars("STREAM_BUFFER_SIZE", "60")))
		if reply := e.api("audio_stream reload"); !strings.HasPrefix(reply, "+OK") {
			e.Fatalf("audio_stream reload: %q", reply)
		}
		e.ok(c, "name=second start "+s.URL("/")+" mono")
		second := e.accept(s)
		e.frameSize(e.waitAudio(second, 5), 60, 8000, 1)
		e.frameSize(e.waitAudio(conn, 20), 20, 8000, 1)
		// A channel variable goes before the default.
		other := e.callWith(vars("STREAM_BUFFER_SIZE", "40"))
		e.frameSize(e.waitAudio(e.start(other, s, "mono"), 5), 40, 8000, 1)
	}},
	{name: "a wrong setting in the XML costs a warning", own: true, config: vars("buffer-size", "40"), run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		e.frameSize(e.waitAudio(e.start(c, s, "mono"), 5), 40, 8000, 1)
		e.check("config", e.sw.SetConfig(e.ctx, vars("buffer-size", "41", "no-such-setting", "1")))
		if reply := e.api("audio_stream reload"); !strings.HasPrefix(reply, "+OK") {
			e.Errorf("audio_stream reload: %q", reply)
		}
		e.logged("buffer-size")
		e.logged("no-such-setting")
		other := e.call()
		e.frameSize(e.waitAudio(e.start(other, s, "mono"), 5), 20, 8000, 1)
	}},
	{name: "commands and applications are listed", run: func(e *env) {
		e.eventually("show api", func() bool {
			apis, apps := e.api("show api"), e.api("show application")
			return strings.Contains(apis, "\nuuid_audio_stream,") && strings.Contains(apis, "\naudio_stream,") &&
				strings.Contains(apps, "\naudio_stream,") && strings.Contains(apps, "\naudio_stream_stop,")
		})
	}},
	{name: "tab completes every command", run: func(e *env) {
		complete := func(string) string { return e.api("host_completions") }
		if e.sw.Name() == "freeswitch" {
			// The cursor's place is the line's end: FreeSWITCH 1.10.12 writes a NUL there, be it far behind the line in its heap.
			complete = func(line string) string { return e.api("console_complete c=%d;%s", len(line), line) }
		}
		c := e.call()
		completes := func(line string, words ...string) {
			for _, w := range words { // FreeSWITCH writes its table of them in the background
				e.eventually("completion of "+line+w, func() bool { return strings.Contains(complete(line+w[:2]), w) })
			}
		}
		completes("uuid_audio_stream "+c.UUID()+" ", "start", "stop", "send_text", "pause", "resume", "clear", "pause_play", "resume_play",
			"graceful-shutdown", "stats")
		completes("audio_stream ", "status", "list", "version", "reload")
	}},
	{name: "a hung-up channel is refused", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		e.hangup(c)
		e.eventually("-ERR", func() bool {
			return strings.HasPrefix(e.cmd(c, "start "+s.URL("/")+" mono"), "-ERR ")
		})
	}},
	{name: "start does not wait for the network", run: func(e *env) {
		s := e.agent(agent.Config{Silent: true})
		c := e.callWith(vars("STREAM_CONNECT_TIMEOUT_MS", "3000"))
		began := time.Now()
		e.ok(c, "start "+s.URL("/")+" mono")
		if d := time.Since(began); d > time.Second {
			e.Errorf("start took %s with a server that does not answer", d)
		}
		e.errorEvent(c, 10)
		e.ended(c, "error")
	}},
	{name: "allowed hosts are kept to", own: true, config: vars("allowed-hosts", "127.0.0.1"), run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		e.refused(c, fmt.Sprintf("start ws://localhost:%d/ mono", s.Port()), "localhost")
		e.waitAudio(e.start(c, s, "mono"), 5)
	}},
}
