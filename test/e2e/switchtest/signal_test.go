// Tests of the signals and of what is found of them: a check that finds nothing would let every case pass.

package switchtest

import (
	"math"
	"slices"
	"testing"
)

func TestCheckCounterFindsEveryFault(t *testing.T) {
	whole := Count(32700, 1000) // over the turn from 32767 to 1
	cut := func(from, to int) []int16 { return slices.Concat(whole[:from], whole[to:]) }
	for _, tc := range []struct {
		name                          string
		samples                       []int16
		lost, repeated, silence, gaps int
		whole                         bool
	}{
		{"whole", whole, 0, 0, 0, 0, true},
		{"silence around it", slices.Concat(make([]int16, 50), whole, make([]int16, 50)), 0, 0, 0, 0, true},
		{"silence inside", slices.Concat(whole[:400], make([]int16, 160), whole[400:]), 0, 0, 160, 1, true},
		{"a frame lost", cut(320, 480), 160, 0, 0, 0, false},
		{"a frame twice", slices.Concat(whole[:480], whole[320:]), 0, 1, 0, 0, false},
		{"two frames swapped", slices.Concat(whole[:160], whole[320:480], whole[160:320], whole[480:]), 320, 1, 0, 0, false},
		{"a sample changed", slices.Concat(whole[:500], []int16{-7}, whole[501:]), 0, 1, 0, 0, false},
		{"nothing", make([]int16, 100), 0, 0, 0, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := CheckCounter(tc.samples)
			if r.Lost != tc.lost || r.Silence != tc.silence || r.Gaps != tc.gaps || r.Whole() != tc.whole || (r.Repeated > 0) != (tc.repeated > 0) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestCounterAndCountAgree(t *testing.T) {
	var c Counter
	got := make([]int16, 40000)
	for at := 0; at < len(got); at += 160 {
		c.Next(8000, got[at:at+160])
	}
	if !slices.Equal(got, Count(1, len(got))) {
		t.Error("a Counter and Count give different samples")
	}
}

func TestLevelAndPurity(t *testing.T) {
	s := make([]int16, 8000)
	(&Tone{Hz: 440, Amplitude: 9000}).Next(8000, s)
	if l := Level(s, 8000, 440); math.Abs(l-9000) > 20 {
		t.Errorf("level %.1f of a sine of 9000", l)
	}
	if l := Level(s, 8000, 1000); l > 50 {
		t.Errorf("level %.1f where there is nothing", l)
	}
	if p := Purity(s, 8000, 440); p < 0.999 {
		t.Errorf("purity %.4f of a sine", p)
	}
	noise := Count(1, 8000)
	if p := Purity(noise, 8000, 440); p > 0.1 {
		t.Errorf("purity %.4f of a ramp", p)
	}
}
