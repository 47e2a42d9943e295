package hosttest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/host"
)

// ErrDoorbellClosed is what Wait returns after Close.
var ErrDoorbellClosed = errors.New("the doorbell is closed")

// Doorbell is host.Doorbell with a channel in the place of the eventfd: rings that nobody has heard yet are one.
type Doorbell struct {
	armed  atomic.Uint32
	ring   chan struct{}
	closed chan struct{}
	once   sync.Once
	timer  *time.Timer // the waiting goroutine's

	waits atomic.Uint64
	rings atomic.Uint64
	news  news

	mu      sync.Mutex
	waiting bool
	rung    bool // and Wait has not returned for it
}

var _ host.Doorbell = (*Doorbell)(nil)

// NewDoorbell makes one.
func NewDoorbell() *Doorbell {
	return &Doorbell{ring: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Arm implements host.Doorbell.
func (d *Doorbell) Arm() { d.armed.Store(1) }

// Disarm implements host.Doorbell.
func (d *Doorbell) Disarm() { d.armed.Store(0) }

// Ring implements host.Doorbell: it wakes the pump whether it is armed or not.
func (d *Doorbell) Ring() {
	d.rings.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rung = true
	select {
	case d.ring <- struct{}{}:
	default:
	}
}

// RingIfArmed is what a media thread does after it has stored its news.
func (d *Doorbell) RingIfArmed() {
	if d.armed.CompareAndSwap(1, 0) {
		d.Ring()
	}
}

// Wait implements host.Doorbell.
func (d *Doorbell) Wait(limit time.Duration) error {
	d.waits.Add(1)
	d.setWaiting(true)
	defer d.setWaiting(false)
	var over <-chan time.Time
	if limit > 0 {
		if d.timer == nil {
			d.timer = time.NewTimer(limit)
		} else {
			d.timer.Reset(limit)
		}
		defer d.timer.Stop()
		over = d.timer.C
	}
	select {
	case <-d.closed:
		return ErrDoorbellClosed
	default:
	}
	select {
	case <-d.ring:
		return nil
	case <-over:
		return nil
	case <-d.closed:
		return ErrDoorbellClosed
	}
}

func (d *Doorbell) setWaiting(waiting bool) {
	d.mu.Lock()
	d.waiting, d.rung = waiting, len(d.ring) > 0
	d.mu.Unlock()
	d.news.changed()
}

// Close implements host.Doorbell.
func (d *Doorbell) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
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
