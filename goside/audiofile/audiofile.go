// Package audiofile reads the samples of wav, mp3 and ogg files that a server sends to be played. It decodes piece by
// piece, so that a long file costs memory for one piece, and takes hostile input for what it is: an error.
package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-audio/audio"
	"github.com/go-audio/wav"
	mp3 "github.com/hajimehoshi/go-mp3"
	"github.com/jfreymuth/oggvorbis"
	"github.com/zaf/g711"
)

// ErrFormat is wrapped by every error about a file's contents.
var ErrFormat = errors.New("the file cannot be played")

// Limits of what a file may claim to be. A call is mono at 48 kHz at most; more is a mistake or an attack.
const (
	MinRate     = 4000
	MaxRate     = 192000
	MaxChannels = 2
)

// File is an open file.
type File struct {
	Rate     int // Hz
	Channels int // interleaved
	read     func(pcm []int16) (int, error)
}

// Open reads a file's header. kind is wav, mp3 or ogg. data must stay as it is while the file is read.
func Open(kind string, data []byte) (f *File, err error) {
	defer recovered(&err)
	switch kind {
	case "wav":
		f, err = openWAV(data)
	case "mp3":
		f, err = openMP3(data)
	case "ogg":
		f, err = openOgg(data)
	default:
		return nil, fmt.Errorf("%w: %q is none of wav, mp3 and ogg", ErrFormat, kind)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: not a readable %s file: %w", ErrFormat, kind, err)
	}
	if f.Rate < MinRate || f.Rate > MaxRate || f.Channels < 1 || f.Channels > MaxChannels {
		return nil, fmt.Errorf("%w: %d Hz with %d channels; %d to %d Hz with 1 to %d channels can be played", ErrFormat, f.Rate,
			f.Channels, MinRate, MaxRate, MaxChannels)
	}
	return f, nil
}

// Read fills pcm with interleaved samples, a whole number of them per channel, and returns how many. io.EOF: there are no
// more. pcm must hold at least Channels samples.
func (f *File) Read(pcm []int16) (n int, err error) {
	defer recovered(&err)
	n, err = f.read(pcm[:len(pcm)/f.Channels*f.Channels])
	if n -= n % f.Channels; n == 0 && err == nil { // a file that ends between the channels of a sample
		err = io.EOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return n, err
}

// recovered turns a decoder's panic into an error: a file is somebody else's input.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrFormat, r)
	}
}

// The coding of samples in a WAV file's header (RFC 2361).
const (
	wavPCM        = 1
	wavALaw       = 6
	wavMuLaw      = 7
	wavExtensible = 0xFFFE
)

// maxWAVFormat is far more than any format chunk has (40 bytes in RFC 2361's extensible one).
const maxWAVFormat = 1024

// checkWAV looks at the chunks before the samples: the decoder makes room for what a chunk says it holds before it reads it.
func checkWAV(data []byte) error {
	for at := 12; at+8 <= len(data); {
		id, size := string(data[at:at+4]), int(binary.LittleEndian.Uint32(data[at+4:]))
		if id == "data" {
			return nil // of any size: what was written while it was recorded often says 0 or 4 GiB
		}
		if size > len(data)-at-8 || id == "fmt " && size > maxWAVFormat {
			return fmt.Errorf("its chunk %q says it has %d bytes", id, size)
		}
		at += 8 + size + size&1
	}
	return nil
}

func openWAV(data []byte) (*File, error) {
	if err := checkWAV(data); err != nil {
		return nil, err
	}
	d := wav.NewDecoder(bytes.NewReader(data))
	d.ReadInfo()
	if err := d.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if d.NumChans == 0 || d.SampleRate == 0 {
		return nil, errors.New("it has no format")
	}
	f := &File{Rate: int(d.SampleRate), Channels: int(d.NumChans)}
	switch {
	case d.BitDepth == 8 && (d.WavAudioFormat == wavALaw || d.WavAudioFormat == wavMuLaw):
		if err := d.FwdToPCM(); err != nil {
			return nil, err
		}
		f.read = readG711(d.PCMChunk, d.WavAudioFormat == wavALaw)
	case d.WavAudioFormat != wavPCM && d.WavAudioFormat != wavExtensible:
		return nil, fmt.Errorf("its coding is number %d; PCM, A-law and mu-law are known", d.WavAudioFormat)
	case d.BitDepth != 8 && d.BitDepth != 16 && d.BitDepth != 24 && d.BitDepth != 32:
		return nil, fmt.Errorf("it has %d bits per sample; 8, 16, 24 and 32 are known", d.BitDepth)
	default:
		f.read = readPCM(d)
	}
	return f, nil
}

func readG711(r io.Reader, alaw bool) func([]int16) (int, error) {
	var buf []byte
	return func(pcm []int16) (int, error) {
		if len(buf) < len(pcm) {
			buf = make([]byte, len(pcm))
		}
		n, err := io.ReadFull(r, buf[:len(pcm)])
		for i, b := range buf[:n] {
			if alaw {
				pcm[i] = g711.DecodeAlawFrame(b)
			} else {
				pcm[i] = g711.DecodeUlawFrame(b)
			}
		}
		if n > 0 || errors.Is(err, io.ErrUnexpectedEOF) {
			return n, nil
		}
		return 0, err
	}
}

func readPCM(d *wav.Decoder) func([]int16) (int, error) {
	ints := audio.IntBuffer{Format: &audio.Format{NumChannels: int(d.NumChans), SampleRate: int(d.SampleRate)}}
	return func(pcm []int16) (int, error) {
		if len(ints.Data) < len(pcm) {
			ints.Data = make([]int, len(pcm))
		}
		ints.Data = ints.Data[:len(pcm)]
		n, err := d.PCMBuffer(&ints)
		if err == nil && n == 0 {
			err = io.EOF
		}
		for i, v := range ints.Data[:n] {
			switch d.BitDepth {
			case 8: // unsigned
				pcm[i] = int16(v-128) << 8
			case 24:
				pcm[i] = int16(v >> 8)
			case 32:
				pcm[i] = int16(v >> 16)
			default:
				pcm[i] = int16(v)
			}
		}
		return n, err
	}
}

// openMP3 hides that the data can be seeked in: the decoder would read all of it first to know the length.
func openMP3(data []byte) (*File, error) {
	d, err := mp3.NewDecoder(struct{ io.Reader }{bytes.NewReader(data)})
	if err != nil {
		return nil, err
	}
	var buf []byte
	return &File{Rate: d.SampleRate(), Channels: 2, read: func(pcm []int16) (int, error) { // always two channels
		if len(buf) < 2*len(pcm) {
			buf = make([]byte, 2*len(pcm))
		}
		n, err := io.ReadFull(d, buf[:2*len(pcm)])
		for i := range n / 2 {
			pcm[i] = int16(uint16(buf[2*i]) | uint16(buf[2*i+1])<<8)
		}
		if n > 0 {
			return n / 2, nil
		}
		return 0, err
	}}, nil
}

func openOgg(data []byte) (*File, error) {
	r, err := oggvorbis.NewReader(struct{ io.Reader }{bytes.NewReader(data)})
	if err != nil {
		return nil, err
	}
	var buf []float32
	return &File{Rate: r.SampleRate(), Channels: r.Channels(), read: func(pcm []int16) (int, error) {
		if len(buf) < len(pcm) {
			buf = make([]float32, len(pcm))
		}
		n, err := r.Read(buf[:len(pcm)])
		for i, v := range buf[:n] {
			pcm[i] = int16(max(-32768, min(32767, v*32767)))
		}
		if n > 0 {
			return n, nil
		}
		return 0, err
	}}, nil
}
