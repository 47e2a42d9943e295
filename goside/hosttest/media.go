package hosttest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/mono"
)

// poison is what borrowed samples become when the loan is over.
const poison = 0x5a5a

const dtmfSlots = 32

// Media is host.Media in Go memory, with the rings of include/spsc_ring.h down to who writes what. The methods of
// host.Media are the Go side's. The others are the telephone's: Push and Play are the media thread's (one goroutine
// each), Press, Close and the questions may be called from anywhere.
//
// Free forgets the rings without any lock, as the bridge does: whoever still uses them is found by the race detector, or
// fails on a nil pointer.
type Media struct {
	id   uint64
	bell *Doorbell
	cap  *captureRing // the Go side's reference
	play *playoutRing // the same; nil when the stream does not play
	line *line        // the bug's reference
	next uint32       // the DTMF slot to look at

	// OnDetach, if set before the stream uses the media, is called first in Detach: it may block or panic.
	OnDetach func()
}

// line is what the telephone's side holds.
type line struct {
	cap    *captureRing
	play   *playoutRing
	seq    uint32
	closed atomic.Bool
	mute   atomic.Bool
	freed  atomic.Int32
	dtmf   [dtmfSlots]atomic.Uint32
	digits atomic.Uint32

	calleeLost, digitsLost atomic.Uint64

	news  news
	close sync.Once
}

var _ host.Media = (*Media)(nil)

// NewMedia makes one whose capture ring holds so many frames and whose playout ring holds at least so many samples; playout
// 0: it does not play.
func NewMedia(id uint64, bell *Doorbell, frames, playout, rate int) *Media {
	l := &line{cap: newCaptureRing(frames)}
	if playout > 0 {
		l.play = newPlayoutRing(playout, rate)
	}
	return &Media{id: id, bell: bell, cap: l.cap, play: l.play, line: l}
}

// LoseCallee is a frame of the callee's that the caller's leg has no frame for.
func (m *Media) LoseCallee() { m.line.calleeLost.Add(1) }

// ---- the Go side's ----

// ID implements host.Media.
func (m *Media) ID() uint64 { return m.id }

// Peek implements host.Media.
func (m *Media) Peek(f *host.Frame) bool { return m.cap.peek(f) }

// Release implements host.Media. The frame's samples are overwritten, on purpose.
func (m *Media) Release() { m.cap.release() }

// Pending implements host.Media. It says yes to a closed bug, too: the pump has to see that once.
func (m *Media) Pending() bool {
	return !m.cap.empty() || m.line.closed.Load() || m.line.dtmf[m.next%dtmfSlots].Load() != 0
}

// Dropped implements host.Media.
func (m *Media) Dropped() uint64 { return m.cap.dropped.Load() }

// CalleeLost implements host.Media.
func (m *Media) CalleeLost() uint64 { return m.line.calleeLost.Load() }

// DigitsLost implements host.Media.
func (m *Media) DigitsLost() uint64 { return m.line.digitsLost.Load() }

// Digit implements host.Media.
func (m *Media) Digit() (digit byte, duration time.Duration, ok bool) {
	v := m.line.dtmf[m.next%dtmfSlots].Swap(0)
	if v == 0 {
		return 0, 0, false
	}
	m.next++
	return byte(v), time.Duration(v>>8) * time.Millisecond, true
}

// Space implements host.Media.
func (m *Media) Space() int { return m.play.space() }

// Put implements host.Media.
func (m *Media) Put(samples []int16) int { return m.play.put(samples) }

// Position implements host.Media.
func (m *Media) Position() uint64 { return m.play.head.Load() }

// Queued implements host.Media.
func (m *Media) Queued() uint64 { return m.play.tail.Load() }

// Clear implements host.Media.
func (m *Media) Clear() (at, dropped uint64) { return m.play.clear() }

// Cleared implements host.Media.
func (m *Media) Cleared(at uint64, dst []int16) { m.play.cleared(at, dst) }

// Taken implements host.Media.
func (m *Media) Taken() (monoNS int64, samples int) {
	return m.play.takenNS.Load(), int(m.play.frame.Load())
}

// PlayoutRate implements host.Media.
func (m *Media) PlayoutRate() int { return int(m.play.rate.Load()) }

// SetMadeFor implements host.Media.
func (m *Media) SetMadeFor(rate int) { m.play.madeFor.Store(uint32(rate)) }

// SetPaused implements host.Media.
func (m *Media) SetPaused(paused bool) { m.play.paused.Store(paused); m.line.news.changed() }

// SetWanted implements host.Media.
func (m *Media) SetWanted(wanted bool) { m.play.wanted.Store(wanted); m.line.news.changed() }

// WakeAt implements host.Media.
func (m *Media) WakeAt(pos uint64) { m.play.wakeAt.Store(pos) }

// Underruns implements host.Media.
func (m *Media) Underruns() uint64 { return m.play.underruns.Load() }

// SetMute implements host.Media.
func (m *Media) SetMute(mute bool) { m.line.mute.Store(mute); m.line.news.changed() }

// Closed implements host.Media.
func (m *Media) Closed() bool { return m.line.closed.Load() }

// Detach implements host.Media.
func (m *Media) Detach() error {
	if m.OnDetach != nil {
		m.OnDetach()
	}
	if !m.end() {
		return host.ErrGone
	}
	return nil
}

// Free implements host.Media.
func (m *Media) Free() {
	m.line.freed.Add(1)
	m.cap, m.play = nil, nil
	m.line.news.changed()
}

// ---- the telephone's ----

// Push captures one frame: what the media thread does at a READ callback. The samples are copied. It reports whether the
// frame found room; a paused (muted) or closed bug takes nothing and counts nothing. A dropped frame leaves a gap in the
// numbers.
func (m *Media) Push(rate, channels, legs int, samples []int16) bool {
	l := m.line
	if l.closed.Load() || l.mute.Load() {
		return false
	}
	ok := l.cap.push(host.Frame{Rate: rate, Channels: channels, Legs: legs, Seq: l.seq, MonoNS: mono.Now()}, samples)
	l.seq++
	if ok {
		m.bell.RingIfArmed()
	}
	return ok
}

// Skip leaves a gap of n frames, as if they had found the ring full.
func (m *Media) Skip(n int) {
	m.line.seq += uint32(n)
	m.line.cap.dropped.Add(uint64(n))
}

// Press puts the caller's digit where Digit finds it.
func (m *Media) Press(digit byte, duration time.Duration) {
	slot := (m.line.digits.Add(1) - 1) % dtmfSlots
	if !m.line.dtmf[slot].CompareAndSwap(0, uint32(digit)|uint32(duration/time.Millisecond)<<8) {
		m.line.digits.Add(^uint32(0))
		m.line.digitsLost.Add(1)
	}
	m.bell.RingIfArmed()
}

// Play plays n samples, as one WRITE_REPLACE callback does on a channel where nobody else speaks, and returns what the
// caller hears: n samples, with silence where there was nothing.
func (m *Media) Play(n int) []int16 {
	heard := make([]int16, n)
	took := m.PlayInto(heard)
	clear(heard[took:])
	return heard
}

// PlayInto is Play into memory of the caller's; it returns how many samples came from the ring. It allocates nothing.
func (m *Media) PlayInto(heard []int16) (took int) {
	p := m.line.play
	if p.madeFor.Load() != p.rate.Load() {
		p.takenNS.Store(mono.Now())
		m.bell.RingIfArmed()
		return 0
	}
	wanted := p.wanted.Load()
	took = p.take(heard)
	if took < len(heard) && wanted && !p.paused.Load() {
		if !p.dry.Swap(true) {
			p.underruns.Add(1)
		}
	} else if took == len(heard) {
		p.dry.Store(false)
	}
	if p.head.Load() >= p.wakeAt.Load() {
		p.wakeAt.Store(host.NoWake)
		m.bell.RingIfArmed()
	}
	return took
}

// SetPlayoutRate is a re-INVITE: from now on the channel plays at this rate (Hz).
func (m *Media) SetPlayoutRate(rate int) { m.line.play.rate.Store(uint32(rate)) }

// Close is the bug's CLOSE callback: a stop, a hang-up or an unload. It may be repeated.
func (m *Media) Close() { m.end() }

func (m *Media) end() (first bool) {
	m.line.close.Do(func() {
		first = true
		m.line.closed.Store(true)
		m.line.news.changed()
		m.bell.RingIfArmed()
	})
	return first
}

// Until waits for cond, which is looked at whenever the Go side pauses, wants, mutes or frees, and at Close.
func (m *Media) Until(ctx context.Context, cond func() bool) error {
	return m.line.news.until(ctx, cond)
}

// Muted is what the Go side has set, as are Paused, Wanted and WakesAt.
func (m *Media) Muted() bool { return m.line.mute.Load() }

// Paused reports whether playback is held.
func (m *Media) Paused() bool { return m.line.play.paused.Load() }

// Wanted reports whether the pacer is to keep writing.
func (m *Media) Wanted() bool { return m.line.play.wanted.Load() }

// WakesAt is the position at which the doorbell is to ring.
func (m *Media) WakesAt() uint64 { return m.line.play.wakeAt.Load() }

// Frees counts the calls of Free: 1 is right once the stream has ended.
func (m *Media) Frees() int { return int(m.line.freed.Load()) }

// Waiting is the number of samples in the playout ring.
func (m *Media) Waiting() int {
	head := m.line.play.head.Load()
	return int(m.line.play.tail.Load() - head)
}

// Pressed is the number of digits that nobody has taken yet.
func (m *Media) Pressed() (n int) {
	for i := range m.line.dtmf {
		if m.line.dtmf[i].Load() != 0 {
			n++
		}
	}
	return n
}

// Captured is the number of frames in the capture ring.
func (m *Media) Captured() int { return m.line.cap.len() }
