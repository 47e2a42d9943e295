package playback

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/hosttest"
)

// Nothing is lost between the queue, the resampler and the ring, whatever the rates.
func TestResampledAudioIsWhole(t *testing.T) {
	for _, call := range []int{8000, 16000, 44100, 48000} {
		for _, rate := range rates {
			p := newPhone(t, call, long)
			n := 2 * rate
			for at := 0; at < n; {
				k := min(rate/50+at%7, n-at)
				p.play(t, signal(at, k), rate)
				at += k
				p.hear(call / 100) // slower than it comes
			}
			for p.Snapshot().Queued > 0 {
				p.hear(160)
			}
			want := uint64(n)
			if rate != call {
				want = uint64((n-1)*call/rate + 1)
			}
			if got := p.m.Queued(); got != want {
				t.Errorf("%d to %d: %d samples reached the ring, want %d", rate, call, got, want)
			}
		}
	}
}

func TestRatesFollowOneAnother(t *testing.T) {
	p := newPhone(t, 8000, long)
	for _, rate := range []int{8000, 16000, 8000, 48000, 24000, 8000} {
		level := make([]int16, rate/10)
		for i := range level {
			level[i] = int16(rate / 100)
		}
		p.play(t, level, rate)
	}
	heard := p.hear(4800)
	for i, rate := range []int{8000, 16000, 8000, 48000, 24000, 8000} {
		for k, v := range heard[i*800 : i*800+800] {
			if v != int16(rate/100) {
				t.Fatalf("sample %d of the piece at %d Hz is %d", k, rate, v)
			}
		}
	}
}

func TestTheQueueIsMeasuredInTimeWhateverTheRate(t *testing.T) {
	p := newPhone(t, 8000, time.Second)
	p.play(t, signal(0, 24_000), 48_000)
	if err := p.Play(bytesOf(signal(0, 8001)), L16, 16_000, 1); !errors.Is(err, ErrOverflow) {
		t.Errorf("got %v", err)
	}
	if q := p.Snapshot().Queued; q < 999*time.Millisecond || q > time.Second {
		t.Errorf("%v are queued", q)
	}
}

func TestARateChangeInMidCallLosesNothing(t *testing.T) {
	for _, rates := range [][2]int{{8000, 16_000}, {16_000, 8000}, {8000, 48_000}} {
		for _, queued := range []int{1000, 1601, 20_000} { // in the ring, and in both
			t.Run(fmt.Sprintf("%v, %d samples", rates, queued), func(t *testing.T) {
				p := newPhone(t, rates[0], long)
				level := slices.Repeat([]int16{1000}, queued)
				p.play(t, level[:500], rates[0])
				for _, name := range []string{"a", "a too"} {
					if err := p.Mark(name); err != nil {
						t.Fatal(err)
					}
				}
				p.play(t, level[500:], rates[0])
				if err := p.Mark("end"); err != nil {
					t.Fatal(err)
				}
				p.record.take()
				if got := p.m.Play(200); !slices.Equal(got, level[:200]) {
					t.Fatal("the beginning is wrong")
				}
				p.m.SetPlayoutRate(rates[1])
				frame := rates[1] / 50
				var heard []int16
				for !p.Idle() {
					heard = append(heard, p.hear(frame)...)
				}
				n := 0
				for _, v := range heard {
					if v == 1000 {
						n++
					}
				}
				// The resampler keeps its last sample to itself.
				if want := (queued - 200) * rates[1] / rates[0]; n < want-rates[1]/rates[0] || n > want+1 {
					t.Errorf("%d samples at the new rate, want %d", n, want)
				}
				at := func(samples int) time.Duration { return time.Duration(samples) * time.Second / time.Duration(rates[0]) }
				for i, want := range []struct {
					name string
					at   time.Duration
				}{{"a", at(500)}, {"a too", at(500)}, {"end", at(queued)}} {
					var name string
					var told time.Duration
					line := p.record.lines[i]
					if k := strings.LastIndex(line, " played "); k > 0 {
						name = strings.TrimPrefix(line[:k], "mark ")
						told, _ = time.ParseDuration(line[k+8:])
					}
					if d := told - want.at; name != want.name || max(d, -d) > time.Millisecond {
						t.Errorf("told %q, want mark %s at %v", line, want.name, want.at)
					}
				}
			})
		}
	}
}

// What is given back are more samples than were ever taken: six for each of the server's.
func TestARateChangeAtTheBeginningKeepsMarksInTheirPlace(t *testing.T) {
	p := newPhone(t, 48_000, long)
	level := slices.Repeat([]int16{1000}, 1600)
	p.play(t, level, 8000) // 200 ms
	if err := p.Mark("end"); err != nil {
		t.Fatal(err)
	}
	p.record.take()
	p.m.Play(96) // 2 ms
	p.m.SetPlayoutRate(16_000)
	for range 9 {
		p.hear(320)
		told(t, p.record) // 20 to 180 ms behind the change: the mark is not reached
	}
	p.hear(640) // a full ring takes the new audio a frame late
	lines := p.record.take()
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "mark end played 199.") {
		t.Errorf("told %q", lines)
	}
}

func TestARateChangeInMidCallGoesOnAtTheNewRate(t *testing.T) {
	p := newPhone(t, 8000, long)
	level := make([]int16, 8000)
	for i := range level {
		level[i] = 1000
	}
	p.play(t, level, 8000)
	if err := p.Mark("end"); err != nil {
		t.Fatal(err)
	}
	p.record.take()
	p.hear(800)
	p.m.SetPlayoutRate(16_000)
	n := 0
	for !p.Idle() {
		for _, v := range p.hear(320) {
			if v != 0 && v != 1000 {
				t.Fatalf("heard %d", v)
			} else if v != 0 {
				n++
			}
		}
	}
	if n < 2*7200-2 || n > 2*7200 {
		t.Errorf("%d samples at the new rate", n)
	}
	played := p.Snapshot().Played
	if want := time.Duration(n)*time.Second/16_000 + 100*time.Millisecond; played.Round(time.Millisecond) != want.Round(time.Millisecond) {
		t.Errorf("played %v, want %v", played, want)
	}
	if lines := p.record.take(); len(lines) == 0 || lines[0] != fmt.Sprintf("mark end played %v", played) {
		t.Errorf("told %q", lines)
	}
}

func TestAResamplerThatCannotBeHadLosesThatPieceOnly(t *testing.T) {
	r := &record{}
	m := hosttest.NewMedia(1, hosttest.NewDoorbell(), 1, 1600, 8000)
	p := New(m, long, func(from, to, channels int) (host.Resampler, error) { return nil, errors.New("no memory") }, r)
	p.prime = 0
	defer p.Close()
	for _, rate := range []int{16_000, 8000} {
		if err := p.Play(bytesOf(signal(0, 100)), L16, rate, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Play(101); !slices.Equal(got, append(signal(0, 100), 0)) {
		t.Error("what needs no resampler was not heard")
	}
	if lost := p.Snapshot().Unplayed; lost != 100*time.Second/16_000 {
		t.Errorf("%v are counted as not played", lost)
	}
}
