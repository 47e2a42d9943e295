package wsclient

// The cases of the Autobahn test suite for clients, by its numbers, written down anew from RFC 6455 and RFC 7692. Every
// case is run three times: all bytes at once, in pieces of 997 bytes, and byte by byte where it is short. What the rules
// one by one are tested for is in read_test.go; here it is that nothing of a known suite is missing.

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/events"
)

const noStatus = 1005

func TestConformance1Framing(t *testing.T) {
	var cases []conformance
	for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		s, b := strings.Repeat("*", n), strings.Repeat("\xfe", n)
		cases = append(cases,
			conformance{id: fmt.Sprintf("1.1.%d", i+1), what: fmt.Sprintf("text of %d bytes", n), in: f(true, ws.OpText, s), want: text(s)},
			conformance{id: fmt.Sprintf("1.2.%d", i+1), what: fmt.Sprintf("binary of %d bytes", n), in: f(true, ws.OpBinary, b), want: []message{{Binary, b}}})
	}
	runConformance(t, cases)
}

// The answers to pings need a server that waits for them: a pong that waits behind a close frame may be left out.
func TestConformance2Pings(t *testing.T) {
	ping := func(payload string) frameSeen { return frameSeen{op: ws.OpPing, payload: payload} }
	many := make([]frameSeen, 10)
	for i := range many {
		many[i] = ping(fmt.Sprintf("payload-%d", i))
	}
	full := strings.Repeat("\xfe", 125)
	for _, c := range []struct {
		id, what string
		send     []frameSeen
		pongs    []string
	}{
		{"2.1", "ping without payload", []frameSeen{ping("")}, []string{""}},
		{"2.2", "ping with text", []frameSeen{ping("Hello, world!")}, []string{"Hello, world!"}},
		{"2.3", "ping with bytes that are no text", []frameSeen{ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")}, []string{"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"}},
		{"2.4", "ping of 125 bytes", []frameSeen{ping(full)}, []string{full}},
		{"2.7", "pong nobody asked for", []frameSeen{{op: ws.OpPong}, ping("x")}, []string{"x"}},
		{"2.8", "pong nobody asked for, with payload", []frameSeen{{op: ws.OpPong, payload: "unsolicited"}, ping("x")}, []string{"x"}},
		{"2.10", "ten pings", many, nil},
	} {
		t.Run(c.id+" "+c.what, func(t *testing.T) {
			want := c.pongs
			if want == nil {
				for _, p := range c.send {
					want = append(want, p.payload)
				}
			}
			pongs := make(chan string, len(want))
			addr := serve(t, func(p *peer) {
				if !p.upgrade() {
					return
				}
				for _, frame := range c.send {
					p.send(frame.op, frame.payload)
				}
				for range want {
					h, payload, err := p.next()
					if err != nil || h.OpCode != ws.OpPong {
						p.t.Errorf("got %+v, %v; want a pong", h, err)
						break
					}
					pongs <- string(payload)
				}
				close(pongs)
				p.sendClose(1000, "")
				_ = p.closeCode()
			})
			conn := dial(t, Config{URL: "ws://" + addr})
			_, _, err := conn.Read()
			var closed *CloseError
			if !errors.As(err, &closed) || closed.Code != 1000 {
				t.Errorf("ended with %v", err)
			}
			// A pong that came in may be answered by the last one only (RFC 6455 section 5.5.3), but then in order.
			var got []string
			for p := range pongs {
				got = append(got, p)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Errorf("pongs %q, want %q", got, want)
			}
		})
	}
	runConformance(t, []conformance{
		{id: "2.5", what: "ping of 126 bytes", in: f(true, ws.OpPing, strings.Repeat("\xfe", 126)), closed: 1002, code: events.Protocol},
		{id: "2.9", what: "pong nobody asked for, then a text", in: cat(f(true, ws.OpPong, "unsolicited"), f(true, ws.OpText, "t")), want: text("t")},
	})
}

func TestConformance3ReservedBits(t *testing.T) {
	hello := f(true, ws.OpText, "Hello, world!")
	rsv := func(bits byte, op ws.OpCode) []byte { return frameBytes(true, bits, op, []byte("Hello, world!")) }
	fails := func(id, what string, in []byte, want []message) conformance {
		return conformance{id: id, what: what, in: in, want: want, closed: 1002, code: events.Protocol}
	}
	runConformance(t, []conformance{
		fails("3.1", "rsv 1 in a text", rsv(1, ws.OpText), nil),
		fails("3.2", "a text, then rsv 2, then a ping", cat(hello, rsv(2, ws.OpText), f(true, ws.OpPing, "")), text("Hello, world!")),
		fails("3.3", "rsv 3, frame by frame", cat(hello, rsv(3, ws.OpText), f(true, ws.OpPing, "")), text("Hello, world!")),
		fails("3.4", "rsv 4, without permessage-deflate", cat(hello, rsv(4, ws.OpText), f(true, ws.OpPing, "")), text("Hello, world!")),
		fails("3.5", "rsv 5 in a binary frame", rsv(5, ws.OpBinary), nil),
		fails("3.6", "rsv 6 in a ping", rsv(6, ws.OpPing), nil),
		fails("3.7", "rsv 7 in a close frame", frameBytes(true, 7, ws.OpClose, []byte{3, 0xe8}), nil),
	})
}

func TestConformance4Opcodes(t *testing.T) {
	var cases []conformance
	for section, first := range []int{3, 11} {
		for i := range 5 {
			op := ws.OpCode(first + i)
			id := fmt.Sprintf("4.%d.%d", section+1, i+1)
			fails := conformance{id: id, closed: 1002, code: events.Protocol}
			empty, filled, behind := fails, fails, fails
			empty.what, empty.in = fmt.Sprintf("opcode %d", op), f(true, op, "")
			filled.what, filled.in = fmt.Sprintf("opcode %d with payload", op), f(true, op, "reserved opcode payload")
			behind.what, behind.in = fmt.Sprintf("opcode %d behind a text", op), cat(f(true, ws.OpText, "Hello"), f(true, op, ""), f(true, ws.OpPing, ""))
			behind.want = text("Hello")
			cases = append(cases, empty, filled, behind)
		}
	}
	runConformance(t, cases)
}

func TestConformance5Fragmentation(t *testing.T) {
	first, middle, last := f(false, ws.OpText, "fragment1"), f(false, ws.OpContinuation, "fragment2"), f(true, ws.OpContinuation, "fragment3")
	ping := f(true, ws.OpPing, "ping payload")
	fails := func(id, what string, in []byte, want []message) conformance {
		return conformance{id: id, what: what, in: in, want: want, closed: 1002, code: events.Protocol}
	}
	runConformance(t, []conformance{
		fails("5.1", "ping in two fragments", cat(f(false, ws.OpPing, "a"), f(true, ws.OpContinuation, "b")), nil),
		fails("5.2", "pong in two fragments", cat(f(false, ws.OpPong, "a"), f(true, ws.OpContinuation, "b")), nil),
		{id: "5.3", what: "text in two fragments", in: cat(first, last), want: text("fragment1fragment3")},
		{id: "5.6", what: "ping between two fragments", in: cat(first, ping, last), want: text("fragment1fragment3")},
		fails("5.9", "a last continuation of nothing, then a text", cat(f(true, ws.OpContinuation, "x"), f(true, ws.OpText, "y")), nil),
		fails("5.12", "a continuation of nothing, then a text", cat(f(false, ws.OpContinuation, "x"), f(true, ws.OpText, "y")), nil),
		fails("5.15", "a continuation behind the end of a message", cat(first, last, f(false, ws.OpContinuation, "x"), f(true, ws.OpText, "y")), text("fragment1fragment3")),
		fails("5.16", "continuations of nothing around a message", cat(f(false, ws.OpContinuation, "x"), first, last), nil),
		fails("5.17", "last continuations of nothing around a message", cat(f(true, ws.OpContinuation, "x"), first, last), nil),
		fails("5.18", "text in two frames that both say text", cat(first, f(true, ws.OpText, "fragment2")), nil),
		{id: "5.19", what: "five fragments with pings between", in: cat(first, middle, ping, middle, middle, ping, last), want: text("fragment1" + strings.Repeat("fragment2", 3) + "fragment3")},
		{id: "5.20", what: "the same with a message behind", in: cat(first, middle, ping, last, f(true, ws.OpText, "next")), want: []message{{Text, "fragment1fragment2fragment3"}, {Text, "next"}}},
	})
}

func TestConformance6UTF8(t *testing.T) {
	var cases []conformance
	valid := func(id string, texts ...string) {
		for i, s := range texts {
			cases = append(cases, conformance{id: id, what: fmt.Sprintf("valid %d", i+1), in: f(true, ws.OpText, s), want: text(s)})
		}
	}
	invalid := func(id string, texts ...string) {
		for i, s := range texts {
			c := conformance{id: id, what: fmt.Sprintf("invalid %d", i+1), in: f(true, ws.OpText, s), closed: 1007, code: events.Protocol}
			cut := len(s) / 2
			split := c
			split.what += " in fragments"
			split.in = cat(f(false, ws.OpText, s[:cut]), f(true, ws.OpContinuation, s[cut:]))
			cases = append(cases, c, split)
		}
	}
	const greek = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" // κόσμε
	valid("6.1", "")
	cases = append(cases, conformance{id: "6.1.2", what: "three empty fragments", in: cat(f(false, ws.OpText, ""), f(false, ws.OpContinuation, ""), f(true, ws.OpContinuation, "")), want: text("")},
		conformance{id: "6.1.3", what: "empty fragments around one", in: cat(f(false, ws.OpText, ""), f(false, ws.OpContinuation, "middle frame payload"), f(true, ws.OpContinuation, "")), want: text("middle frame payload")})
	valid("6.2", "Hello-µ@ßöäüàá-UTF-8!!", greek)
	for cut := range greek {
		cases = append(cases, conformance{id: "6.2.3", what: fmt.Sprintf("cut at byte %d", cut), in: cat(f(false, ws.OpText, greek[:cut]), f(true, ws.OpContinuation, greek[cut:])), want: text(greek)})
	}
	byByte := f(false, ws.OpText, "")
	for i := range len(greek) {
		byByte = append(byByte, f(false, ws.OpContinuation, greek[i:i+1])...)
	}
	cases = append(cases, conformance{id: "6.2.4", what: "a fragment for every byte", in: append(byByte, f(true, ws.OpContinuation, "")...), want: text(greek)})
	invalid("6.3", greek+"\xed\xa0\x80edited")
	invalid("6.4", greek+"\xf4\x90\x80\x80edited", greek+"\xf4\x90") // the code point is too large; the text ends within one
	valid("6.5", greek)
	invalid("6.6", "\xce", "\xce\xba\xe1", "\xce\xba\xe1\xbd", greek[:5]+"\xcf", greek[:9]+"\xce")
	valid("6.6", "\xce\xba", "\xce\xba\xe1\xbd\xb9", greek)
	valid("6.7", "\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80")
	invalid("6.8", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80")
	valid("6.9", "\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf")
	invalid("6.10", "\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf")
	valid("6.11", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf")
	invalid("6.11", "\xf4\x90\x80\x80")
	for n := 1; n <= 7; n++ { // continuation bytes of nothing
		invalid(fmt.Sprintf("6.12.%d", n), strings.Repeat("\x80\xbf", n)[:n])
	}
	for i, s := range []string{"\xc0 ", "\xe0 ", "\xf0 ", "\xf8 ", "\xfc "} { // first bytes of nothing
		invalid(fmt.Sprintf("6.13.%d", i+1), s)
	}
	for i, s := range []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"} {
		invalid(fmt.Sprintf("6.14.%d", i+1), s) // the last byte is missing
	}
	invalid("6.15", "\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf")
	invalid("6.16", "\xfe", "\xff", "\xfe\xfe\xff\xff")
	invalid("6.17", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf") // longer than need be
	invalid("6.18", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf")
	invalid("6.19", "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80")
	invalid("6.20", "\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf") // surrogates
	invalid("6.21", "\xed\xa0\x80\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf", "\xed\xaf\xbf\xed\xbf\xbf")
	for plane := range 17 { // no characters, but valid
		valid(fmt.Sprintf("6.22.%d", plane+1), string([]rune{rune(plane)<<16 | 0xfffe}), string([]rune{rune(plane)<<16 | 0xffff}))
	}
	valid("6.23", "\xef\xbf\xb9", "\xef\xbf\xba", "\xef\xbf\xbb", "\xef\xbf\xbc", "\xef\xbf\xbd", "\xef\xbf\xbe", "\xef\xbf\xbf")
	runConformance(t, cases)
}

func TestConformance7Closing(t *testing.T) {
	bye, hello := closeOf(1000, ""), f(true, ws.OpText, "Hello")
	large := strings.Repeat("BAsd7&jh23", 26215)
	cases := []conformance{
		{id: "7.1.1", what: "a text, then close", in: hello, want: text("Hello")},
		{id: "7.1.2", what: "two close frames", in: cat(bye, bye), closed: 1000},
		{id: "7.1.3", what: "a ping behind the close frame", in: cat(bye, f(true, ws.OpPing, "")), closed: 1000},
		{id: "7.1.4", what: "a text behind the close frame", in: cat(bye, hello), closed: 1000},
		{id: "7.1.5", what: "a close frame between fragments", in: cat(f(false, ws.OpText, "fragment1"), bye, f(true, ws.OpContinuation, "fragment2")), closed: 1000},
		{id: "7.1.6", what: "a large message, a close frame, a ping", in: cat(f(true, ws.OpText, large), bye, f(true, ws.OpPing, "")), want: text(large), closed: 1000},
		{id: "7.3.1", what: "without code", in: f(true, ws.OpClose, ""), closed: noStatus},
		{id: "7.3.2", what: "half a code", in: f(true, ws.OpClose, "a"), closed: 1002, code: events.Protocol},
		{id: "7.3.3", what: "a code", in: closeOf(1000, ""), closed: 1000},
		{id: "7.3.4", what: "a code and a reason", in: closeOf(1000, "Hello, world!"), closed: 1000},
		{id: "7.3.5", what: "a reason of 123 bytes", in: closeOf(1000, strings.Repeat("*", 123)), closed: 1000},
		{id: "7.3.6", what: "a reason of 124 bytes", in: closeOf(1000, strings.Repeat("*", 124)), closed: 1002, code: events.Protocol},
		{id: "7.5.1", what: "a reason that is not UTF-8", in: closeOf(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"), closed: 1007, code: events.Protocol},
	}
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, conformance{id: fmt.Sprintf("7.7.%d", i+1), what: fmt.Sprintf("code %d", code), in: closeOf(code, ""), closed: code})
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		cases = append(cases, conformance{id: fmt.Sprintf("7.9.%d", i+1), what: fmt.Sprintf("code %d", code), in: closeOf(code, ""), closed: 1002, code: events.Protocol})
	}
	// Undefined by the RFC; a code nobody may send is a breach here.
	for i, code := range []int{5000, 65535} {
		cases = append(cases, conformance{id: fmt.Sprintf("7.13.%d", i+1), what: fmt.Sprintf("code %d", code), in: closeOf(code, ""), closed: 1002, code: events.Protocol})
	}
	runConformance(t, cases)
}

func TestConformance9And10Limits(t *testing.T) {
	const mib = 1 << 20
	largest := withDefaults(Config{}).MaxMessage
	var cases []conformance
	for section, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		kind := []Kind{Text, Binary}[section]
		for i, n := range []int{64 << 10, 256 << 10, mib, 4 * mib, 8 * mib, 16 * mib} {
			s := strings.Repeat("BAsd7&jh23-*a.?_", n/16)
			c := conformance{id: fmt.Sprintf("9.%d.%d", section+1, i+1), what: fmt.Sprintf("%d KiB", n>>10), in: f(true, op, s), want: []message{{kind, s}}}
			if n > largest { // the module's own limit
				c.want, c.closed, c.code = nil, 1009, events.TooLarge
			}
			cases = append(cases, c)
		}
		s := strings.Repeat("BAsd7&jh23-*a.?_", 4*mib/16)
		for i, size := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, mib, 4 * mib} {
			cases = append(cases, conformance{id: fmt.Sprintf("9.%d.%d", section+3, i+1), what: fmt.Sprintf("4 MiB in fragments of %d", size), in: fragments(op, 0, s, size), want: []message{{kind, s}}})
		}
	}
	s := strings.Repeat("*", 65536)
	cases = append(cases, conformance{id: "10.1.1", what: "64 KiB in fragments of 1300", in: fragments(ws.OpText, 0, s, 1300), want: text(s)})
	runConformance(t, cases)
}

// Sections 12 and 13 are one exchange with several texts and several parameters; our side never keeps a window of its
// own, so that only the server's choice makes a difference here.
func TestConformance12And13Deflate(t *testing.T) {
	corpora := map[string]func(i, n int) string{
		"12.1 text":            func(i, n int) string { return strings.Repeat(fmt.Sprintf("the %d. line of a text\n", i), n/20+1)[:n] },
		"12.2 binary":          func(i, n int) string { return noise(uint64(n+i+1), n) },
		"12.3 one byte":        func(_, n int) string { return strings.Repeat("a", n) },
		"12.4 JSON":            func(i, n int) string { return strings.Repeat(fmt.Sprintf(`{"n":%d,"s":"é"}`, i), n/16+1)[:n] },
		"12.5 hardly anything": func(i, n int) string { return strings.Repeat(" ", n) },
	}
	for name, make := range corpora {
		for _, size := range []int{16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072} {
			for _, takeover := range []bool{false, true} {
				for _, cut := range []int{1 << 30, 256} {
					t.Run(fmt.Sprintf("%s/%d bytes/takeover %t/fragments of %d", name, size, takeover, cut), func(t *testing.T) {
						var buf bytes.Buffer
						w, _ := flate.NewWriter(&buf, 6)
						var in []byte
						var want []message
						for i := range 10 {
							if !takeover {
								w.Reset(&buf)
							}
							s := make(i, size)
							in = append(in, fragments(ws.OpBinary, 4, deflated(t, w, &buf, s), cut)...)
							want = append(want, message{Binary, s})
						}
						conformance{in: in, want: want, up: upgraded{deflate: true, keepWindow: takeover}}.run(t)
					})
				}
			}
		}
	}
}
