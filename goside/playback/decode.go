package playback

import (
	"encoding/binary"

	"github.com/zaf/g711"

	"mod_audio_stream/goside/protocol"
)

// Format is how samples are coded.
type Format = protocol.Format

// The formats that can be played.
const (
	L16  = protocol.L16
	PCMU = protocol.PCMU
	PCMA = protocol.PCMA
)

// maxWidth is the size of the widest sample: L16, two channels.
const maxWidth = 4

// remainder is what a message left of a sample that it did not finish. It waits for the next message of the same kind.
type remainder struct {
	bytes    [maxWidth]byte
	n        int
	rate     int
	format   Format
	channels int
}

// decoder turns one message into mono samples.
type decoder struct {
	first    [maxWidth]byte // the sample that began in an earlier message
	split    bool           // first is to be decoded before data
	data     []byte         // whole samples
	format   Format
	channels int
}

// decode prepares a message for decoding and updates the remainder, which is dropped when the new message is of another
// kind.
func decode(data []byte, format Format, rate, channels int, rest *remainder) decoder {
	width := format.Width() * channels
	d := decoder{format: format, channels: channels}
	if rest.n > 0 && rest.rate == rate && rest.format == format && rest.channels == channels {
		k := copy(rest.bytes[rest.n:width], data)
		data = data[k:]
		if rest.n += k; rest.n < width {
			return d
		}
		d.first, d.split = rest.bytes, true
	}
	whole := len(data) / width * width
	d.data = data[:whole]
	*rest = remainder{rate: rate, format: format, channels: channels, n: len(data) - whole}
	copy(rest.bytes[:], data[whole:])
	return d
}

func (d *decoder) width() int { return d.format.Width() * d.channels }

// samples is how many are left.
func (d *decoder) samples() int {
	n := len(d.data) / d.width()
	if d.split {
		n++
	}
	return n
}

// read decodes len(dst) samples, which must be there.
func (d *decoder) read(dst []int16) {
	if d.split && len(dst) > 0 {
		d.split = false
		dst[0] = d.one(d.first[:])
		dst = dst[1:]
	}
	w := d.width()
	for i := range dst {
		dst[i] = d.one(d.data[i*w:])
	}
	d.data = d.data[len(dst)*w:]
}

// one decodes one sample, its channels averaged.
func (d *decoder) one(b []byte) int16 {
	sum := 0
	for c := range d.channels {
		switch d.format {
		case PCMU:
			sum += int(g711.DecodeUlawFrame(b[c]))
		case PCMA:
			sum += int(g711.DecodeAlawFrame(b[c]))
		default:
			sum += int(int16(binary.LittleEndian.Uint16(b[2*c:])))
		}
	}
	if d.channels == 2 {
		sum /= 2
	}
	return int16(sum)
}
