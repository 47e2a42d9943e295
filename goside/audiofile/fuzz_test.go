package audiofile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime/metrics"
	"testing"
)

// What opening a file may allocate beside a multiple of its size: the decoders' own tables.
const (
	openAllocs  = 16 << 20
	allocsPerIn = 64
)

// allocated is what the process has allocated so far, bytes.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// FuzzOpen: a file of any contents is an error or whole samples, for memory that its own size explains.
func FuzzOpen(f *testing.F) {
	kinds := []string{"wav", "mp3", "ogg"} // what the protocol lets through
	for kind, name := range map[uint8]string{1: "tone24k.mp3", 2: "tone24k.ogg"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(kind, data)
		f.Add(kind, data[:len(data)/2])
	}
	for _, bits := range []uint16{8, 16, 24, 32} {
		f.Add(uint8(0), wavFile(wavPCM, 1, 8000, bits, encode(tone(8000, 1, 80), int(bits))))
		f.Add(uint8(0), wavFile(wavExtensible, 2, 48000, bits, encode(tone(48000, 2, 40), int(bits))))
	}
	f.Add(uint8(0), wavFile(wavMuLaw, 1, 8000, 8, make([]byte, 80)))
	f.Add(uint8(0), wavFile(wavALaw, 2, 16000, 8, make([]byte, 81)))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		before := allocated()
		file, err := Open(kinds[int(kind)%len(kinds)], data)
		if took := allocated() - before; took > openAllocs+allocsPerIn*uint64(len(data)) {
			t.Errorf("opening %d bytes allocated %d", len(data), took)
		}
		if err != nil {
			if !errors.Is(err, ErrFormat) || len(err.Error()) > 400 {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if file.Rate < MinRate || file.Rate > MaxRate || file.Channels < 1 || file.Channels > MaxChannels {
			t.Fatalf("%d Hz with %d channels", file.Rate, file.Channels)
		}
		buf := make([]int16, 4096)
		for total := 0; total < 1<<20; {
			n, err := file.Read(buf)
			if n%file.Channels != 0 || n > len(buf) {
				t.Fatalf("%d samples for %d channels", n, file.Channels)
			}
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, ErrFormat) {
				t.Fatalf("%T: %v", err, err)
			}
			if err == nil && n == 0 {
				t.Fatal("nothing read, and no error: its reader would go on for ever")
			}
			if total += n; err != nil {
				return
			}
		}
	})
}
