package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/test/e2e/switchtest"
)

// steady is a series that grows by so much an hour, with a burst in its warm-up.
func steady(length time.Duration, perHour int64) *flatness {
	f := &flatness{}
	for at := time.Duration(0); at <= length; at += sampleEvery {
		s := sample{at: at, rss: 100<<20 + int64(at.Hours()*float64(perHour)), threads: 50}
		if at < length/5 && at < warmUp {
			s.rss -= 50 << 20
			s.threads = 10
		}
		f.samples = append(f.samples, s)
	}
	return f
}

func TestSlopeIsThatBehindTheWarmUp(t *testing.T) {
	for _, perHour := range []int64{0, 1 << 20, -3 << 20, 100 << 20} {
		f := steady(time.Hour, perHour)
		if got := slope(f.behind(), rssOf); math.Abs(got-float64(perHour)) > 4096 {
			t.Errorf("a growth of %d an hour gives a slope of %.0f", perHour, got)
		}
	}
	if got := slope(nil, rssOf); got != 0 {
		t.Errorf("no samples give a slope of %f", got)
	}
}

func TestFlatnessIsJudged(t *testing.T) {
	threads := steady(time.Hour, 0)
	threads.samples[len(threads.samples)-1].threads += moreThreads + 1
	for _, tt := range []struct {
		name   string
		series *flatness
		want   string // part of the only fault; "": none
	}{
		{"flat", steady(time.Hour, 0), ""},
		{"under the bound", steady(time.Hour, steepest-1<<20), ""},
		{"over the bound", steady(time.Hour, steepest+1<<20), "grows by"},
		{"too short to tell", steady(time.Minute, 100<<20), ""},
		{"threads", threads, "threads more"},
		{"nothing measured", &flatness{}, "no samples"},
	} {
		got := strings.Join(tt.series.faults(), "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPositionsTellWhatIsMissingAndHowLateItIs(t *testing.T) {
	p := &positions{rate: 1000}
	began := time.Unix(1000, 0)
	say := func(from, n int, at time.Duration) { p.add(began.Add(at), switchtest.Count(from, n)) }
	p.add(began, make([]int16, 20)) // silence before the caller speaks
	say(32700, 60, 0)
	say(32760, 100, 60*time.Millisecond) // over the end of the counter, in time
	if late, _ := p.latest(); late != 0 || len(p.missing()) != 0 {
		t.Errorf("late by %s, missing %v", late, p.missing())
	}
	say(93+50, 100, 410*time.Millisecond) // 50 are missing, so it was due at 210 ms
	late, at := p.latest()
	if late != 200*time.Millisecond || !at.Equal(began.Add(410*time.Millisecond)) {
		t.Errorf("late by %s at %s", late, at)
	}
	if m := p.missing(); len(m) != 1 || m[0].lost != 50 || m[0].message != 2 {
		t.Errorf("missing %+v", m)
	}
}

func TestSilenceIsCountedBetweenSoundsOnly(t *testing.T) {
	got := longestSilence([]int16{0, 0, 0, 1, 0, 0, 2, 3, 0, 4, 0, 0, 0, 0})
	if want := (silence{sound: 4, longest: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
