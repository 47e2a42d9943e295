package pump

import (
	"fmt"
	"sync"
	"time"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/netpoll"
)

// StreamsPerPump is how many streams a pump has before another one is started. Duplex, 500 take a third of a core; with 1000 a
// single pump was late by hundreds of milliseconds now and then on a machine that had a quarter of its time left.
const StreamsPerPump = 500

// Set is the pumps of a module. The first has the doorbell and serves every stream where few run. Where there are many it
// gets helpers, which nobody rings for: they look once a window while they have streams, and sleep while they have none.
type Set struct {
	broken  func(what any, stack []byte)
	grown   func(pumps int)
	limit   int
	perPump int

	mu      sync.Mutex
	pumps   []*Pump // the first has the doorbell
	window  time.Duration
	stopped bool
}

// StartSet starts the first pump. window, broken: see Start. limit: how many pumps there may be, at least one. grown is called
// with their number when it has become larger, on the goroutine that starts a stream.
func StartSet(bell host.Doorbell, window time.Duration, limit int, broken func(what any, stack []byte), grown func(pumps int)) *Set {
	return &Set{broken: broken, grown: grown, limit: limit, perPump: StreamsPerPump, window: window,
		pumps: []*Pump{Start(bell, window, broken)}}
}

// Pick is the pump that the next stream is to be served by. Any goroutine.
func (s *Set) Pick() *Pump {
	p, pumps := s.pick()
	if pumps > 0 {
		s.grown(pumps)
	}
	return p
}

// pick also tells the number of pumps, if one was started.
func (s *Set) pick() (p *Pump, started int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p = s.pumps[0]
	if s.window <= 0 || s.stopped { // at once, frame by frame: that is what the doorbell is for
		return p, 0
	}
	for _, other := range s.pumps { // in order: behind a peak the few that are left are served at once again
		n := other.serving()
		if n < s.perPump {
			return other, 0
		}
		if n < p.serving() {
			p = other
		}
	}
	if len(s.pumps) >= s.limit {
		return p, 0
	}
	poller, err := netpoll.New()
	if err != nil { // out of descriptors: the ones that are there do what they can
		s.broken(fmt.Errorf("no further pump could be started: %w", err), nil)
		return p, 0
	}
	p = start(unrung{poller}, s.window, s.broken, true)
	s.pumps = append(s.pumps, p)
	return p, len(s.pumps)
}

// SetWindow sets the window of every pump, see Pump.SetWindow. With 0 helpers keep the streams they have and get no more.
func (s *Set) SetWindow(window time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = window
	for _, p := range s.pumps {
		p.SetWindow(window)
	}
}

// Pumps is how many there are.
func (s *Set) Pumps() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pumps)
}

// Stop stops every pump.
func (s *Set) Stop() {
	s.mu.Lock()
	s.stopped = true
	pumps := s.pumps
	s.mu.Unlock()
	for _, p := range pumps {
		p.Stop()
	}
}

// unrung is the doorbell of a pump that no media thread rings for.
type unrung struct{ poller *netpoll.Poller }

func (unrung) Arm()                             {}
func (unrung) Disarm()                          {}
func (u unrung) Wait(limit time.Duration) error { return u.poller.Wait(limit) }
func (u unrung) Poller() *netpoll.Poller        { return u.poller }
func (u unrung) Ring()                          { u.poller.Kick() }
func (u unrung) Close()                         { u.poller.Close() }
