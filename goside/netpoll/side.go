package netpoll

import (
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/fault"
)

// side is one direction of a socket: what is known of its readiness, and its deadline.
type side struct {
	news    atomic.Bool   // something happened since it was last looked at
	waiting chan struct{} // capacity 1: the same for a goroutine that waits
	late    atomic.Bool   // the deadline has passed

	mu    sync.Mutex // guards the timer
	timer *time.Timer
	set   uint64 // deadlines set so far: a timer that fires late is not the current one's
}

func (s *side) init() { s.waiting = make(chan struct{}, 1) }

// tell notes news.
func (s *side) tell() {
	s.news.Store(true)
	select {
	case s.waiting <- struct{}{}:
	default:
	}
}

// deadline sets when late becomes true; passed is called then, on any goroutine.
func (s *side) deadline(p *Poller, t time.Time, passed func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.set++
	s.late.Store(false)
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		s.late.Store(true)
		passed()
		return
	}
	set := s.set
	s.timer = time.AfterFunc(left, func() {
		defer func() { // whatever happens: somebody waits for it
			if s.pass(set) {
				passed()
			}
		}()
		defer p.survived(func() {})
		fault.At("socket-deadline")
	})
}

// pass has the deadline that was the set-th pass, unless there is another one by now.
func (s *side) pass(set uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set != set {
		return false
	}
	s.late.Store(true)
	return true
}
