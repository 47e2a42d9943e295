package hosttest

import (
	"sync/atomic"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/mono"
)

// captureRing has one writer and one reader, and room for a number of frames.
type captureRing struct {
	tail    atomic.Uint64 // frames ever written; the media thread's
	dropped atomic.Uint64 // the media thread's
	head    atomic.Uint64 // frames ever read; the pump's
	slots   []host.Frame  // PCM is the slot's own memory
}

func newCaptureRing(frames int) *captureRing { return &captureRing{slots: make([]host.Frame, frames)} }

func (r *captureRing) push(f host.Frame, samples []int16) bool {
	tail := r.tail.Load()
	if tail-r.head.Load() >= uint64(len(r.slots)) {
		r.dropped.Add(1)
		return false
	}
	slot := &r.slots[tail%uint64(len(r.slots))]
	f.PCM = append(slot.PCM[:0], samples...)
	*slot = f
	r.tail.Store(tail + 1)
	return true
}

func (r *captureRing) peek(f *host.Frame) bool {
	head := r.head.Load()
	if head == r.tail.Load() {
		return false
	}
	*f = r.slots[head%uint64(len(r.slots))]
	return true
}

func (r *captureRing) release() {
	head := r.head.Load()
	pcm := r.slots[head%uint64(len(r.slots))].PCM
	for i := range pcm {
		pcm[i] = poison
	}
	r.head.Store(head + 1)
}

func (r *captureRing) len() int {
	head := r.head.Load()
	return int(r.tail.Load() - head)
}

func (r *captureRing) empty() bool { return r.head.Load() == r.tail.Load() }

// playoutRing is as_playout_t, field by field.
type playoutRing struct {
	tail   atomic.Uint64 // Go's
	wakeAt atomic.Uint64 // Go's; the media thread turns it off when it rings
	paused atomic.Bool   // Go's
	wanted atomic.Bool   // Go's

	madeFor atomic.Uint32 // Go's

	head      atomic.Uint64 // the media thread's; Go moves it to clear
	done      atomic.Uint64 // the media thread reads nothing below it any more
	underruns atomic.Uint64
	rate      atomic.Uint32
	dry       atomic.Bool
	takenNS   atomic.Int64
	frame     atomic.Uint32

	data []int16 // its length is a power of two
}

func newPlayoutRing(samples, rate int) *playoutRing {
	size := 1
	for size < samples {
		size <<= 1
	}
	p := &playoutRing{data: make([]int16, size)}
	p.wakeAt.Store(host.NoWake)
	p.rate.Store(uint32(rate))
	p.madeFor.Store(uint32(rate))
	return p
}

func (p *playoutRing) space() int { return len(p.data) - int(p.tail.Load()-p.done.Load()) }

func (p *playoutRing) put(samples []int16) int {
	n := min(len(samples), p.space())
	tail := p.tail.Load()
	k := copy(p.data[tail%uint64(len(p.data)):], samples[:n])
	copy(p.data, samples[k:n])
	p.tail.Store(tail + uint64(n))
	return n
}

func (p *playoutRing) clear() (at, dropped uint64) {
	tail := p.tail.Load()
	for {
		head := p.head.Load()
		if head >= tail {
			return head, 0
		}
		if p.head.CompareAndSwap(head, tail) {
			return head, tail - head
		}
	}
}

func (p *playoutRing) cleared(at uint64, dst []int16) {
	for i := range dst {
		dst[i] = p.data[(at+uint64(i))%uint64(len(p.data))]
	}
}

func (p *playoutRing) take(out []int16) int {
	p.takenNS.Store(mono.Now())
	p.frame.Store(uint32(len(out)))
	head := p.head.Load()
	p.done.Store(head)
	if p.paused.Load() {
		return 0
	}
	tail := p.tail.Load()
	if tail <= head {
		return 0
	}
	n := min(len(out), int(tail-head))
	k := copy(out[:n], p.data[head%uint64(len(p.data)):])
	copy(out[k:n], p.data)
	if !p.head.CompareAndSwap(head, head+uint64(n)) {
		p.done.Store(p.head.Load())
		return 0
	}
	p.done.Store(head + uint64(n))
	return n
}
