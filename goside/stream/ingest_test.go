package stream

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mod_audio_stream/goside/agent"
)

// playFileMessage asks for a WAV file of these samples (8 kHz) to be played.
func playFileMessage(t *testing.T, samples []int16) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.wav")
	if err := agent.WriteWAV(path, samples, 8000, 1); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(agent.StreamAudio("wav", 8000, readFile(t, path)), `"sampleRate":`, `"play":true,"sampleRate":`, 1)
}

func markMessage(name string) string {
	return fmt.Sprintf(`{"type":"mark","data":{"name":"%s"}}`, name)
}

func TestAFileIsPlayedInItsPlaceBetweenOtherAudioAndMarks(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	v := ramp(40000)
	sendAudio(t, conn, v[:1600])
	send(t, conn, playFileMessage(t, v[1600:33600])) // 4 s: more than is decoded ahead
	send(t, conn, markMessage("behind the file"))
	sendAudio(t, conn, v[33600:36800])
	send(t, conn, playFileMessage(t, v[36800:]))
	send(t, conn, markMessage("at the end"))
	if heard := c.hear(40000); !slices.Equal(heard, v) {
		t.Error("what was heard is not what was sent, in its order")
	}
	c.event("mark", `{"name":"behind the file","status":"played","playedMs":4200}`)
	c.event("mark", `{"name":"at the end","status":"played","playedMs":5000}`)
	if got := c.s.Report(nil); got.BadMessages != 0 {
		t.Errorf("%d bad messages", got.BadMessages)
	}
}

func TestClearEndsAFileAndWhatWaitsBehindItAndKeepsWhatComesAfter(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	v := ramp(80000)
	send(t, conn, playFileMessage(t, v[:64000]))
	send(t, conn, markMessage("a"))
	sendAudio(t, conn, v[64000:])
	send(t, conn, markMessage("b"))
	if heard := c.hear(320); !slices.Equal(heard, v[:320]) {
		t.Error("the file does not begin as it should")
	}
	send(t, conn, "before clear")
	c.event("json", "before clear")
	send(t, conn, `{"type":"clear"}`)
	sendAudio(t, conn, v[100:1700])
	c.event("mark", `{"name":"a","status":"cleared","playedMs":40}`)
	c.event("mark", `{"name":"b","status":"cleared","playedMs":40}`)
	if heard := c.hear(1600); !slices.Equal(heard, v[100:1700]) {
		t.Error("what came after the clear was not kept whole")
	}
}

func TestGracefulShutdownLetsAFileBeHeardToItsEnd(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	v := ramp(32000)
	send(t, conn, playFileMessage(t, v))
	send(t, conn, "there")
	c.event("json", "there")
	c.s.GracefulShutdown("", false)
	if heard := c.hear(32000); !slices.Equal(heard, v) {
		t.Error("the file was not heard whole")
	}
	r.ended(c)
}

func TestAFileThatCannotBePlayedIsABadMessage(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	for _, kind := range []string{"wav", "mp3", "ogg"} {
		send(t, conn, strings.Replace(agent.StreamAudio(kind, 8000, []byte("no audio")), `"sampleRate":`, `"play":true,"sampleRate":`, 1))
	}
	send(t, conn, "end")
	c.event("json", "end")
	if got := c.s.Report(nil); got.BadMessages != 3 {
		t.Errorf("%d bad messages, want 3", got.BadMessages)
	}
	sendAudio(t, conn, ramp(160))
	if heard := c.hear(160); !slices.Equal(heard, ramp(160)) {
		t.Error("what follows is not played")
	}
}

func TestAStreamThatEndsInTheMiddleOfAFileLeavesNothing(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	send(t, conn, playFileMessage(t, ramp(64000)))
	c.hear(160)
	c.s.Stop("", false)
	r.ended(c) // newRig looks for goroutines
	c.checkLast("disconnect")
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ramp is n samples that do not repeat soon.
func ramp(n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(i%32749 - 16000)
	}
	return s
}
