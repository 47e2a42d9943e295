package hosttest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mod_audio_stream/goside/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ramp(from, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(from + i)
	}
	return s
}

func TestPlayoutGivesWhatWasPutOnceAndInOrderAroundTheRing(t *testing.T) {
	m := NewMedia(1, NewDoorbell(), 10, 100, 8000) // 128 samples
	next, heard := 0, 0
	for heard < 10_000 {
		next += m.Put(ramp(next, 70))
		got := m.Play(33)
		if !slices.Equal(got, ramp(heard, 33)) {
			t.Fatalf("from %d the caller heard %v", heard, got)
		}
		heard += 33
		if m.Position() != uint64(heard) || m.Queued() != uint64(next) || m.Waiting() != next-heard {
			t.Fatalf("position %d, queued %d, waiting %d after %d of %d", m.Position(), m.Queued(), m.Waiting(), heard, next)
		}
	}
}

func TestClearIsExactAndWhatComesAfterIsKept(t *testing.T) {
	m := NewMedia(1, NewDoorbell(), 10, 100, 8000)
	m.Put(ramp(0, 50))
	m.Play(20)
	at, dropped := m.Clear()
	if at != 20 || dropped != 30 {
		t.Fatalf("cleared at %d, %d dropped; want 20 and 30", at, dropped)
	}
	m.Put(ramp(1000, 10))
	if got := m.Play(12); !slices.Equal(got, append(ramp(1000, 10), 0, 0)) {
		t.Errorf("after the clear the caller heard %v", got)
	}
}

func TestUnderrunsCountTransitionsToDryWhileWanted(t *testing.T) {
	m := NewMedia(1, NewDoorbell(), 10, 100, 8000)
	m.Play(10) // nobody wants anything
	m.SetWanted(true)
	m.Put(ramp(0, 15))
	m.Play(10)
	for range 3 {
		m.Play(10) // dry once
	}
	m.Put(ramp(0, 10))
	m.Play(10)
	m.SetPaused(true)
	m.Play(10) // held, not dry
	m.SetPaused(false)
	m.Play(10)
	if n := m.Underruns(); n != 2 {
		t.Errorf("%d underruns, want 2", n)
	}
}

func TestPlayRingsTheBellAtThePositionAskedFor(t *testing.T) {
	bell := NewDoorbell()
	m := NewMedia(1, bell, 10, 100, 8000)
	m.Put(ramp(0, 60))
	m.WakeAt(30)
	bell.Arm()
	m.Play(20)
	if bell.Rings() != 0 {
		t.Error("it rang too early")
	}
	m.Play(20)
	if bell.Rings() != 1 || m.WakesAt() != host.NoWake {
		t.Errorf("%d rings, wakes at %d", bell.Rings(), m.WakesAt())
	}
}

// A clear beside a media thread that is copying: nothing is heard twice, nothing that was put after the clear is lost.
func TestClearBesideAPlayingMediaThread(t *testing.T) {
	m := NewMedia(1, NewDoorbell(), 10, 100, 8000)
	stop := make(chan struct{})
	var playing sync.WaitGroup
	last := -1
	playing.Go(func() {
		buf := make([]int16, 7)
		for {
			n := m.PlayInto(buf)
			for _, v := range buf[:n] {
				if int(v) <= last {
					t.Errorf("%d was heard after %d", v, last)
				}
				last = int(v)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for next := 0; next < 30_000; {
		next += m.Put(ramp(next, 11))
		if next%5 == 0 {
			at, dropped := m.Clear()
			if at+dropped != m.Queued() {
				t.Fatalf("cut %d at %d of %d", dropped, at, m.Queued())
			}
		}
	}
	close(stop)
	playing.Wait()
}

func TestAFullCaptureRingDropsTheNewFrameAndLeavesAGap(t *testing.T) {
	m := NewMedia(1, NewDoorbell(), 2, 0, 0)
	for i := range 3 {
		if ok := m.Push(8000, 1, 1, ramp(i, 4)); ok != (i < 2) {
			t.Errorf("frame %d: taken %v", i, ok)
		}
	}
	var f host.Frame
	m.Peek(&f)
	borrowed := f.PCM
	m.Release()
	if borrowed[0] != poison {
		t.Error("a frame can be read after Release")
	}
	m.Peek(&f)
	m.Release()
	m.Push(8000, 1, 1, ramp(0, 4))
	m.Peek(&f)
	if f.Seq != 3 || m.Dropped() != 1 {
		t.Errorf("frame number %d with %d dropped, want 3 and 1", f.Seq, m.Dropped())
	}
	m.SetMute(true)
	if m.Push(8000, 1, 1, ramp(0, 4)) || m.Dropped() != 1 {
		t.Error("a muted bug took or counted a frame")
	}
}

func TestDigitsComeOutInOrder(t *testing.T) {
	m := NewMedia(1, NewDoorbell(), 2, 0, 0)
	for _, d := range []byte("12#") {
		m.Press(d, 90*time.Millisecond)
	}
	if !m.Pending() {
		t.Error("digits are not pending")
	}
	for _, want := range []byte("12#") {
		d, duration, ok := m.Digit()
		if !ok || d != want || duration != 90*time.Millisecond {
			t.Errorf("got %c, %v, %v; want %c", d, duration, ok, want)
		}
	}
	if _, _, ok := m.Digit(); ok {
		t.Error("a digit too many")
	}
}

func TestResamplerGivesTheSameInAnyPieces(t *testing.T) {
	for _, rates := range [][2]int{{8000, 16000}, {16000, 8000}, {44100, 8000}, {8000, 48000}, {11025, 24000}} {
		in := make([]int16, 2*4000)
		for i := range in {
			in[i] = int16(i * 37)
		}
		whole := slices.Clone(NewResampler(rates[0], rates[1], 2).Process(in))
		if want := 2 * (3999*rates[1]/rates[0] + 1); len(whole) != want {
			t.Errorf("%v: %d samples, want %d", rates, len(whole), want)
		}
		pieces := NewResampler(rates[0], rates[1], 2)
		var got []int16
		for at, n := 0, 0; at < len(in); at += n {
			n = min(len(in)-at, 2*(1+at%77))
			got = append(got, pieces.Process(in[at:at+n])...)
		}
		if !slices.Equal(got, whole) {
			t.Errorf("%v: pieces give something else than the whole", rates)
		}
	}
}

func TestDoorbellWaits(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d := NewDoorbell()
	result, again := make(chan error), make(chan error)
	go func() {
		result <- d.Wait(0)
		again <- d.Wait(0)
	}()
	if err := d.UntilAsleep(ctx); err != nil {
		t.Fatal(err)
	}
	d.RingIfArmed() // not armed: nothing
	if !d.Asleep() {
		t.Error("an unarmed bell woke the pump")
	}
	d.Arm()
	d.RingIfArmed()
	if err := <-result; err != nil {
		t.Error(err)
	}
	d.Ring() // armed or not
	if err := <-again; err != nil {
		t.Error(err)
	}
	d.Close()
	if err := d.Wait(0); err == nil {
		t.Error("Wait ended without an error after Close")
	}
}

func TestSessionsEndAndLeaksAreSeen(t *testing.T) {
	h := New(t.TempDir())
	s := h.Add(Session{UUID: "a"}, map[string]string{"STREAM_DTMF": "true"})
	got, err := h.Attach("a", host.Attach{Legs: 1, Playback: true, Capture: 400 * time.Millisecond, PlayoutMS: 200})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Leaks()) != 2 {
		t.Errorf("leaks: %v", h.Leaks())
	}
	s.End()
	if err := got.Media.Detach(); !errors.Is(err, host.ErrGone) {
		t.Errorf("detach after the end: %v", err)
	}
	if err := h.FireEvent("a", "default", "x", ""); !errors.Is(err, host.ErrGone) {
		t.Errorf("an event after the end: %v", err)
	}
	got.Media.Free()
	if len(h.Leaks()) != 0 {
		t.Errorf("leaks: %v", h.Leaks())
	}
}
