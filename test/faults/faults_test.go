package faults

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// fault is one place, what brings it about, and what must have come of it.
type fault struct {
	place string
	// provoke has been given the order to panic; it does what leads there.
	provoke func(r *rig, stream string)
	// then is looked at once it has happened; nil: nobody noticed.
	then func(r *rig, stream string)
}

// internal is the error event of a stream that an internal error ended.
const internal = `error {"status":"error","message":{"code":1,"error":"internal error`

func fails(r *rig, stream string) {
	r.Helper()
	if last := r.final(r.calls[0].UUID(), stream); !strings.HasPrefix(last, internal) {
		r.Errorf("the last event is %s", last)
	}
}

func ends(r *rig, stream string) {
	r.Helper()
	r.final(r.calls[0].UUID(), stream)
}

// start starts a stream of its own beside the first call's, with variables.
func start(r *rig, stream, url string, vars ...string) {
	r.Helper()
	uuid := r.calls[0].UUID()
	for i := 0; i < len(vars); i += 2 {
		r.ok("uuid_setvar " + uuid + " " + vars[i] + " " + vars[i+1])
		defer r.ok("uuid_setvar " + uuid + " " + vars[i])
	}
	r.ok("uuid_audio_stream " + uuid + " name=" + stream + " start " + url + " mono metadata")
}

func startHere(r *rig, stream string) { start(r, stream, r.server.URL("/"+stream)) }

// conn waits for the connection that a stream makes, by its path.
func conn(r *rig, s *agent.Server) *agent.Conn {
	r.Helper()
	c, err := s.Accept(r.ctx)
	r.check("accept", err)
	return c
}

func serverOf(r *rig, cfg agent.Config) *agent.Server {
	r.Helper()
	s, err := agent.Start(cfg)
	r.check("server", err)
	r.Cleanup(func() { _ = s.Close() })
	return s
}

var cases = []fault{
	{place: "stream", provoke: startHere, then: fails},
	{place: "connect", provoke: startHere, then: fails},
	{place: "receive", provoke: startHere, then: fails},
	{place: "send", provoke: func(r *rig, stream string) { // TLS always has a sender
		authority, err := switchtest.NewAuthority(r.TempDir())
		r.check("authority", err)
		conf, err := authority.Server(false, "127.0.0.1")
		r.check("certificate", err)
		s := serverOf(r, agent.Config{TLS: conf})
		start(r, stream, s.URL("/"), "STREAM_TLS_CA_FILE", "NONE")
	}, then: fails},
	{place: "beat", provoke: func(r *rig, stream string) {
		start(r, stream, r.server.URL("/"), "STREAM_HEART_BEAT", "1")
	}, then: fails},
	{place: "file", provoke: func(r *rig, stream string) {
		s := serverOf(r, agent.Config{})
		start(r, stream, s.URL("/"))
		wav := strings.Replace(agent.StreamAudio("wav", 8000, wavFile()), `"data":{`, `"data":{"play":true,`, 1)
		r.check("send", conn(r, s).SendText(wav))
	}, then: fails},
	{place: "task", provoke: func(r *rig, stream string) { // what inflates is read on a goroutine of its own
		s := serverOf(r, agent.Config{Deflate: true})
		start(r, stream, s.URL("/"), "STREAM_MESSAGE_DEFLATE", "false", "STREAM_NO_RECONNECT", "true")
	}, then: ends},
	{place: "reserve", provoke: func(r *rig, stream string) {
		s := serverOf(r, agent.Config{})
		start(r, stream, s.URL("/"))
		r.check("send", conn(r, s).SendBinary(make([]byte, 320)))
	}, then: fails},
	{place: "rest", provoke: func(r *rig, stream string) {
		s := serverOf(r, agent.Config{})
		start(r, stream, s.URL("/"))
		c := conn(r, s)
		for range 2000 {
			r.check("send", c.SendText("{}"))
		}
	}, then: func(r *rig, stream string) {
		r.ok("uuid_audio_stream " + r.calls[0].UUID() + " name=" + stream + " stop")
		ends(r, stream)
	}},
	{place: "cancel", provoke: func(r *rig, stream string) { // a server that says nothing, and a stop
		l, err := net.Listen("tcp", "127.0.0.1:0")
		r.check("listen", err)
		r.Cleanup(func() { _ = l.Close() })
		start(r, stream, "ws://"+l.Addr().String()+"/")
		silent, err := l.Accept()
		r.check("accept", err)
		r.Cleanup(func() { _ = silent.Close() })
		_, err = silent.Read(make([]byte, 1)) // the handshake has begun
		r.check("request", err)
		r.ok("uuid_audio_stream " + r.calls[0].UUID() + " name=" + stream + " stop")
	}, then: ends},
	{place: "failed", provoke: func(r *rig, _ string) { r.arm("serve") }, then: func(r *rig, _ string) {
		oneOfBothFailed(r)
	}},
	{place: "pump"},
	{place: "tidy", provoke: startHere, then: func(r *rig, stream string) {
		r.ok("uuid_audio_stream " + r.calls[0].UUID() + " name=" + stream + " stop")
		ends(r, stream)
	}},
	{place: "worker", provoke: startHere, then: func(r *rig, stream string) {
		r.ok("uuid_audio_stream " + r.calls[0].UUID() + " name=" + stream + " stop")
		ends(r, stream)
	}},
	{place: "metrics-collect", provoke: func(r *rig, _ string) {
		if status, page := scrape(r); status != http.StatusInternalServerError {
			r.Errorf("status %d: %s", status, page)
		}
	}, then: func(r *rig, _ string) {
		if status, page := scrape(r); status != http.StatusOK || !strings.Contains(page, "audio_stream_streams 2") {
			r.Errorf("the next time, status %d: %s", status, page)
		}
	}},
	{place: "metrics-serve", provoke: func(r *rig, _ string) {
		r.check("config", r.sw.SetConfig(r.ctx, nil))
		r.ok("audio_stream reload")
		r.check("config", r.sw.SetConfig(r.ctx, map[string]string{"metrics-listen": metricsAddr}))
		r.ok("audio_stream reload")
	}},
	{place: "as_go_command", provoke: func(r *rig, _ string) {
		if reply := r.api("uuid_audio_stream " + r.calls[0].UUID() + " stats"); reply != "-ERR internal error, see the log" {
			r.Errorf("replied %q", reply)
		}
	}},
	{place: "as_go_module_command", provoke: func(r *rig, _ string) {
		if reply := r.api("audio_stream status"); reply != "-ERR internal error, see the log" {
			r.Errorf("replied %q", reply)
		}
	}},
	{place: "as_go_break", provoke: func(r *rig, _ string) { r.api("uuid_break " + r.calls[0].UUID()) }},
	{place: "as_go_stop", provoke: func(r *rig, _ string) { r.ok("unload mod_audio_stream") }, then: load},
	{place: "worker-end", provoke: func(r *rig, _ string) { r.ok("unload mod_audio_stream") }, then: load},
	{place: "as_go_completions", provoke: func(r *rig, _ string) {
		r.ok("unload mod_audio_stream")
		r.ok("load mod_audio_stream")
	}, then: func(r *rig, _ string) { r.running() }},
	{place: "as_go_start", provoke: func(r *rig, _ string) {
		r.ok("unload mod_audio_stream")
		if reply := r.api("load mod_audio_stream"); !strings.Contains(reply, "-ERR") {
			r.Errorf("load replied %q", reply)
		}
	}, then: load},
}

func load(r *rig, _ string) {
	r.Helper()
	r.ok("load mod_audio_stream")
	r.running()
}

// oneOfBothFailed: the pump serves both, and the first that it comes to is hit.
func oneOfBothFailed(r *rig) {
	r.Helper()
	failed := 0
	r.until("one of the two ends", func() bool {
		failed = 0
		for i := range r.calls {
			if _, running := r.sent(i); !running {
				failed++
			}
		}
		return failed > 0
	})
	if failed != 1 {
		r.Errorf("%d of two streams ended", failed)
	}
	r.running()
}

const metricsAddr = "127.0.0.1:19664"

func scrape(r *rig) (status int, page string) {
	r.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Get("http://" + metricsAddr + "/metrics")
	r.check("scrape", err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	r.check("page", err)
	return res.StatusCode, string(b)
}

// wavFile is a tenth of a second.
func wavFile() []byte {
	head := []byte("RIFF\x64\x06\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x40\x06\x00\x00")
	return append(head, make([]byte, 1600)...)
}

// One after the other on one switch: what a fault leaves behind would show in the next, and the stand-in's strict end looks
// for locks, bugs and memory that were left.
func TestAPanicAnywhereFailsOneStreamOrOneCommand(t *testing.T) {
	r := newRig(t, map[string]string{"metrics-listen": metricsAddr})
	for _, c := range cases {
		t.Run(c.place, func(t *testing.T) {
			r := r.on(t)
			stream := "at-" + strings.ReplaceAll(c.place, "_", "-")
			r.running()
			r.arm(c.place)
			if c.provoke != nil {
				c.provoke(r, stream)
			}
			begun := time.Now()
			r.happened(c.place)
			if c.then != nil {
				c.then(r, stream)
			}
			r.bothSend()
			t.Logf("%v", time.Since(begun).Round(time.Millisecond))
		})
	}
}
