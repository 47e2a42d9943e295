package playback

// Clears, marks, pauses and the end: what happens to audio that is queued.

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestClearIsExactAndKeepsWhatComesAfter(t *testing.T) {
	for _, queued := range []int{100, 1500, 20_000} { // in the ring, in the ring, and in both
		hears := []int{0, 1, 99, 100}
		if queued > 2048 {
			hears = []int{0, 160, 480} // whole frames, as in a call
		}
		for _, heard := range hears {
			t.Run(fmt.Sprintf("%d of %d", heard, queued), func(t *testing.T) {
				p := newPhone(t, 8000, long)
				p.play(t, signal(0, queued), 8000)
				for _, name := range []string{"a", "b"} {
					if err := p.Mark(name); err != nil {
						t.Fatal(err)
					}
				}
				if got := p.m.Play(heard); !slices.Equal(got, signal(0, heard)) {
					t.Fatal("the beginning is wrong")
				}
				p.record.take()
				p.Clear(0)
				if heard == queued { // the marks had been reached
					told(t, p.record, "mark a played "+ms(heard), "mark b played "+ms(heard), "cleared "+ms(heard)+" 0s")
				} else {
					told(t, p.record, "mark a cleared "+ms(heard), "mark b cleared "+ms(heard), "cleared "+ms(heard)+" "+ms(queued-heard))
				}
				if p.m.Wanted() || !p.Idle() {
					t.Error("the pacer is still wanted, or the player is not idle")
				}
				p.play(t, signal(50_000, 3000), 8000)
				told(t, p.record, "started "+ms(heard)+" "+ms(3000))
				got := p.hear(3000 + 161)
				// A ring that was full takes new audio once the media thread has been there, a frame later.
				late := 0
				for got[late] == 0 && late < 160 {
					late++
				}
				if !slices.Equal(got[late:late+3001], append(signal(50_000, 3000), 0)) {
					t.Errorf("what came after the clear was not heard whole (%d samples late)", late)
				}
				p.play(t, signal(0, 1), 8000) // the gap before it is one, the wait behind the clear was none
				if s := p.Snapshot(); s.Played.String() != ms(heard+3000) || s.Clears != 1 || s.Marks != 2 || s.Underruns > 1 {
					t.Errorf("snapshot %+v", s)
				}
			})
		}
	}
}

func TestClearDropsTheUnfinishedSampleToo(t *testing.T) {
	p := newPhone(t, 8000, long)
	if err := p.Play([]byte{1, 2, 3}, L16, 8000, 1); err != nil {
		t.Fatal(err)
	}
	p.Clear(0)
	p.play(t, []int16{77}, 8000)
	if got := p.hear(2); !slices.Equal(got, []int16{77, 0}) {
		t.Errorf("heard %v", got)
	}
}

func TestClearOfNothingIsToldAllTheSame(t *testing.T) {
	p := newPhone(t, 8000, long)
	p.Clear(time.Second) // dropped before it got to the player
	if n := p.Snapshot().Clears; n != 1 {
		t.Errorf("%d clears", n)
	}
	told(t, p.record, "cleared 0s 1s")
	p.Close()
	told(t, p.record) // nothing was asked for
}

func TestMarksAreReportedAtTheirSample(t *testing.T) {
	p := newPhone(t, 8000, long)
	mark := func(name string) {
		t.Helper()
		if err := p.Mark(name); err != nil {
			t.Fatal(err)
		}
	}
	mark("nothing queued")
	told(t, p.record, "mark nothing queued played 0s")
	p.play(t, signal(0, 100), 8000)
	mark("at 100")
	mark("at 100 too")
	p.play(t, signal(0, 9900), 8000)
	mark("at 10000")
	told(t, p.record, "started 0s "+ms(100))
	p.m.Play(99)
	p.Serve()
	told(t, p.record)
	if p.m.WakesAt() != 100 {
		t.Errorf("the bell rings at %d", p.m.WakesAt())
	}
	p.m.Play(1)
	p.Serve()
	told(t, p.record, "mark at 100 played 12.5ms", "mark at 100 too played 12.5ms")
	p.hear(9899)
	told(t, p.record)
	p.hear(1)
	told(t, p.record, "mark at 10000 played 1.25s")
	mark("all played")
	told(t, p.record, "mark all played played 1.25s")
}

func TestMarksKeepTheirPlaceAcrossResampling(t *testing.T) {
	p := newPhone(t, 8000, long)
	for i, rate := range []int{16_000, 48_000, 16_000} {
		p.play(t, signal(0, rate/10), rate)
		if err := p.Mark(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	p.record.take()
	for i := range 3 {
		p.hear(799)
		told(t, p.record)
		p.hear(1)
		told(t, p.record, fmt.Sprintf("mark %d played %s", i, ms(800*(i+1))))
	}
}

func TestManyMarksInOrderAndNoMoreThanTheLimit(t *testing.T) {
	p := newPhone(t, 8000, long)
	for i := range MaxMarks {
		p.play(t, signal(i, 2), 8000)
		if err := p.Mark(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	p.play(t, signal(0, 2), 8000)
	if err := p.Mark("one more"); !errors.Is(err, ErrMarks) {
		t.Errorf("got %v", err)
	}
	p.record.take()
	for i := range MaxMarks / 2 {
		p.hear(2)
		told(t, p.record, fmt.Sprintf("mark %d played %s", i, ms(2*(i+1))))
	}
	if err := p.Mark("again"); err != nil {
		t.Error(err)
	}
	p.Clear(0)
	lines := p.record.take()
	if len(lines) != MaxMarks/2+2 || lines[0] != fmt.Sprintf("mark %d cleared %s", MaxMarks/2, ms(MaxMarks)) ||
		lines[MaxMarks/2] != "mark again cleared "+ms(MaxMarks) {
		t.Errorf("%d lines, first %q", len(lines), lines[0])
	}
}

func TestPauseHoldsPlaybackAndKeepsTheQueue(t *testing.T) {
	p := newPhone(t, 8000, long)
	p.play(t, signal(0, 4000), 8000)
	if err := p.Mark("end"); err != nil {
		t.Fatal(err)
	}
	p.record.take()
	heard := p.hear(1000)
	p.Pause()
	p.Pause()
	told(t, p.record, "paused "+ms(1000)+" "+ms(3000))
	if !p.m.Paused() || p.m.Wanted() || p.Idle() {
		t.Errorf("paused %v, wanted %v, idle %v", p.m.Paused(), p.m.Wanted(), p.Idle())
	}
	if got := p.hear(500); !slices.Equal(got, make([]int16, 500)) {
		t.Error("something was heard while paused")
	}
	p.play(t, signal(4000, 10), 8000)
	if p.m.Wanted() {
		t.Error("audio that arrives while paused wakes the pacer")
	}
	p.Resume()
	p.Resume()
	told(t, p.record, "resumed "+ms(1000)+" "+ms(3010))
	if p.m.Paused() || !p.m.Wanted() {
		t.Error("playback is still held")
	}
	heard = append(heard, p.hear(3010)...)
	if !slices.Equal(heard, signal(0, 4010)) {
		t.Error("the pause lost or doubled something")
	}
	told(t, p.record, "mark end played "+ms(4000)) // at the mark, though ten samples more have been heard
	if s := p.Snapshot(); s.Underruns != 0 || s.Played.String() != ms(4010) {
		t.Errorf("snapshot %+v", s)
	}
}

func TestPausedFromTheStart(t *testing.T) {
	p := newPhone(t, 8000, long)
	p.Pause()
	p.play(t, signal(0, 160), 8000)
	if got := p.hear(160); !slices.Equal(got, make([]int16, 160)) || p.m.Wanted() {
		t.Error("it played while paused")
	}
	p.Resume()
	if got := p.hear(160); !slices.Equal(got, signal(0, 160)) {
		t.Error("it did not play after the pause")
	}
}

func TestCloseDropsAnswersAndEnds(t *testing.T) {
	p := newPhone(t, 8000, long)
	p.play(t, signal(0, 16_000), 16_000)
	if err := p.Mark("a"); err != nil {
		t.Fatal(err)
	}
	p.hear(160)
	p.record.take()
	p.Close()
	told(t, p.record, "mark a cleared 20ms", "cleared 20ms 980ms")
	p.Close()
	if err := p.Play(bytesOf(signal(0, 10)), L16, 8000, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Play: %v", err)
	}
	if err := p.Mark("b"); !errors.Is(err, ErrClosed) {
		t.Errorf("Mark: %v", err)
	}
	p.m.Free() // nothing below touches the media: it would be a nil dereference
	p.Clear(0)
	p.Pause()
	p.Resume()
	if p.Serve() || !p.Idle() {
		t.Error("a closed player is active or not idle")
	}
	if s := p.Snapshot(); s.Played != 20*time.Millisecond || s.Queued != 0 {
		t.Errorf("snapshot %+v", s)
	}
	told(t, p.record)
}

// Everything at once, as in a call: a media thread, the pump, the receiver and a user. After a clear nothing from before it
// is heard; in between everything is in order.
func TestClearBesideAPlayingCall(t *testing.T) {
	p := newPhone(t, 8000, long)
	stop := make(chan struct{})
	var threads sync.WaitGroup
	var generation atomic.Int32 // what is queued has this value; it goes up with every clear
	thread := func(do func()) {
		threads.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					do()
				}
			}
		})
	}
	generation.Store(1)
	buf := make([]int16, 160)
	last := int16(0)
	thread(func() {
		least := int16(generation.Load())
		n := p.m.PlayInto(buf)
		for _, v := range buf[:n] {
			if v < least || v < last {
				t.Errorf("%d was heard although %d had been cleared (before it came %d)", v, least-1, last)
			}
			last = v
		}
	})
	thread(func() { p.Serve(); p.Idle(); p.Snapshot() })
	thread(func() { p.Pause(); p.Resume() })
	block := make([]int16, 700)
	for g := int16(1); g < 500; g++ {
		for i := range block {
			block[i] = g
		}
		for range 5 {
			p.play(t, block, 8000)
			if err := p.Mark("m"); err != nil {
				t.Fatal(err)
			}
		}
		p.Clear(0)
		generation.Store(int32(g) + 1)
	}
	close(stop)
	threads.Wait()
	marks := 0
	for _, line := range p.record.take() {
		if line[:6] == "mark m" {
			marks++
		}
	}
	if marks != 5*499 {
		t.Errorf("%d marks were answered of %d", marks, 5*499)
	}
}
