// Package capture turns captured frames into the wire's audio: legs mixed or side by side, resampled, cut into frames of
// equal length. It belongs to one goroutine and talks to nobody.
package capture

import (
	"unsafe"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/settings"
)

// Framer makes wire frames of one stream.
type Framer struct {
	mix      settings.Mix
	rate     int // Hz on the wire
	chunk    int // interleaved samples per wire frame
	resample func(from, to, channels int) (host.Resampler, error)

	r     host.Resampler // nil: the call has the wire's rate
	from  int            // Hz of the frames seen last
	mixed []int16        // scratch: legs brought to the wire's channels
	part  []int16        // samples that wait for a wire frame to be full
	err   error          // the resampler that could not be had, until the rate changes
}

// New makes a framer for frames of bufferMS at rate. resample makes resamplers, usually Host.NewResampler.
func New(mix settings.Mix, rate, bufferMS int, resample func(from, to, channels int) (host.Resampler, error)) *Framer {
	return &Framer{mix: mix, rate: rate, chunk: rate * bufferMS / 1000 * mix.Channels(), resample: resample}
}

// Bytes views samples as the bytes of L16 little-endian. The module runs on little-endian machines only (amd64, arm64), so
// host order is wire order and nothing is copied.
func Bytes(samples []int16) []byte {
	if len(samples) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(samples))), len(samples)*2)
}

// Push takes one captured frame and calls emit for every wire frame that is full; pcm is valid during the call only. An
// error (no resampler to be had) loses this frame and no more.
func (f *Framer) Push(frame *host.Frame, emit func(pcm []byte)) error {
	if frame.Rate != f.from {
		if err := f.retune(frame.Rate); err != nil {
			return err
		}
	}
	if f.err != nil {
		return f.err
	}
	pcm := f.toWire(frame)
	if f.r != nil {
		pcm = f.r.Process(pcm)
	}
	// The usual case: the call's frame is a wire frame, and goes from the ring to the socket without a copy here.
	if len(f.part) == 0 {
		for len(pcm) >= f.chunk {
			emit(Bytes(pcm[:f.chunk]))
			pcm = pcm[f.chunk:]
		}
	}
	for len(pcm) > 0 {
		if f.part == nil {
			f.part = make([]int16, 0, f.chunk)
		}
		n := min(len(pcm), f.chunk-len(f.part))
		f.part = append(f.part, pcm[:n]...)
		pcm = pcm[n:]
		if len(f.part) == f.chunk {
			emit(Bytes(f.part))
			f.part = f.part[:0]
		}
	}
	return nil
}

// Flush emits what waits for a full frame: the last frame of a stream may be shorter.
func (f *Framer) Flush(emit func(pcm []byte)) {
	if len(f.part) > 0 {
		emit(Bytes(f.part))
		f.part = f.part[:0]
	}
}

// Close frees the resampler.
func (f *Framer) Close() {
	if f.r != nil {
		f.r.Close()
		f.r = nil
	}
}

func (f *Framer) retune(rate int) error {
	f.Close()
	f.from, f.err = rate, nil
	if rate != f.rate {
		f.r, f.err = f.resample(rate, f.rate, f.mix.Channels())
	}
	return f.err
}

// toWire brings a frame to the wire's channels: 1, or 2 with the caller left. A stereo codec's channels are averaged
// within each leg first.
func (f *Framer) toWire(frame *host.Frame) []int16 {
	in, ch := frame.PCM, frame.Channels
	if ch == f.mix.Channels() && ch == frame.Legs {
		return in
	}
	legs := frame.Legs
	per := ch / legs // codec channels per leg
	n := len(in) / ch
	f.mixed = f.mixed[:0]
	for i := range n {
		s := in[i*ch : i*ch+ch]
		var leg [2]int32
		for c, v := range s {
			leg[c%legs] += int32(v) // samples of the legs alternate
		}
		if per > 1 {
			leg[0] /= int32(per)
			leg[1] /= int32(per)
		}
		if f.mix == settings.Stereo {
			f.mixed = append(f.mixed, int16(leg[0]), int16(leg[1]))
		} else {
			f.mixed = append(f.mixed, saturate(leg[0]+leg[1]))
		}
	}
	return f.mixed
}

func saturate(v int32) int16 { return int16(max(-32768, min(32767, v))) }
