// Package pump is the goroutine that empties the capture rings and reads the sockets. It is woken by the doorbell and by the
// sockets while few streams run, and once per window when there are many (window.go): waking is what costs, not copying.
// Hundreds of streams share one, and beyond that there are more of them (set.go).
package pump

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/fault"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/mono"
	"mod_audio_stream/goside/netpoll"
)

// ImmediateStreams is how many streams are served frame by frame. Above it the pump gathers for a window; measured, that
// is where waking for every frame begins to cost more than it gives.
const ImmediateStreams = 8

// Crowd is how many streams share a window, and its price, without it being felt: above it the window is half as long. What a
// wake-up costs each of them is then what it costs at half as many.
const Crowd = 100

// activeTick is how long the pump sleeps at most while somebody's playback runs, so that its end is noticed although no
// captured frame comes by (paused, on hold). One frame at the usual ptime.
const activeTick = 20 * time.Millisecond

// attentive is how long the pump waits for the next frame in a way that the Go runtime is not told of, which costs a quarter of
// the other (netpoll.SleepUntil). Two frames at the usual ptime; where none comes for so long, all are on hold or paused.
const attentive = 2 * activeTick

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

// helperWindow is the window of a helper that still has streams while the setting says to serve at once: nobody rings for it.
const helperWindow = 5 * time.Millisecond

// Pump serves a set of streams.
type Pump struct {
	bell   host.Doorbell
	helper bool // see Set
	window atomic.Int64
	broken func(what any, stack []byte)
	deaf   bool // the doorbell failed; the pump's own

	mu      sync.Mutex
	streams atomic.Pointer[[]Stream] // copied on write under mu
	stop    chan struct{}
	ended   chan struct{}
}

// Start starts the pump's goroutine. window: see SetWindow. broken is told what went wrong in the pump itself, which goes on;
// no stream is to blame then.
func Start(bell host.Doorbell, window time.Duration, broken func(what any, stack []byte)) *Pump {
	return start(bell, window, broken, false)
}

func start(bell host.Doorbell, window time.Duration, broken func(what any, stack []byte), helper bool) *Pump {
	p := &Pump{bell: bell, helper: helper, broken: broken, stop: make(chan struct{}), ended: make(chan struct{})}
	p.streams.Store(new([]Stream))
	p.SetWindow(window)
	bell.Poller().OnPanic = broken
	go p.run()
	return p
}

// SetWindow sets how long the pump gathers when more than ImmediateStreams run, half of it above Crowd; 0: always immediate.
func (p *Pump) SetWindow(window time.Duration) { p.window.Store(int64(window)) }

// Add puts a stream on the list and serves it from now on. Any goroutine.
func (p *Pump) Add(s Stream) {
	p.mu.Lock()
	list := append(slices.Clone(*p.streams.Load()), s)
	p.streams.Store(&list)
	p.mu.Unlock()
	p.bell.Ring()
}

// serving is how many streams it has.
func (p *Pump) serving() int { return len(*p.streams.Load()) }

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

// again is the end of the goroutine, or after a panic its next beginning: every stream depends on it.
func (p *Pump) again() {
	r := recover()
	if r == nil {
		close(p.ended)
		return
	}
	defer func() { // also when telling fails
		_ = recover()
		go p.run()
	}()
	p.broken(r, debug.Stack())
	time.Sleep(activeTick)
}

func (p *Pump) run() {
	defer p.again()
	var window window
	idle := false
	for {
		fault.At("pump")
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
		if w := p.gathers(len(list)); w > 0 {
			window.gather(w, p.bell.Poller())
			continue
		}
		p.bell.Arm()
		if p.pending() {
			p.bell.Disarm()
			continue
		}
		limit := time.Duration(0)
		switch {
		case active:
			limit = activeTick
		case len(list) > 0 && !idle:
			limit = attentive
		}
		began := mono.Now()
		if !p.wait(limit) {
			return
		}
		idle = limit == attentive && mono.Now()-began >= int64(attentive)
	}
}

// gathers is how long the pump sleeps now that it has so many streams; 0: until somebody rings.
func (p *Pump) gathers(streams int) time.Duration {
	w := time.Duration(p.window.Load())
	switch {
	case p.helper && streams > 0 && w <= 0:
		return helperWindow
	case streams > Crowd:
		return w / 2
	case p.helper && streams > 0, streams > ImmediateStreams:
		return w
	}
	return 0
}

// wait sleeps until the doorbell rings; false after Stop. A doorbell that fails otherwise (somebody closed our descriptor)
// must not silence every stream: the pump then looks by itself, frame by frame.
func (p *Pump) wait(limit time.Duration) bool {
	err := p.bell.Wait(limit)
	if err == nil {
		return true
	}
	select {
	case <-p.stop:
		return false
	case <-time.After(activeTick):
	}
	if !p.deaf {
		p.deaf = true
		p.broken(fmt.Errorf("the doorbell cannot be waited for, so the rings are looked at every %v: %w", activeTick, err), nil)
	}
	return true
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
