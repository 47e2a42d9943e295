package wsclient

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"
)

// answering is a connection whose server answers the handshake by a text, in which KEY stands for the right accept key.
type answering struct {
	text    string
	said    string // text with the key
	request bytes.Buffer
	answer  *bytes.Reader
}

func (a *answering) Write(b []byte) (int, error) { return a.request.Write(b) }

func (a *answering) Read(b []byte) (int, error) {
	if a.answer == nil {
		tp := textproto.NewReader(bufio.NewReader(&a.request))
		if _, err := tp.ReadLine(); err != nil {
			return 0, err
		}
		h, err := tp.ReadMIMEHeader()
		if err != nil {
			return 0, err
		}
		p := peer{head: "\r\nSec-WebSocket-Key: " + h.Get("Sec-Websocket-Key") + "\r\n"}
		a.said = strings.ReplaceAll(a.text, "KEY", p.acceptKey())
		a.answer = bytes.NewReader([]byte(a.said))
	}
	return a.answer.Read(b)
}

func (a *answering) Close() error                     { return nil }
func (a *answering) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (a *answering) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (a *answering) SetDeadline(time.Time) error      { return nil }
func (a *answering) SetReadDeadline(time.Time) error  { return nil }
func (a *answering) SetWriteDeadline(time.Time) error { return nil }

// FuzzHandshake: whatever a server answers, the handshake ends with a connection that agrees with what was offered, or
// with one error whose text is one line; and what comes behind the answer is kept, byte for byte.
func FuzzHandshake(f *testing.F) {
	const good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n"
	for _, seed := range []string{
		good + "\r\n", good + "\r\n\x81\x02hi", good + "Sec-WebSocket-Protocol: chat\r\n\r\n", good + "Sec-WebSocket-Protocol: other\r\n\r\n",
		good + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", good + "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n\r\n",
		good + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=8\r\n\r\n", good + "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n\r\n",
		good + "Sec-WebSocket-Extensions: x; y=\"\r\n\r\n", strings.Replace(good, "KEY", "none", 1) + "\r\n", strings.Replace(good, "Upgrade\r\n", "keep-alive, Upgrade\r\n", 1) + "\r\n",
		strings.ToLower(good) + "\r\n", strings.ReplaceAll(good, "\r\n", "\n") + "\n", "HTTP/1.0 101 x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nbody", "HTTP/1.1 999999999999 x\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 101\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x16", "", "\r\n", "220 smtp\r\n", good + ": empty\r\n\r\n", good + "A\r\n\r\n",
		good + strings.Repeat("X: y\r\n", 4000) + "\r\n", good + "X: " + strings.Repeat("y", 20000) + "\r\n\r\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, deflate bool) {
		u, err := url.Parse("ws://example.com/x")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		d := newDialing(ctx, withDefaults(Config{URL: u.String(), Deflate: deflate}), u)
		d.ctx = ctx
		a := &answering{text: text}
		up, failed := d.upgrade(a, []string{"chat"})
		if failed != nil {
			if failed.Code == 0 || failed.Text == "" || strings.ContainsAny(failed.Text, "\r\n\x00") {
				t.Fatalf("error %+v", failed)
			}
			return
		}
		if up.deflate && !deflate || up.subprotocol != "" && up.subprotocol != "chat" {
			t.Fatalf("agreed on what was not offered: %+v", up)
		}
		rest, err := io.ReadAll(a.answer)
		if err != nil {
			t.Fatal(err)
		}
		if behind := string(up.early) + string(rest); !strings.HasSuffix(a.said, behind) {
			t.Fatalf("%q is behind the answer %q", behind, a.said)
		} else if head := strings.TrimSuffix(a.said, behind); !strings.HasSuffix(head, "\n") {
			t.Fatalf("the answer ends with %q", head)
		}
	})
}
