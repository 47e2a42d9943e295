package wsclient

// How the cases of conformance_test.go are run: a connection over a script of bytes, and what it made of them.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/events"
)

// pieces is a script that is read in pieces, whatever room the reader has.
type pieces struct {
	*script
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.script.Read(b[:min(len(b), p.size)]) }

// outcome is what a connection made of the bytes of a case.
type outcome struct {
	got     []message
	answers []frameSeen
	end     error
}

func runPieces(in []byte, size int, up upgraded) (o outcome) {
	p := pieces{&script{in: bytes.NewReader(in)}, size}
	c := newConn(withDefaults(Config{}), p, p, up)
	for {
		kind, data, err := c.Read()
		if err != nil {
			c.Close(1000, "", patience) // waits for the sender: the answers are complete
			o.answers, o.end = framesOf(p.out.Bytes()), err
			return o
		}
		o.got = append(o.got, message{kind, string(data)})
	}
}

// conformance is one case: what the server sends, what must come of it, and the code in our close frame. A case with
// closed 0 is closed by the server with 1000 behind its bytes.
type conformance struct {
	id, what string
	in       []byte
	want     []message
	closed   int         // the code of our close frame; noStatus: an empty one
	code     events.Code // of the error; 0: the server's close was in order
	up       upgraded
}

func (c conformance) run(t *testing.T) {
	sizes := []int{1 << 30, 997}
	if len(c.in) < 4096 {
		sizes = append(sizes, 1)
	}
	in, closed := c.in, c.closed
	if closed == 0 {
		in, closed = cat(in, closeOf(1000, "")), 1000
	}
	for _, size := range sizes {
		o := runPieces(in, size, c.up)
		if fmt.Sprint(o.got) != fmt.Sprint(c.want) {
			t.Errorf("in pieces of %d: got %s, want %s", size, short(o.got), short(c.want))
		}
		var e *Error
		var byServer *CloseError
		switch {
		case c.code == 0 && !errors.As(o.end, &byServer):
			t.Errorf("in pieces of %d: ended with %v, want the server's close", size, o.end)
		case c.code != 0 && (!errors.As(o.end, &e) || e.Code != c.code || e.CloseCode != closed):
			t.Errorf("in pieces of %d: ended with %v, want error %d and close code %d", size, o.end, c.code, closed)
		}
		if n := len(o.answers); n == 0 || o.answers[n-1].op != ws.OpClose || codeOf(o.answers[n-1]) != closed {
			t.Errorf("in pieces of %d: answered %s, want a close frame with %d", size, short(o.answers), closed)
		}
		for _, a := range o.answers {
			if a.op == 0xf {
				t.Errorf("in pieces of %d: wrote no frame: %s", size, a.payload)
			}
		}
	}
}

func codeOf(f frameSeen) int {
	if len(f.payload) < 2 {
		return noStatus
	}
	return int(binary.BigEndian.Uint16([]byte(f.payload)))
}

func runConformance(t *testing.T, cases []conformance) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range cases {
		name := c.id + " " + c.what
		if seen[name] {
			t.Fatalf("%s is there twice", name)
		}
		seen[name] = true
		t.Run(name, c.run)
	}
}

func text(s string) []message { return []message{{Text, s}} }

// fragments cuts one message into frames of at most size bytes; rsv is the first frame's.
func fragments(op ws.OpCode, rsv byte, payload string, size int) []byte {
	var b bytes.Buffer
	for at := 0; ; at += size {
		end := min(at+size, len(payload))
		b.Write(frameBytes(end == len(payload), rsv, op, []byte(payload[at:end])))
		if op, rsv = ws.OpContinuation, 0; end == len(payload) {
			return b.Bytes()
		}
	}
}

// noise is n bytes that do not compress, the same in every run.
func noise(seed uint64, n int) string {
	b := make([]byte, n)
	for i := range b {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		b[i] = byte(seed >> 32)
	}
	return string(b)
}
