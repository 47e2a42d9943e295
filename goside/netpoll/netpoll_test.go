package netpoll

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second // for what must happen

// start makes a poller that a goroutine waits in until the end of the test.
func start(t testing.TB) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !over.Load() {
			if err := p.Wait(0); err != nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(func() {
		over.Store(true)
		p.Kick()
		wg.Wait()
		p.Close()
	})
	return p
}

// pair is a watched connection and its other end.
func pair(t testing.TB, p *Poller) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tcp, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Take(tcp.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = other.Close()
	})
	_ = other.SetDeadline(time.Now().Add(patience))
	return c, other.(*net.TCPConn)
}

func within[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		stack := make([]byte, 1<<16)
		t.Fatalf("%s: nothing happened\n%s", what, stack[:runtime.Stack(stack, true)])
	}
	return v
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func TestAWriterWaitsForRoom(t *testing.T) {
	c, other := pair(t, start(t))
	want := noise(16 << 20)
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(want)
		wrote <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(other)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if err := within(t, "Write", wrote); err != nil {
		t.Error(err)
	}
}

func TestABlockedWriterSeesTheEndOfTheConnection(t *testing.T) {
	tests := map[string]struct {
		end  func(c *Conn, other *net.TCPConn)
		want error
	}{
		"closed here": {func(c *Conn, _ *net.TCPConn) { _ = c.Close() }, net.ErrClosed},
		"deadline":    {func(c *Conn, _ *net.TCPConn) { _ = c.SetWriteDeadline(time.Now().Add(time.Millisecond)) }, os.ErrDeadlineExceeded},
		"long ago":    {func(c *Conn, _ *net.TCPConn) { _ = c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"reset": {func(_ *Conn, other *net.TCPConn) {
			_ = other.SetLinger(0)
			_ = other.Close()
		}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, other := pair(t, start(t))
			wrote := make(chan error, 1)
			go func() {
				_, err := c.Write(make([]byte, 64<<20))
				wrote <- err
			}()
			for !c.blocked.Load() {
				runtime.Gosched()
			}
			tt.end(c, other)
			err := within(t, "Write", wrote)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Write ended with %v, want %v", err, tt.want)
			}
		})
	}
}
