package hosttest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/netpoll"
)

// Doorbell is host.Doorbell with an eventfd of its own, made when it is first needed; many tests never wait.
type Doorbell struct {
	armed  atomic.Uint32
	once   sync.Once
	fd     int
	poller *netpoll.Poller

	waits atomic.Uint64
	rings atomic.Uint64
	news  news

	mu      sync.Mutex
	waiting bool
	rung    bool // and Wait has not returned for it
	closed  bool
	look    [1]unix.PollFd // kept, as is the next, so that neither waiting nor ringing allocates
	one     [8]byte
}

var _ host.Doorbell = (*Doorbell)(nil)

// NewDoorbell makes one.
func NewDoorbell() *Doorbell { return &Doorbell{} }

// Poller implements host.Doorbell. It panics when the process has no descriptor left.
func (d *Doorbell) Poller() *netpoll.Poller {
	d.once.Do(func() {
		var err error
		if d.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
			d.poller, err = netpoll.New()
		}
		if err == nil {
			err = d.poller.Watch(d.fd)
		}
		if err != nil {
			panic(err)
		}
	})
	return d.poller
}

// Arm implements host.Doorbell.
func (d *Doorbell) Arm() { d.armed.Store(1) }

// Disarm implements host.Doorbell.
func (d *Doorbell) Disarm() { d.armed.Store(0) }

// Ring implements host.Doorbell: it wakes the pump whether it is armed or not.
func (d *Doorbell) Ring() {
	d.Poller() // makes the eventfd
	d.rings.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.rung = true
	d.one[0] = 1
	_, _ = unix.Write(d.fd, d.one[:]) // EAGAIN means that it has been rung already
}

// RingIfArmed is what a media thread does after it has stored its news.
func (d *Doorbell) RingIfArmed() {
	if d.armed.CompareAndSwap(1, 0) {
		d.Ring()
	}
}

// Wait implements host.Doorbell.
func (d *Doorbell) Wait(limit time.Duration) error {
	poller := d.Poller()
	d.waits.Add(1)
	d.setWaiting(true)
	defer d.setWaiting(false)
	return poller.Wait(limit)
}

func (d *Doorbell) setWaiting(waiting bool) {
	d.mu.Lock()
	d.waiting = waiting
	d.look[0] = unix.PollFd{Fd: int32(d.fd), Events: unix.POLLIN}
	n, err := unix.Poll(d.look[:], 0)
	d.rung = n > 0 && err == nil
	d.mu.Unlock()
	d.news.changed()
}

// Close implements host.Doorbell.
func (d *Doorbell) Close() {
	d.Poller().Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		_ = unix.Close(d.fd) // an eventfd has nothing that could be lost
	}
}

// Waits counts the calls of Wait.
func (d *Doorbell) Waits() uint64 { return d.waits.Load() }

// Rings counts the rings that reached the bell: those of Ring, and those of RingIfArmed that found it armed.
func (d *Doorbell) Rings() uint64 { return d.rings.Load() }

// Asleep reports that somebody waits and nothing has rung.
func (d *Doorbell) Asleep() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting && !d.rung
}

// UntilAsleep waits until the pump waits and nothing has rung: all that was captured before has been looked at.
func (d *Doorbell) UntilAsleep(ctx context.Context) error { return d.news.until(ctx, d.Asleep) }
