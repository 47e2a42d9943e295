// Package worker takes events off the network path: they are queued here and handled by a few goroutines, the events of
// one lane (one stream) in order and never two at a time. It knows nothing of what an event is.
package worker

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/fault"
)

// Limits of one lane, for chatter. A server that sends faster than the switch fires events costs this much and no more.
// Answers get more, so that chatter does not push them out.
const (
	MaxQueued      = 4096     // events
	MaxQueuedBytes = 16 << 20 // of their sizes together
	moreAnswers    = 2        // times MaxQueued, chatter included: a clear answers all marks at once
	moreBytes      = 2        // times MaxQueuedBytes, likewise
)

// pace is how fast one lane's events are handled, the stream's own life excepted. FreeSWITCH keeps an event, 10 KiB and
// more with its channel's headers, for each of its listeners until they have read it: a server that sends as fast as it can
// made it keep 900 MiB within seconds. What does not fit meanwhile is dropped by the lane's limits.
type pace struct {
	burst     float64 // at once, when there was nothing for a while
	perSecond float64
}

// pacedBytes of an event count as much as one more event.
const pacedBytes = 4096

var defaultPace = pace{burst: 500, perSecond: 500}

// rest is how long a lane that has run out of its pace waits at least, so that it is not woken for each event.
const rest = 10 * time.Millisecond

// Rank says what is dropped from a lane that is full.
type Rank int

// The ranks. What a server can cause at will is one of the first two.
const (
	Chatter Rank = iota // what the server says
	Answer              // what became of what it asked for: they come one for each message of its own
	Life                // the stream's own life: few, and never dropped nor held back
)

// Event is one thing to do. Do runs on a worker and may block for a moment, never for the network.
type Event struct {
	Do   func()
	Size int // bytes that it keeps alive, for the lane's limit
	Rank Rank
}

// Queue is a set of lanes and the workers that empty them.
type Queue struct {
	onPanic func(recovered any, stack []byte)
	pace    pace

	mu      sync.Mutex
	work    sync.Cond // a lane became ready, or stopping
	ready   []*Lane   // lanes with events, none twice; head is next
	head    int
	pending int // events queued and running
	running int // of them, those that a worker has begun
	idle    sync.Cond
	stopped bool // no worker takes anything any more
	closed  bool // nothing new is queued

	dropped atomic.Uint64
	done    sync.WaitGroup
}

// Lane is one stream's events.
type Lane struct {
	q       *Queue
	events  []Event // guarded by q.mu, as everything here
	head    int
	bytes   int
	ready   bool // on q.ready, being worked on, or resting
	credit  float64
	counted time.Time // when credit was
	dropped atomic.Uint64
}

// New starts n workers. onPanic is told of an event that panicked, or of a worker; the others go on.
func New(n int, onPanic func(recovered any, stack []byte)) *Queue {
	q := &Queue{onPanic: onPanic, pace: defaultPace}
	q.work.L = &q.mu
	q.idle.L = &q.mu
	for range n {
		q.done.Go(q.run)
	}
	return q
}

// Lane makes a lane. It needs no end: an empty lane holds nothing.
func (q *Queue) Lane() *Lane { return &Lane{q: q, credit: q.pace.burst, counted: time.Now()} }

// Post queues one event and reports whether it was taken. It never blocks. Any goroutine; the order of two posts from
// one goroutine is kept.
func (l *Lane) Post(e Event) bool {
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	events, bytes := MaxQueued, MaxQueuedBytes
	if e.Rank == Answer {
		events, bytes = moreAnswers*MaxQueued, moreBytes*MaxQueuedBytes
	}
	full := len(l.events)-l.head >= events || l.bytes+e.Size > bytes
	if q.closed || full && e.Rank != Life {
		l.dropped.Add(1)
		q.dropped.Add(1)
		return false
	}
	l.events = append(l.events, e)
	l.bytes += e.Size
	q.pending++
	if !l.ready {
		l.line()
	}
	return true
}

// line puts a lane with events behind those that wait, or lets it rest first. Under q.mu.
func (l *Lane) line() {
	l.ready = true
	if wait := l.wait(); wait > 0 {
		time.AfterFunc(wait, l.rested)
		return
	}
	l.enter()
}

// rested is the end of a lane's rest.
func (l *Lane) rested() {
	defer func() { // whatever happens: nobody else would put it there
		l.q.mu.Lock()
		defer l.q.mu.Unlock()
		l.enter()
	}()
	defer l.q.recovered()
	fault.At("rest")
}

func (l *Lane) enter() {
	l.q.ready = append(l.q.ready, l)
	l.q.work.Signal()
}

// wait is how long the lane's next event has to wait for the pace. Under q.mu.
func (l *Lane) wait() time.Duration {
	p := l.q.pace
	now := time.Now()
	l.credit = min(p.burst, l.credit+now.Sub(l.counted).Seconds()*p.perSecond)
	l.counted = now
	if l.credit >= 1 || l.q.closed || l.events[l.head].Rank == Life {
		return 0
	}
	return max(rest, time.Duration((1-l.credit)/p.perSecond*float64(time.Second)))
}

// Dropped counts the lane's events that were not taken.
func (l *Lane) Dropped() uint64 { return l.dropped.Load() }

// Dropped counts events that were not taken or not reached before the deadline of Stop.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Pending is the number of events queued and running.
func (q *Queue) Pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending
}

// take returns the next event and its lane, nil when there will be none.
func (q *Queue) take() (*Lane, Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == len(q.ready) && !q.stopped {
		q.work.Wait()
	}
	if q.stopped {
		return nil, Event{}
	}
	l := q.ready[q.head]
	q.ready[q.head] = nil
	q.ready, q.head = behind(q.ready, q.head+1)
	e := l.events[l.head]
	l.events[l.head] = Event{}
	l.events, l.head = behind(l.events, l.head+1)
	l.bytes -= e.Size
	if e.Rank != Life {
		l.credit -= 1 + float64(e.Size)/pacedBytes
	}
	q.running++
	return l, e
}

// keep is how many entries an empty list may hold on to: a burst's array is not kept for the life of the call.
const keep = 64

// behind gives back the memory of what was taken off the front of a list. A list that never runs empty is moved down once
// half of it is behind: it would grow for ever otherwise.
func behind[T any](list []T, head int) ([]T, int) {
	switch {
	case head == len(list):
		if cap(list) > keep {
			return nil, 0
		}
		return list[:0], 0
	case head > keep && head >= len(list)/2:
		n := copy(list, list[head:])
		clear(list[n:])
		return list[:n], 0
	}
	return list, head
}

func (q *Queue) finish(l *Lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// Behind the lanes that wait already: one event a turn, so that a chatty stream holds up nobody.
	if l.ready = len(l.events) > l.head; l.ready {
		l.line()
	}
	q.running--
	if q.pending--; q.pending == 0 {
		q.idle.Broadcast()
	}
}

func (q *Queue) run() {
	defer q.again()
	for {
		fault.At("worker")
		l, e := q.take()
		if l == nil {
			return
		}
		q.do(l, e)
	}
}

func (q *Queue) do(l *Lane, e Event) {
	defer q.finish(l)
	defer q.recovered()
	e.Do()
}

// again puts another worker in the place of one that panicked outside an event.
func (q *Queue) again() {
	if r := recover(); r != nil {
		q.done.Go(q.run)
		q.tell(r)
	}
}

func (q *Queue) recovered() {
	if r := recover(); r != nil {
		q.tell(r)
	}
}

func (q *Queue) tell(r any) {
	defer func() { _ = recover() }() // what panics even in that can only be left alone
	if q.onPanic != nil {
		q.onPanic(r, debug.Stack())
	}
}

// Stop takes nothing new, lets the workers empty the lanes until the deadline, then ends them and counts what is left as
// dropped. It returns when every worker has ended its current event, or after as long again: false then.
func (q *Queue) Stop(deadline time.Duration) bool {
	timer := time.AfterFunc(deadline, func() {
		defer q.recovered()
		q.mu.Lock()
		q.stopped = true
		q.mu.Unlock()
		q.idle.Broadcast()
		fault.At("worker-deadline")
	})
	defer timer.Stop()
	q.mu.Lock()
	q.closed = true
	for q.pending > 0 && !q.stopped {
		q.idle.Wait()
	}
	q.dropped.Add(uint64(q.pending - q.running))
	q.stopped = true
	q.mu.Unlock()
	q.work.Broadcast()

	ended := make(chan struct{})
	go func() {
		defer q.recovered()
		q.done.Wait()
		close(ended)
		fault.At("worker-end")
	}()
	select {
	case <-ended:
		return true
	case <-time.After(deadline):
		return false
	}
}
