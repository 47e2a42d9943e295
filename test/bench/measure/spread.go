package measure

import (
	"math"
	"slices"
)

// Spread is the median of repeated measurements and their extremes.
type Spread struct {
	Median, Low, High float64
	N                 int
}

// Of makes the spread of values; NaNs, which stand for what could not be measured, are left out.
func Of(values []float64) Spread {
	v := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(v) == 0 {
		return Spread{}
	}
	slices.Sort(v)
	return Spread{Median: Quantile(v, 0.5), Low: v[0], High: v[len(v)-1], N: len(v)}
}

// Quantile of sorted values: the value between two is theirs in proportion. NaN for none.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}
