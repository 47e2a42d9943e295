// Package pump is the one goroutine that empties the capture rings and reads the sockets. It is woken by the doorbell and
// by the sockets while few streams run, and once per window when there are many: waking is what costs, not copying.
package pump

import (
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/netpoll"
)

// ImmediateStreams is how many streams are served frame by frame. Above it the pump gathers for a window; measured, that
// is where waking for every frame begins to cost more than it gives.
const ImmediateStreams = 8

// activeTick is how long the pump sleeps at most while somebody's playback runs, so that its end is noticed although no
// captured frame comes by (paused, on hold). One frame at the usual ptime.
const activeTick = 20 * time.Millisecond

// Stream is what the pump serves.
type Stream interface {
	// Serve empties the stream's rings as far as it can without blocking. done: take the stream off the list, it
	// will not be called again. active: call again within a frame's time even if nothing rings.
	Serve() (done, active bool)
	// Pending reports whether Serve would find something, without touching it.
	Pending() bool
	// Failed is told that Serve panicked; the stream is off the list.
	Failed(recovered any, stack []byte)
}

// Pump serves a set of streams.
type Pump struct {
	bell   host.Doorbell
	window atomic.Int64

	mu      sync.Mutex
	streams atomic.Pointer[[]Stream] // copied on write under mu
	stop    chan struct{}
	ended   chan struct{}
}

// Start starts the pump's goroutine. window: see SetWindow.
func Start(bell host.Doorbell, window time.Duration) *Pump {
	p := &Pump{bell: bell, stop: make(chan struct{}), ended: make(chan struct{})}
	p.streams.Store(new([]Stream))
	p.SetWindow(window)
	go p.run()
	return p
}

// SetWindow sets how long the pump gathers when more than ImmediateStreams run; 0: always immediate.
func (p *Pump) SetWindow(window time.Duration) { p.window.Store(int64(window)) }

// Add puts a stream on the list and serves it from now on. Any goroutine.
func (p *Pump) Add(s Stream) {
	p.mu.Lock()
	list := append(slices.Clone(*p.streams.Load()), s)
	p.streams.Store(&list)
	p.mu.Unlock()
	p.bell.Ring()
}

func (p *Pump) remove(s Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Clone(*p.streams.Load())
	list = slices.DeleteFunc(list, func(other Stream) bool { return other == s })
	p.streams.Store(&list)
}

// Wake has the pump look at every stream once more. Any goroutine.
func (p *Pump) Wake() { p.bell.Ring() }

// Poller watches the streams' sockets.
func (p *Pump) Poller() *netpoll.Poller { return p.bell.Poller() }

// Stop ends the goroutine; streams still on the list are not served any more. It closes the doorbell, and with it what
// sockets are left.
func (p *Pump) Stop() {
	close(p.stop)
	p.bell.Ring()
	<-p.ended
	p.bell.Close()
}

func (p *Pump) run() {
	defer close(p.ended)
	var window int64 // the end of the last one
	for {
		active := false
		list := *p.streams.Load()
		for _, s := range list {
			done, a := p.serve(s)
			active = active || a
			if done {
				p.remove(s)
			}
		}
		select {
		case <-p.stop:
			return
		default:
		}
		if w := time.Duration(p.window.Load()); w > 0 && len(list) > ImmediateStreams {
			window = windowEnd(window, w)
			sleepUntil(window)
			p.bell.Poller().Poll()
			continue
		}
		p.bell.Arm()
		if p.pending() {
			p.bell.Disarm()
			continue
		}
		limit := time.Duration(0)
		if active {
			limit = activeTick
		}
		if p.bell.Wait(limit) != nil {
			return
		}
	}
}

// pending looks at every ring once more after arming. The list is read again: a stream added since has rung already.
func (p *Pump) pending() bool {
	for _, s := range *p.streams.Load() {
		if p.look(s) {
			return true
		}
	}
	return false
}

func (p *Pump) look(s Stream) (pending bool) {
	defer func() {
		if r := recover(); r != nil {
			p.fail(s, r)
			p.remove(s)
			pending = true // the list has changed
		}
	}()
	return s.Pending()
}

func (p *Pump) serve(s Stream) (done, active bool) {
	defer func() {
		if r := recover(); r != nil {
			p.fail(s, r)
			done, active = true, false
		}
	}()
	return s.Serve()
}

// fail tells a stream. What panics even in that can only be left alone: the other streams matter more.
func (p *Pump) fail(s Stream, recovered any) {
	defer func() { _ = recover() }()
	s.Failed(recovered, debug.Stack())
}
