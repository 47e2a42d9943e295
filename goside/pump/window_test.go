package pump

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/mono"
	"mod_audio_stream/goside/netpoll"
)

// watched is an eventfd that a poller empties whenever it looks: an arrival that can be seen to have been noticed.
type watched int

func watch(t *testing.T, p *netpoll.Poller) watched {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = p.Watch(fd)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return watched(fd)
}

// arrive fills it, so that it can be written to again only when it has been emptied.
func (w watched) arrive(t *testing.T) {
	var full [8]byte
	binary.NativeEndian.PutUint64(full[:], math.MaxUint64-1)
	if _, err := unix.Write(int(w), full[:]); err != nil {
		t.Fatal(err)
	}
}

// noticed waits until it has been, and returns when.
func (w watched) noticed(t *testing.T) int64 {
	look := []unix.PollFd{{Fd: int32(w), Events: unix.POLLOUT}}
	for {
		switch n, err := unix.Poll(look, int(patience.Milliseconds())); {
		case err == nil && n == 1:
			return mono.Now()
		case errors.Is(err, unix.EINTR):
		default:
			t.Fatalf("nobody noticed (%v)", err)
		}
	}
}

func TestQuietServersInterruptAWindowAndBusyOnesDoNot(t *testing.T) {
	p, err := netpoll.New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	arrivals := make([]watched, 3)
	for i := range arrivals {
		arrivals[i] = watch(t, p)
	}
	var w window
	// long has something arrive in a window that is long enough for a busy machine, and reports whether it was noticed at once:
	// before the look in the middle.
	long := func() bool {
		ended := make(chan int64)
		w.end = mono.Now() // not late
		go func() {
			w.gather(time.Second, p)
			ended <- mono.Now()
		}()
		arrivals[0].arrive(t)
		at := arrivals[0].noticed(t)
		end := <-ended
		return end-at > int64(time.Second)*3/4
	}
	if !long() {
		t.Error("the first arrival waited for the end of the window")
	}
	for range 2 * arrivalsKept { // three each, as many as that many servers that send in every window
		for _, a := range arrivals {
			a.arrive(t)
		}
		w.gather(time.Millisecond, p)
	}
	if long() {
		t.Error("an arrival among many interrupted a window")
	}
	for range 4 * arrivalsKept { // silence
		w.gather(time.Millisecond, p)
	}
	if !long() {
		t.Error("behind silence an arrival waited for the end of the window")
	}
}

func TestTheWindowDependsOnHowManyShareIt(t *testing.T) {
	const w = 5 * time.Millisecond
	tests := []struct {
		streams int
		helper  bool
		set     time.Duration
		want    time.Duration
	}{
		{ImmediateStreams, false, w, 0},
		{ImmediateStreams + 1, false, w, w},
		{Crowd, false, w, w},
		{Crowd + 1, false, w, w / 2},
		{1, true, w, w},
		{0, true, w, 0},
		{Crowd + 1, true, w, w / 2},
		{Crowd + 1, false, 0, 0},
		{Crowd + 1, true, 0, helperWindow},
	}
	for _, tt := range tests {
		p := &Pump{helper: tt.helper}
		p.SetWindow(tt.set)
		if got := p.gathers(tt.streams); got != tt.want {
			t.Errorf("%d streams (helper: %v), window %v: %v, want %v", tt.streams, tt.helper, tt.set, got, tt.want)
		}
	}
}
