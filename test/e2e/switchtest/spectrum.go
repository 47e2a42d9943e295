// What a tone is worth after its journey: the part of it that is not the tone.

package switchtest

import "math"

// Residual takes the best-fitting sine of a known frequency, and the mean, out of the samples (the three-parameter fit of
// IEEE 1057). It gives the sine's amplitude, the ratio of the sine's power to all the rest, noise and distortion, in dB
// (SINAD), and the largest single deviation: a click is one of these long before it is much power.
func Residual(samples []int16, rate int, hz float64) (amplitude, sinad, peak float64) {
	n := len(samples)
	if n < 8 {
		return 0, 0, 0
	}
	step := 2 * math.Pi * hz / float64(rate)
	// The normal equations of a·sin + b·cos + c.
	var ss, sc, cc, s1, c1, sy, cy, y1 float64
	for i, v := range samples {
		s, c := math.Sincos(step * float64(i))
		y := float64(v)
		ss, sc, cc = ss+s*s, sc+s*c, cc+c*c
		s1, c1 = s1+s, c1+c
		sy, cy, y1 = sy+s*y, cy+c*y, y1+y
	}
	a, b, mean, ok := solve3([3][4]float64{{ss, sc, s1, sy}, {sc, cc, c1, cy}, {s1, c1, float64(n), y1}})
	if !ok {
		return 0, 0, 0
	}
	var rest float64
	for i, v := range samples {
		s, c := math.Sincos(step * float64(i))
		d := float64(v) - a*s - b*c - mean
		rest += d * d
		peak = max(peak, math.Abs(d))
	}
	amplitude = math.Hypot(a, b)
	return amplitude, 10 * math.Log10(amplitude*amplitude/2/max(rest/float64(n), 1e-9)), peak
}

// solve3 is Gauss' elimination with the largest pivot.
func solve3(m [3][4]float64) (x, y, z float64, ok bool) {
	for i := range 3 {
		best := i
		for r := i + 1; r < 3; r++ {
			if math.Abs(m[r][i]) > math.Abs(m[best][i]) {
				best = r
			}
		}
		m[i], m[best] = m[best], m[i]
		if math.Abs(m[i][i]) < 1e-12 {
			return 0, 0, 0, false
		}
		for r := range 3 {
			if r == i {
				continue
			}
			f := m[r][i] / m[i][i]
			for k := i; k < 4; k++ {
				m[r][k] -= f * m[i][k]
			}
		}
	}
	return m[0][3] / m[0][0], m[1][3] / m[1][1], m[2][3] / m[2][2], true
}

// Steady gives the longest stretch in which a tone is there with at least the given level, looked at in blocks of 20 ms,
// less a block at each end.
func Steady(samples []int16, rate int, hz, level float64) []int16 {
	block := rate / 50
	var from, to, at int
	for i := 0; i+block <= len(samples); i += block {
		if Level(samples[i:i+block], rate, hz) < level {
			at = i + block
			continue
		}
		if i+block-at > to-from {
			from, to = at, i+block
		}
	}
	if to-from <= 2*block {
		return nil
	}
	return samples[from+block : to-block]
}

// Sounding is the length, in samples, of all blocks of 20 ms in which a tone is there with at least the given level.
func Sounding(samples []int16, rate int, hz, level float64) int {
	block := rate / 50
	n := 0
	for i := 0; i+block <= len(samples); i += block {
		if Level(samples[i:i+block], rate, hz) >= level {
			n += block
		}
	}
	return n
}
