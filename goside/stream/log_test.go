package stream

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/host"
)

// Texts, marks and close reasons are the server's: none of them may begin a line of its own in the log, or reach the terminal.
func TestAServerCannotForgeLinesOfTheLog(t *testing.T) {
	const forged = "\n2026-01-01 00:00:00 [CRIT] forged\r\x1b[2J\u0085\u2028\x00"
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	send(t, conn, "hello"+forged)
	c.event("json", "hello")
	send(t, conn, `{"type":"mark","data":{"name":"m\n[CRIT] forged\u001b[2J"}}`)
	c.event("mark", "forged")
	send(t, conn, `{"type":"streamAudio","data":{"audioDataType":"x\n[CRIT] forged\u001b[2J"}}`)
	r.line("could not be used")
	_ = conn.Close(4000, "bye"+forged)
	r.ended(c)
	r.line("closed the connection: 4000 bye 2026")
	for _, l := range r.h.Lines() {
		if strings.ContainsFunc(l.Text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' }) {
			t.Errorf("logged %q", l.Text)
		}
	}
}

// A close that says that something went wrong is a warning, one in order is not.
func TestTheServersCloseIsLoggedAtTheLevelOfItsCode(t *testing.T) {
	for code, want := range map[int]host.Level{1000: host.LevelInfo, 1001: host.LevelInfo, 1008: host.LevelWarning, 1011: host.LevelWarning, 4001: host.LevelWarning} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL("/where"), nil)
			_ = r.connect(srv, c).Close(code, "why")
			r.ended(c)
			found := false
			for _, l := range r.h.Lines() {
				if strings.Contains(l.Text, "closed the connection") {
					found = true
					if l.Level != want || l.UUID != c.session.UUID || !strings.Contains(l.Text, `stream "default": `+srv.URL("/where")+" ") {
						t.Errorf("%+v", l)
					}
				}
			}
			if !found {
				t.Error("it is not logged")
			}
		})
	}
}

// What is refused over and over is one line for 1, 2, 4, 8, …
func TestAServerThatAsksForWhatIsNotAllowedDoesNotFillTheLog(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), map[string]string{"STREAM_ALLOW_CONTROL": "hangup"})
	conn := r.connect(srv, c)
	for range 100 {
		send(t, conn, `{"type":"transfer","data":{"extension":"1"}}`)
	}
	send(t, conn, `"the last"`)
	c.event("json", "the last")
	n := 0
	for _, l := range r.h.Lines() {
		if strings.Contains(l.Text, "STREAM_ALLOW_CONTROL does not allow: transfer (refused") {
			n++
		}
	}
	if n != 7 {
		t.Errorf("%d lines for 100 messages", n)
	}
	if calls := r.h.Calls(); len(calls) != 0 {
		t.Errorf("the switch was asked for %v", calls)
	}
}
