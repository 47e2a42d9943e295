package stream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/hosttest"
	"mod_audio_stream/goside/settings"
	"mod_audio_stream/goside/tempfiles"
)

func TestServerTextIsTheJSONEventByteForByte(t *testing.T) {
	texts := []string{
		`{"type":"something","a" : [1, 2.50, "é\u00e9"]}  `, "not JSON at all", "", `{"type":5}`, `[1,2]`, " \n\t{}", "tab\tquote\" \\ \u2028 \x00 end",
		`{"type":"streamaudio"}`, strings.Repeat("long ", 2000),
	}
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	for _, text := range texts {
		send(t, conn, text)
	}
	_ = conn.Close(1000, "")
	r.ended(c)
	var got []string
	for _, e := range r.h.Events(c.s.UUID(), "") {
		if strings.HasSuffix(e.Subclass, "::json") {
			got = append(got, e.Body)
		}
	}
	if !slices.Equal(got, texts) {
		t.Errorf("told %q", got)
	}
	clipped := r.line("response: long ")
	if len(clipped.Text) > maxLogged+100 {
		t.Errorf("a line of %d bytes in the log", len(clipped.Text))
	}
}

func TestSuppressLogKeepsServerMessagesOutOfTheLog(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), map[string]string{"STREAM_SUPPRESS_LOG": "true"})
	conn := r.connect(srv, c)
	send(t, conn, "secret")
	c.event("json", "secret")
	for _, l := range r.h.Lines() {
		if strings.Contains(l.Text, "secret") {
			t.Errorf("logged %q", l.Text)
		}
	}
}

func TestBadMessagesAreCountedAndLoggedLessAndLess(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	for range 9 {
		send(t, conn, `{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":8000,"audioData":"!"}}`)
	}
	send(t, conn, "good")
	c.event("json", "good")
	if n := c.s.Report(nil).BadMessages; n != 9 {
		t.Errorf("%d bad messages", n)
	}
	var logged []string
	for _, l := range r.h.Lines() {
		if _, after, ok := strings.Cut(l.Text, "message "); ok && strings.Contains(after, "could not be used") {
			logged = append(logged, after[:1])
		}
	}
	if !slices.Equal(logged, []string{"1", "2", "4", "8"}) {
		t.Errorf("logged %q", logged)
	}
	c.wantTold(here, "json good")
}

func TestTheServerMayAskForWhatIsAllowed(t *testing.T) {
	asks := []struct{ allow, text, call string }{
		{"hangup", `{"type":"hangup","data":{"cause":"USER_BUSY"}}`, "[{Hangup call-1 [USER_BUSY]}]"},
		{"hangup", `{"type":"hangup"}`, "[{Hangup call-1 []}]"},
		{"transfer", `{"type":"transfer","data":{"extension":"1000"}}`, "[{Transfer call-1 [1000  ]}]"},
		{"transfer", `{"type":"transfer","data":{"extension":"1000","dialplan":"XML","context":"public"}}`, "[{Transfer call-1 [1000 XML public]}]"},
		{"send_dtmf", `{"type":"sendDtmf","data":{"digits":"1#"}}`, "[{SendDTMF call-1 [1#]}]"},
	}
	for _, a := range asks {
		for _, allow := range []string{"hangup", "transfer", "send_dtmf", "none", "hangup,transfer,send_dtmf"} {
			t.Run(a.text+" with "+allow, func(t *testing.T) {
				r := newRig(t)
				srv := r.serve(agent.Config{})
				c := r.start(srv.URL(""), map[string]string{"STREAM_ALLOW_CONTROL": allow})
				conn := r.connect(srv, c)
				send(t, conn, a.text)
				_ = conn.SendText("end") // a hang-up may have been quicker
				want := "[]"
				if strings.Contains(allow, a.allow) {
					want = a.call
					if err := r.h.Until(r.ctx, func() bool { return len(r.h.Calls()) == 1 }); err != nil {
						t.Fatal("nothing was done")
					}
				} else {
					c.event("json", "end")
					r.line("does not allow")
				}
				if got := fmt.Sprint(r.h.Calls()); got != want {
					t.Errorf("done %s, want %s", got, want)
				}
				if e := c.event("json", ""); e.Body != a.text { // told in any case
					t.Errorf("told %s", e.Body)
				}
			})
		}
	}
}

func TestAControlThatFailsIsLogged(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	r.h.On(hosttest.SendDTMF, func(string) error { return errors.New("no such digit") })
	c := r.start(srv.URL(""), map[string]string{"STREAM_ALLOW_CONTROL": "send_dtmf"})
	send(t, r.connect(srv, c), `{"type":"sendDtmf","data":{"digits":"1"}}`)
	r.line("asked, failed: no such digit")
}

func TestDigitsAreSentWhenAskedFor(t *testing.T) {
	for _, on := range []string{"true", "false"} {
		t.Run(on, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), map[string]string{"STREAM_DTMF": on})
			conn := r.connect(srv, c)
			c.m.Press('5', 100*time.Millisecond)
			c.m.Press('#', 80*time.Millisecond)
			r.until("the look at the digits", func() bool { return c.m.Pressed() == 0 && r.h.Bell.Asleep() })
			if err := c.s.SendText("end"); err != nil {
				t.Fatal(err)
			}
			want := []string{"end"}
			if on == "true" {
				want = []string{`{"type":"dtmf","data":{"digit":"5","durationMs":100}}`, `{"type":"dtmf","data":{"digit":"#","durationMs":80}}`, "end"}
			}
			for _, w := range want {
				if got := r.text(conn, ""); got != w {
					t.Errorf("got %s, want %s", got, w)
				}
			}
		})
	}
}

func TestPauseSendsNothingThatWasSpokenMeanwhile(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	c.push(2)
	c.s.Pause()
	for range 5 {
		if c.m.Push(8000, 1, 1, voice(1000)) {
			t.Error("a frame was captured while paused")
		}
	}
	sendAudio(t, conn, voice(7)) // playback is not touched
	if got := c.hear(160); !slices.Equal(got, voice(7)) {
		t.Error("playback was held, too")
	}
	c.s.Resume()
	c.push(2)
	frames, _ := r.frames(conn, 4)
	if string(slices.Concat(frames...)) != string(voiceBytes(0, 4)) {
		t.Error("the server heard something else")
	}
}

const wav = `{"type":"streamAudio","data":{"audioDataType":"wav","sampleRate":8000,"audioData":"UklGRg=="}}`

func TestFilesAreStoredForUsAloneAndRemovedWithTheStream(t *testing.T) {
	for name, tt := range map[string]struct {
		vars         map[string]string
		text, ending string
	}{
		"wav":                  {nil, wav, ".tmp.wav"},
		"raw without playback": {map[string]string{"STREAM_PLAYBACK": "false"}, strings.Replace(wav, "wav", "raw", 1), ".tmp.r8"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), tt.vars)
			conn := r.connect(srv, c)
			send(t, conn, tt.text)
			send(t, conn, tt.text)
			send(t, conn, "end")
			c.event("json", "end")
			files, err := filepath.Glob(filepath.Join(r.h.TempDir(), "*", "call-1_*"+tt.ending))
			if err != nil || len(files) != 2 {
				t.Fatalf("files %v", files)
			}
			for _, f := range files {
				info, err := os.Stat(f)
				if err != nil || info.Mode() != 0o600 {
					t.Errorf("%s: %v %v", f, info.Mode(), err)
				}
				if data, err := os.ReadFile(f); err != nil || string(data) != "RIFF" {
					t.Errorf("%s holds %q, %v", f, data, err)
				}
				kind := strings.Split(name, " ")[0]
				c.event("play", fmt.Sprintf(`{"audioDataType":"%s","sampleRate":8000,"file":"%s"}`, kind, f))
			}
			if err := os.Remove(files[0]); err != nil { // the user may take it
				t.Fatal(err)
			}
			c.s.Stop("", false)
			r.ended(c)
			if left, _ := filepath.Glob(filepath.Join(r.h.TempDir(), "*", "call*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			for _, l := range r.h.Lines() {
				if strings.Contains(l.Text, "not removed") {
					t.Errorf("logged %s", l.Text)
				}
			}
		})
	}
}

func TestAFileIsThereWhileItsEventIsHandled(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	missing := make(chan error, 10)
	r.h.OnEvent(func(e hosttest.Event) {
		if _, path, ok := strings.Cut(e.Body, `"file":"`); ok {
			_, err := os.Stat(strings.TrimSuffix(path, `"}`))
			missing <- err
		}
	})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	send(t, conn, wav)
	_ = conn.Close(1000, "")
	r.ended(c)
	if err := <-missing; err != nil {
		t.Error(err)
	}
}

func TestFilesThatCannotBeStoredAreBadMessages(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	c.s.files.mu.Lock()
	c.s.files.folder = tempfiles.New(filepath.Join(r.h.TempDir(), "is not there"))
	c.s.files.mu.Unlock()
	send(t, conn, wav)
	r.line("could not be used")
	if n := c.s.Report(nil).BadMessages; n != 1 {
		t.Errorf("%d bad messages", n)
	}
}

func TestFileStoreBoundsAndNames(t *testing.T) {
	dir := t.TempDir()
	folder := tempfiles.New(dir)
	f := newFileStore(folder, "../../etc/x y*"+strings.Repeat("z", 100))
	names := map[string]bool{}
	for range maxFiles {
		path, err := f.add([]byte("a"), "wav")
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(filepath.Dir(path)) != dir || names[path] || len(filepath.Base(path)) > 100 {
			t.Errorf("stored as %s", path)
		}
		names[path] = true
	}
	if _, err := f.add(nil, "wav"); !errors.Is(err, errFiles) {
		t.Errorf("one more: %v", err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
	if _, err := f.add(nil, "wav"); !errors.Is(err, errClosing) {
		t.Errorf("after the end: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*.wav")); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
	if err := folder.Close(); err != nil {
		t.Error(err)
	}
	large := newFileStore(folder, "x")
	large.bytes = maxFileBytes
	if _, err := large.add([]byte("a"), "wav"); !errors.Is(err, errFiles) {
		t.Errorf("beyond the bytes: %v", err)
	}
}

func TestReport(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	url := strings.Replace(srv.URL("/a?token=secret"), "ws://", "ws://user:password@", 1)
	c := r.start(url, nil)
	conn := r.connect(srv, c)
	c.push(10)
	r.frames(conn, 10)
	r.until("the counts", func() bool { return c.s.Report(nil).FramesSent == 10 })
	c.m.Skip(3)
	rep := c.s.Report(nil)
	if rep.UUID != "call-1" || rep.Stream != "default" || rep.State != "streaming" || rep.FramesCaptured != 10 ||
		rep.FramesDropped.RingFull != 3 || rep.BytesSent < 3200 || rep.CaptureLatencyMS.Max <= 0 || rep.SendQueueMS != 0 {
		t.Errorf("report %+v", rep)
	}
	if strings.Contains(rep.URL, "password") || strings.Contains(rep.URL, "secret") || !strings.Contains(rep.URL, "/a") {
		t.Errorf("url %s", rep.URL)
	}
	for _, l := range r.h.Lines() {
		if strings.Contains(l.Text, "password") || strings.Contains(l.Text, "secret") {
			t.Errorf("logged %s", l.Text)
		}
	}
}

func TestStereoAndMixedGoOutAsCaptured(t *testing.T) {
	for _, mix := range []settings.Mix{settings.Mixed, settings.Stereo} {
		t.Run(mix.String(), func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), nil, func(p *Params) { p.Command.Mix = mix })
			conn := r.connect(srv, c)
			both := make([]int16, 320)
			for i := range both {
				both[i] = int16(i)
			}
			c.m.Push(8000, 2, 2, both)
			frames, _ := r.frames(conn, 1)
			want := both
			if mix == settings.Mixed {
				want = make([]int16, 160)
				for i := range want {
					want[i] = int16(2*i + 2*i + 1)
				}
			}
			if got := agent.Samples(frames[0]); !slices.Equal(got, want) {
				t.Errorf("%v: %v", mix, got)
			}
		})
	}
}
