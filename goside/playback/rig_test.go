package playback

// The telephone that the tests of this package listen to.

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const long = time.Hour // a queue that is never full

// record is an observer that writes down what it is told.
type record struct {
	mu    sync.Mutex
	lines []string
	due   atomic.Int32 // calls of Due
}

func (r *record) Playback(status string, played, queued time.Duration) {
	r.add(fmt.Sprintf("%s %v %v", status, played, queued))
}

func (r *record) Cleared(played, dropped time.Duration) {
	r.add(fmt.Sprintf("cleared %v %v", played, dropped))
}

func (r *record) Mark(name, status string, played time.Duration) {
	r.add(fmt.Sprintf("mark %s %s %v", name, status, played))
}

func (r *record) Due() { r.due.Add(1) }

func (*record) Panicked(any, []byte) {}

func (r *record) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

// take returns what was told since the last time.
func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

func told(t *testing.T, r *record, want ...string) {
	t.Helper()
	if got := r.take(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// phone is a player and the telephone's end of it. Its ring holds 2048 samples.
type phone struct {
	*Player
	record *record
	m      *hosttest.Media
	bell   *hosttest.Doorbell
	open   atomic.Int32 // resamplers
}

type counted struct {
	*hosttest.Resampler
	open *atomic.Int32
}

func (c counted) Close() { c.open.Add(-1); c.Resampler.Close() }

func newPhone(t *testing.T, rate int, max time.Duration) *phone {
	p := &phone{record: &record{}, bell: hosttest.NewDoorbell()}
	p.m = hosttest.NewMedia(1, p.bell, 1, 1600, rate)
	p.Player = New(p.m, max, func(from, to, channels int) (host.Resampler, error) {
		p.open.Add(1)
		return counted{hosttest.NewResampler(from, to, channels), &p.open}, nil
	}, p.record)
	p.prime, p.reserve = 0, 0 // their tests are in prime_test.go; the others are about samples, however few
	t.Cleanup(func() {
		p.Close()
		if n := p.open.Load(); n != 0 {
			t.Errorf("%d resamplers are open", n)
		}
	})
	return p
}

// hear plays n samples in frames of 160, serving before each.
func (p *phone) hear(n int) []int16 {
	var heard []int16
	for len(heard) < n {
		p.Serve()
		heard = append(heard, p.m.Play(min(160, n-len(heard)))...)
	}
	p.Serve()
	return heard
}

func (p *phone) play(t *testing.T, samples []int16, rate int) {
	t.Helper()
	if err := p.Play(bytesOf(samples), L16, rate, 1); err != nil {
		t.Fatal(err)
	}
}

func bytesOf(samples []int16) []byte {
	b := make([]byte, 2*len(samples))
	for i, v := range samples {
		binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
	}
	return b
}

// signal is n samples, none of them 0, that repeat only after 65521.
func signal(from, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(1 + (from+i)*7919%65521)
		if s[i] == 0 {
			s[i] = -1
		}
	}
	return s
}

func ms(samples int) string { return (time.Duration(samples) * time.Second / 8000).String() }
