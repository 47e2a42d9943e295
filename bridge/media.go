package main

/*
#include "audio_stream.h"
*/
import "C"

import (
	"sync/atomic"
	"time"
	"unsafe"

	"mod_audio_stream/goside/host"
)

const dtmfSlots = 32

// mediaBlock is the front of as_media_t, which C and Go share.
type mediaBlock struct {
	id      uint64
	capture *captureRing
	playout *playoutRing
	closed  atomic.Uint32 // media side
	mute    atomic.Uint32 // ours
	dtmf    [dtmfSlots]atomic.Uint32

	dtmfNext       atomic.Uint32 // media side
	dtmfLost       atomic.Uint32 // media side
	foreignWriteNS atomic.Uint64 // media side
	calleeLost     atomic.Uint64 // media side
}

// media is host.Media over C's memory. id is kept apart, so that Detach works on it after Free.
type media struct {
	id    uint64
	block *mediaBlock
	cap   *captureRing
	play  *playoutRing
	next  uint32 // the DTMF slot to look at
	peek  *frameHdr
}

func newMedia(p unsafe.Pointer) *media {
	b := (*mediaBlock)(p)
	return &media{id: b.id, block: b, cap: b.capture, play: b.playout}
}

func (m *media) ID() uint64 { return m.id }

func (m *media) Peek(f *host.Frame) bool {
	h, pcm := m.cap.peek()
	if h == nil {
		return false
	}
	m.peek = h
	*f = host.Frame{PCM: pcm, Rate: int(h.rate), Channels: int(h.channels), Legs: int(h.legs), Seq: h.seq, MonoNS: int64(h.monoNS)}
	return true
}

func (m *media) Release() { m.cap.release(m.peek) }

// Pending also says yes to a closed bug: the pump has to see that once.
func (m *media) Pending() bool {
	return !m.cap.empty() || m.block.closed.Load() != 0 || m.block.dtmf[m.next%dtmfSlots].Load() != 0
}

func (m *media) Dropped() uint64 { return m.cap.dropped.Load() }

func (m *media) CalleeLost() uint64 { return m.block.calleeLost.Load() }

func (m *media) DigitsLost() uint64 { return uint64(m.block.dtmfLost.Load()) }

func (m *media) Digit() (digit byte, duration time.Duration, ok bool) {
	v := m.block.dtmf[m.next%dtmfSlots].Swap(0)
	if v == 0 {
		return 0, 0, false
	}
	m.next++
	return byte(v), time.Duration(v>>8) * time.Millisecond, true
}

func (m *media) Space() int                     { return m.play.space() }
func (m *media) Put(samples []int16) int        { return m.play.put(samples) }
func (m *media) Position() uint64               { return m.play.head.Load() }
func (m *media) Queued() uint64                 { return m.play.tail.Load() }
func (m *media) Clear() (at, n uint64)          { return m.play.clear() }
func (m *media) Cleared(at uint64, dst []int16) { m.play.cleared(at, dst) }
func (m *media) Taken() (int64, int)            { return int64(m.play.takenNS.Load()), int(m.play.frame.Load()) }
func (m *media) PlayoutRate() int               { return int(m.play.rate.Load()) }
func (m *media) SetMadeFor(rate int)            { m.play.madeFor.Store(uint32(rate)) }
func (m *media) WakeAt(pos uint64)              { m.play.wakeAt.Store(pos) }
func (m *media) Underruns() uint64              { return m.play.underruns.Load() }

func (m *media) SetPaused(paused bool) { m.play.paused.Store(uint32(flag(paused))) }

func (m *media) SetWanted(wanted bool) {
	if m.play.wanted.Swap(uint32(flag(wanted))) == 0 && wanted {
		C.as_pacer_wake()
	}
}

func (m *media) SetMute(mute bool) { m.block.mute.Store(uint32(flag(mute))) }
func (m *media) Closed() bool      { return m.block.closed.Load() != 0 }

func (m *media) Detach() error { return statusError(C.as_detach(C.uint64_t(m.id)), nil) }

func (m *media) Free() {
	C.as_media_release(C.uint64_t(m.id))
	m.block, m.cap, m.play = nil, nil, nil // a use after this is a nil dereference, which is recovered, not a wild one
}
