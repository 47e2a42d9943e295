package netpoll

import (
	"runtime"
	"testing"
	"time"

	"mod_audio_stream/goside/mono"
)

// With a rest that lasts until the end, what arrives first is read at once, and what comes behind it at the end.
func TestPollUntilReadsAtOnceAndRests(t *testing.T) {
	const window = 2 * time.Second // long enough for a busy machine to read something within it
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, other := pair(t, p)
	read := make(chan int64, 2)
	c.Run(false, func() {
		for b := make([]byte, 1); ; {
			if _, err := c.Reader().Read(b); err != nil {
				close(read)
				return
			}
			read <- mono.Now()
		}
	})
	p.Poll() // the task begins, and the kick of that is taken

	end := mono.Now() + int64(window)
	arrivals := make(chan int)
	go func() { arrivals <- p.PollUntil(end, window) }()
	if _, err := other.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if at := within(t, "the first read", read); at >= end {
		t.Errorf("it was read %v behind the end of the window", time.Duration(at-end))
	}
	for parked := false; !parked; runtime.Gosched() { // else it is still there to read the second, too
		p.mu.Lock()
		parked = c.task.state == idle
		p.mu.Unlock()
	}
	if _, err := other.Write([]byte{2}); err != nil {
		t.Fatal(err)
	}
	if at := within(t, "the second read", read); at < end {
		t.Errorf("it was read %v before the end of the window", time.Duration(end-at))
	}
	if n := within(t, "the end of the window", arrivals); n != 2 {
		t.Errorf("%d arrivals", n)
	}
	_ = c.Close()
	p.Poll()
	if _, open := <-read; open {
		t.Error("the task read something more")
	}
}
