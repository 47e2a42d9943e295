package playback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/hosttest"
)

func TestSamplesComeOutOnceAndInOrderWhateverTheMessages(t *testing.T) {
	in := signal(0, 20_000)
	data := bytesOf(in)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 2, 3, 7, 159, 160, 319, 320, 321, 4095, 4096, 4097, 40_000, 0} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := newPhone(t, 8000, long)
			var heard []int16
			for at := 0; at < len(data); {
				n := size
				if n == 0 { // any
					n = rng.IntN(3000)
				}
				n = min(n, len(data)-at)
				if err := p.Play(data[at:at+n], L16, 8000, 1); err != nil {
					t.Fatal(err)
				}
				at += n
				for p.m.Waiting() >= 160 && rng.IntN(3) > 0 { // never dry, so that what is heard has no gap
					heard = append(heard, p.hear(160)...)
				}
			}
			heard = append(heard, p.hear(len(in)-len(heard))...)
			if !slices.Equal(heard, in) {
				t.Error("the caller heard something else")
			}
			if s := p.Snapshot(); s.Queued != 0 || s.Played != 2500*time.Millisecond || s.Underruns != 0 {
				t.Errorf("snapshot %+v", s)
			}
		})
	}
}

// The two laws by the formulas of ITU-T G.711.
func ulaw(b byte) int16 {
	u := int(^b)
	v := ((u&15)<<3 + 0x84) << (u >> 4 & 7)
	if u&0x80 != 0 {
		return int16(0x84 - v)
	}
	return int16(v - 0x84)
}

func alaw(b byte) int16 {
	a := int(b ^ 0x55)
	v := (a&15)<<4 + 8
	if seg := a >> 4 & 7; seg > 0 {
		v = (v + 0x100) << (seg - 1)
	}
	if a&0x80 == 0 {
		return int16(-v)
	}
	return int16(v)
}

func TestG711(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, law := range []struct {
		name   string
		format Format
		decode func(byte) int16
	}{{"pcmu", PCMU, ulaw}, {"pcma", PCMA, alaw}} {
		t.Run(law.name, func(t *testing.T) {
			p := newPhone(t, 8000, long)
			if err := p.Play(every, law.format, 8000, 1); err != nil {
				t.Fatal(err)
			}
			for i, v := range p.hear(256) {
				if want := law.decode(byte(i)); v != want {
					t.Errorf("%#x is %d, want %d", i, v, want)
				}
			}
			if err := p.Play([]byte{3, 200, 7}, law.format, 8000, 2); err != nil { // one byte waits
				t.Fatal(err)
			}
			if err := p.Play([]byte{9}, law.format, 8000, 2); err != nil {
				t.Fatal(err)
			}
			want := []int16{int16((int(law.decode(3)) + int(law.decode(200))) / 2), int16((int(law.decode(7)) + int(law.decode(9))) / 2)}
			if got := p.hear(2); !slices.Equal(got, want) {
				t.Errorf("stereo gives %v, want %v", got, want)
			}
		})
	}
}

func TestStereoIsAveragedWhereverItIsCut(t *testing.T) {
	data := bytesOf([]int16{10, 20, -10, -20, 32767, 32767, -32768, -32768, 32767, -32768})
	want := []int16{15, -15, 32767, -32768, 0}
	for cut := range len(data) + 1 {
		p := newPhone(t, 8000, long)
		for _, part := range [][]byte{data[:cut], data[cut:]} {
			if err := p.Play(part, L16, 8000, 2); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.hear(5); !slices.Equal(got, want) {
			t.Errorf("cut at %d: %v", cut, got)
		}
	}
}

func TestAnUnfinishedSampleDoesNotGetIntoAudioOfAnotherKind(t *testing.T) {
	tests := []struct {
		name     string
		format   Format
		rate     int
		channels int
		data     []byte
		want     []int16
	}{
		{"another rate", L16, 16000, 1, []byte{1, 0, 1, 0, 1, 0, 1, 0}, []int16{1, 1, 0}},
		{"more channels", L16, 8000, 2, []byte{1, 0, 3, 0}, []int16{2, 0, 0}},
		{"another law", PCMU, 8000, 1, []byte{0xff, 0x80}, []int16{0, ulaw(0x80), 0}},
		{"another law of the same width", PCMU, 8000, 2, []byte{0x80, 0x80}, []int16{ulaw(0x80), 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPhone(t, 8000, long)
			if err := p.Play([]byte{0x55}, L16, 8000, 1); err != nil {
				t.Fatal(err)
			}
			if err := p.Play(tt.data, tt.format, tt.rate, tt.channels); err != nil {
				t.Fatal(err)
			}
			if got := p.hear(3); !slices.Equal(got, tt.want) {
				t.Errorf("heard %v, want %v", got, tt.want)
			}
		})
	}
}

var rates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

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

func TestTheQueueRefusesExactlyWhatDoesNotFit(t *testing.T) {
	p := newPhone(t, 8000, time.Second)
	in := signal(0, 12_000)
	p.play(t, in[:5600], 8000)
	err := p.Play(bytesOf(in[5600:9600]), L16, 8000, 1) // 700 + 500 ms
	if !errors.Is(err, ErrOverflow) {
		t.Fatalf("got %v", err)
	}
	if want := "the playback queue is full: 200ms of audio refused, 700ms are queued (STREAM_PLAYBACK_MAX_MS is 1000)"; err.Error() != want {
		t.Errorf("it says %q, want %q", err, want)
	}
	if s := p.Snapshot(); s.Queued != time.Second || s.Overflows != 1 {
		t.Errorf("snapshot %+v", s)
	}
	if err := p.Play(bytesOf(in[:1]), L16, 8000, 1); !errors.Is(err, ErrOverflow) {
		t.Errorf("a full queue took a sample: %v", err)
	}
	heard := p.hear(800)
	p.play(t, in[8000:8800], 8000) // 100 ms have been heard, 100 ms fit
	heard = append(heard, p.hear(8000)...)
	if !slices.Equal(heard, in[:8800]) {
		t.Error("the caller heard something else than what fitted")
	}
}

func TestTheQueueIsMeasuredByWhatHasBeenHeardByNow(t *testing.T) {
	p := newPhone(t, 8000, time.Second)
	p.play(t, signal(0, 8000), 8000)
	heard := p.m.Play(1600) // and nobody has served since
	p.play(t, signal(8000, 1600), 8000)
	heard = append(heard, p.hear(8000)...)
	if !slices.Equal(heard, signal(0, 9600)) {
		t.Error("the caller heard something else")
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
}

func TestTheBellAloneKeepsALongQueuePlaying(t *testing.T) {
	p := newPhone(t, 8000, long)
	p.play(t, signal(0, 40_000), 8000)
	var heard []int16
	rings := p.bell.Rings()
	for len(heard) < 40_000 {
		p.bell.Arm()
		heard = append(heard, p.m.Play(160)...)
		if n := p.bell.Rings(); n > rings {
			rings = n
			p.Serve()
		}
	}
	if !slices.Equal(heard, signal(0, 40_000)) {
		t.Error("the ring ran dry, or something was lost")
	}
	// Half a ring at a time, not every frame.
	if rings > 60 {
		t.Errorf("%d rings for 250 frames", rings)
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	p := newPhone(t, 8000, long)
	burst := signal(0, 500_000)
	for name, empty := range map[string]func(){
		"played":  func() { p.hear(len(burst)) },
		"cleared": func() { p.Clear(0) },
	} {
		p.play(t, burst, 8000)
		if n := len(p.q.segs) - p.q.head; n > len(burst)/blockSamples+1 {
			t.Errorf("%d blocks for %d samples", n, len(burst))
		}
		empty()
		if !p.q.empty() || cap(p.q.segs) > 64 {
			t.Errorf("%s: a list of %d is kept", name, cap(p.q.segs))
		}
		for _, s := range p.q.segs[:cap(p.q.segs)] {
			if s.block != nil {
				t.Errorf("%s: a block is kept", name)
			}
		}
	}
}

// A server that stays ahead of the caller for a whole call never lets the queue run empty.
func TestAQueueThatNeverRunsEmptyDoesNotGrow(t *testing.T) {
	p := newPhone(t, 8000, long)
	p.play(t, signal(0, 10_000), 8000)
	for i := range 15_000 {
		p.play(t, signal(i, 160), 8000)
		p.Serve()
		p.m.Play(160)
	}
	if n := cap(p.q.segs); n > 256 {
		t.Errorf("after %v the list of blocks has grown to %d", 15_000*20*time.Millisecond, n)
	}
}

func TestPlayingAllocatesNothingInSteadyState(t *testing.T) {
	for _, c := range []struct {
		name   string
		format Format
		rate   int
	}{{"L16", L16, 8000}, {"PCMU", PCMU, 8000}, {"resampled", L16, 24_000}} {
		t.Run(c.name, func(t *testing.T) {
			p := newPhone(t, 8000, long)
			message := make([]byte, c.rate/50)
			if c.format == L16 {
				message = make([]byte, 2*c.rate/50)
			}
			heard := make([]int16, 160)
			one := func() {
				if err := p.Play(message, c.format, c.rate, 1); err != nil {
					t.Fatal(err)
				}
				p.Serve()
				p.m.PlayInto(heard)
			}
			for range 20 {
				one()
			}
			if n := testing.AllocsPerRun(500, one); n > 0 {
				t.Errorf("%.2f allocations per message", n)
			}
		})
	}
}
