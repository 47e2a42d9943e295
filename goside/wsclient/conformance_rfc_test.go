package wsclient

// What the suite's cases leave to the reader of the RFCs, by section, and its cases that need a server which answers: many
// messages one after the other, and the negotiation of permessage-deflate.

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/events"
)

// extended is a frame whose length is written in more bytes than it needs.
func extended(op ws.OpCode, size int, payload string) []byte {
	head := []byte{0x80 | byte(op), 126}
	if size == 8 {
		head = append([]byte{0x80 | byte(op), 127}, make([]byte, 6)...)
	}
	return append(append(head, byte(len(payload)>>8), byte(len(payload))), payload...)
}

func TestConformanceRFC6455BySection(t *testing.T) {
	fails := func(id, what string, in []byte, want []message, code events.Code) conformance {
		return conformance{id: id, what: what, in: in, want: want, closed: 1002, code: code}
	}
	hello := f(true, ws.OpText, "Hello")
	masked := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x"))))
	cases := []conformance{
		fails("5.1", "a masked frame from the server", cat(hello, masked), text("Hello"), events.ServerMasked),
		fails("5.1", "a masked ping from the server", ws.MustCompileFrame(ws.MaskFrame(ws.NewPingFrame(nil))), nil, events.ServerMasked),
		fails("5.2", "a length with its top bit", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1}, nil, events.InvalidHeader),
		{id: "5.2", what: "a length in two bytes that fits in seven bits", in: extended(ws.OpText, 2, "abc"), want: text("abc")},
		{id: "5.2", what: "a length in eight bytes that fits in seven bits", in: extended(ws.OpBinary, 8, "abc"), want: []message{{Binary, "abc"}}},
		fails("5.5", "a ping whose length is in two bytes", extended(ws.OpPing, 2, strings.Repeat("x", 126)), nil, events.Protocol),
		fails("5.5", "a close frame in two fragments", cat(f(false, ws.OpClose, "\x03"), f(true, ws.OpContinuation, "\xe8")), nil, events.Protocol),
		fails("5.5", "a close frame of 126 bytes", closeOf(1000, strings.Repeat("x", 124)), nil, events.Protocol),
		fails("5.4", "a binary frame within a text's fragments", cat(f(false, ws.OpText, "a"), f(true, ws.OpBinary, "b")), nil, events.Protocol),
		{id: "5.4", what: "fragments without payload", in: cat(f(false, ws.OpBinary, ""), bytes.Repeat(f(false, ws.OpContinuation, ""), 1000), f(true, ws.OpContinuation, "x")), want: []message{{Binary, "x"}}},
		{id: "5.5.3", what: "a hundred pongs nobody asked for", in: cat(bytes.Repeat(f(true, ws.OpPong, "x"), 100), hello), want: text("Hello")},
		fails("7.4.2", "code 1015, which is for no frame", closeOf(1015, ""), nil, events.Protocol),
		fails("7.1.6", "code 1006, which is for no frame, with a reason", closeOf(1006, "gone"), nil, events.Protocol),
		{id: "8.1", what: "bytes that are no text in a binary frame", in: f(true, ws.OpBinary, "\xff\xc0\x80"), want: []message{{Binary, "\xff\xc0\x80"}}},
		{id: "8.1", what: "a byte order mark stays", in: f(true, ws.OpText, "\xef\xbb\xbfx"), want: text("\xef\xbb\xbfx")},
	}
	for _, code := range []int{1012, 1013, 1014} {
		cases = append(cases, conformance{id: "7.4.2", what: fmt.Sprintf("code %d of the registry", code), in: closeOf(code, ""), closed: code})
	}
	deflate := upgraded{deflate: true}
	for _, c := range []conformance{
		{id: "RFC 7692 6", what: "a ping marked as compressed", in: frameBytes(true, 4, ws.OpPing, nil)},
		{id: "RFC 7692 6", what: "a close frame marked as compressed", in: frameBytes(true, 4, ws.OpClose, []byte{3, 0xe8})},
		{id: "RFC 7692 6.1", what: "a continuation marked as compressed", in: cat(frameBytes(false, 4, ws.OpText, []byte("\x4a")), frameBytes(true, 4, ws.OpContinuation, []byte("\x04\x00")))},
		{id: "RFC 7692 6", what: "rsv 2 beside it", in: frameBytes(true, 6, ws.OpText, nil)},
	} {
		c.closed, c.code, c.up = 1002, events.Protocol, deflate
		cases = append(cases, c)
	}
	cases = append(cases,
		// the examples of the RFC itself
		conformance{id: "RFC 7692 7.2.3.1", what: "Hello", in: frameBytes(true, 4, ws.OpText, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")), want: text("Hello"), up: deflate},
		conformance{id: "RFC 7692 7.2.3.1", what: "Hello in two fragments", in: cat(frameBytes(false, 4, ws.OpText, []byte("\xf2\x48\xcd")), f(true, ws.OpContinuation, "\xc9\xc9\x07\x00")), want: text("Hello"), up: deflate},
		conformance{id: "RFC 7692 7.2.3.2", what: "Hello twice, the second by the first one's window", in: cat(frameBytes(true, 4, ws.OpText, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")), frameBytes(true, 4, ws.OpText, []byte("\xf2\x00\x11\x00\x00"))),
			want: []message{{Text, "Hello"}, {Text, "Hello"}}, up: upgraded{deflate: true, keepWindow: true}},
		conformance{id: "RFC 7692 7.2.3.3", what: "a block without compression", in: frameBytes(true, 4, ws.OpText, []byte("\x00\x05\x00\xfa\xffHello\x00")), want: text("Hello"), up: deflate},
		conformance{id: "RFC 7692 7.2.3.4", what: "a block with BFINAL", in: frameBytes(true, 4, ws.OpText, []byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")), want: text("Hello"), up: deflate},
		conformance{id: "RFC 7692 7.2.3.5", what: "two blocks in one message", in: frameBytes(true, 4, ws.OpText, []byte("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")), want: text("Hello"), up: deflate},
		conformance{id: "RFC 7692 7.2.3.6", what: "an empty message", in: frameBytes(true, 4, ws.OpText, []byte{0}), want: text(""), up: deflate},
	)
	runConformance(t, cases)
}

// 9.7 and 9.8 of the suite: the next message is sent once the one before has come back.
func TestConformance9ManyMessages(t *testing.T) {
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		for _, size := range []int{0, 16, 64, 256, 1024, 4096} {
			t.Run(fmt.Sprintf("9.%d %d bytes", 6+int(op), size), func(t *testing.T) {
				const messages = 1000
				payload := strings.Repeat("*", size)
				addr := serve(t, func(p *peer) {
					if !p.upgrade() {
						return
					}
					for range messages {
						p.send(op, payload)
						if h, got, err := p.next(); err != nil || h.OpCode != ws.OpText || string(got) != "got it" {
							p.t.Errorf("%+v %q %v", h, got, err)
							return
						}
					}
					p.sendClose(1000, "")
					_ = p.closeCode()
				})
				conn := dial(t, Config{URL: "ws://" + addr})
				n := 0
				for ; ; n++ {
					kind, data, err := conn.Read()
					if err != nil {
						break
					}
					if (kind == Text) != (op == ws.OpText) || string(data) != payload {
						t.Fatalf("message %d: %v of %d bytes", n, kind, len(data))
					}
					if err := conn.SendText([]byte("got it")); err != nil {
						t.Fatal(err)
					}
				}
				if n != messages {
					t.Errorf("%d messages", n)
				}
			})
		}
	}
}

// Section 13 of the suite from the client's side: what a server may choose when permessage-deflate was offered without context
// takeover either way (RFC 7692 sections 7.1.1 and 7.1.2), and what it may not.
func TestConformance13Negotiation(t *testing.T) {
	const bare = "permessage-deflate"
	may := map[string]bool{
		bare:                                  true,
		bare + "; server_no_context_takeover": true,
		bare + "; client_no_context_takeover": true,
		bare + "; client_no_context_takeover; server_no_context_takeover": true,
		bare + "; server_no_context_takeover; server_max_window_bits=8":   true,
		bare + `; server_max_window_bits="12"`:                            true,
		bare + "; server_max_window_bits=7":                               false,
		bare + "; server_max_window_bits=16":                              false,
		bare + "; server_max_window_bits":                                 false,
		bare + "; server_max_window_bits=x":                               false,
		bare + "; client_max_window_bits":                                 false, // it was not offered
		bare + "; client_max_window_bits=15":                              false,
		bare + "; server_no_context_takeover=1":                           false,
		bare + "; server_no_context_takeover; server_no_context_takeover": false,
		bare + "; unknown":                                                false,
		bare + ", " + bare:                                                false,
		"permessage-bzip2":                                                false,
		"x-webkit-deflate-frame":                                          false,
	}
	for bits := 8; bits <= 15; bits++ {
		may[fmt.Sprintf("%s; server_max_window_bits=%d", bare, bits)] = true
	}
	var buf bytes.Buffer
	w, _ := flate.NewWriter(&buf, 6)
	compressed := deflated(t, w, &buf, "Hello, Hello")
	for choice, ok := range may {
		t.Run(choice, func(t *testing.T) {
			addr := serve(t, func(p *peer) {
				if p.request() {
					_, _ = io.WriteString(p, p.answer("Sec-WebSocket-Extensions: "+choice))
					_, _ = p.Write(frameBytes(true, 4, ws.OpText, []byte(compressed)))
					_, _ = io.Copy(io.Discard, p)
				}
			})
			cfg := Config{URL: "ws://" + addr, Deflate: true}
			if !ok {
				if e := dialError(t, cfg); e.Code != events.NotSupported {
					t.Errorf("error %d: %v", e.Code, e)
				}
				return
			}
			kind, data, err := dial(t, cfg).Read()
			if err != nil || kind != Text || string(data) != "Hello, Hello" {
				t.Errorf("%v %q %v", kind, data, err)
			}
		})
	}
	// not offered, not accepted
	addr := serve(t, func(p *peer) {
		if p.request() {
			_, _ = io.WriteString(p, p.answer("Sec-WebSocket-Extensions: "+bare))
		}
	})
	var e *Error
	if err := dialError(t, Config{URL: "ws://" + addr}); !errors.As(err, &e) || e.Code != events.NotSupported {
		t.Errorf("without an offer: %v", err)
	}
}
