package playback

import (
	"math"
	"time"
)

// A server that sends in real time has a clock of its own, and a network in between that sometimes stalls. Left alone, a
// server that is 0.1 % fast makes the caller wait a second longer every quarter of an hour, one that is 0.1 % slow makes a
// gap every 20 s, and what a stall has delayed stays delayed. So such a server's audio is played a little shorter or longer
// (splice.go), until it waits as long as it should. A server that sends faster than real time, as most do that speak a text,
// is left alone: its audio waits because it is early.
const (
	// paceSecond is how long arrivals are gathered before they are judged.
	paceSecond = int64(time.Second)
	// paceTolerance is by how much (percent) a second's audio may differ from a second for the server to count as sending in
	// real time. Clocks differ by less than 0.1; timers that are set anew for every frame by some percent.
	paceTolerance = 6
	// paceSteady is how many such seconds must follow one another before anything is changed.
	paceSteady = 2
	// paceReserve is how long audio should wait: a frame at the usual ptime, against jitter.
	paceReserve = int64(20 * time.Millisecond)
	// paceSlack is how much longer than it should audio may wait: reserve and slack are two frames. It is more for a server
	// that sends larger pieces, or keeps a lead: up to a piece, or half of what audio should wait. A wait that has grown by
	// paceGrown (percent) of that is stopped at paceEarly, before it gets there; one that stays, behind a gap at the
	// beginning, is no drift.
	paceSlack = int64(20 * time.Millisecond)
	paceEarly = 60
	paceGrown = 40
	// paceLow is when a reserve that melts away is filled up, and paceMelted how much of it must have gone: a small reserve
	// that stays is no drift.
	paceLow    = int64(8 * time.Millisecond)
	paceMelted = int64(4 * time.Millisecond)
	// paceCalm is how many seconds in a row there must have been a whole frame too many, at the worst of their moments, before
	// it is taken out: what playback began with, or a stall has left, that nothing needs. It is doubled, up to paceCalmMax,
	// whenever a gap follows.
	paceCalm    = 3
	paceCalmMax = 96
	// paceJump is a change of the server's lead that no clock makes: it has sent more, or less, on purpose.
	paceJump = int64(60 * time.Millisecond)
)

// pace watches a stream's playback. Times are nanoseconds.
type pace struct {
	began int64 // when the server's time line begins: with the first playback, or behind a pause
	total int64 // audio that has come since, and what was queued then

	from  int64 // the second being gathered
	came  int64
	count int64
	piece int64 // the longest of it
	low   int64 // the smallest reserve of it
	sum   struct{ wait, reserve, lead int64 }

	steady    int   // seconds in a row in real time
	known     bool  // lastLead and target are set
	lastLead  int64 // how far the server was ahead of real time, last steady second
	restarted bool  // playback had stopped since
	newLead   int64 // how far it was ahead when it went on; a pause in its speech is a step back
	target    int64 // how long audio should wait: the reserve, and what the server is ahead on purpose
	best      int64 // longest mean reserve since the last change
	least     int64 // shortest mean wait since then; 0: none yet

	calm     int   // steady seconds in a row since anything was changed
	spare    int64 // the smallest reserve of those
	patience int   // how many it takes; 0: paceCalm
	taken    bool  // what was too many has been taken out, and no gap has come since

	want int64 // to be taken out (positive) or put in (negative)
}

// arrival is a piece of audio as it comes.
type arrival struct {
	now   int64 // CLOCK_MONOTONIC
	ns    int64 // how long it plays
	next  int64 // until the media thread takes its next frame
	frame int64 // how long that one is; 0: not known yet
	ahead int64 // how much audio it will find before this
}

// wait is how long the first sample waits.
func (a *arrival) wait() int64 { return a.next + a.ahead }

// reserve is how long the caller could go on hearing whole frames without it. A frame that is there in part is a gap.
func (a *arrival) reserve() int64 {
	if a.frame == 0 {
		return 0
	}
	return a.next + a.ahead/a.frame*a.frame
}

// start begins a time line.
func (p *pace) start(now, queued int64) { *p = pace{began: now, from: now, total: queued} }

// restart goes on after playback has stopped. Whether that was a stall, behind which the server goes on where it was, or the
// pause between two sentences shows when the next audio has come.
func (p *pace) restart(now, queued int64) {
	if p.total == 0 {
		p.start(now, queued)
		return
	}
	p.restarted, p.newLead = true, p.lead(now)
	p.unsettle()
	p.gather(now)
}

// unsettle forgets what was learnt of a steady server.
func (p *pace) unsettle() { p.steady, p.want, p.best, p.least, p.calm = 0, 0, 0, 0, 0 }

// gap is told that the caller heard one. What audio waits longer since is no drift.
func (p *pace) gap(now int64) {
	p.best, p.least, p.calm = 0, 0, 0
	p.gather(now)
	if p.taken { // what has been taken out would have covered for it, perhaps
		p.patience, p.taken = min(2*max(paceCalm, p.patience), paceCalmMax), false
	}
}

func (p *pace) lead(now int64) int64 { return p.total - (now - p.began) }

func (p *pace) gather(now int64) {
	p.from, p.came, p.count, p.piece = now, 0, 0, 0
	p.sum.wait, p.sum.reserve, p.sum.lead = 0, 0, 0
	p.low = math.MaxInt64
}

// arrived is told of every piece of audio.
func (p *pace) arrived(a arrival) {
	if a.now-p.from >= paceSecond {
		p.judge(&a)
		p.gather(a.now)
	}
	p.sum.wait += a.wait()
	p.sum.reserve += a.reserve()
	p.low = min(p.low, a.reserve())
	p.sum.lead += p.lead(a.now)
	p.count++
	p.came += a.ns
	p.piece = max(p.piece, a.ns)
	p.total += a.ns
}

func (p *pace) judge(a *arrival) {
	elapsed := a.now - p.from
	if off := p.came - elapsed; p.count == 0 || max(off, -off) > elapsed*paceTolerance/100 {
		p.unsettle()
		return
	}
	wait, reserve, lead := p.sum.wait/p.count, p.sum.reserve/p.count, p.sum.lead/p.count
	p.aim(lead)
	p.best = max(p.best, reserve)
	if p.least == 0 || wait < p.least {
		p.least = wait
	}
	p.want = 0
	if p.steady++; p.steady < paceSteady || a.frame == 0 {
		return
	}
	if p.calm++; p.calm == 1 || p.low < p.spare {
		p.spare = p.low
	}
	slack := max(paceSlack, p.piece, p.target/2)
	switch { // by whole frames, so that no part of one is left over that the next gap would begin with
	case wait > p.target+slack, wait > p.target+slack*paceEarly/100 && wait-p.least >= slack*paceGrown/100:
		p.want = max(1, (wait-p.target)/a.frame) * a.frame
	case reserve < paceLow && p.best-reserve >= paceMelted:
		p.want = a.ahead%a.frame - a.frame
	case p.calm >= max(paceCalm, p.patience) && p.idle(wait, a.frame) > 0:
		p.want, p.taken = p.idle(wait, a.frame), true
	default:
		return
	}
	p.best, p.least, p.calm = 0, 0, 0
}

// idle is the whole frames that were too many all the time, and without which audio would still wait about as long as it
// should. A server that is ahead on purpose has none.
func (p *pace) idle(wait, frame int64) int64 {
	if p.target > paceReserve {
		return 0
	}
	return max(0, min(p.spare-paceLow, wait-p.target+paceLow)) / frame * frame
}

// onPurpose is a server's lead, 0 if it is so small that our own looking late may have made it: nobody's choice.
func onPurpose(lead int64) int64 {
	if lead > paceJump {
		return lead
	}
	return 0
}

// aim sets how long audio should wait. It changes only with what no clock does.
func (p *pace) aim(lead int64) {
	jump := lead - p.lastLead
	switch {
	case !p.known && !p.restarted:
		p.target = paceReserve + onPurpose(lead)
	case max(jump, -jump) <= paceJump: // on the same time line, also after a stall
	case p.restarted:
		p.target = paceReserve + onPurpose(lead-p.newLead)
	default:
		p.target += jump
	}
	p.target = max(paceReserve, p.target)
	p.known, p.restarted, p.lastLead = true, false, lead
}

// room is the longest piece that a splice may take out or put in now. What is put in may be a little more than wanted, never
// less: a frame that is there in part is a gap all the same.
func (p *pace) room() time.Duration {
	if p.want >= 0 {
		return time.Duration(p.want)
	}
	return time.Duration(-p.want) + splicePeriodMin*2
}

// done takes what a splice has changed off what is wanted: ns taken out, or put in if negative.
func (p *pace) done(ns int64) {
	// What was gathered before it is counted as if it had come after.
	p.sum.wait -= ns * p.count
	p.sum.reserve -= ns * p.count
	p.low -= ns
	before := p.want
	if p.want -= ns; (p.want > 0) != (before > 0) || p.want > 0 && p.want < int64(splicePeriodMin) {
		p.want = 0
	}
}
