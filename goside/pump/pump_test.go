package pump

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second // for what must happen

// fake is a stream over a real media: it takes frames and counts.
type fake struct {
	media  *hosttest.Media
	active atomic.Bool
	frames atomic.Uint64
	serves atomic.Uint64
	failed atomic.Uint64
	gone   atomic.Bool
	frame  host.Frame

	onServe, onPending, onFailed func()
	news                         chan struct{} // capacity 1: something changed
}

func newFake(bell *hosttest.Doorbell) *fake {
	return &fake{media: hosttest.NewMedia(1, bell, 64, 0, 0), news: make(chan struct{}, 1)}
}

func (f *fake) Serve() (done, active bool) {
	f.serves.Add(1)
	if f.onServe != nil {
		f.onServe()
	}
	closed := f.media.Closed()
	for f.media.Peek(&f.frame) {
		f.media.Release()
		f.frames.Add(1)
	}
	if closed {
		f.gone.Store(true)
	}
	f.tell()
	return closed, f.active.Load()
}

func (f *fake) Pending() bool {
	if f.onPending != nil {
		f.onPending()
	}
	return f.media.Pending()
}

func (f *fake) Failed(any, []byte) {
	f.failed.Add(1)
	f.tell()
	if f.onFailed != nil {
		f.onFailed()
	}
}

func (f *fake) tell() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// until waits for cond, which is looked at after every Serve.
func (f *fake) until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	over := time.After(patience)
	for !cond() {
		select {
		case <-f.news:
		case <-over:
			t.Fatalf("%s did not happen: %d frames in %d calls", what, f.frames.Load(), f.serves.Load())
		}
	}
}

func (f *fake) push() { f.media.Push(8000, 1, 1, []int16{1, 2, 3, 4}) }

func asleep(t *testing.T, bell *hosttest.Doorbell) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := bell.UntilAsleep(ctx); err != nil {
		t.Fatal("the pump does not go to sleep")
	}
}

func startPump(t *testing.T, window time.Duration) (*Pump, *hosttest.Doorbell) {
	bell := hosttest.NewDoorbell()
	p := Start(bell, window, ignore)
	t.Cleanup(p.Stop)
	return p, bell
}

// ignore is for pumps that nothing is wrong with.
func ignore(any, []byte) {}

// dumb is a doorbell that cannot be waited for.
type dumb struct {
	*hosttest.Doorbell
}

func (dumb) Wait(time.Duration) error { return errors.New("bad file descriptor") }

func TestAPumpWhoseDoorbellFailsSaysSoOnceAndGoesOn(t *testing.T) {
	bell := hosttest.NewDoorbell()
	said := make(chan string, 2)
	p := Start(dumb{bell}, 0, func(what any, _ []byte) { said <- fmt.Sprint(what) })
	f := newFake(bell)
	p.Add(f)
	for frames := range uint64(3) {
		f.media.Push(8000, 1, 1, make([]int16, 160))
		f.until(t, "a frame without a bell", func() bool { return f.frames.Load() > frames })
	}
	p.Stop()
	if len(said) != 1 || !strings.Contains(<-said, "bad file descriptor") {
		t.Errorf("told %d times", len(said)+1)
	}
}

func TestFewStreamsAreServedByTheDoorbellOnly(t *testing.T) {
	p, bell := startPump(t, time.Hour) // a window that must not be waited for
	streams := make([]*fake, ImmediateStreams)
	for i := range streams {
		streams[i] = newFake(bell)
		p.Add(streams[i])
	}
	streams[7].until(t, "the first look", func() bool { return streams[7].serves.Load() > 0 })
	for round := range uint64(50) {
		asleep(t, bell)
		before := bell.Waits()
		f := streams[round%ImmediateStreams]
		want := f.frames.Load() + 1
		f.push()
		f.until(t, "the frame", func() bool { return f.frames.Load() == want })
		asleep(t, bell)
		if n := bell.Waits() - before; n != 1 {
			t.Fatalf("one frame woke the pump %d times", n)
		}
	}
}

func TestManyStreamsAreGatheredForAWindow(t *testing.T) {
	p, bell := startPump(t, 2*time.Millisecond)
	streams := make([]*fake, ImmediateStreams+1)
	for i := range streams {
		streams[i] = newFake(bell)
		p.Add(streams[i])
	}
	last := streams[len(streams)-1]
	last.until(t, "the first look", func() bool { return last.serves.Load() > 0 })
	waits, rings := bell.Waits(), bell.Rings()
	for round := range uint64(20) {
		for _, f := range streams {
			f.push()
		}
		for _, f := range streams {
			f.until(t, "the frame", func() bool { return f.frames.Load() == round+1 })
		}
	}
	// A ring that was armed for the last wait of the immediate mode may still be heard by nobody.
	if bell.Waits() != waits || bell.Rings() > rings+1 {
		t.Errorf("the pump waited %d times for a bell that rang %d times", bell.Waits()-waits, bell.Rings()-rings)
	}
}

func TestWindowZeroIsAlwaysImmediate(t *testing.T) {
	p, bell := startPump(t, time.Hour)
	p.SetWindow(0)
	streams := make([]*fake, 3*ImmediateStreams)
	for i := range streams {
		streams[i] = newFake(bell)
		p.Add(streams[i])
	}
	for _, f := range streams {
		asleep(t, bell)
		f.push()
		f.until(t, "the frame", func() bool { return f.frames.Load() == 1 })
	}
}

func TestAStreamThatIsDoneIsNotServedAgain(t *testing.T) {
	p, bell := startPump(t, 0)
	stays, goes := newFake(bell), newFake(bell)
	p.Add(stays)
	p.Add(goes)
	goes.push()
	goes.media.Close()
	goes.until(t, "the end", goes.gone.Load)
	if goes.frames.Load() != 1 {
		t.Error("the last frame was not taken")
	}
	asleep(t, bell)
	n := goes.serves.Load()
	stays.push()
	stays.until(t, "the other's frame", func() bool { return stays.frames.Load() == 1 })
	asleep(t, bell)
	if goes.serves.Load() != n {
		t.Error("a stream was served after its end")
	}
}

func TestWakeLooksAtEveryStream(t *testing.T) {
	p, bell := startPump(t, 0)
	f := newFake(bell)
	p.Add(f)
	f.until(t, "the first look", func() bool { return f.serves.Load() > 0 })
	for range 10 {
		asleep(t, bell)
		n := f.serves.Load()
		p.Wake()
		f.until(t, "the look", func() bool { return f.serves.Load() > n })
	}
}

func TestAPanickingStreamIsTakenOffAndTheOthersGoOn(t *testing.T) {
	boom := func() { panic("boom") }
	tests := []struct {
		name string
		ruin func(*fake)
	}{
		{"in Serve", func(f *fake) { f.onServe = boom }},
		{"in Pending", func(f *fake) { f.onPending = boom }},
		{"in Serve and in Failed", func(f *fake) { f.onServe, f.onFailed = boom, boom }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, bell := startPump(t, 0)
			good, bad := newFake(bell), newFake(bell)
			tt.ruin(bad)
			p.Add(good)
			p.Add(bad)
			bad.until(t, "the failure", func() bool { return bad.failed.Load() > 0 })
			asleep(t, bell)
			served := bad.serves.Load()
			good.push()
			good.until(t, "the other's frame", func() bool { return good.frames.Load() == 1 })
			asleep(t, bell)
			if bad.failed.Load() != 1 || bad.serves.Load() != served {
				t.Errorf("told %d times of the failure, served %d times after it", bad.failed.Load(), bad.serves.Load()-served)
			}
		})
	}
}

func TestAnActiveStreamIsServedWithoutARing(t *testing.T) {
	p, bell := startPump(t, 0)
	f := newFake(bell)
	f.active.Store(true)
	p.Add(f)
	f.until(t, "five more looks", func() bool { return f.serves.Load() >= 6 })
	f.active.Store(false)
	n := f.serves.Load()
	p.Wake()
	f.until(t, "a look", func() bool { return f.serves.Load() > n })
	asleep(t, bell)
}

func TestStopEndsThePumpWhateverItDoes(t *testing.T) {
	tests := []struct {
		name    string
		streams int
		window  time.Duration
	}{{"asleep without streams", 0, 0}, {"asleep", 3, 0}, {"in windows", 20, time.Millisecond}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bell := hosttest.NewDoorbell()
			p := Start(bell, tt.window, ignore)
			for range tt.streams {
				p.Add(newFake(bell))
			}
			ended := make(chan struct{})
			go func() { p.Stop(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("the pump did not end")
			}
			p.Wake() // a late ring is nothing
		})
	}
}

func TestServingAllocatesNothing(t *testing.T) {
	p, bell := startPump(t, 0)
	f := newFake(bell)
	p.Add(f)
	over := time.After(patience)
	want := uint64(0)
	n := testing.AllocsPerRun(500, func() {
		f.push()
		for want++; f.frames.Load() < want; {
			select {
			case <-f.news:
			case <-over:
				t.Fatal("a frame was not served")
			}
		}
	})
	if n > 0 {
		t.Errorf("%.1f allocations per frame", n)
	}
}

// Writers that ring only when they find the bell armed, and a pump that goes to sleep whenever it can: a wake-up that is lost
// leaves a frame in its ring, and then nothing moves any more.
func TestNoWakeUpIsLost(t *testing.T) {
	const frames = 3000
	p, bell := startPump(t, 0)
	var writers sync.WaitGroup
	for range 4 {
		f := newFake(bell)
		p.Add(f)
		writers.Go(func() {
			for n := uint64(1); n <= frames; n++ {
				f.push()
				for over := time.Now().Add(patience); f.frames.Load() < n; {
					select {
					case <-f.news:
					case <-time.After(time.Until(over)):
						t.Errorf("frame %d was not seen", n)
						return
					}
				}
			}
		})
	}
	writers.Wait()
}

func TestStreamsComeAndGoWhileFramesFlow(t *testing.T) {
	p, bell := startPump(t, time.Millisecond)
	var calls sync.WaitGroup
	for n := range 6 {
		calls.Go(func() {
			for round := range 30 {
				f := newFake(bell)
				p.Add(f)
				for range 5 {
					f.push()
				}
				f.media.Close()
				f.until(t, fmt.Sprintf("the end of call %d.%d", n, round), f.gone.Load)
				if f.frames.Load() != 5 {
					t.Errorf("%d frames of 5", f.frames.Load())
				}
			}
		})
	}
	calls.Wait()
	if n := len(*p.streams.Load()); n != 0 {
		// The last one is taken off right behind its last Serve.
		asleep(t, bell)
		if n = len(*p.streams.Load()); n != 0 {
			t.Errorf("%d streams are still on the list", n)
		}
	}
}
