package hosttest

import (
	"sync/atomic"

	"mod_audio_stream/goside/host"
)

// Resampler is host.Resampler by straight lines between samples: deterministic, with the state that a real one has (the
// last sample and the position between two), and without its delay. After N samples of input it has given
// floor((N-1)·to/from)+1 samples, whatever the pieces were.
type Resampler struct {
	from, to, channels int

	in   int64   // samples taken (per channel)
	out  int64   // samples given
	last []int16 // the newest sample of each channel
	buf  []int16
	open *atomic.Int64
}

var _ host.Resampler = (*Resampler)(nil)

// NewResampler makes one.
func NewResampler(from, to, channels int) *Resampler {
	return &Resampler{from: from, to: to, channels: channels, last: make([]int16, channels)}
}

// Process implements host.Resampler. The samples returned by the call before are overwritten, on purpose.
func (r *Resampler) Process(in []int16) []int16 {
	for i := range r.buf {
		r.buf[i] = poison
	}
	r.buf = r.buf[:0]
	ch, n := r.channels, int64(len(in)/r.channels)
	at := func(i int64, c int) int64 { // sample i of the whole signal
		if i < r.in {
			return int64(r.last[c])
		}
		return int64(in[(i-r.in)*int64(ch)+int64(c)])
	}
	end := r.in + n
	for {
		num := r.out * int64(r.from)
		i, frac := num/int64(r.to), num%int64(r.to)
		if i >= end || frac != 0 && i+1 >= end {
			break
		}
		for c := range ch {
			v := at(i, c)
			if frac != 0 {
				v += (at(i+1, c) - v) * frac / int64(r.to)
			}
			r.buf = append(r.buf, int16(v))
		}
		r.out++
	}
	if n > 0 {
		copy(r.last, in[(n-1)*int64(ch):n*int64(ch)])
	}
	r.in = end
	return r.buf
}

// Close implements host.Resampler. A use after it divides by nothing and panics.
func (r *Resampler) Close() {
	if r.open != nil {
		r.open.Add(-1)
	}
	r.channels = 0
}
