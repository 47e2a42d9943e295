package wsload

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/gobwas/ws"

	"mod_audio_stream/test/bench/steps"
)

// Whatever the pieces in which masked frames arrive, every step is seen once.
func TestPiecesOfAnySize(t *testing.T) {
	var wire bytes.Buffer
	const frames = 130
	for k := range frames {
		f := ws.MaskFrameInPlaceWith(ws.NewBinaryFrame(steps.PCM(k, 8000)), [4]byte{1, 2, 3, byte(k)})
		if err := ws.WriteFrame(&wire, f); err != nil {
			t.Fatal(err)
		}
		if k%10 == 0 {
			if err := ws.WriteFrame(&wire, ws.MaskFrameInPlace(ws.NewTextFrame([]byte("between")))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, size := range []int{1, 2, 3, 7, 160, 161, 328, 329, 5000, wire.Len()} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c := &Conn{Rate: 8000}
			next := 0
			c.OnFrame(func(k int, number, _ int64) {
				if k != next%steps.Count || number != int64(next) {
					t.Fatalf("frame %d came as step %d, number %d", next, k, number)
				}
				next++
			})
			for rest := wire.Bytes(); len(rest) > 0; {
				n := min(size, len(rest))
				if err := c.feed(rest[:n], 1); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			n := c.Counts()
			if n.Frames != frames || n.Lost+n.Repeated+n.Silent+n.Other != 0 || n.Messages != frames || n.Bytes != frames*320 || n.Texts != 13 {
				t.Errorf("counted %+v", n)
			}
		})
	}
}

// A codec of frames that are longer than a message, or shorter, is followed by position.
func TestMessagesOfOtherLengths(t *testing.T) {
	var audio []byte
	for k := range steps.Count {
		audio = append(audio, steps.PCM(k, 16000)...)
	}
	for _, size := range []int{100, 640, 1000, 6400} {
		c := &Conn{Rate: 16000}
		for rest := audio; len(rest) > 0; {
			n := min(size, len(rest))
			if err := c.feed(ws.MustCompileFrame(ws.NewBinaryFrame(rest[:n])), 1); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if n := c.Counts(); n.Frames != steps.Count || n.Lost+n.Repeated != 0 {
			t.Errorf("in messages of %d: %+v", size, n)
		}
	}
}

func TestCloseIsSeen(t *testing.T) {
	c := &Conn{Rate: 8000}
	if err := c.feed(closing, 1); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
}
