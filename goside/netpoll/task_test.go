package netpoll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// onPoller reports whether c's task, which calls it, runs on the poller's goroutine.
func onPoller(c *Conn) bool { return !c.task.off }

func TestATaskReadsWhatArrives(t *testing.T) {
	c, other := pair(t, start(t))
	want := noise(4 << 20)
	read := make(chan []byte, 1)
	c.Run(false, func() {
		got, err := io.ReadAll(c.Reader())
		if err != nil {
			t.Error(err)
		}
		read <- got
	})
	for b := want; len(b) > 0; {
		n := min(len(b), 1+len(b)%3000)
		if _, err := other.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	_ = other.CloseWrite()
	if got := within(t, "the end", read); !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, or others", len(got), len(want))
	}
}

func TestATaskThatReadsMuchLeavesThePoller(t *testing.T) {
	tests := map[string]struct {
		heavy bool
		bytes int
		on    bool // it is on the poller's goroutine when it has read them
	}{
		"a frame":    {false, 320, true},
		"the budget": {false, budget, true},
		"more":       {false, budget + 1, false},
		"heavy":      {true, 320, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			c, other := pair(t, p)
			read := make(chan bool, 1)
			c.Run(tt.heavy, func() {
				for {
					b := make([]byte, tt.bytes)
					if _, err := io.ReadFull(c.Reader(), b); err != nil {
						return
					}
					read <- onPoller(c)
				}
			})
			rounds := 3 // it comes back each time
			if tt.bytes == budget {
				rounds = 1 // what comes before it has parked would be counted together
			}
			for range rounds {
				if _, err := other.Write(make([]byte, tt.bytes)); err != nil {
					t.Fatal(err)
				}
				if on := within(t, "the read", read); on != tt.on {
					// what arrives in two pieces is read by two runs, each with a budget of its own
					if !(name == "more" && on) {
						t.Errorf("on the poller's goroutine: %v", on)
					}
				}
			}
		})
	}
}

// A slow task off the poller's goroutine holds up nobody.
func TestOthersAreReadWhileATaskIsBusyElsewhere(t *testing.T) {
	p := start(t)
	busy, toBusy := pair(t, p)
	quick, toQuick := pair(t, p)
	inside, goOn, read := make(chan bool), make(chan bool), make(chan bool, 100)
	ended := make(chan bool)
	busy.Run(true, func() {
		defer close(ended)
		b := make([]byte, 1)
		for {
			if _, err := busy.Reader().Read(b); err != nil {
				return
			}
			inside <- true
			<-goOn
		}
	})
	quick.Run(false, func() {
		for {
			if _, err := quick.Reader().Read(make([]byte, 16)); err != nil {
				return
			}
			read <- true
		}
	})
	_, _ = toBusy.Write([]byte{1})
	within(t, "the busy task", inside)
	for range 50 {
		_, _ = toQuick.Write([]byte{1})
		within(t, "the quick task", read)
	}
	_, _ = toBusy.Write([]byte{1}) // arrives while it runs, and is not forgotten
	goOn <- true
	within(t, "the busy task again", inside)
	close(goOn)
	_ = busy.Close()
	within(t, "the end", ended)
}

func TestATaskSeesTheEndOfTheConnection(t *testing.T) {
	tests := map[string]struct {
		end  func(c *Conn, other *net.TCPConn)
		want error
	}{
		"closed there":              {func(_ *Conn, other *net.TCPConn) { _ = other.Close() }, io.EOF},
		"half closed there":         {func(_ *Conn, other *net.TCPConn) { _ = other.CloseWrite() }, io.EOF},
		"closed here":               {func(c *Conn, _ *net.TCPConn) { _ = c.Close() }, net.ErrClosed},
		"deadline":                  {func(c *Conn, _ *net.TCPConn) { _ = c.SetReadDeadline(time.Now().Add(time.Millisecond)) }, os.ErrDeadlineExceeded},
		"deadline in the past":      {func(c *Conn, _ *net.TCPConn) { _ = c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"data, then closed at once": {func(_ *Conn, other *net.TCPConn) { _, _ = other.Write([]byte("bye")); _ = other.Close() }, io.EOF},
		"reset": {func(_ *Conn, other *net.TCPConn) {
			_ = other.SetLinger(0)
			_ = other.Close()
		}, nil},
	}
	for name, tt := range tests {
		for _, heavy := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c, other := pair(t, start(t))
				end, parked := make(chan error, 1), make(chan bool, 1)
				c.Run(heavy, func() {
					b := make([]byte, 1)
					_, _ = c.Reader().Read(b)
					parked <- true
					for {
						if _, err := c.Reader().Read(b); err != nil {
							end <- err
							return
						}
					}
				})
				_, _ = other.Write([]byte{1})
				within(t, "the first byte", parked)
				tt.end(c, other)
				err := within(t, "the end", end)
				if tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
			})
		}
	}
}

func TestAPanickingTaskEndsItsConnectionOnly(t *testing.T) {
	p := start(t)
	for _, heavy := range []bool{false, true} {
		bad, toBad := pair(t, p)
		good, toGood := pair(t, p)
		read := make(chan bool, 1)
		good.Run(false, func() {
			for {
				if _, err := good.Reader().Read(make([]byte, 1)); err != nil {
					return
				}
				read <- true
			}
		})
		bad.Run(heavy, func() {
			_, _ = bad.Reader().Read(make([]byte, 1))
			panic("on purpose")
		})
		_, _ = toBad.Write([]byte{1})
		if _, err := io.ReadAll(toBad); err != nil {
			t.Errorf("the other end: %v", err)
		}
		_, _ = toGood.Write([]byte{1})
		within(t, "the other task", read)
	}
}

func TestReadBlocksWithoutATask(t *testing.T) {
	c, other := pair(t, start(t))
	read := make(chan string, 1)
	go func() {
		b := make([]byte, 16)
		n, err := c.Read(b)
		if err != nil {
			t.Error(err)
		}
		read <- string(b[:n])
	}()
	_, _ = other.Write([]byte("hello"))
	if got := within(t, "Read", read); got != "hello" {
		t.Errorf("%q", got)
	}
	// and after a task has ended, whatever it has left
	ended := make(chan bool)
	c.Run(false, func() { close(ended) })
	within(t, "the task", ended)
	go func() {
		b, _ := io.ReadAll(c)
		read <- string(b)
	}()
	_, _ = other.Write([]byte("more"))
	_ = other.CloseWrite()
	if got := within(t, "ReadAll", read); got != "more" {
		t.Errorf("%q", got)
	}
}

func TestCloseOfThePollerEndsTheTasks(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 20)
	for n := range 20 {
		c, _ := pair(t, p)
		c.Run(n%2 == 1, func() {
			_, err := c.Reader().Read(make([]byte, 1))
			ended <- err
		})
	}
	p.Poll() // they wait now
	p.Close()
	p.Close()
	for range 20 {
		if err := within(t, "a task", ended); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	if err := p.Wait(0); !errors.Is(err, ErrClosed) {
		t.Errorf("Wait after Close: %v", err)
	}
	p.Kick() // nobody's descriptor is written to
}

// Descriptors are given back, and a number that is used again is not mistaken for the one before.
func TestSocketsComeAndGo(t *testing.T) {
	p := start(t)
	before := descriptors(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				c, other := pair(t, p)
				ended := make(chan bool)
				var got int
				c.Run(false, func() {
					defer close(ended)
					b, _ := io.ReadAll(c.Reader())
					got = len(b)
				})
				_, _ = other.Write(make([]byte, 1000))
				_ = other.CloseWrite()
				within(t, "the end", ended)
				if got != 1000 {
					t.Errorf("%d bytes", got)
				}
				_ = c.Close()
				_ = other.Close()
			}
		})
	}
	wg.Wait()
	for over := time.Now().Add(patience); descriptors(t) > before; runtime.Gosched() {
		if time.Now().After(over) {
			t.Fatalf("%d descriptors, %d before", descriptors(t), before)
		}
	}
}

func descriptors(t *testing.T) (n int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func TestReadingAllocatesNothing(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, other := pair(t, p)
	var got atomic.Int64
	c.Run(false, func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Reader().Read(b)
			if err != nil {
				return
			}
			got.Add(int64(n))
		}
	})
	frame := make([]byte, 324)
	want := int64(0)
	n := testing.AllocsPerRun(200, func() {
		_, _ = other.Write(frame)
		for want += int64(len(frame)); got.Load() < want; {
			p.Poll()
		}
	})
	if n > 0 {
		t.Errorf("%.1f allocations per frame", n)
	}
}
