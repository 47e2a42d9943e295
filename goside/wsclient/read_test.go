package wsclient

// Frames into messages, against a server whose bytes are all there already.

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/events"
)

// script is a connection whose server has sent everything already; what the client sends is kept.
type script struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

type message struct {
	kind Kind
	data string
}

// readAll feeds the bytes to a connection and gives its messages, what it answered, and its last error.
func readAll(in []byte, cfg Config, up upgraded) (got []message, answers []frameSeen, end error) {
	s := &script{in: bytes.NewReader(in)}
	c := newConn(withDefaults(cfg), s, s, up)
	for {
		kind, data, err := c.Read()
		if err != nil {
			c.Close(1000, "", patience) // waits for the sender: the answers are complete
			return got, framesOf(s.out.Bytes()), err
		}
		got = append(got, message{kind, string(data)})
	}
}

type frameSeen struct {
	op      ws.OpCode
	rsv1    bool
	payload string
}

// framesOf decodes what a client has written.
func framesOf(b []byte) (all []frameSeen) {
	for r := bytes.NewReader(b); r.Len() > 0; {
		h, err := ws.ReadHeader(r)
		if err != nil || !h.Masked || !h.Fin {
			return append(all, frameSeen{op: 0xf, payload: fmt.Sprintf("broken: %+v %v", h, err)})
		}
		payload := make([]byte, h.Length)
		_, _ = io.ReadFull(r, payload)
		ws.Cipher(payload, h.Mask, 0)
		all = append(all, frameSeen{h.OpCode, h.Rsv1(), string(payload)})
	}
	return all
}

func short(v any) string {
	if s := fmt.Sprintf("%+v", v); len(s) > 300 {
		return fmt.Sprintf("%q…", s[:300])
	} else {
		return fmt.Sprintf("%q", s)
	}
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func f(fin bool, op ws.OpCode, payload string) []byte { return frameBytes(fin, 0, op, []byte(payload)) }

func closeOf(code int, reason string) []byte {
	return f(true, ws.OpClose, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

func TestFramesBecomeMessages(t *testing.T) {
	bye := closeOf(1000, "")
	big := strings.Repeat("0123456789abcdef", 20000)
	for name, c := range map[string]struct {
		in   []byte
		want []message
		pong []string
	}{
		"text":                  {in: f(true, ws.OpText, "hé"), want: []message{{Text, "hé"}}},
		"binary":                {in: f(true, ws.OpBinary, "\xff\x00"), want: []message{{Binary, "\xff\x00"}}},
		"empty":                 {in: cat(f(true, ws.OpText, ""), f(true, ws.OpBinary, "")), want: []message{{Text, ""}, {Binary, ""}}},
		"126 bytes":             {in: f(true, ws.OpBinary, big[:126]), want: []message{{Binary, big[:126]}}},
		"65536 bytes":           {in: f(true, ws.OpBinary, big[:65536]), want: []message{{Binary, big[:65536]}}},
		"320000 bytes":          {in: f(true, ws.OpBinary, big), want: []message{{Binary, big}}},
		"long, then short":      {in: cat(f(true, ws.OpBinary, big), f(true, ws.OpText, "x")), want: []message{{Binary, big}, {Text, "x"}}},
		"fragments":             {in: cat(f(false, ws.OpText, "a"), f(false, ws.OpContinuation, ""), f(true, ws.OpContinuation, "b")), want: []message{{Text, "ab"}}},
		"a rune over fragments": {in: cat(f(false, ws.OpText, "\xc3"), f(true, ws.OpContinuation, "\xa9")), want: []message{{Text, "é"}}},
		"control frames between fragments": {
			in:   cat(f(false, ws.OpBinary, "a"), f(true, ws.OpPing, "p"), f(true, ws.OpPong, "q"), f(true, ws.OpContinuation, "b")),
			want: []message{{Binary, "ab"}}, pong: []string{"p"}},
		"ping of 125 bytes":     {in: f(true, ws.OpPing, big[:125]), pong: []string{big[:125]}},
		"pong nobody asked for": {in: f(true, ws.OpPong, "x")},
	} {
		t.Run(name, func(t *testing.T) {
			got, answers, end := readAll(cat(c.in, bye), Config{}, upgraded{})
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %s, want %s", short(got), short(c.want))
			}
			var closed *CloseError
			if !errors.As(end, &closed) || closed.Code != 1000 {
				t.Errorf("end: %v", end)
			}
			var want []frameSeen
			for _, p := range c.pong {
				want = append(want, frameSeen{ws.OpPong, false, p})
			}
			want = append(want, frameSeen{ws.OpClose, false, "\x03\xe8"})
			if len(c.pong) > 0 && len(answers) == 1 {
				want = want[len(want)-1:] // the close came first: a pong that waits is dropped then
			}
			if fmt.Sprint(answers) != fmt.Sprint(want) {
				t.Errorf("answered %s, want %s", short(answers), short(want))
			}
		})
	}
}

func TestEveryRuleOfRFC6455IsEnforced(t *testing.T) {
	masked := func() []byte {
		var b bytes.Buffer
		_ = ws.WriteFrame(&b, ws.MaskFrame(ws.NewTextFrame([]byte("x"))))
		return b.Bytes()
	}()
	long := make([]byte, 126)
	limit := Config{MaxMessage: 1000}
	for name, c := range map[string]struct {
		in        []byte
		cfg       Config
		code      events.Code
		closeCode int
	}{
		"masked frame":                  {masked, Config{}, events.ServerMasked, 1002},
		"rsv1":                          {frameBytes(true, 4, ws.OpText, nil), Config{}, events.Protocol, 1002},
		"rsv2":                          {frameBytes(true, 2, ws.OpText, nil), Config{}, events.Protocol, 1002},
		"rsv3 on a ping":                {frameBytes(true, 1, ws.OpPing, nil), Config{}, events.Protocol, 1002},
		"opcode 3":                      {f(true, 3, ""), Config{}, events.Protocol, 1002},
		"opcode 11":                     {f(true, 11, ""), Config{}, events.Protocol, 1002},
		"fragmented ping":               {f(false, ws.OpPing, ""), Config{}, events.Protocol, 1002},
		"fragmented close":              {f(false, ws.OpClose, ""), Config{}, events.Protocol, 1002},
		"ping of 126 bytes":             {f(true, ws.OpPing, string(long)), Config{}, events.Protocol, 1002},
		"close of 126 bytes":            {f(true, ws.OpClose, string(long)), Config{}, events.Protocol, 1002},
		"continuation of nothing":       {f(true, ws.OpContinuation, ""), Config{}, events.Protocol, 1002},
		"continuation after the end":    {cat(f(false, ws.OpText, ""), f(true, ws.OpContinuation, ""), f(false, ws.OpContinuation, "")), Config{}, events.Protocol, 1002},
		"text within fragments":         {cat(f(false, ws.OpText, "a"), f(true, ws.OpText, "b")), Config{}, events.Protocol, 1002},
		"length with its top bit":       {[]byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1}, Config{}, events.InvalidHeader, 1002},
		"2^63-1 bytes":                  {[]byte{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Config{}, events.TooLarge, 1009},
		"one byte too many":             {f(true, ws.OpBinary, string(make([]byte, 1001))), limit, events.TooLarge, 1009},
		"too many in fragments":         {cat(f(false, ws.OpBinary, string(make([]byte, 600))), f(false, ws.OpContinuation, string(make([]byte, 401)))), limit, events.TooLarge, 1009},
		"text not UTF-8":                {f(true, ws.OpText, "a\xff"), Config{}, events.Protocol, 1007},
		"text with a surrogate":         {f(true, ws.OpText, "\xed\xa0\x80"), Config{}, events.Protocol, 1007},
		"text that ends within a rune":  {cat(f(false, ws.OpText, "a"), f(true, ws.OpContinuation, "\xc3")), Config{}, events.Protocol, 1007},
		"close with one byte":           {f(true, ws.OpClose, "\x03"), Config{}, events.Protocol, 1002},
		"close reason not UTF-8":        {closeOf(1000, "\xff"), Config{}, events.Protocol, 1007},
		"close 0":                       {closeOf(0, ""), Config{}, events.Protocol, 1002},
		"close 999":                     {closeOf(999, ""), Config{}, events.Protocol, 1002},
		"close 1004":                    {closeOf(1004, ""), Config{}, events.Protocol, 1002},
		"close 1005":                    {closeOf(1005, ""), Config{}, events.Protocol, 1002},
		"close 1006":                    {closeOf(1006, ""), Config{}, events.Protocol, 1002},
		"close 1015":                    {closeOf(1015, ""), Config{}, events.Protocol, 1002},
		"close 1016":                    {closeOf(1016, ""), Config{}, events.Protocol, 1002},
		"close 2999":                    {closeOf(2999, ""), Config{}, events.Protocol, 1002},
		"close 5000":                    {closeOf(5000, ""), Config{}, events.Protocol, 1002},
		"close 65535":                   {closeOf(65535, ""), Config{}, events.Protocol, 1002},
		"the end without a close frame": {nil, Config{}, events.IO, 0},
		"the end within a header":       {[]byte{0x82}, Config{}, events.IO, 0},
		"the end within a message":      {f(true, ws.OpBinary, "abc")[:4], Config{}, events.IO, 0},
		"the end between fragments":     {f(false, ws.OpBinary, "abc"), Config{}, events.IO, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in := c.in
			if c.closeCode != 0 {
				in = cat(f(true, ws.OpText, "before"), c.in, f(true, ws.OpText, "after"))
			}
			got, answers, end := readAll(in, c.cfg, upgraded{})
			var e *Error
			if !errors.As(end, &e) || e.Code != c.code || e.CloseCode != c.closeCode {
				t.Fatalf("got %#v, want code %d, close code %d", end, c.code, c.closeCode)
			}
			if c.closeCode == 0 {
				if len(answers) != 0 {
					t.Errorf("answered %s", short(answers))
				}
				return
			}
			if len(got) == 0 || got[0].data != "before" || got[len(got)-1].data == "after" {
				t.Errorf("messages %s", short(got))
			}
			if len(answers) != 1 || answers[0].op != ws.OpClose || int(binary.BigEndian.Uint16([]byte(answers[0].payload))) != c.closeCode {
				t.Errorf("answered %s, want a close frame with %d", short(answers), c.closeCode)
			}
			if len(answers[0].payload) > 125 || !strings.Contains(e.Text, fmt.Sprint(c.closeCode)) {
				t.Errorf("answer of %d bytes, text %q", len(answers[0].payload), e.Text)
			}
		})
	}
}

func TestCloseFramesAreAnsweredAndDelivered(t *testing.T) {
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		_, answers, end := readAll(cat(closeOf(code, "why é"), f(true, ws.OpText, "after")), Config{}, upgraded{})
		var closed *CloseError
		if !errors.As(end, &closed) || closed.Code != code || closed.Reason != "why é" {
			t.Errorf("%d: %v", code, end)
		}
		if want := string(binary.BigEndian.AppendUint16(nil, uint16(code))); len(answers) != 1 || answers[0].payload != want {
			t.Errorf("%d: answered %s", code, short(answers))
		}
	}
	_, answers, end := readAll(f(true, ws.OpClose, ""), Config{}, upgraded{})
	var closed *CloseError
	if !errors.As(end, &closed) || closed.Code != 1005 || len(answers) != 1 || answers[0].payload != "" {
		t.Errorf("empty close frame: %v, answered %s", end, short(answers))
	}
}

func TestAnnouncedLengthCostsNoMemory(t *testing.T) {
	in := cat([]byte{0x82, 127}, binary.BigEndian.AppendUint64(nil, 1<<30), []byte("abc"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, end := readAll(in, Config{MaxMessage: 2 << 30}, upgraded{})
	runtime.ReadMemStats(&after)
	var e *Error
	if !errors.As(end, &e) || e.Code != events.IO {
		t.Errorf("end: %v", end)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("a header that announced 1 GiB cost %d bytes", used)
	}
}

func TestLargeBufferIsGivenBack(t *testing.T) {
	s := &script{in: bytes.NewReader(cat(f(true, ws.OpBinary, string(make([]byte, 1<<20))), f(true, ws.OpBinary, "x")))}
	c := newConn(withDefaults(Config{}), s, s, upgraded{})
	defer c.Abort()
	for range 2 {
		if _, _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(c.msg) > keepBytes {
		t.Errorf("%d bytes are kept", cap(c.msg))
	}
}

// deflated compresses without context takeover, or with the writer given.
func deflated(t testing.TB, w *flate.Writer, buf *bytes.Buffer, s string) string {
	t.Helper()
	buf.Reset()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(buf.String(), "\x00\x00\xff\xff")
}

func TestCompressedMessages(t *testing.T) {
	var buf bytes.Buffer
	fresh := func(s string) string {
		w, _ := flate.NewWriter(&buf, 9)
		return deflated(t, w, &buf, s)
	}
	takeover, _ := flate.NewWriter(&buf, 9)
	kept := func(s string) string { return deflated(t, takeover, &buf, s) }
	text := strings.Repeat("the same words again and again, ", 50)
	first, second := kept(text), kept(text)
	if len(second) > 30 {
		t.Fatalf("the second message has %d bytes: it does not refer to the first", len(second))
	}
	z := func(op ws.OpCode, s string) []byte { return frameBytes(true, 4, op, []byte(s)) }
	up := upgraded{deflate: true}
	split := fresh(text)
	for name, c := range map[string]struct {
		in   []byte
		up   upgraded
		cfg  Config
		want []message
		code events.Code // 0: closed in order
		sent int
	}{
		"text":              {in: z(ws.OpText, fresh(text)), up: up, want: []message{{Text, text}}},
		"empty":             {in: z(ws.OpText, fresh("")), up: up, want: []message{{Text, ""}}},
		"one zero byte":     {in: z(ws.OpText, "\x00"), up: up, want: []message{{Text, ""}}},
		"several":           {in: cat(z(ws.OpText, fresh(text)), z(ws.OpBinary, fresh("b"))), up: up, want: []message{{Text, text}, {Binary, "b"}}},
		"not compressed":    {in: f(true, ws.OpText, text), up: up, want: []message{{Text, text}}},
		"fragments":         {in: cat(frameBytes(false, 4, ws.OpText, []byte(split[:5])), f(true, ws.OpPing, ""), f(true, ws.OpContinuation, split[5:])), up: up, want: []message{{Text, text}}},
		"context takeover":  {in: cat(z(ws.OpText, first), z(ws.OpText, second)), up: upgraded{deflate: true, keepWindow: true}, want: []message{{Text, text}, {Text, text}}},
		"exactly the limit": {in: z(ws.OpBinary, fresh(text)), up: up, cfg: Config{MaxMessage: len(text)}, want: []message{{Binary, text}}},
		"over the limit":    {in: z(ws.OpBinary, fresh(text+"x")), up: up, cfg: Config{MaxMessage: len(text)}, code: events.TooLarge, sent: 1009},
		"bomb":              {in: z(ws.OpBinary, fresh(string(make([]byte, 8<<20)))), up: up, code: events.TooLarge, sent: 1009},
		"broken":            {in: z(ws.OpBinary, "\xff\xff\xff"), up: up, code: events.Protocol, sent: 1007},
		"refers to nothing": {in: z(ws.OpText, second), up: up, code: events.Protocol, sent: 1007},
		"not UTF-8":         {in: z(ws.OpText, fresh("\xff")), up: up, code: events.Protocol, sent: 1007},
		"rsv1 on a ping":    {in: z(ws.OpPing, ""), up: up, code: events.Protocol, sent: 1002},
		"rsv2":              {in: frameBytes(true, 6, ws.OpText, nil), up: up, code: events.Protocol, sent: 1002},
		"rsv1 on a continuation": {in: cat(frameBytes(false, 4, ws.OpText, []byte(split[:5])), z(ws.OpContinuation, split[5:])), up: up,
			code: events.Protocol, sent: 1002},
	} {
		t.Run(name, func(t *testing.T) {
			got, answers, end := readAll(cat(c.in, closeOf(1000, "")), c.cfg, c.up)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %s", short(got))
			}
			var e *Error
			if errors.As(end, &e) != (c.code != 0) || c.code != 0 && (e.Code != c.code || e.CloseCode != c.sent) {
				t.Errorf("end: %#v", end)
			}
			if len(answers) == 0 || answers[len(answers)-1].op != ws.OpClose {
				t.Errorf("answered %s", short(answers))
			}
		})
	}
}

func FuzzRead(fz *testing.F) {
	fz.Add(cat(f(false, ws.OpText, "a"), f(true, ws.OpPing, "p"), f(true, ws.OpContinuation, "b"), closeOf(1000, "x")), false)
	fz.Add([]byte{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false)
	fz.Add(frameBytes(true, 4, ws.OpBinary, []byte("\x4a\x4c\x4a\x06\x00")), true)
	fz.Fuzz(func(t *testing.T, in []byte, deflate bool) {
		const limit = 1 << 16
		got, answers, end := readAll(in, Config{MaxMessage: limit}, upgraded{deflate: deflate, keepWindow: len(in)%2 == 0})
		for _, m := range got {
			if len(m.data) > limit {
				t.Errorf("a message of %d bytes", len(m.data))
			}
		}
		var e *Error
		var closed *CloseError
		switch {
		case errors.As(end, &closed), errors.As(end, &e) && e.CloseCode != 0:
			if len(answers) == 0 || answers[len(answers)-1].op != ws.OpClose {
				t.Errorf("%v was answered by %s", end, short(answers))
			}
		case !errors.As(end, &e):
			t.Errorf("%T: %v", end, end)
		}
	})
}
