package playback

import (
	"math"
	"time"
)

// Splicing takes a piece out of the audio, or puts one in, where it is heard least: where the signal repeats itself (a
// period of a voice or a tone) or is silent. Pitch stays. These are the lengths: a piece of audio, the shortest and
// the longest period looked for (400 Hz down to 100 Hz), and the overlap over which one end fades into the other.
const (
	spliceLength    = 20 * time.Millisecond
	splicePeriodMin = 2500 * time.Microsecond
	splicePeriodMax = 10 * time.Millisecond
	spliceFade      = 10 * time.Millisecond
	// spliceEvery is how much audio lies between two splices: playback is at most 10 % faster or slower.
	spliceEvery = 100 * time.Millisecond
	// spliceAlike is how alike (normalized correlation) the two ends must be; after so many pieces that were not, the best
	// there is has to do: noise does not repeat itself. A longer period is taken if it is this little worse.
	spliceAlike    = 0.9
	splicePatience = 10
	spliceAsGood   = 0.01
	// spliceSilence is the mean square below which a piece is silence: -60 dB of full scale.
	spliceSilence = 32.768 * 32.768
)

// splicer holds one playback's working memory.
type splicer struct {
	out     []int16
	since   int64 // ns of audio since the last splice
	refused int   // pieces that did not repeat themselves
}

// passed is told how much audio went by unchanged.
func (s *splicer) passed(ns int64) { s.since += ns }

// ready reports that enough audio lies behind the last splice.
func (s *splicer) ready() bool { return s.since >= int64(spliceEvery) }

// splice shortens (or lengthens) a piece of spliceLength by at most room. The result is valid until the next call; it is the
// piece itself when it has no place to be spliced at.
func (s *splicer) splice(piece []int16, rate int, longer bool, room time.Duration) []int16 {
	lo, fade := samplesIn(splicePeriodMin, rate), samplesIn(spliceFade, rate)
	hi := min(samplesIn(min(splicePeriodMax, room), rate), len(piece)-fade)
	stride := max(1, rate/8000) // finer than that is not heard, and costs
	if hi < lo {
		return piece
	}
	change := s.join
	if longer {
		change = s.repeat
	}
	if energy(piece, stride) < spliceSilence {
		s.since, s.refused = 0, 0
		return change(piece, hi, fade)
	}
	period, alike := 0, -1.0
	for lag := hi; lag >= lo; lag -= stride {
		if c := correlation(piece[:fade], piece[lag:lag+fade], stride); c > alike+spliceAsGood {
			period, alike = lag, c
		}
	}
	if period == 0 || alike < spliceAlike && s.refused < splicePatience {
		s.refused++
		return piece
	}
	s.since, s.refused = 0, 0
	return change(piece, period, fade)
}

// join leaves out one period: the beginning fades into what is a period later.
func (s *splicer) join(x []int16, period, fade int) []int16 {
	s.out = s.out[:0]
	for i := range fade {
		s.out = append(s.out, blend(x[i], x[period+i], i, fade))
	}
	s.out = append(s.out, x[period+fade:]...)
	return s.out
}

// repeat plays one period twice: what follows it fades into the beginning.
func (s *splicer) repeat(x []int16, period, fade int) []int16 {
	s.out = append(s.out[:0], x[:period]...)
	for i := range fade {
		s.out = append(s.out, blend(x[period+i], x[i], i, fade))
	}
	s.out = append(s.out, x[fade:]...)
	return s.out
}

// blend is a at the beginning of a fade and b at its end.
func blend(a, b int16, i, fade int) int16 {
	return int16((int(a)*(fade-i) + int(b)*i) / fade)
}

func energy(x []int16, stride int) float64 {
	sum, n := 0.0, 0
	for i := 0; i < len(x); i += stride {
		sum += float64(x[i]) * float64(x[i])
		n++
	}
	return sum / float64(max(n, 1))
}

func correlation(a, b []int16, stride int) float64 {
	var ab, aa, bb float64
	for i := 0; i < len(a); i += stride {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

func samplesIn(d time.Duration, rate int) int { return int(d * time.Duration(rate) / time.Second) }
