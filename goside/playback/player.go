// Package playback holds the server's audio from its arrival until the caller hears it: a queue that grows with what is
// queued, a small ring that the media thread reads, and the marks between samples. It decides what is played; when is the
// media thread's clock.
package playback

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/mono"
)

// MaxMarks is how many marks may wait at once; more are refused. A server sets one per sentence or word.
const MaxMarks = 4096

// grace is how long the caller must have heard nothing before playback counts as stopped: three frames at the usual ptime,
// so that a server that sends in real time and is late by a frame or two does not stop and start.
const grace = 60 * time.Millisecond

// prime is how much audio must be there before the first of it is handed to the media thread, at the start and after it ran
// dry: one frame at the usual ptime. A server that sends in pieces of less would be heard piece by piece, with silence
// between, otherwise. What is not followed by more goes out after the same time.
const prime = 20 * time.Millisecond

// reserve is how long the first audio waits when there is not more than prime and this of it: a server that sends frame by
// frame in real time is late by some milliseconds now and then, and whoever writes to the channel takes the first frame as
// soon as it is there. Without a reserve every stream's first late frame is a gap.
const reserve = 6 * time.Millisecond

// resampleMargin is how many samples more than the ratio of the rates says a resampler may give: one input sample's
// worth, at most 48 kHz from 8 kHz, and room to round.
const resampleMargin = 16

// maxRate is the highest that audio comes in, Hz; spareBlocks how many blocks a queue may have half empty.
const (
	maxRate     = 48000
	spareBlocks = 256
)

// Errors of Play and Mark.
var (
	ErrOverflow = errors.New("the playback queue is full")
	ErrMarks    = fmt.Errorf("more than %d marks are waiting (set fewer, or wait for those that were answered)", MaxMarks)
	ErrClosed   = errors.New("the stream has ended")
)

// Observer is told what happens, in order, with the player's lock held: it must not block and must not call the player.
type Observer interface {
	// Playback: status is events.Started, Stopped, Paused or Resumed; played is what the caller has heard since the stream began.
	Playback(status string, played, queued time.Duration)
	// Cleared: what was queued has been dropped.
	Cleared(played, dropped time.Duration)
	// Mark: status is events.Played or events.Cleared.
	Mark(name, status string, played time.Duration)
	// Due: Player.Serve is to be called now. Without the player's lock, on a goroutine of its own.
	Due()
	// Panicked: so has that goroutine.
	Panicked(recovered any, stack []byte)
}

type mark struct {
	name string
	pos  uint64 // in the queue's samples while it waits there, in the ring's afterwards
}

// Player plays one stream's audio. Its methods may be called from any goroutine.
type Player struct {
	mu       sync.Mutex
	media    host.Media
	observer Observer
	resample func(from, to, channels int) (host.Resampler, error)
	max      time.Duration // longest queue

	maxBlocks int // of its memory: that much audio at the highest rate, and some for changes of rate

	q        queue
	queuedNS int64  // of q
	waiting  []mark // in q
	inRing   []mark // behind q, in the ring
	rest     remainder

	r        host.Resampler
	rFrom    int // Hz the resampler was made from
	ringRate int // Hz of the samples in the ring

	pos       uint64 // ring position looked at last
	playedNS  int64
	playing   bool          // between Started and Stopped
	prime     time.Duration // the constant; tests change it, as they do reserve
	reserve   time.Duration
	primed    bool        // audio goes on to the ring
	since     time.Time   // when priming began
	hold      bool        // for the reserve: playback begins, or goes on behind a gap
	due       *time.Timer // of the reserve; made when it is needed first
	paused    bool
	closed    bool
	lastSound time.Time // when there was last something to play

	pace      pace
	splicer   splicer
	shortened int64 // ns taken out by splices
	unplayed  int64 // ns lost for want of a resampler
	stretched int64 // ns put in

	dries                               uint64 // the media's count of running dry, as last looked at
	from                                uint64 // ring position at Started
	underruns, clears, marks, overflows uint64
}

// New makes a player over an attached media's playout ring. max is the longest queue.
func New(media host.Media, max time.Duration, resample func(from, to, channels int) (host.Resampler, error), observer Observer) *Player {
	return &Player{media: media, observer: observer, resample: resample, max: max, prime: prime, reserve: reserve,
		maxBlocks: int(int64(max)*maxRate/int64(time.Second))/blockSamples + spareBlocks,
		ringRate:  media.PlayoutRate()}
}

// Play queues audio of any length: L16 little-endian, G.711, at rate Hz with 1 or 2 interleaved channels (two are averaged;
// a call hears one). A byte that does not make a whole sample waits for the next call. What exceeds the longest queue is
// refused, from its first sample that does not fit: ErrOverflow says how much.
func (p *Player) Play(data []byte, format Format, rate, channels int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	d := decode(data, format, rate, max(channels, 1), &p.rest)
	n := d.samples()
	if n == 0 {
		return nil
	}
	p.account() // what has been heard by now makes room
	var err error
	room := int((int64(p.max) - p.aheadNS()) * int64(rate) / 1e9)
	// A sample that begins a run of another rate takes a block of its own: a server that changes the rate with every sample
	// would have a second's worth of them cost what hours of audio do.
	if p.q.blocks()+p.q.needs(rate, n) > p.maxBlocks {
		room = 0
	}
	if n > room {
		p.overflows++
		refused := time.Duration(samplesNS(n-max(room, 0), rate)).Round(time.Millisecond)
		err = fmt.Errorf("%w: %v of audio refused, %v are queued (STREAM_PLAYBACK_MAX_MS is %d)", ErrOverflow, refused,
			time.Duration(p.aheadNS()).Round(time.Millisecond), p.max.Milliseconds())
		if n = max(room, 0); n == 0 {
			return err
		}
	}
	if p.q.empty() && p.pos == p.media.Queued() { // there was nothing left to hear
		p.primed, p.since = false, time.Now()
		// While frame follows frame this is what it looks like between two of them, too.
		if p.hold = !p.playing || p.media.Underruns() > p.dries; p.hold {
			p.alarm()
		}
	}
	now := mono.Now()
	if !p.playing {
		p.pace.restart(now, p.aheadNS())
	}
	p.pace.arrived(p.arrival(now, samplesNS(n, rate)))
	p.q.put(rate, n, d.read)
	p.queuedNS += samplesNS(n, rate)
	p.lastSound = time.Now()
	p.fill()
	if u := p.media.Underruns(); p.playing && u > p.dries {
		p.underruns += u - p.dries // it ran dry and here is more: the caller heard a gap
		p.pace.gap(now)
		p.dries = u
	} else if !p.playing {
		p.playing = true
		p.dries, p.from = u, p.pos
		p.want() // after fill, so that the pacer's first frame finds something
		p.observer.Playback(events.Started, p.played(), p.ahead())
	}
	return err
}

// Mark has Observer.Mark called when all that was queued before it has been played: at once when nothing is.
func (p *Player) Mark(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if len(p.waiting)+len(p.inRing) >= MaxMarks {
		return ErrMarks
	}
	p.marks++
	if p.q.empty() {
		p.inRing = append(p.inRing, mark{name, p.media.Queued()})
	} else {
		p.waiting = append(p.waiting, mark{name, p.q.in})
	}
	p.serve()
	return nil
}

// Clear drops everything queued, now: within one frame at the caller. What is played afterwards is kept. Pending marks
// are answered as cleared, in order; Observer.Cleared is called behind them, also when nothing was queued. also is audio that
// was dropped before it got here, and is told with the rest.
func (p *Player) Clear(also time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.clears++
	dropped := p.clear()
	p.observer.Cleared(p.played(), dropped+also)
}

// clear is Clear without its last word. It returns how long what it dropped would have played.
func (p *Player) clear() time.Duration {
	at, cut := p.media.Clear()
	p.advance(at)
	p.pos += cut // dropped, not heard
	p.reportMarks(at)
	ns := samplesNS(int(cut), p.ringRate) + p.q.clear()
	p.queuedNS = 0
	p.rest = remainder{}
	p.dropResampler()
	for _, m := range append(p.inRing, p.waiting...) {
		p.observer.Mark(m.name, events.Cleared, p.played())
	}
	p.inRing, p.waiting = nil, nil
	if p.playing {
		p.playing = false
		p.media.SetWanted(false)
	}
	p.dries = p.media.Underruns()
	return time.Duration(ns)
}

// Pause holds playback at this frame and keeps the queue.
func (p *Player) Pause() { p.setPaused(true, events.Paused) }

// Resume goes on where Pause held.
func (p *Player) Resume() { p.setPaused(false, events.Resumed) }

func (p *Player) setPaused(paused bool, status string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.paused == paused {
		return
	}
	p.paused = paused
	p.media.SetPaused(paused)
	p.want()
	p.account()
	p.lastSound = time.Now()
	p.pace.start(mono.Now(), p.aheadNS())
	p.observer.Playback(status, p.played(), p.ahead())
}

// Serve moves audio from the queue to the ring, reports marks that were reached and the end of playback. active: call
// again within a frame's time. The pump calls it.
func (p *Player) Serve() (active bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	return p.serve()
}

func (p *Player) serve() (active bool) {
	p.account()
	p.fill()
	p.reportMarks(p.pos)
	if p.playing && !p.paused && p.q.empty() && p.pos == p.media.Queued() && time.Since(p.lastSound) >= grace {
		p.playing = false
		p.media.SetWanted(false)
		p.dropResampler()
		p.dries = p.media.Underruns() // the last one was the end
		p.observer.Playback(events.Stopped, p.played(), 0)
	}
	p.wake()
	return p.playing && !p.paused || len(p.inRing)+len(p.waiting) > 0
}

// Idle reports that nothing is queued or being played, and nothing is paused half-way.
func (p *Player) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed || p.q.empty() && p.media.Position() == p.media.Queued()
}

// Close drops what is queued, answers the marks and ends the player. Nothing is called back afterwards.
func (p *Player) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		defer func() { p.closed = true }() // also when the observer fails: the media is about to go
		if p.due != nil {
			p.due.Stop()
		}
		playing := p.playing
		switch dropped := p.clear(); {
		case dropped > 0:
			p.observer.Cleared(p.played(), dropped)
		case playing:
			p.observer.Playback(events.Stopped, p.played(), 0)
		}
	}
}

// Snapshot is a player's figures at one moment.
type Snapshot struct {
	Queued, Played                      time.Duration
	Shortened, Stretched                time.Duration // by splices, against drift and delay
	Unplayed                            time.Duration // lost for want of a resampler
	Underruns, Clears, Marks, Overflows uint64
}

// Snapshot returns the figures for stats.
func (p *Player) Snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.account()
	}
	return Snapshot{Queued: p.ahead(), Played: p.played(), Shortened: time.Duration(p.shortened),
		Stretched: time.Duration(p.stretched), Unplayed: time.Duration(p.unplayed), Underruns: p.underruns, Clears: p.clears,
		Marks: p.marks, Overflows: p.overflows}
}

func (p *Player) played() time.Duration { return time.Duration(p.playedNS) }
func (p *Player) ahead() time.Duration  { return time.Duration(p.aheadNS()) }

// aheadNS is how long the caller will still hear what is queued, ring included.
func (p *Player) aheadNS() int64 {
	if p.closed {
		return 0
	}
	return p.queuedNS + samplesNS(int(p.media.Queued()-p.pos), p.ringRate)
}

// arrival is a piece of audio that comes now and plays for ns.
func (p *Player) arrival(now, ns int64) arrival {
	taken, samples := p.media.Taken()
	frame := samplesNS(samples, p.ringRate)
	return arrival{now: now, ns: ns, next: min(max(taken+frame-now, 0), frame), frame: frame, ahead: p.aheadNS()}
}

// account notes what the media thread has played since the last look.
func (p *Player) account() {
	p.advance(p.media.Position())
	if p.playing && p.pos == p.from {
		p.dries = p.media.Underruns() // no gap before the first sample: behind a clear a full ring takes audio a frame later
	}
}

func (p *Player) advance(pos uint64) {
	if pos > p.pos {
		p.playedNS += samplesNS(int(pos-p.pos), p.ringRate)
		p.pos = pos
		p.lastSound = time.Now()
	}
}

// reportMarks tells of the marks up to a ring position that has been reached. What had been heard at the mark itself is
// told, not what has been heard by now.
func (p *Player) reportMarks(pos uint64) {
	for len(p.inRing) > 0 && p.inRing[0].pos <= pos {
		m := p.inRing[0]
		p.inRing = p.inRing[1:]
		p.observer.Mark(m.name, events.Played, time.Duration(max(0, p.playedNS-samplesNS(int(pos-m.pos), p.ringRate))))
	}
}

// wake asks for the doorbell at the next position that matters: a mark, or half the ring gone while more waits.
func (p *Player) wake() {
	at := host.NoWake
	if len(p.inRing) > 0 {
		at = p.inRing[0].pos
	}
	if !p.q.empty() {
		at = min(at, p.pos+(p.media.Queued()-p.pos)/2)
	}
	p.media.WakeAt(at)
}
