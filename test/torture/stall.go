package main

import (
	"sync"
	"time"
)

// stall measures how long the machine kept a thread waiting that wants to run for a moment every few milliseconds. Nothing
// in the switch can be expected to do better: what is heard or sent late by that much is not the module's doing.
type stall struct {
	mu    sync.Mutex
	worst time.Duration
	last  time.Time
}

const stallTick = 5 * time.Millisecond

// machine is the one measurement of this process.
var machine = watchStall()

func watchStall() *stall {
	s := &stall{last: time.Now()}
	go func() {
		for range time.Tick(stallTick) {
			s.note()
		}
	}()
	return s
}

func (s *stall) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.worst = max(s.worst, now.Sub(s.last)-stallTick)
	s.last = now
}

// reset begins a measurement.
func (s *stall) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worst = 0
}

// since is the longest wait since reset, the one that is going on included.
func (s *stall) since() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.worst, time.Since(s.last)-stallTick)
}

// hops is how many threads a frame passes one after the other, each of which may have had to wait: the media thread, the
// pump or the sender, the reader here.
const hops = 3

// pauseLimit is the longest pause in the media of others that may be blamed on the module.
func (o options) pauseLimit() time.Duration { return o.pause + hops*machine.since() }

// ringTime is what the capture ring bridges, less some.
const ringTime = 300 * time.Millisecond

// overwhelmed says that the machine stood still for long enough to fill a ring, so that frames may have been dropped; the
// module must have counted them.
func overwhelmed() bool { return hops*machine.since() > ringTime }
