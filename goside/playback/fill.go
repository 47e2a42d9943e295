package playback

import (
	"runtime/debug"
	"time"

	"mod_audio_stream/goside/fault"
)

// From the queue to the ring: resampled to what the channel plays, and shortened or stretched where the pace asks for it.

// fill moves audio from the queue to the ring, at the rate that the channel plays now.
func (p *Player) fill() {
	if rate := p.media.PlayoutRate(); rate != p.ringRate {
		p.retune(rate)
	}
	if !p.primed {
		if p.q.empty() || !p.enough() {
			return
		}
		p.primed = true
		defer p.want()
	}
	for !p.q.empty() {
		// A ring's length is a fraction of a second; what it gets is bounded by its space, counted in its own rate.
		pcm, rate := p.q.peek(blockSamples)
		space := p.media.Space()
		if rate != p.ringRate {
			space = (space - resampleMargin) * rate / p.ringRate
		}
		n := min(len(pcm), space)
		if len(p.waiting) > 0 { // up to the next mark, so that it gets its exact place in the ring
			n = min(n, int(p.waiting[0].pos-p.q.out))
		}
		if p.pace.want > 0 && p.gathering(n, rate) {
			break
		}
		if n <= 0 {
			break
		}
		out, n := p.spliced(pcm[:n], rate)
		if rate != p.ringRate {
			if p.r == nil || p.rFrom != rate {
				p.dropResampler()
				r, err := p.resample(rate, p.ringRate, 1)
				if err != nil { // no memory: lose this piece rather than the call
					p.unplayed += samplesNS(n, rate)
					p.takeFromQueue(n, rate)
					continue
				}
				p.r, p.rFrom = r, rate
			}
			out = p.r.Process(out)
		}
		p.media.Put(out)
		p.takeFromQueue(n, rate)
	}
	if p.q.empty() {
		p.queuedNS = 0 // no rounding is carried along
	}
	p.wake()
}

// enough reports that the media thread may have the next audio: a frame of it is there and, where a reserve is to be made,
// either that much time has passed or that much more is there.
func (p *Player) enough() bool {
	waited, ahead := time.Since(p.since), time.Duration(p.queuedNS)
	return waited >= p.prime || ahead >= p.prime && (!p.hold || waited >= p.reserve || ahead >= p.prime+p.reserve)
}

// alarm has the player served when the reserve's time has passed: with few streams the pump may not look by itself so soon.
func (p *Player) alarm() {
	switch {
	case p.reserve == 0:
	case p.due == nil:
		p.due = time.AfterFunc(p.reserve, p.reserved)
	default:
		p.due.Reset(p.reserve)
	}
}

// reserved is the alarm.
func (p *Player) reserved() {
	defer func() {
		if r := recover(); r != nil {
			p.observer.Panicked(r, debug.Stack())
		}
	}()
	fault.At("reserve")
	p.observer.Due()
}

// gathering reports that n samples are too few to be spliced, that more may follow, and that the caller has enough to hear
// until then.
func (p *Player) gathering(n, rate int) bool {
	return n < samplesIn(spliceLength, rate) && len(p.waiting) == 0 && p.splicer.ready() && p.queuedNS < int64(spliceLength) &&
		samplesNS(int(p.media.Queued()-p.pos), p.ringRate) > 2*int64(spliceLength)
}

// spliced shortens or lengthens the beginning of pcm if the pace asks for it. It returns what is to be played and how many
// samples of pcm that stands for.
func (p *Player) spliced(pcm []int16, rate int) ([]int16, int) {
	n := samplesIn(spliceLength, rate)
	longer := p.pace.want < 0
	if p.pace.want == 0 || len(pcm) < n || !p.splicer.ready() || longer && p.media.Space() < samplesIn(2*spliceLength, p.ringRate) {
		p.splicer.passed(samplesNS(len(pcm), rate))
		return pcm, len(pcm)
	}
	out := p.splicer.splice(pcm[:n], rate, longer, p.pace.room())
	ns := samplesNS(n, rate) - samplesNS(len(out), rate)
	p.shortened += max(0, ns)
	p.stretched += max(0, -ns)
	if ns != 0 {
		p.pace.done(ns)
	}
	return out, n
}

// want tells the pacer whether there is something to write for.
func (p *Player) want() { p.media.SetWanted(p.playing && p.primed && !p.paused) }

func (p *Player) takeFromQueue(n, rate int) {
	p.q.drop(n)
	p.queuedNS = max(0, p.queuedNS-samplesNS(n, rate))
	for len(p.waiting) > 0 && int64(p.waiting[0].pos-p.q.out) <= 0 { // q.out may have wrapped
		p.inRing = append(p.inRing, mark{p.waiting[0].name, p.media.Queued()})
		p.waiting = p.waiting[1:]
	}
}

// retune follows a re-INVITE to another rate. What is in the ring was made for the old one: it is taken back into the
// queue, with its marks, and goes through the resampler once more.
func (p *Player) retune(rate int) {
	at, cut := p.media.Clear()
	p.advance(at)
	p.reportMarks(at)
	p.pos += cut
	p.q.giveBack(p.ringRate, int(cut), func(offset int, dst []int16) { p.media.Cleared(at+uint64(offset), dst) })
	p.queuedNS += samplesNS(int(cut), p.ringRate)
	back := make([]mark, 0, len(p.inRing)+len(p.waiting))
	for _, m := range p.inRing {
		back = append(back, mark{m.name, p.q.out + (m.pos - at)})
	}
	p.waiting, p.inRing = append(back, p.waiting...), nil
	p.ringRate = rate
	p.dropResampler()
	p.media.SetMadeFor(rate)
}

func (p *Player) dropResampler() {
	if p.r != nil {
		p.r.Close()
		p.r = nil
	}
}
