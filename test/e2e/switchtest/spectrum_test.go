package switchtest

import (
	"math"
	"testing"
)

func sine(hz float64, rate, n int, amplitude float64) []int16 {
	out := make([]int16, n)
	(&Tone{Hz: hz, Amplitude: amplitude}).Next(rate, out)
	return out
}

func TestResidualOfAPureToneIsItsRounding(t *testing.T) {
	amplitude, sinad, peak := Residual(sine(1003, 8000, 7777, 10000), 8000, 1003)
	if math.Abs(amplitude-10000) > 1 || sinad < 85 || peak > 1 {
		t.Errorf("amplitude %.1f, SINAD %.1f dB, peak %.2f", amplitude, sinad, peak)
	}
}

func TestResidualSeesOneSampleTooFew(t *testing.T) {
	tone := sine(1000, 8000, 8000, 10000)
	cut := append(append([]int16{}, tone[:4001]...), tone[4002:]...)
	if _, sinad, peak := Residual(cut, 8000, 1000); sinad > 20 || peak < 1000 {
		t.Errorf("SINAD %.1f dB, peak %.0f", sinad, peak)
	}
	click := append([]int16{}, tone...)
	click[5000] += 2000
	if _, _, peak := Residual(click, 8000, 1000); peak < 1900 {
		t.Errorf("peak %.0f", peak)
	}
}

func TestSteadyFindsTheTone(t *testing.T) {
	all := append(append(make([]int16, 3000), sine(1000, 8000, 8000, 5000)...), sine(400, 8000, 8000, 9000)...)
	if got := Steady(all, 8000, 1000, 4000); len(got) < 7000 || len(got) > 8000 {
		t.Errorf("%d samples of 8000", len(got))
	}
	if got := Steady(all, 8000, 2000, 4000); got != nil {
		t.Errorf("%d samples of a tone that is not there", len(got))
	}
}
