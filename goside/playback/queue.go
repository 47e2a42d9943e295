package playback

import "sync"

// blockSamples is the size of one piece of queue memory: 4 KiB, a quarter of a second at 8 kHz. A queue grows and shrinks
// by these.
const blockSamples = 2048

var pool = sync.Pool{New: func() any { return new([blockSamples]int16) }}

// keepSegments is how long a list of segments is kept when its queue is empty.
const keepSegments = 64

// segment is a run of samples of one rate.
type segment struct {
	rate       int
	block      *[blockSamples]int16
	start, end int
}

// queue holds mono samples that wait for the playout ring, first in first out. Its memory is what is queued, in blocks
// that all queues share. Positions count samples since the queue was made, whatever their rates.
type queue struct {
	segs []segment
	head int
	in   uint64 // samples ever put
	out  uint64 // samples ever taken or dropped, less those given back; it may wrap, as only differences count
}

func (q *queue) empty() bool { return q.head == len(q.segs) }

// needs is how many more blocks n samples of a rate need at most.
func (q *queue) needs(rate, n int) int {
	if !q.empty() {
		if s := &q.segs[len(q.segs)-1]; s.rate == rate {
			n -= min(n, blockSamples-s.end)
		}
	}
	return (n + blockSamples - 1) / blockSamples
}

// blocks is how many are in use.
func (q *queue) blocks() int { return len(q.segs) - q.head }

// put appends n samples that read fills in, piece by piece.
func (q *queue) put(rate, n int, read func([]int16)) {
	for n > 0 {
		var s *segment
		if !q.empty() {
			s = &q.segs[len(q.segs)-1]
		}
		if s == nil || s.rate != rate || s.end == blockSamples {
			q.segs = append(q.segs, segment{rate: rate, block: pool.Get().(*[blockSamples]int16)})
			s = &q.segs[len(q.segs)-1]
		}
		k := min(n, blockSamples-s.end)
		read(s.block[s.end : s.end+k])
		s.end += k
		q.in += uint64(k)
		n -= k
	}
}

// giveBack puts n samples before all others; read fills in those from an offset on.
func (q *queue) giveBack(rate, n int, read func(offset int, dst []int16)) {
	var front []segment
	for at := 0; at < n; {
		s := segment{rate: rate, block: pool.Get().(*[blockSamples]int16), end: min(n-at, blockSamples)}
		read(at, s.block[:s.end])
		front = append(front, s)
		at += s.end
	}
	q.segs = append(front, q.segs[q.head:]...)
	q.head = 0
	q.out -= uint64(n)
}

// peek returns the oldest samples, at most limit of them, and their rate.
func (q *queue) peek(limit int) ([]int16, int) {
	if q.empty() {
		return nil, 0
	}
	s := &q.segs[q.head]
	return s.block[s.start:min(s.end, s.start+limit)], s.rate
}

// drop takes n samples off, which peek has shown.
func (q *queue) drop(n int) {
	s := &q.segs[q.head]
	s.start += n
	q.out += uint64(n)
	if s.start < s.end {
		return
	}
	pool.Put(s.block)
	s.block = nil
	switch q.head++; {
	case q.head == len(q.segs):
		if q.head = 0; cap(q.segs) > keepSegments {
			q.segs = nil // a burst's list is not kept for the life of the call
		}
		q.segs = q.segs[:0]
	case q.head > keepSegments && q.head >= len(q.segs)/2:
		// A queue that never runs empty, because the server stays ahead of the caller, would grow for ever otherwise.
		n := copy(q.segs, q.segs[q.head:])
		clear(q.segs[n:])
		q.segs, q.head = q.segs[:n], 0
	}
}

// clear drops everything and returns how long it would have played, in nanoseconds.
func (q *queue) clear() (ns int64) {
	for !q.empty() {
		s := &q.segs[q.head]
		ns += samplesNS(s.end-s.start, s.rate)
		q.drop(s.end - s.start)
	}
	return ns
}

func samplesNS(n, rate int) int64 {
	if rate <= 0 {
		return 0
	}
	return int64(n) * 1e9 / int64(rate)
}
