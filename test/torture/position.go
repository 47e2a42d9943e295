package main

import (
	"io"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// positions follows a counter over one connection or several: where in the caller's speech each message is from, and so how
// late it came and what is missing between two.
type positions struct {
	mu    sync.Mutex
	rate  int // Hz
	began bool
	next  int64 // position of the sample that is due
	value int16 // of the sample before it
	lag   time.Duration
	best  bool // lag is set: arrival of the earliest message, less its position
	list  []arrival
	jumps []jump
}

// arrival is one message.
type arrival struct {
	at    time.Time
	pos   int64
	epoch time.Duration // arrival, as a time of day, less its position: what the least of is no latency at all
}

// jump is a place where samples are missing.
type jump struct {
	message int // number of the first one behind it, from 0
	lost    int64
	pos     int64 // position behind it
}

// counterLast is the counter's largest value, behind which comes 1.
const counterLast = 32767

// add notes one message that holds samples of a counter.
func (p *positions) add(at time.Time, samples []int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(samples) == 0 {
		return
	}
	for i, v := range samples {
		if v <= 0 {
			continue // before the caller speaks
		}
		if p.began {
			if ahead := (int64(v) - int64(p.value) - 1 + counterLast) % counterLast; ahead > 0 {
				p.next += ahead
				p.jumps = append(p.jumps, jump{message: len(p.list), lost: ahead, pos: p.next})
			}
		}
		if i == 0 || !p.began {
			p.note(at)
		}
		p.began = true
		p.value = v
		p.next++
	}
}

func (p *positions) note(at time.Time) {
	a := arrival{at: at, pos: p.next}
	a.epoch = time.Duration(at.UnixNano()) - p.duration(p.next)
	if !p.best || a.epoch < p.lag {
		p.lag, p.best = a.epoch, true
	}
	p.list = append(p.list, a)
}

func (p *positions) duration(samples int64) time.Duration {
	return time.Duration(samples) * time.Second / time.Duration(p.rate)
}

// latest gives the last message's delay against the quickest one's, and its arrival.
func (p *positions) latest() (late time.Duration, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) == 0 {
		return 0, time.Time{}
	}
	a := p.list[len(p.list)-1]
	return a.epoch - p.lag, a.at
}

func (p *positions) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list)
}

// due is the position of the sample that comes next.
func (p *positions) due() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

func (p *positions) missing() (all []jump) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(all, p.jumps...)
}

// frames reads the module's frames until the connection ends or do says no.
func (p *peer) frames(do func(op ws.OpCode, payload []byte) bool) {
	for {
		h, err := ws.ReadHeader(p.br)
		if err != nil || h.Length > 1<<20 {
			return
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(p.br, payload); err != nil {
			return
		}
		if h.Masked {
			ws.Cipher(payload, h.Mask, 0)
		}
		if !do(h.OpCode, payload) {
			return
		}
	}
}
