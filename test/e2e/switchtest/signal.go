// Known signals that callers and servers send, and what is found of them at the other end.

package switchtest

import (
	"fmt"
	"math"
	"sync/atomic"
)

// Silence sends packets of zeros: a caller who is there and says nothing.
type Silence struct{}

// Next gives zeros.
func (Silence) Next(_ int, samples []int16) { clear(samples) }

// Spec names the source.
func (Silence) Spec() string { return "silence" }

// Counter counts from 1, one per sample, and starts over after 32767: no sample is zero, so that silence put in by the
// switch is told from the signal, and any sample's successor is known.
type Counter struct{ next atomic.Int32 }

// counterLast is the largest value; after it comes 1.
const counterLast = 32767

// Next counts on.
func (c *Counter) Next(_ int, samples []int16) {
	n := c.next.Load()
	for i := range samples {
		n = n%counterLast + 1
		samples[i] = int16(n)
	}
	c.next.Store(n)
}

// Spec names the source.
func (*Counter) Spec() string { return "counter" }

// Count gives n samples of a counter that begins at first (1 to 32767).
func Count(first, n int) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16((first-1+i)%counterLast + 1)
	}
	return out
}

// Tone is a sine.
type Tone struct {
	Hz        float64
	Amplitude float64 // peak
	phase     int
}

// Next goes on with the sine.
func (t *Tone) Next(rate int, samples []int16) {
	for i := range samples {
		samples[i] = int16(math.Round(t.Amplitude * math.Sin(2*math.Pi*t.Hz*float64(t.phase)/float64(rate))))
		t.phase++
		if t.phase == rate && t.Hz == math.Trunc(t.Hz) {
			t.phase = 0
		}
	}
}

// Spec names the source.
func (t *Tone) Spec() string { return fmt.Sprintf("tone:%g", t.Hz) }

// Samples says given samples once, then zeros.
type Samples struct {
	PCM []int16
	at  int
}

// Next gives the following samples.
func (s *Samples) Next(_ int, samples []int16) {
	n := copy(samples, s.PCM[s.at:])
	s.at += n
	clear(samples[n:])
}

// Spec is empty: the samples have to be given as a file.
func (*Samples) Spec() string { return "" }

// CounterReport is what became of a counter on its way.
type CounterReport struct {
	Samples    int   // samples of the counter found
	Lost       int   // samples skipped
	Repeated   int   // samples that came again, or that are none of the counter's
	Silence    int   // zeros between the first and the last sample of the counter
	Gaps       int   // places with zeros in between
	First      int16 // first value found
	Last       int16
	Start      int // index of the first one
	Unexpected []string
}

// CheckCounter follows a counter through what arrived. Zeros before, between and behind are counted, not errors.
func CheckCounter(samples []int16) CounterReport {
	var c CounterCheck
	c.Add(samples)
	return c.Report()
}

// CounterCheck is CheckCounter for what arrives piece by piece, without keeping it.
type CounterCheck struct {
	r     CounterReport
	at    int // samples seen
	zeros int // since the last one of the counter
	begun bool
}

// Report is what was found so far.
func (c *CounterCheck) Report() CounterReport {
	r := c.r
	if !c.begun {
		r.Start = -1
	}
	return r
}

// Add follows the counter through the next samples.
func (c *CounterCheck) Add(samples []int16) {
	r := &c.r
	for _, s := range samples {
		i := c.at
		c.at++
		if s == 0 {
			if c.begun {
				c.zeros++
			}
			continue
		}
		if !c.begun {
			c.begun = true
			r.Start, r.First, r.Last, r.Samples = i, s, s, 1
			continue
		}
		if c.zeros > 0 {
			r.Silence += c.zeros
			r.Gaps++
			c.zeros = 0
		}
		want := int16(int(r.Last)%counterLast + 1)
		if s < 0 { // changed on its way; it stands for the one that was due
			r.Repeated++
			r.Last = want
			r.Samples++
			r.note("at %d: %d instead of %d", i, s, want)
			continue
		}
		if s != want {
			ahead := (int(s) - int(want) + counterLast) % counterLast
			if ahead < counterLast/2 {
				r.Lost += ahead
			} else {
				r.Repeated++
			}
			r.note("at %d: %d after %d", i, s, r.Last)
		}
		r.Last = s
		r.Samples++
	}
}

// note keeps the first few faults for messages.
func (r *CounterReport) note(format string, args ...any) {
	if len(r.Unexpected) < 8 {
		r.Unexpected = append(r.Unexpected, fmt.Sprintf(format, args...))
	}
}

// Whole reports whether nothing was lost, repeated or changed; silence in between is allowed.
func (r CounterReport) Whole() bool { return r.Lost == 0 && r.Repeated == 0 && len(r.Unexpected) == 0 }

// WholeBut is Whole, except that up to lost samples may be missing: what a switch throws away when packets are late.
func (r CounterReport) WholeBut(lost int) bool { return r.Lost <= lost && r.Repeated == 0 }

func (r CounterReport) String() string {
	return fmt.Sprintf("%d samples from %d to %d, lost %d, repeated %d, silence inside %d in %d places, from index %d %v",
		r.Samples, r.First, r.Last, r.Lost, r.Repeated, r.Silence, r.Gaps, r.Start, r.Unexpected)
}

// Level is the amplitude (peak of the sine) of one frequency in the samples, by Goertzel's algorithm.
func Level(samples []int16, rate int, hz float64) float64 {
	n := len(samples)
	if n == 0 {
		return 0
	}
	w := 2 * math.Pi * hz / float64(rate)
	c := 2 * math.Cos(w)
	var s1, s2 float64
	for _, x := range samples {
		s1, s2 = float64(x)+c*s1-s2, s1
	}
	return 2 * math.Sqrt(max(s1*s1+s2*s2-c*s1*s2, 0)) / float64(n)
}

// RMS is the root mean square of the samples.
func RMS(samples []int16) float64 {
	if len(samples) == 0 {
		return 0
	}
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(len(samples)))
}

// Purity is the part of the energy that lies in one frequency, 0 to 1.
func Purity(samples []int16, rate int, hz float64) float64 {
	rms := RMS(samples)
	if rms == 0 {
		return 0
	}
	l := Level(samples, rate, hz) / math.Sqrt2
	return l * l / (rms * rms)
}

// Trim leaves out the zeros at both ends.
func Trim(samples []int16) []int16 {
	for len(samples) > 0 && samples[0] == 0 {
		samples = samples[1:]
	}
	for len(samples) > 0 && samples[len(samples)-1] == 0 {
		samples = samples[:len(samples)-1]
	}
	return samples
}

// Index finds part in whole, -1 when it is not there.
func Index(whole, part []int16) int {
	if len(part) == 0 {
		return 0
	}
search:
	for i := 0; i+len(part) <= len(whole); i++ {
		for j := range part {
			if whole[i+j] != part[j] {
				continue search
			}
		}
		return i
	}
	return -1
}

// Channel takes one channel out of interleaved samples.
func Channel(interleaved []int16, channels, n int) []int16 {
	out := make([]int16, 0, len(interleaved)/channels)
	for i := n; i < len(interleaved); i += channels {
		out = append(out, interleaved[i])
	}
	return out
}

// Nobody sends no packet at all: for the second leg of a bridge, where no source would mean no leg.
type Nobody struct{}

// Next is not called.
func (Nobody) Next(_ int, samples []int16) { clear(samples) }

// Spec is the stand-in host's comfort noise.
func (Nobody) Spec() string { return "nobody" }
