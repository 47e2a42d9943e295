package pump

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"mod_audio_stream/goside/hosttest"
)

func startSet(t *testing.T, window time.Duration, limit, perPump int) (s *Set, bell *hosttest.Doorbell, grown *[]int) {
	bell, grown = hosttest.NewDoorbell(), new([]int)
	s = StartSet(bell, window, limit, ignore, func(pumps int) { *grown = append(*grown, pumps) })
	s.perPump = perPump
	t.Cleanup(s.Stop)
	return s, bell, grown
}

// add puts a stream on the pump that the set picks.
func add(s *Set, bell *hosttest.Doorbell) (*fake, *Pump) {
	f, p := newFake(bell), s.Pick()
	p.Add(f)
	return f, p
}

// twoPumps have a stream each; f is the helper's.
func twoPumps(t *testing.T) (s *Set, bell *hosttest.Doorbell, first *Pump, f *fake, helper *Pump) {
	t.Helper()
	s, bell, _ = startSet(t, time.Millisecond, 2, 1)
	_, first = add(s, bell)
	if f, helper = add(s, bell); helper == first {
		t.Fatal("both streams are on one pump")
	}
	return s, bell, first, f, helper
}

func TestManyStreamsAreSharedAmongPumps(t *testing.T) {
	const perPump = 3
	s, bell, grown := startSet(t, time.Millisecond, 2, perPump)
	var streams []*fake
	var on []*Pump
	for range 4 * perPump {
		f, p := add(s, bell)
		streams, on = append(streams, f), append(on, p)
	}
	for i, p := range on {
		switch first := p == s.pumps[0]; {
		case i < perPump && !first:
			t.Errorf("stream %d is not on the first pump, which has room", i)
		case i >= perPump && i < 2*perPump && first:
			t.Errorf("stream %d is on the first pump, which has enough", i)
		}
	}
	if a, b := s.pumps[0].serving(), s.pumps[1].serving(); a != b {
		t.Errorf("%d and %d streams", a, b)
	}
	if !slices.Equal(*grown, []int{2}) || s.Pumps() != 2 {
		t.Errorf("told of %v pumps, there are %d", *grown, s.Pumps())
	}
	for round := range uint64(20) {
		for _, f := range streams {
			f.push()
		}
		for _, f := range streams {
			f.until(t, "the frame", func() bool { return f.frames.Load() == round+1 })
		}
	}
}

func TestAHelperSleepsWithoutStreamsAndWakesForTheNext(t *testing.T) {
	s, bell, _, f, helper := twoPumps(t)
	f.push()
	f.until(t, "the frame", func() bool { return f.frames.Load() == 1 })
	f.media.Close() // the bug is gone
	f.until(t, "the end", f.gone.Load)
	for helper.serving() != 0 {
		runtime.Gosched()
	}
	if w := helper.gathers(0); w != 0 {
		t.Errorf("without streams it looks every %v", w)
	}
	next, again := add(s, bell)
	if again != helper {
		t.Error("the pump that has none is not picked")
	}
	next.push()
	next.until(t, "the frame", func() bool { return next.frames.Load() == 1 })
}

func TestBehindAPeakStreamsAreServedByTheDoorbellAgain(t *testing.T) {
	s, bell, first, f, helper := twoPumps(t)
	for _, p := range []*Pump{first, helper} {
		(*p.streams.Load())[0].(*fake).media.Close()
	}
	f.until(t, "the end", f.gone.Load)
	for first.serving()+helper.serving() != 0 {
		runtime.Gosched()
	}
	s.perPump = 3
	for range 3 {
		if _, p := add(s, bell); p != first {
			t.Error("a stream is on the helper although the first pump has room")
		}
	}
}

func TestAtOnceEveryNewStreamIsOnTheFirstPump(t *testing.T) {
	s, bell, first, f, _ := twoPumps(t)
	s.SetWindow(0)
	for range 3 {
		if _, p := add(s, bell); p != first {
			t.Error("a stream that is to be served at once is on a pump that nobody rings for")
		}
	}
	f.push() // nobody rings for it
	f.until(t, "the frame", func() bool { return f.frames.Load() == 1 })
}

func TestPicksAtOnceStartOnePumpEach(t *testing.T) {
	s, bell, grown := startSet(t, time.Millisecond, 3, 1)
	add(s, bell)
	var mu sync.Mutex
	s.grown = func(pumps int) {
		mu.Lock()
		defer mu.Unlock()
		*grown = append(*grown, pumps)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { add(s, bell) })
	}
	all.Wait()
	if n := s.Pumps(); n != 3 || len(*grown) != 2 {
		t.Errorf("%d pumps, told of %v", n, *grown)
	}
}
