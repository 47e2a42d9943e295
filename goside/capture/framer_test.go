package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"unsafe"

	"go.uber.org/goleak"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/hosttest"
	"mod_audio_stream/goside/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noResampler(from, to, channels int) (host.Resampler, error) {
	return nil, fmt.Errorf("no resampler from %d to %d", from, to)
}

func linear(from, to, channels int) (host.Resampler, error) {
	return hosttest.NewResampler(from, to, channels), nil
}

// counting counts the resamplers that are open.
func counting(open *int) func(from, to, channels int) (host.Resampler, error) {
	return func(from, to, channels int) (host.Resampler, error) {
		*open++
		return closer{hosttest.NewResampler(from, to, channels), open}, nil
	}
}

type closer struct {
	*hosttest.Resampler
	open *int
}

func (c closer) Close() { *c.open--; c.Resampler.Close() }

func samples(b []byte) []int16 {
	s := make([]int16, len(b)/2)
	for i := range s {
		s[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return s
}

// signal is n interleaved samples that repeat only after 65536.
func signal(from, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16((from + i) * 7919)
	}
	return s
}

// sink collects what is emitted.
type sink struct {
	all   []int16
	sizes []int // samples per wire frame
}

func (k *sink) emit(pcm []byte) {
	k.all = append(k.all, samples(pcm)...)
	k.sizes = append(k.sizes, len(pcm)/2)
}

func push(t *testing.T, f *Framer, frame host.Frame, emit func([]byte)) {
	t.Helper()
	if err := f.Push(&frame, emit); err != nil {
		t.Fatal(err)
	}
}

func TestMonoOfTheSameRateIsPassedOnWithoutACopy(t *testing.T) {
	f := New(settings.Mono, 8000, 20, noResampler)
	defer f.Close()
	in := signal(0, 160)
	emitted := 0
	push(t, f, host.Frame{PCM: in, Rate: 8000, Channels: 1, Legs: 1}, func(pcm []byte) {
		emitted++
		if unsafe.Pointer(unsafe.SliceData(pcm)) != unsafe.Pointer(unsafe.SliceData(in)) {
			t.Error("the frame was copied")
		}
		if len(pcm) != 320 || !slices.Equal(samples(pcm), in) {
			t.Error("the bytes are not L16 little-endian of the samples")
		}
	})
	if emitted != 1 {
		t.Errorf("%d wire frames", emitted)
	}
}

func TestLegsAndChannels(t *testing.T) {
	const top, bottom = 32767, -32768
	tests := []struct {
		name           string
		mix            settings.Mix
		channels, legs int
		in, want       []int16
	}{
		{"mono", settings.Mono, 1, 1, []int16{1, -2, top}, []int16{1, -2, top}},
		{"mono of a stereo codec is its average", settings.Mono, 2, 1, []int16{10, 20, -10, -20, top, top, bottom, bottom},
			[]int16{15, -15, top, bottom}},
		{"mixed adds up", settings.Mixed, 2, 2, []int16{1, 2, -100, 40, 0, 7}, []int16{3, -60, 7}},
		{"mixed saturates", settings.Mixed, 2, 2, []int16{top, 1, bottom, -1, top, bottom, 30000, 30000, -30000, -30000},
			[]int16{top, bottom, -1, top, bottom}},
		{"mixed with a silent callee", settings.Mixed, 2, 2, []int16{5, 0, -6, 0}, []int16{5, -6}},
		{"stereo keeps the caller left", settings.Stereo, 2, 2, []int16{1, 2, 3, 4}, []int16{1, 2, 3, 4}},
		{"stereo of a stereo codec averages each leg", settings.Stereo, 4, 2, []int16{10, 100, 20, 200, bottom, top, bottom, top},
			[]int16{15, 150, bottom, top}},
		{"mixed of a stereo codec", settings.Mixed, 4, 2, []int16{10, 100, 20, 200}, []int16{165}},
		{"mixed of a stereo codec saturates late", settings.Mixed, 4, 2, []int16{top, bottom, top, bottom, top, top, top, top},
			[]int16{-1, top}},
		{"stereo of one leg has silence right", settings.Stereo, 1, 1, []int16{7, -7}, []int16{7, 0, -7, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := New(tt.mix, 8000, 20, noResampler)
			defer f.Close()
			var k sink
			push(t, f, host.Frame{PCM: tt.in, Rate: 8000, Channels: tt.channels, Legs: tt.legs}, k.emit)
			f.Flush(k.emit)
			if !slices.Equal(k.all, tt.want) {
				t.Errorf("got %v, want %v", k.all, tt.want)
			}
		})
	}
}

// Every buffer size with every ptime: frames of exactly that length, every sample once and in order.
func TestWireFramesHaveTheLengthAskedForWhateverThePtime(t *testing.T) {
	for _, mix := range []settings.Mix{settings.Mono, settings.Mixed, settings.Stereo} {
		for _, ptime := range []int{10, 20, 30, 40, 60} {
			for size := 20; size <= 1000; size += 20 {
				f := New(mix, 16000, size, noResampler)
				legs := 1
				if mix != settings.Mono {
					legs = 2
				}
				var k sink
				var want []int16
				for at := 0; at < 1080; at += ptime {
					pcm := signal(at*16*legs, ptime*16*legs)
					push(t, f, host.Frame{PCM: pcm, Rate: 16000, Channels: legs, Legs: legs}, k.emit)
					switch mix {
					case settings.Mixed:
						for i := 0; i < len(pcm); i += 2 {
							want = append(want, saturate(int32(pcm[i])+int32(pcm[i+1])))
						}
					default:
						want = append(want, pcm...)
					}
				}
				whole := len(k.sizes)
				f.Flush(k.emit)
				f.Flush(k.emit) // a second time is nothing
				chunk := size * 16 * mix.Channels()
				for i, n := range k.sizes {
					if i < whole && n != chunk || i > whole || n > chunk {
						t.Fatalf("%v, ptime %d, buffer %d: frame %d of %d has %d samples, want %d", mix, ptime, size, i, whole, n, chunk)
					}
				}
				if !slices.Equal(k.all, want) {
					t.Fatalf("%v, ptime %d, buffer %d: %d samples came out, not the %d that went in", mix, ptime, size, len(k.all), len(want))
				}
				f.Close()
			}
		}
	}
}

var rates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

func TestResampledAudioKeepsItsLengthOverTenSeconds(t *testing.T) {
	for _, from := range rates {
		for _, to := range rates {
			if from == to {
				continue
			}
			for _, mix := range []settings.Mix{settings.Mono, settings.Stereo} {
				if mix == settings.Stereo && from != 48000 {
					continue
				}
				legs := mix.Channels()
				f := New(mix, to, 20, linear)
				n := 0
				for at := 0; at < 10*from; {
					part := min(from/50, 10*from-at)
					push(t, f, host.Frame{PCM: signal(at, part*legs), Rate: from, Channels: legs, Legs: legs}, func(pcm []byte) { n += len(pcm) })
					at += part
				}
				f.Flush(func(pcm []byte) { n += len(pcm) })
				f.Close()
				if got, want := n/(2*legs), 10*to; got < want-to/from-2 || got > want+2 {
					t.Errorf("%v %d to %d: %d samples in ten seconds, want %d", mix, from, to, got, want)
				}
			}
		}
	}
}

func TestResampledToneKeepsItsFrequencyAndLevel(t *testing.T) {
	const hz = 440
	f := New(settings.Mono, 16000, 20, linear)
	defer f.Close()
	var k sink
	for at := 0; at < 8000; at += 160 {
		pcm := make([]int16, 160)
		for i := range pcm {
			pcm[i] = int16(20000 * math.Sin(2*math.Pi*hz*float64(at+i)/8000))
		}
		push(t, f, host.Frame{PCM: pcm, Rate: 8000, Channels: 1, Legs: 1}, k.emit)
	}
	for i, v := range k.all {
		want := 20000 * math.Sin(2*math.Pi*hz*float64(i)/16000)
		if math.Abs(float64(v)-want) > 400 { // straight lines
			t.Fatalf("sample %d is %d, want about %.0f", i, v, want)
		}
	}
}

func TestRateChangeInMidCallKeepsTheWireRate(t *testing.T) {
	open := 0
	f := New(settings.Mono, 8000, 40, counting(&open))
	var k sink
	want := 0
	for _, rate := range []int{8000, 16000, 16000, 8000, 48000, 8000} {
		for range 25 {
			push(t, f, host.Frame{PCM: make([]int16, rate/50), Rate: rate, Channels: 1, Legs: 1}, k.emit)
			want += 160
		}
		if rate == 8000 && open != 0 || rate != 8000 && open != 1 {
			t.Errorf("%d resamplers are open at %d Hz", open, rate)
		}
	}
	f.Flush(k.emit)
	f.Close()
	for _, n := range k.sizes[:len(k.sizes)-1] {
		if n != 320 {
			t.Errorf("a frame of %d samples", n)
		}
	}
	if got := len(k.all); got < want-12 || got > want {
		t.Errorf("%d samples, want about %d", got, want)
	}
	if open != 0 {
		t.Errorf("%d resamplers were left open", open)
	}
}

func TestPartialFrameSurvivesARateChange(t *testing.T) {
	f := New(settings.Mono, 8000, 40, linear)
	defer f.Close()
	var k sink
	first := signal(1, 160)
	push(t, f, host.Frame{PCM: first, Rate: 8000, Channels: 1, Legs: 1}, k.emit)
	push(t, f, host.Frame{PCM: make([]int16, 320), Rate: 16000, Channels: 1, Legs: 1}, k.emit)
	f.Flush(k.emit)
	if len(k.all) < 319 || !slices.Equal(k.all[:160], first) {
		t.Errorf("%d samples; the first 160 are kept: %v", len(k.all), slices.Equal(k.all[:160], first))
	}
}

func TestAResamplerThatCannotBeHadLosesThoseFramesOnly(t *testing.T) {
	asked := 0
	refuse := true
	broken := errors.New("no memory")
	f := New(settings.Mono, 8000, 20, func(from, to, channels int) (host.Resampler, error) {
		asked++
		if refuse {
			return nil, broken
		}
		return linear(from, to, channels)
	})
	defer f.Close()
	var k sink
	at16 := host.Frame{PCM: make([]int16, 320), Rate: 16000, Channels: 1, Legs: 1}
	for range 3 {
		if err := f.Push(&at16, k.emit); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
	}
	if asked != 1 || len(k.all) != 0 {
		t.Errorf("asked %d times, %d samples", asked, len(k.all))
	}
	push(t, f, host.Frame{PCM: make([]int16, 160), Rate: 8000, Channels: 1, Legs: 1}, k.emit)
	refuse = false
	push(t, f, at16, k.emit)
	f.Flush(k.emit)
	if len(k.all) < 319 {
		t.Errorf("%d samples after the failure was over", len(k.all))
	}
}

func TestNothingIsNothing(t *testing.T) {
	if Bytes(nil) != nil || Bytes([]int16{}) != nil {
		t.Error("no samples have bytes")
	}
	f := New(settings.Mono, 8000, 20, noResampler)
	var k sink
	push(t, f, host.Frame{Rate: 8000, Channels: 1, Legs: 1}, k.emit)
	f.Flush(k.emit)
	f.Close()
	f.Close()
	if len(k.sizes) != 0 {
		t.Error("an empty frame gave a wire frame")
	}
}

func TestPushAllocatesNothingInSteadyState(t *testing.T) {
	tests := []struct {
		name           string
		mix            settings.Mix
		rate, wire     int
		channels, legs int
		buffer, ptime  int
	}{
		{"passed on", settings.Mono, 8000, 8000, 1, 1, 20, 20},
		{"gathered", settings.Mono, 8000, 8000, 1, 1, 60, 20},
		{"cut", settings.Mono, 8000, 8000, 1, 1, 20, 30},
		{"mixed", settings.Mixed, 16000, 16000, 2, 2, 20, 20},
		{"stereo", settings.Stereo, 16000, 16000, 2, 2, 20, 20},
		{"stereo codec", settings.Stereo, 48000, 48000, 4, 2, 20, 20},
		{"resampled", settings.Mixed, 48000, 8000, 2, 2, 40, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := New(tt.mix, tt.wire, tt.buffer, linear)
			defer f.Close()
			frame := host.Frame{PCM: make([]int16, tt.rate*tt.ptime/1000*tt.channels), Rate: tt.rate, Channels: tt.channels, Legs: tt.legs}
			bytes := 0
			emit := func(pcm []byte) { bytes += len(pcm) }
			for range 10 {
				push(t, f, frame, emit)
			}
			if n := testing.AllocsPerRun(200, func() { _ = f.Push(&frame, emit) }); n > 0 {
				t.Errorf("%.2f allocations per frame", n)
			}
			if bytes == 0 {
				t.Error("nothing came out")
			}
		})
	}
}

func BenchmarkPush(b *testing.B) {
	for _, mix := range []settings.Mix{settings.Mono, settings.Mixed} {
		b.Run(mix.String(), func(b *testing.B) {
			legs := 1
			if mix != settings.Mono {
				legs = 2
			}
			f := New(mix, 8000, 20, noResampler)
			frame := host.Frame{PCM: make([]int16, 160*legs), Rate: 8000, Channels: legs, Legs: legs}
			emit := func([]byte) {}
			b.ReportAllocs()
			for b.Loop() {
				_ = f.Push(&frame, emit)
			}
		})
	}
}
