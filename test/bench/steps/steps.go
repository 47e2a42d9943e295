// Package steps is the signal that the benchmark sends in both directions: a staircase whose level says which frame of
// 20 ms this is, modulo Count. Levels survive mu-law, a change of rate and saturating addition to silence, so that the far end
// can tell which frame it has, when it was sent, and what is missing, whatever the module did to it.
package steps

import (
	"encoding/binary"

	"github.com/zaf/g711"
)

// Count is how many levels there are: a frame is told from others of the same second.
const Count = 50

// FrameMS is the length of a step.
const FrameMS = 20

const (
	spacing   = 1200
	tolerance = 400 // of a level, after resampling
	quiet     = 100 // below it is silence
)

// None is what Find returns for what is no level.
const None = -1

// Level is the sample value of step k. It is one that mu-law can say, and never near silence.
func Level(k int) int16 { return levels[k%Count] }

var levels = func() (l [Count]int16) {
	for k := range l {
		l[k] = g711.DecodeUlawFrame(g711.EncodeUlawFrame(int16((k-Count/2)*spacing + spacing/2)))
	}
	return l
}()

// found holds the step of every sample value, in a table since it is asked for every frame.
var found = func() (f [1 << 16]int8) {
	for i := range f {
		f[i] = None
		v := int(int16(i))
		for k, l := range levels {
			if d := v - int(l); d > -tolerance && d < tolerance {
				f[i] = int8(k)
			}
		}
	}
	return f
}()

// Find is the step that a sample belongs to, or None.
func Find(sample int16) int { return int(found[uint16(sample)]) }

// Silent reports whether a sample is silence.
func Silent(sample int16) bool { return sample > -quiet && sample < quiet }

// PCM is step k as samples at rate, little-endian.
func PCM(k, rate int) []byte {
	b := make([]byte, 0, rate*FrameMS/1000*2)
	for range rate * FrameMS / 1000 {
		b = binary.LittleEndian.AppendUint16(b, uint16(Level(k)))
	}
	return b
}

// PCMU is step k as mu-law at 8 kHz.
func PCMU(k int) []byte {
	b := make([]byte, 8000*FrameMS/1000)
	for i := range b {
		b[i] = g711.EncodeUlawFrame(Level(k))
	}
	return b
}

// Samples is all steps once, for a file that is played in a loop.
func Samples(rate int) []int16 {
	var s []int16
	for k := range Count {
		for range rate * FrameMS / 1000 {
			s = append(s, Level(k))
		}
	}
	return s
}

// Order follows the steps of one direction of one call and counts what is wrong with them.
type Order struct {
	Frames, Lost, Repeated, Silent, Other uint64
	Number                                int64 // of the frame seen last, counted from 0, lost ones included
	next                                  int
	begun                                 bool
}

// See takes the next frame's middle sample and returns its step, or None.
func (o *Order) See(sample int16) int {
	k := Find(sample)
	if k == None {
		if Silent(sample) {
			o.Silent++
		} else {
			o.Other++
		}
		return None
	}
	o.Frames++
	if !o.begun {
		o.begun = true
		o.next = (k + 1) % Count
		return k
	}
	switch ahead := (k - o.next + Count) % Count; {
	case ahead < Count/2:
		o.Lost += uint64(ahead)
		o.Number += int64(ahead) + 1
	default: // an earlier one again, or out of order
		o.Repeated++
		return k
	}
	o.next = (k + 1) % Count
	return k
}
