package steps

import (
	"testing"

	"github.com/zaf/g711"
)

// Every level is found again behind mu-law and with what a resampler may be off, and none is silence.
func TestLevelsAreTold(t *testing.T) {
	for k := range Count {
		for _, off := range []int16{0, 300, -300} {
			v := Level(k) + off
			if got := Find(v); got != k {
				t.Errorf("step %d as %d was taken for %d", k, v, got)
			}
			if Silent(v) {
				t.Errorf("step %d as %d is taken for silence", k, v)
			}
		}
		if got := g711.DecodeUlawFrame(PCMU(k)[0]); got != Level(k) {
			t.Errorf("step %d is %d behind mu-law, not %d", k, got, Level(k))
		}
	}
	if Find(0) != None || !Silent(0) {
		t.Error("silence is taken for a step")
	}
}

func TestOrderCounts(t *testing.T) {
	var o Order
	for k := range 3 * Count {
		switch k {
		case 60: // lost
		case 61:
			o.See(0)
			o.See(Level(k))
		case 62:
			o.See(Level(k))
			o.See(Level(k))
		default:
			o.See(Level(k))
		}
	}
	want := Order{Frames: 3 * Count, Lost: 1, Repeated: 1, Silent: 1, Number: 3*Count - 1}
	o.next, o.begun = 0, false
	if o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
}
