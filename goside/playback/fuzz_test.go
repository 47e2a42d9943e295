package playback

import (
	"errors"
	"slices"
	"testing"
	"time"

	"mod_audio_stream/goside/protocol"
)

// FuzzDecode: audio that comes in pieces, cut anywhere, is the same samples as in one piece, and never more than it has.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7}, uint8(0), uint8(1), []byte{1, 3})
	f.Add([]byte{0xff, 0x7f, 0x00, 0x80, 0x55}, uint8(0), uint8(2), []byte{1, 1, 1})
	f.Add([]byte{0, 0x7f, 0x80, 0xff, 0x55, 0xd5}, uint8(1), uint8(1), []byte{0, 2})
	f.Add([]byte{0, 0x7f, 0x80, 0xff, 0x55, 0xd5, 1}, uint8(2), uint8(2), []byte{3, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte, format, channels uint8, cuts []byte) {
		form, ch := []Format{L16, PCMU, PCMA}[format%3], int(channels%2)+1
		read := func(data []byte, rest *remainder) []int16 {
			d := decode(data, form, 8000, ch, rest)
			out := make([]int16, d.samples())
			d.read(out[:len(out)/2])
			d.read(out[len(out)/2:])
			if d.samples() != 0 {
				t.Fatalf("%d samples are left", d.samples())
			}
			return out
		}
		whole := read(data, &remainder{})
		if len(whole) != len(data)/(form.Width()*ch) {
			t.Fatalf("%d samples of %d bytes", len(whole), len(data))
		}
		var rest remainder
		var pieces []int16
		left := data
		for _, c := range cuts {
			n := min(int(c), len(left))
			pieces = append(pieces, read(left[:n], &rest)...)
			left = left[n:]
		}
		if pieces = append(pieces, read(left, &rest)...); !slices.Equal(pieces, whole) {
			t.Fatalf("%v in pieces, %v at once", pieces, whole)
		}
	})
}

// FuzzPlay: whatever messages a server sends, the player keeps no more than its longest queue, and what it says was
// played and is queued adds up.
func FuzzPlay(f *testing.F) {
	message := func(kind, rate, data string) string {
		return `{"type":"streamAudio","data":{"audioDataType":"` + kind + `","sampleRate":` + rate + `,"audioData":"` + data + `"}}`
	}
	f.Add([]byte(message("raw", "8000", "AAECAwQFBgc=")), []byte(message("raw", "48000", "AAEC")), []byte{1, 2, 3}, uint16(160))
	f.Add([]byte(message("pcmu", "16000", "/39/fw==")), []byte(message("pcma", "11025", "1VXVVdU=")), []byte{}, uint16(1))
	f.Add([]byte(`{"type":"clear"}`), []byte(`{"type":"mark","data":{"name":"m"}}`), make([]byte, 4001), uint16(2000))
	f.Add([]byte(`{"type":"pause"}`), []byte(`{"type":"resume"}`), []byte{9}, uint16(0))
	f.Fuzz(func(t *testing.T, first, second, binary []byte, hear uint16) {
		const most = 200 * time.Millisecond
		p := newPhone(t, 8000, most)
		for i, data := range [][]byte{first, binary, second, binary} {
			var m protocol.Message
			if protocol.Native().Decode(i%2 == 1, data, true, &m) != nil {
				continue
			}
			rate, channels := max(m.Rate, 8000), max(m.Channels, 1)
			switch m.Kind {
			case protocol.Audio:
				if err := p.Play(m.Audio, m.Format, rate, channels); err != nil && !errors.Is(err, ErrOverflow) {
					t.Fatal(err)
				}
			case protocol.Clear:
				p.Clear(0)
			case protocol.Pause:
				p.Pause()
			case protocol.Resume:
				p.Resume()
			case protocol.Mark:
				if err := p.Mark(m.Name); err != nil {
					t.Fatal(err)
				}
			}
			p.Serve()
			p.m.Play(int(hear % 2048))
			// The ring holds what the resampler made of the queue, which may be a sample's worth longer.
			if s := p.Snapshot(); s.Queued < 0 || s.Queued > most+10*time.Millisecond || s.Played < 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}
