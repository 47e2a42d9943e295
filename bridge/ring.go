package main

import (
	"sync/atomic"
	"unsafe"
)

const cacheLine = 64

// frameHdr is as_frame_hdr_t.
type frameHdr struct {
	monoNS   uint64
	seq      uint32
	rate     uint32
	bytes    uint32
	channels uint16
	legs     uint16
}

const frameSkip = ^uint32(0) // AS_FRAME_SKIP

// captureRing is as_ring_t. Go's atomics are sequentially consistent, which includes the acquire and release that the
// header asks for.
type captureRing struct {
	tail    atomic.Uint64 // media thread
	dropped atomic.Uint64 // media thread
	_       [8]byte       // the media thread's own
	base    atomic.Uint64 // media thread: all below it has been read
	_       [cacheLine - 32]byte
	head    atomic.Uint64 // ours
	_       [cacheLine - 8]byte
	size    uint32
	_       [cacheLine - 4]byte
}

// peek returns the oldest frame's header and samples, as as_ring_peek does.
func (r *captureRing) peek() (*frameHdr, []int16) {
	head, tail := r.head.Load(), r.tail.Load()
	if head == tail {
		return nil, nil
	}
	if base := r.base.Load(); head < base { // the ring was begun anew
		head = base
		r.head.Store(head)
	}
	for head != tail {
		at := uint32(head) & (r.size - 1)
		h := (*frameHdr)(unsafe.Add(unsafe.Pointer(r), uintptr(unsafe.Sizeof(*r))+uintptr(at)))
		if r.size-at >= uint32(unsafe.Sizeof(*h)) && h.bytes != frameSkip {
			samples := (*int16)(unsafe.Add(unsafe.Pointer(h), unsafe.Sizeof(*h)))
			return h, unsafe.Slice(samples, h.bytes/2)
		}
		head += uint64(r.size - at)
		r.head.Store(head)
	}
	return nil, nil
}

func (r *captureRing) release(h *frameHdr) {
	r.head.Store(r.head.Load() + uint64(unsafe.Sizeof(*h)) + uint64(h.bytes+7)&^7)
}

func (r *captureRing) empty() bool { return r.head.Load() == r.tail.Load() }

// playoutRing is as_playout_t.
type playoutRing struct {
	tail      atomic.Uint64 // ours
	wakeAt    atomic.Uint64 // ours; the media thread turns it off when it rings
	paused    atomic.Uint32 // ours
	mode      atomic.Uint32 // C's at attach
	wanted    atomic.Uint32 // ours
	madeFor   atomic.Uint32 // ours
	_         [cacheLine - 32]byte
	head      atomic.Uint64 // media thread's; ours to clear, by compare-and-swap
	done      atomic.Uint64 // media thread
	underruns atomic.Uint64 // media thread
	rate      atomic.Uint32 // media thread
	dry       atomic.Uint32 // media thread
	takenNS   atomic.Uint64 // media thread
	frame     atomic.Uint32 // media thread
	_         [cacheLine - 44]byte
	size      uint32
	dataAt    uint32
	_         [cacheLine - 8]byte
}

func (p *playoutRing) space() int { return int(uint64(p.size) - (p.tail.Load() - p.done.Load())) }

func (p *playoutRing) data() []int16 {
	return unsafe.Slice((*int16)(unsafe.Add(unsafe.Pointer(p), p.dataAt)), p.size)
}

func (p *playoutRing) put(samples []int16) int {
	n := min(len(samples), p.space())
	data := p.data()
	tail := p.tail.Load()
	k := copy(data[uint32(tail)&(p.size-1):], samples[:n])
	copy(data, samples[k:n])
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

// cleared reads samples that a clear has dropped. They are ours to overwrite, and nobody has yet.
func (p *playoutRing) cleared(at uint64, dst []int16) {
	data := p.data()
	k := copy(dst, data[uint32(at)&(p.size-1):])
	copy(dst[k:], data)
}
