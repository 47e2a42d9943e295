package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaf/g711"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wavFile makes a WAV file with a header of its own, so that every field can be wrong.
func wavFile(format, channels uint16, rate uint32, bits uint16, samples []byte) []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a buffer takes everything
	b.WriteString("RIFF")
	put(uint32(36 + len(samples)))
	b.WriteString("WAVEfmt ")
	put(uint32(16))
	put(format)
	put(channels)
	put(rate)
	put(rate * uint32(channels) * uint32(bits) / 8)
	put(channels * bits / 8)
	put(bits)
	b.WriteString("data")
	put(uint32(len(samples)))
	b.Write(samples)
	return b.Bytes()
}

func tone(rate, channels, n int) []int16 {
	s := make([]int16, 0, n*channels)
	for i := range n {
		v := int16(16000 * math.Sin(2*math.Pi*440*float64(i)/float64(rate)))
		for range channels {
			s = append(s, v)
		}
	}
	return s
}

func encode(samples []int16, bits int) []byte {
	var b bytes.Buffer
	for _, v := range samples {
		switch bits {
		case 8:
			b.WriteByte(byte(v>>8) + 128)
		case 16:
			b.Write([]byte{byte(v), byte(v >> 8)})
		case 24:
			b.Write([]byte{0, byte(v), byte(v >> 8)})
		case 32:
			b.Write([]byte{0, 0, byte(v), byte(v >> 8)})
		}
	}
	return b.Bytes()
}

// readAll reads in pieces of an odd size.
func readAll(t *testing.T, f *File) []int16 {
	t.Helper()
	var all []int16
	buf := make([]int16, 333)
	for {
		n, err := f.Read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWAVIsReadSampleBySample(t *testing.T) {
	for _, bits := range []int{8, 16, 24, 32} {
		for channels := 1; channels <= 2; channels++ {
			want := tone(16000, channels, 1601)
			f, err := Open("wav", wavFile(wavPCM, uint16(channels), 16000, uint16(bits), encode(want, bits)))
			if err != nil {
				t.Fatalf("%d bits, %d channels: %v", bits, channels, err)
			}
			got := readAll(t, f)
			if f.Rate != 16000 || f.Channels != channels || len(got) != len(want) {
				t.Fatalf("%d bits: %d Hz, %d channels, %d samples; want 16000, %d, %d", bits, f.Rate, f.Channels, len(got), channels, len(want))
			}
			for i := range want {
				if bits == 8 && want[i]&^0xFF != got[i] || bits != 8 && want[i] != got[i] {
					t.Fatalf("%d bits, %d channels, sample %d: %d, want %d", bits, channels, i, got[i], want[i])
				}
			}
		}
	}
}

func TestWAVWithG711(t *testing.T) {
	pcm := tone(8000, 1, 800)
	for format, encodeOne := range map[uint16]func(int16) uint8{wavALaw: g711.EncodeAlawFrame, wavMuLaw: g711.EncodeUlawFrame} {
		data := make([]byte, len(pcm))
		for i, v := range pcm {
			data[i] = encodeOne(v)
		}
		f, err := Open("wav", wavFile(format, 1, 8000, 8, data))
		if err != nil {
			t.Fatal(err)
		}
		got := readAll(t, f)
		if len(got) != len(pcm) {
			t.Fatalf("%d samples, want %d", len(got), len(pcm))
		}
		for i := range got {
			if d := int(got[i]) - int(pcm[i]); d > 700 || d < -700 {
				t.Fatalf("coding %d, sample %d: %d, want about %d", format, i, got[i], pcm[i])
			}
		}
	}
}

func TestCompressedFilesGiveTheirTone(t *testing.T) {
	for _, c := range []struct {
		file           string
		rate, channels int
		seconds        float64
	}{
		{"tone24k.mp3", 24000, 2, 0.5}, // the mp3 decoder gives two channels always
		{"tone24k.ogg", 24000, 1, 0.5},
		{"tone44k_stereo.mp3", 44100, 2, 0.3},
		{"tone44k_stereo.ogg", 44100, 2, 0.3},
	} {
		data, err := os.ReadFile(filepath.Join("testdata", c.file))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(filepath.Ext(c.file)[1:], data)
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		if f.Rate != c.rate || f.Channels != c.channels {
			t.Errorf("%s: %d Hz, %d channels; want %d, %d", c.file, f.Rate, f.Channels, c.rate, c.channels)
		}
		pcm := readAll(t, f)
		n := len(pcm) / c.channels
		if long := float64(n) / float64(c.rate); long < c.seconds-0.01 || long > c.seconds+0.12 { // mp3 pads
			t.Errorf("%s: %.3f s, want about %.1f", c.file, long, c.seconds)
		}
		// 440 Hz at half scale (-6 dB): its level by Goertzel, over the middle
		w := 2 * math.Pi * 440 / float64(c.rate)
		var s1, s2 float64
		from, count := n/4, n/2
		for i := from; i < from+count; i++ {
			s0 := float64(pcm[i*c.channels]) + 2*math.Cos(w)*s1 - s2
			s2, s1 = s1, s0
		}
		amplitude := 2 * math.Sqrt(s1*s1+s2*s2-2*math.Cos(w)*s1*s2) / float64(count)
		if amplitude < 14000 || amplitude > 18500 {
			t.Errorf("%s: 440 Hz at amplitude %.0f, want about 16384", c.file, amplitude)
		}
	}
}

func TestWhatIsNoSuchFileIsAnError(t *testing.T) {
	mp3File, err := os.ReadFile("testdata/tone24k.mp3")
	if err != nil {
		t.Fatal(err)
	}
	pcm := encode(tone(8000, 1, 80), 16)
	for name, c := range map[string]struct {
		kind string
		data []byte
	}{
		"unknown kind":      {"flac", pcm},
		"empty wav":         {"wav", nil},
		"empty mp3":         {"mp3", nil},
		"empty ogg":         {"ogg", nil},
		"mp3 called ogg":    {"ogg", mp3File},
		"mp3 called wav":    {"wav", mp3File},
		"rate 0":            {"wav", wavFile(wavPCM, 1, 0, 16, pcm)},
		"rate 4 GHz":        {"wav", wavFile(wavPCM, 1, math.MaxUint32, 16, pcm)},
		"no channels":       {"wav", wavFile(wavPCM, 0, 8000, 16, pcm)},
		"65535 channels":    {"wav", wavFile(wavPCM, 65535, 8000, 16, pcm)},
		"12 bits":           {"wav", wavFile(wavPCM, 1, 8000, 12, pcm)},
		"float samples":     {"wav", wavFile(3, 1, 8000, 32, pcm)},
		"cut in the header": {"wav", wavFile(wavPCM, 1, 8000, 16, pcm)[:30]},
	} {
		f, err := Open(c.kind, c.data)
		if err == nil {
			_, err = f.Read(make([]int16, 100))
		}
		if !errors.Is(err, ErrFormat) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A header of some bytes must not cost what it claims to have.
func TestAWAVWhoseChunksClaimTooMuchIsRefusedAtOnce(t *testing.T) {
	header := func(id string, size uint32) []byte {
		b := []byte("RIFF\x24\x00\x00\x00WAVE")
		b = append(b, id...)
		b = binary.LittleEndian.AppendUint32(b, size)
		return append(b, make([]byte, 64)...)
	}
	for _, tt := range []struct {
		id   string
		size uint32
	}{{"fmt ", 0x80000010}, {"fmt ", 0xFFFFFFFF}, {"LIST", 0x7FFFFFFF}, {"fmt ", maxWAVFormat + 1}} {
		if _, err := Open("wav", header(tt.id, tt.size)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "chunk") {
			t.Errorf("%s of %d bytes: %v", tt.id, tt.size, err)
		}
	}
}
