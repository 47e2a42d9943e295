package playback

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// impurity is how much of a signal's power (dB) is not the sine of this frequency: least squares against sine and cosine.
func impurity(x []int16, rate int, hz float64) float64 {
	var ss, cc, sc, xs, xc, xx float64
	for i, v := range x {
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		f := float64(v)
		ss, cc, sc, xs, xc, xx = ss+s*s, cc+c*c, sc+s*c, xs+f*s, xc+f*c, xx+f*f
	}
	det := ss*cc - sc*sc
	a, b := (xs*cc-xc*sc)/det, (xc*ss-xs*sc)/det
	rest := xx - a*xs - b*xc
	return 10 * math.Log10(rest/xx)
}

func TestASpliceInATonePassesUnheard(t *testing.T) {
	for _, rate := range []int{8000, 16000, 24000, 48000} {
		for _, hz := range []float64{100, 123, 200, 350, 440, 1000} {
			for _, longer := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d Hz at %d, longer %v", int(hz), rate, longer), func(t *testing.T) {
					n := samplesIn(spliceLength, rate)
					x := make([]int16, 3*n)
					for i := range x {
						x[i] = int16(math.Round(10000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
					}
					var s splicer
					out := slices.Clone(s.splice(x[n:2*n], rate, longer, time.Second))
					if d := n - len(out); longer && d >= 0 || !longer && d <= 0 {
						t.Fatalf("%d samples became %d", n, len(out))
					} else if p := time.Duration(max(d, -d)) * time.Second / time.Duration(rate); p < splicePeriodMin || p > splicePeriodMax {
						t.Errorf("%v were spliced", p)
					}
					// No step at either end: the piece fits between its neighbours as before.
					whole := slices.Concat(x[:n], out, x[2*n:])
					step := int(2*math.Pi*hz/float64(rate)*10000*1.15) + 600
					for i := 1; i < len(whole); i++ {
						if d := int(whole[i]) - int(whole[i-1]); max(d, -d) > step {
							t.Fatalf("a step of %d at %d, a sine's longest is %d", d, i-n, step)
						}
					}
				})
			}
		}
	}
}

func TestManySplicesLeaveATonePure(t *testing.T) {
	var s splicer
	at := 0
	var heard []int16
	for range 100 {
		x := make([]int16, 160)
		for i := range x {
			x[i] = int16(math.Round(10000 * math.Sin(2*math.Pi*200*float64(at)/8000)))
			at++
		}
		heard = append(heard, s.splice(x, 8000, false, time.Second)...)
	}
	if db := impurity(heard, 8000, 200); db > -40 {
		t.Errorf("%.1f dB of the tone are something else", db)
	}
	if removed := at - len(heard); removed < 100*20 {
		t.Errorf("only %d samples were taken out", removed)
	}
}

func TestSilenceIsSplicedAtOnce(t *testing.T) {
	var s splicer
	x := make([]int16, 160)
	if n := len(s.splice(x, 8000, false, time.Second)); n != 80 {
		t.Errorf("%d samples are left, want 80", n)
	}
	if n := len(s.splice(x, 8000, true, time.Second)); n != 240 {
		t.Errorf("%d samples came out, want 240", n)
	}
}

func TestNoiseIsSplicedOnlyAfterLookingForABetterPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var s splicer
	for try := 0; ; try++ {
		x := make([]int16, 160)
		for i := range x {
			x[i] = int16(rng.IntN(20000) - 10000)
		}
		if len(s.splice(x, 8000, false, time.Second)) != len(x) {
			if try != splicePatience {
				t.Errorf("spliced at try %d, want %d", try, splicePatience)
			}
			return
		}
		if try > 2*splicePatience {
			t.Fatal("never spliced")
		}
	}
}

func TestSplicingAllocatesNothing(t *testing.T) {
	var s splicer
	x := make([]int16, 960)
	s.splice(x, 48000, true, time.Second)
	if n := testing.AllocsPerRun(100, func() { s.splice(x, 48000, true, time.Second); s.splice(x, 48000, false, time.Second) }); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
}
