// Cases: what must not be told. Credentials, query values and header values go to the server, and nowhere else.

package e2e

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// Every secret holds this, and so does what Basic authorization makes of one.
const secret = "QzxJv7"

const (
	credentials = "user" + secret + ":pw" + secret + "@"
	tokens      = "?token=" + secret + "&" + secret
)

const metricsAddr = "127.0.0.1:19665"

var secretCases = []testcase{
	{name: "no secret is in a reply, an event, the log or a figure, whatever goes wrong", own: true,
		config: vars("metrics-listen", metricsAddr, "allowed-hosts", "127.0.0.1, *.invalid"), run: func(e *env) {
			w := newWatch(e)
			for _, p := range secretPaths {
				c := e.callWith(vars("STREAM_EXTRA_HEADERS", `{"Authorization":"Bearer `+secret+`","X-Key":"`+secret+`"}`,
					"STREAM_CONNECT_TIMEOUT_MS", "1000", "STREAM_RECONNECT_MAX", "1"))
				p.run(w, c)
				w.look(p.what, c)
			}
		}},
	{name: "bad settings with secrets in them are refused without showing them", own: true, run: func(e *env) {
		w := newWatch(e)
		s := e.agent(agent.Config{})
		for _, headers := range []string{
			`{"Authorization":"` + secret + `\r\nX: y"}`, `{"Host":"` + secret + `"}`, `{"A":"` + secret, `{"A":["` + secret + `"]}`,
			`{"A":"` + secret + `","a":"` + secret + `"}`, secret,
		} {
			c := e.callWith(vars("STREAM_EXTRA_HEADERS", headers))
			w.reply(e.cmd(c, "start "+with(s.URL("/"))+" mono"), "-ERR")
			w.look(headers, c)
		}
		if n := len(s.Handshakes()); n != 0 {
			e.Errorf("%d handshakes were made", n)
		}
	}},
}

// with puts the secrets into a server's URL.
func with(url string) string { return strings.Replace(url, "://", "://"+credentials, 1) + tokens }

// watch reads all that the module tells.
type watch struct {
	*env
	said []string
}

func newWatch(e *env) *watch { return &watch{env: e} }

// reply keeps a reply, and wants it to begin so.
func (w *watch) reply(reply, begins string) {
	w.Helper()
	if !strings.HasPrefix(reply, begins) {
		w.Errorf("replied %q, want %s…", reply, begins)
	}
	w.said = append(w.said, reply)
}

// figures asks for all figures there are.
func (w *watch) figures(c switchtest.Call) {
	w.Helper()
	w.said = append(w.said, w.cmd(c, "stats"), w.api("audio_stream list"), w.api("audio_stream list json"), w.api("audio_stream status json"))
	if res, err := http.Get("http://" + metricsAddr + "/metrics"); err == nil {
		page, err := io.ReadAll(res.Body)
		res.Body.Close()
		w.check("metrics", err)
		w.said = append(w.said, string(page))
	}
}

// look searches for the secret in what the module told of a call by now.
func (w *watch) look(what string, c switchtest.Call) {
	w.Helper()
	for _, s := range w.said {
		w.none(what+": a reply", s)
	}
	w.said = nil
	for _, ev := range w.sw.Events().Module(c.UUID(), "") {
		w.none(what+": an event", ev.Subclass+" "+ev.Stream+" "+ev.Body)
	}
	logged, err := os.ReadFile(w.sw.LogFile())
	w.check("log", err)
	lines := 0
	for line := range strings.Lines(string(logged)) {
		if strings.Contains(line, c.UUID()) && strings.Contains(line, "mod_audio_stream:0") { // the others are the switch's own
			lines++
			w.none(what+": the log", line)
		}
	}
	if lines == 0 {
		w.Errorf("%s: nothing of the module's is in the log", what)
	}
}

// hidden is the secret as Basic authorization sends it.
var hidden = encoded([]byte("user" + secret + ":pw" + secret))

func (w *watch) none(where, text string) {
	w.Helper()
	if strings.Contains(text, secret) || strings.Contains(text, hidden) {
		w.Errorf("%s: %.300q", where, text)
	}
}

// fails starts a stream that must end with an error event.
func (w *watch) fails(c switchtest.Call, url string) {
	w.Helper()
	w.reply(w.cmd(c, "start "+url+" mono"), "+OK")
	w.event(c, "error")
	w.figures(c)
}

func answering(e *env, refusal agent.Refusal) *agent.Server {
	return e.agent(agent.Config{Refuse: func(agent.Handshake) *agent.Refusal { return &refusal }})
}

var secretPaths = []struct {
	what string
	run  func(w *watch, c switchtest.Call)
}{
	{"connected, lost, back, stopped", func(w *watch, c switchtest.Call) {
		s := w.agent(agent.Config{})
		w.reply(w.cmd(c, "start "+with(s.URL("/p"))+" mono"), "+OK")
		conn := w.accept(s)
		// the server has them all, so the rest of the test looks for the right thing
		h := conn.Handshake
		if h.Header.Get("Authorization") != "Bearer "+secret || h.Header.Get("X-Key") != secret || "?"+h.RawQuery != tokens {
			w.Errorf("the server got %v and %q", h.Header, h.RawQuery)
		}
		w.waitAudio(conn, 5)
		w.figures(c)
		w.reply(w.cmd(c, "start "+with(s.URL("/p"))+" mono"), "-ERR") // it runs already
		conn.Abort()
		w.waitAudio(w.accept(s), 5)
		w.figures(c)
		w.ok(c, "stop")
		w.event(c, "disconnect")
	}},
	{"lost for good", func(w *watch, c switchtest.Call) {
		s := w.agent(agent.Config{})
		w.reply(w.cmd(c, "start "+with(s.URL("/"))+" mono"), "+OK")
		conn := w.accept(s)
		_ = s.Close()
		<-conn.Done()
		w.event(c, "error")
		w.figures(c)
	}},
	{"connection refused", func(w *watch, c switchtest.Call) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		w.check("listen", err)
		_ = l.Close()
		w.fails(c, with("ws://"+l.Addr().String()+"/"))
	}},
	{"no such name", func(w *watch, c switchtest.Call) { w.fails(c, with("ws://nobody.invalid:1/")) }},
	{"redirect", func(w *watch, c switchtest.Call) {
		w.fails(c, with(answering(w.env, agent.Refusal{Status: 302, Header: http.Header{"Location": {"ws://127.0.0.1/" + secret}}}).URL("/")))
	}},
	{"401", func(w *watch, c switchtest.Call) {
		w.fails(c, with(answering(w.env, agent.Refusal{Status: 401, Reason: "not " + secret}).URL("/")))
	}},
	{"no answer", func(w *watch, c switchtest.Call) { w.fails(c, with(w.agent(agent.Config{Silent: true}).URL("/"))) }},
	{"TLS to a clear port", func(w *watch, c switchtest.Call) {
		w.fails(c, strings.Replace(with(w.agent(agent.Config{}).URL("/")), "ws://", "wss://", 1))
	}},
	{"a broken protocol", func(w *watch, c switchtest.Call) {
		s := w.agent(agent.Config{})
		w.reply(w.cmd(c, "start "+with(s.URL("/"))+" mono"), "+OK")
		w.check("send", w.accept(s).SendRaw(ws.MustCompileFrame(ws.Frame{Header: ws.Header{Fin: true, OpCode: 3}})))
		w.event(c, "error")
		w.figures(c)
	}},
	{"the server closes", func(w *watch, c switchtest.Call) {
		s := w.agent(agent.Config{})
		w.reply(w.cmd(c, "start "+with(s.URL("/"))+" mono"), "+OK")
		w.check("close", w.accept(s).Close(1011, "trouble"))
		w.event(c, "disconnect")
		w.figures(c)
	}},
	{"a host that is not allowed", func(w *watch, c switchtest.Call) {
		w.reply(w.cmd(c, "start "+with("ws://192.0.2.1/")+" mono"), "-ERR")
	}},
	{"URLs that cannot be read", func(w *watch, c switchtest.Call) {
		for _, url := range []string{
			"ws://u:" + secret + "@/", "ws://u:" + secret + "<@127.0.0.1/", "ws://u:" + secret + "@127.0.0.1:port/", "ws://u:%zz" + secret + "@127.0.0.1/",
			"ws://127.0.0.1/%zz?" + secret, "ws://127.0.0.1/?" + secret + "#" + secret, "ws://127.0.0.1:" + secret + "/",
			"http://u:" + secret + "@127.0.0.1/?" + secret, "ws://u:" + secret + "@127.0.0.1/?x=" + strings.Repeat(secret, 800),
			"ws://u:" + secret + "@h@127.0.0.1/", "ws://127.0.0.1/\x01?" + secret, "ws:/" + secret + "@127.0.0.1",
		} {
			w.reply(w.cmd(c, "start "+url+" mono"), "-ERR")
			w.reply(w.cmd(c, `start "`+url+`" mono`), "-ERR")
			w.reply(w.cmd(c, "start "+url+" nonsense"), "-")
		}
	}},
}
