// Tests of the agent over real sockets: what the end-to-end suite and the demo rely on.

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server for the time of the test.
func start(t *testing.T, cfg Config) (*Server, context.Context) {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return s, ctx
}

// client is the other end of a connection.
type client struct {
	net.Conn
	r io.Reader
}

func (c client) Read(p []byte) (int, error) { return c.r.Read(p) }

func dial(t *testing.T, ctx context.Context, url string, d ws.Dialer) client {
	t.Helper()
	conn, br, _, err := d.Dial(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := client{conn, conn}
	if br != nil { // the greeting came with the response
		c.r = io.MultiReader(io.LimitReader(br, int64(br.Buffered())), conn)
	}
	return c
}

// readFrame reads one small frame.
func readFrame(r io.Reader) (ws.Frame, error) {
	h, err := ws.ReadHeader(r)
	if err != nil || h.Length > 1000 {
		return ws.Frame{}, fmt.Errorf("header %+v: %w", h, err)
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(r, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

func TestHandshakeIsSeen(t *testing.T) {
	s, ctx := start(t, Config{Subprotocols: []string{"b"}})
	dial(t, ctx, s.URL("/some/path?x=1"), ws.Dialer{Protocols: []string{"a", "b"},
		Header: ws.HandshakeHeaderHTTP{"X-One": {"two words"}}})
	c, err := s.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	h := c.Handshake
	if h.Path != "/some/path" || h.Query.Get("x") != "1" || h.Header.Get("X-One") != "two words" || h.Subprotocol != "b" || h.Host != s.Addr() || h.N != 1 {
		t.Errorf("%+v", h)
	}
	if h.Header.Get("Sec-WebSocket-Protocol") != "a, b" && len(h.Header.Values("Sec-WebSocket-Protocol")) != 2 {
		t.Errorf("subprotocols offered: %q", h.Header.Values("Sec-WebSocket-Protocol"))
	}
}

func TestRefusal(t *testing.T) {
	s, ctx := start(t, Config{Refuse: func(h Handshake) *Refusal {
		if h.N == 1 {
			return &Refusal{Status: 503, Reason: "later"}
		}
		return nil
	}})
	if _, _, _, err := ws.Dial(ctx, s.URL("/")); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("first attempt: %v", err)
	}
	dial(t, ctx, s.URL("/"), ws.Dialer{})
	if n := len(s.Handshakes()); n != 2 || s.Attempts() != 2 {
		t.Errorf("%d handshakes, %d attempts", n, s.Attempts())
	}
}

func TestSilentServerAnswersNothing(t *testing.T) {
	s, ctx := start(t, Config{Silent: true})
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, _, _, err := ws.Dial(short, s.URL("/")); err == nil {
		t.Error("a silent server answered")
	}
	if err := s.WaitAttempts(ctx, 1); err != nil {
		t.Error(err)
	}
}

func TestGreetingComesWithTheResponse(t *testing.T) {
	s, ctx := start(t, Config{Greet: func(Handshake) []byte { return TextFrame("hello") }})
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	buf := make([]byte, 4096)
	n, err := conn.Read(buf) // one read: one segment
	if err != nil || !strings.HasSuffix(string(buf[:n]), "\r\n\r\n\x81\x05hello") {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if _, err := s.Accept(ctx); err != nil {
		t.Error(err)
	}
}

func TestFramesAreKeptInOrderAndFragmentsJoined(t *testing.T) {
	s, ctx := start(t, Config{})
	c := dial(t, ctx, s.URL("/"), ws.Dialer{})
	for _, f := range []ws.Frame{
		ws.NewFrame(ws.OpText, false, []byte("one ")), ws.NewPingFrame([]byte("p")), ws.NewFrame(ws.OpContinuation, true, []byte("two")),
		ws.NewBinaryFrame([]byte{1, 2, 3}),
	} {
		if err := ws.WriteFrame(c, ws.MaskFrame(f)); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := s.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 3 {
		f, err := conn.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%x %q %d %v", f.Op, f.Data, f.Fragments, f.Masked))
	}
	want := []string{`9 "p" 1 true`, `1 "one two" 2 true`, `2 "\x01\x02\x03" 1 true`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
	if h, err := ws.ReadHeader(c); err != nil || h.OpCode != ws.OpPong {
		t.Errorf("%+v, %v: expected a pong", h, err)
	}
}

func TestEchoSendsTheCallersChannelBack(t *testing.T) {
	for _, tc := range []struct {
		name       string
		mode       Mode
		sent, want []int16
	}{
		{"mono", Echo{}, []int16{1, 2, 3, 4}, []int16{1, 2, 3, 4}},
		{"stereo", Echo{Channels: 2}, []int16{1, -1, 2, -2}, []int16{1, 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, ctx := start(t, Config{Mode: tc.mode})
			c := dial(t, ctx, s.URL("/"), ws.Dialer{})
			if err := wsutil.WriteClientBinary(c, Bytes(tc.sent)); err != nil {
				t.Fatal(err)
			}
			data, err := wsutil.ReadServerBinary(c)
			if err != nil || !slices.Equal(Samples(data), tc.want) {
				t.Errorf("%v, %v", Samples(data), err)
			}
		})
	}
}

func TestPlayPacesAndBursts(t *testing.T) {
	samples := SineWave(440, 8000, 1600, 5000)
	for _, tc := range []struct {
		name           string
		mode           Play
		messages       int
		atLeast, below time.Duration
	}{
		{"paced", Play{Samples: samples, Rate: 8000}, 10, 170 * time.Millisecond, 5 * time.Second},
		{"burst", Play{Samples: samples, Rate: 8000, Burst: true}, 1, 0, 5 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, ctx := start(t, Config{Mode: tc.mode})
			c := dial(t, ctx, s.URL("/"), ws.Dialer{})
			began := time.Now()
			var got []int16
			for range tc.messages {
				data, err := wsutil.ReadServerBinary(c)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, Samples(data)...)
			}
			if !slices.Equal(got, samples) {
				t.Errorf("%d samples, not those that were played", len(got))
			}
			if d := time.Since(began); d < tc.atLeast || d > tc.below {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestRecordWritesAFilePerConnection(t *testing.T) {
	dir := t.TempDir()
	s, ctx := start(t, Config{Mode: &Record{Dir: dir, Rate: 16000, Channels: 1}})
	want := SineWave(440, 16000, 3200, 5000)
	c := dial(t, ctx, s.URL("/"), ws.Dialer{})
	for i := 0; i < len(want); i += 320 {
		if err := wsutil.WriteClientBinary(c, Bytes(want[i:i+320])); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Close()
	conn, err := s.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-conn.Done()
	got, rate, channels, err := ReadWAV(filepath.Join(dir, "call-1.wav"))
	if err != nil || rate != 16000 || channels != 1 || !slices.Equal(got, want) {
		t.Errorf("%d samples at %d Hz, %d channels, %v", len(got), rate, channels, err)
	}
}

func TestEndsOfAConnection(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(*Conn)
		want func(client) bool
	}{
		{"close", func(c *Conn) { _ = c.Close(4000, "enough") }, func(c client) bool {
			f, err := readFrame(c)
			if err != nil || f.Header.OpCode != ws.OpClose {
				return false
			}
			code, reason := ws.ParseCloseFrameData(f.Payload)
			_ = ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(f.Payload)))
			return code == 4000 && reason == "enough"
		}},
		{"abort", (*Conn).Abort, func(c client) bool {
			_, err := c.Read(make([]byte, 1))
			return err != nil && strings.Contains(err.Error(), "reset")
		}},
		{"socket closed", (*Conn).CloseSocket, func(c client) bool {
			_, err := c.Read(make([]byte, 1))
			return errors.Is(err, io.EOF)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, ctx := start(t, Config{})
			c := dial(t, ctx, s.URL("/"), ws.Dialer{})
			conn, err := s.Accept(ctx)
			if err != nil {
				t.Fatal(err)
			}
			tc.end(conn)
			if !tc.want(c) {
				t.Error("the client saw another end")
			}
			<-conn.Done()
		})
	}
}

func TestHeldReadsBackUp(t *testing.T) {
	s, ctx := start(t, Config{HoldReads: true})
	c := dial(t, ctx, s.URL("/"), ws.Dialer{})
	if err := wsutil.WriteClientText(c, []byte("first")); err != nil {
		t.Fatal(err)
	}
	conn, err := s.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(conn.Frames()); n != 0 {
		t.Errorf("%d frames were read", n)
	}
	conn.ReleaseReads()
	if f, err := conn.Next(ctx); err != nil || string(f.Data) != "first" {
		t.Errorf("%q, %v", f.Data, err)
	}
}

func TestOneLineIsLoggedForAConnection(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	s, ctx := start(t, Config{Mode: Echo{}, Forget: true, Log: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	}})
	c := dial(t, ctx, s.URL("/x"), ws.Dialer{})
	if err := wsutil.WriteClientText(c, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := wsutil.WriteClientBinary(c, make([]byte, 320)); err != nil {
		t.Fatal(err)
	}
	if _, err := wsutil.ReadServerBinary(c); err != nil {
		t.Fatal(err)
	}
	_ = ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye"))))
	conn, err := s.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-conn.Done()
	mu.Lock()
	defer mu.Unlock()
	if len(lines) != 1 {
		t.Fatalf("%q", lines)
	}
	for _, part := range []string{"path=/x", `metadata="{\"a\":1}"`, "received=1 frames 327 bytes", "sent=1 frames 320 bytes", `close 1000 "bye"`} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("%q lacks %q", lines[0], part)
		}
	}
}

func TestShutdownSaysGoingAway(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := dial(t, ctx, s.URL("/"), ws.Dialer{})
	if _, err := s.Accept(ctx); err != nil {
		t.Fatal(err)
	}
	code := make(chan ws.StatusCode, 1)
	go func() {
		defer close(code)
		f, err := readFrame(c)
		if err != nil {
			return
		}
		got, _ := ws.ParseCloseFrameData(f.Payload)
		code <- got
		_ = ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(f.Payload)))
	}()
	if err := s.Shutdown(5 * time.Second); err != nil {
		t.Error(err)
	}
	if got := <-code; got != 1001 {
		t.Errorf("close code %d", got)
	}
}
