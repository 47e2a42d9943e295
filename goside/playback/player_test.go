package playback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
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
