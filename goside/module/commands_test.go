package module

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/hosttest"
	"mod_audio_stream/goside/settings"
)

func TestEveryCommandOfARunningStream(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	s := r.add("a", nil)
	r.want("a", start(srv)+` 16k {"who": "me"}`, ok)
	conn := r.accept(srv)
	r.event("a", "default", "connect", "")
	text := func(want string) {
		t.Helper()
		f, err := conn.NextWhere(r.ctx, agent.Frame.IsText)
		if err != nil || string(f.Data) != want {
			t.Errorf("the server got %q (%v), want %q", f.Data, err, want)
		}
	}
	text(`{"who": "me"}`)
	r.want("a", "send_text  hello  ", ok)
	text(" hello  ")
	r.want("a", "pause", ok)
	if !s.Media().Muted() {
		t.Error("not muted")
	}
	r.want("a", "resume", ok)
	if s.Media().Muted() {
		t.Error("still muted")
	}
	r.want("a", "pause_play", ok)
	r.event("a", "default", "playback", `"paused"`)
	r.want("a", "resume_play", ok)
	r.event("a", "default", "playback", `"resumed"`)
	for _, alias := range []string{"clear", "break", "stop_play"} {
		r.want("a", alias, ok)
	}
	var stats struct {
		UUID   string `json:"uuid"`
		State  string `json:"state"`
		Clears int    `json:"clears"`
	}
	if err := json.Unmarshal([]byte(r.m.Command("a", "stats")), &stats); err != nil || stats.UUID != "a" ||
		stats.State != "streaming" || stats.Clears != 3 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	r.want("a", "stop bye", ok)
	text("bye")
	r.event("a", "default", "disconnect", "1000")
	r.ended()
	r.want("a", "stop", `-ERR no stream "default" is running on this channel (audio_stream list shows those that are)`+"\n")
}

func TestGracefulShutdownCommand(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	r.add("a", nil)
	r.want("a", start(srv), ok)
	conn := r.accept(srv)
	r.event("a", "default", "connect", "")
	r.want("a", "graceful-shutdown see you", ok)
	if f, err := conn.NextWhere(r.ctx, agent.Frame.IsText); err != nil || string(f.Data) != "see you" {
		t.Errorf("the server got %q, %v", f.Data, err)
	}
	r.event("a", "default", "disconnect", "1000")
	r.ended()
}

func TestWrongCommands(t *testing.T) {
	r := newRig(t, map[string]string{"allowed-hosts": "127.0.0.1, *.example.com"})
	srv := r.serve(agent.Config{})
	r.add("a", nil)
	r.add("noHeaders", map[string]string{"STREAM_EXTRA_HEADERS": "{"})
	const running = ` is running on this channel (audio_stream list shows those that are)`
	tests := []struct{ uuid, line, reply string }{
		{"a", "", "-USAGE: "},
		{"a", "dance", "-USAGE: "},
		{"a", "start", "-USAGE: "},
		{"", start(srv), "-USAGE: "},
		{"a", "start http://127.0.0.1/ mono", `-ERR the URL must start with ws:// or wss://`},
		{"a", "start ws://127.0.0.1:99999/ mono", "-ERR the URL"},
		{"a", "start ws://u:p@ss@127.0.0.1/ mono", "-ERR user and password"},
		{"a", "start ws://127.0.0.1/ duo", "-ERR "},
		{"a", "start ws://127.0.0.1/ mono 7000", "-ERR "},
		{"a", "start ws://elsewhere.org/ mono", `-ERR host "elsewhere.org" is not allowed (allowed-hosts in audio_stream.conf)` + "\n"},
		{"a", "start ws://example.com/ mono", `-ERR host "example.com" is not allowed`},
		{"b", start(srv), "-ERR there is no channel with this uuid\n"},
		{"b", "stop", "-ERR there is no channel with this uuid\n"},
		{"a", "stop", `-ERR no stream "default"` + running},
		{"a", "name=x pause", `-ERR no stream "x"` + running},
		{"a", "stats", `-ERR no stream "default"` + running},
		{"noHeaders", start(srv), "-ERR STREAM_EXTRA_HEADERS must be a JSON object"},
	}
	for _, tt := range tests {
		got := r.m.Command(tt.uuid, tt.line)
		if !strings.HasPrefix(got, tt.reply) || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
			t.Errorf("%q on %q: replied %q, want %q", tt.line, tt.uuid, got, tt.reply)
		}
	}
	if n := len(r.m.streams) + len(r.m.all); n != 0 {
		t.Errorf("%d streams are on the books", n)
	}
	if len(r.h.Events("", "")) != 0 || srv.Attempts() != 0 {
		t.Error("something was begun")
	}
}

func TestAFailedAttachLeavesNothingBehind(t *testing.T) {
	tests := []struct {
		err   error
		reply string
	}{
		{host.ErrGone, "-ERR the session has ended\n"},
		{fmt.Errorf("%w: the channel is hung up", host.ErrGone), "-ERR the session has ended: the channel is hung up\n"},
		{fmt.Errorf("%w: the channel is in bypass-media mode", host.ErrNoMedia), "-ERR the channel has no media here: the channel is in bypass-media mode\n"},
		{host.ErrNoMemory, "-ERR out of memory\n"},
		{host.ErrRefused, "-ERR refused by the switch\n"},
		{errors.New("two\nlines"), "-ERR two lines\n"},
	}
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	for i, tt := range tests {
		uuid := fmt.Sprint(i)
		r.add(uuid, nil)
		r.h.On(hosttest.Attach, func(string) error { return tt.err })
		r.want(uuid, start(srv), tt.reply)
		r.h.On(hosttest.Attach, nil)
		r.want(uuid, start(srv), ok)
		r.event(uuid, "default", "connect", "")
	}
	if st := r.m.Status(); st.Streams != len(tests) || st.StreamsStarted != uint64(len(tests)) || st.StreamsFailed != uint64(len(tests)) {
		t.Errorf("status %+v", st)
	}
}

func TestVariablesThatCannotBeReadRefuseTheStart(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	r.add("a", nil)
	r.h.On(hosttest.Variables, func(string) error { return errors.New("no") })
	r.want("a", start(srv), "-ERR no\n")
	r.h.On(hosttest.Variables, nil)
	r.want("a", start(srv), ok)
	r.accept(srv)
}

func TestAPanicInAStartIsAReplyAndLeavesTheNameFree(t *testing.T) {
	for _, method := range []string{hosttest.Variables, hosttest.Attach} {
		t.Run(method, func(t *testing.T) {
			r := newRig(t, nil)
			srv := r.serve(agent.Config{})
			r.add("a", nil)
			r.h.On(method, func(string) error { panic("boom") })
			r.want("a", start(srv), "-ERR internal error, see the log\n")
			r.line("boom")
			r.h.On(method, nil)
			r.want("a", start(srv), ok)
			r.accept(srv)
		})
	}
}

func TestAWarningOfTheSettingsIsLogged(t *testing.T) {
	r := newRig(t, map[string]string{"buffer-size": "30", "nonsense": "1"})
	srv := r.serve(agent.Config{})
	r.add("a", map[string]string{"STREAM_BUFFER_SIZE": "7"})
	r.want("a", start(srv), ok)
	r.line("STREAM_BUFFER_SIZE")
	r.line("buffer-size")
	r.line("nonsense")
}

func TestWhatIsAskedOfTheBug(t *testing.T) {
	tests := []struct {
		mix  string
		vars map[string]string
		want host.Attach
	}{
		{"mono", nil, host.Attach{Legs: 1, Playback: true}},
		{"mixed", nil, host.Attach{Legs: 2, Playback: true}},
		{"stereo", map[string]string{"STREAM_PLAYBACK": "false"}, host.Attach{Legs: 2}},
		{"mono", map[string]string{"STREAM_PLAYBACK_MODE": "replace", "STREAM_ANSWER": "true", "STREAM_DTMF": "true"},
			host.Attach{Legs: 1, Playback: true, Replace: true, Answer: true, DTMF: true}},
	}
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	for i, tt := range tests {
		s := r.add(fmt.Sprint(i), tt.vars)
		r.want(s.UUID, strings.Replace(start(srv), "mono", tt.mix, 1), ok)
		tt.want.Capture, tt.want.PlayoutMS = captureRing, playoutRing
		if got := s.Wants()[0]; got != tt.want {
			t.Errorf("%s: asked %+v, want %+v", tt.mix, got, tt.want)
		}
	}
}

func TestOneNameIsOneStream(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	r.add("a", nil)
	r.add("b", nil)
	const twice = ` is already running on this channel (stop it first, or start another with name=<stream>)` + "\n"
	r.want("a", start(srv), ok)
	r.want("a", start(srv), `-ERR stream "default"`+twice)
	r.want("b", start(srv), ok)
	for i := 2; i <= settings.MaxStreams; i++ {
		r.want("a", fmt.Sprintf("name=s%d %s", i, start(srv)), ok)
	}
	r.want("a", "name=s9 "+start(srv), "-ERR 8 streams are running on this channel, and that is the most\n")
	r.want("a", "name=s2 stop", ok)
	r.want("a", "name=s9 "+start(srv), ok)
	r.event("a", "s9", "connect", "")
	r.event("a", "s2", "disconnect", "1000")
}

func TestOfManyStartsAtOnceOneWins(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	s := r.add("a", nil)
	var starts sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 20 {
		starts.Go(func() {
			if r.m.Command("a", start(srv)) == ok {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	starts.Wait()
	if won != 1 || len(s.Medias()) != 1 {
		t.Errorf("%d starts succeeded, with %d bugs", won, len(s.Medias()))
	}
}

func TestAStopFreesTheNameAtOnce(t *testing.T) {
	r := newRig(t, nil)
	deaf := r.serve(agent.Config{HoldReads: true})
	srv := r.serve(agent.Config{})
	s := r.add("a", nil)
	r.want("a", start(deaf), ok)
	r.event("a", "default", "connect", "")
	r.want("a", "stop", ok)
	r.want("a", start(srv), ok)
	if all := s.Medias(); len(all) != 2 || !all[0].Closed() || all[1].Closed() {
		t.Error("the first bug is still there, or the second is not")
	}
	r.accept(srv)
	r.event("a", "default", "disconnect", "1000")
	r.want("a", "stop", ok) // the second one, although the first ended under the same name meanwhile
}

// An application that hears the last event may start anew at once, whatever the first stream still has to give back.
func TestTheNameIsFreeWhenTheLastEventIsHeard(t *testing.T) {
	ends := map[string]func(*agent.Conn){
		"closed":  func(conn *agent.Conn) { _ = conn.Close(1000, "") },
		"lost":    func(conn *agent.Conn) { conn.Abort() },
		"refused": nil,
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			srv := r.serve(agent.Config{})
			refusing := r.serve(agent.Config{Refuse: func(agent.Handshake) *agent.Refusal { return &agent.Refusal{Status: 503} }})
			r.add("a", map[string]string{"STREAM_NO_RECONNECT": "true"})
			replied := make(chan string, 1)
			answered := make(chan struct{})
			r.h.OnEvent(func(e hosttest.Event) {
				if strings.HasSuffix(e.Subclass, "::disconnect") || strings.HasSuffix(e.Subclass, "::error") {
					r.h.OnEvent(nil)
					replied <- r.m.Command("a", start(srv))
					close(answered)
				}
			})
			var detached atomic.Int32
			r.h.On(hosttest.Detach, func(string) error {
				if detached.Add(1) == 2 { // behind the last event: the stream is giving back what it has
					select {
					case <-answered:
					case <-r.ctx.Done():
					}
				}
				return nil
			})
			if end == nil {
				r.want("a", start(refusing), ok)
			} else {
				r.want("a", start(srv), ok)
				end(r.accept(srv))
			}
			select {
			case reply := <-replied:
				if reply != ok {
					t.Errorf("replied %q", reply)
				}
			case <-r.ctx.Done():
				t.Error("no last event")
			}
			r.accept(srv)
		})
	}
}

func TestHangUpsEndTheirStreamsOnly(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	sessions := map[string]*hosttest.Session{}
	for _, uuid := range []string{"a", "b"} {
		sessions[uuid] = r.add(uuid, nil)
		for _, name := range []string{"x", "y"} {
			r.want(uuid, "name="+name+" "+start(srv), ok)
			r.event(uuid, name, "connect", "")
		}
	}
	sessions["a"].Hangup()
	r.event("a", "x", "disconnect", "1000")
	r.event("a", "y", "disconnect", "1000")
	r.until("the end of a", func() bool { return len(r.m.running()) == 2 })
	sessions["a"].End()
	r.want("a", "name=x stop", "-ERR there is no channel with this uuid\n")
	r.want("b", "name=x pause", ok)
	if n := r.lasts("b"); len(n) != 0 {
		t.Errorf("last events of b: %v", n)
	}
}
