// The ready-made behaviours of the agent: echo, record, and playing samples (a WAV or a tone). Several may be joined.

package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// frameTime is the length of a paced frame.
const frameTime = 20 * time.Millisecond

// Echo sends every binary frame straight back. Of a stereo stream, which is answered in mono, it sends the caller's
// channel.
type Echo struct {
	Channels int  // interleaved channels of the stream; 0 and 1 are mono
	JSON     bool // answer with streamAudio messages instead of binary frames
	Rate     int  // Hz, for JSON
}

// Opened does nothing.
func (Echo) Opened(*Conn) {}

// Received sends audio back.
func (e Echo) Received(c *Conn, f Frame) {
	if !f.IsBinary() {
		return
	}
	data := f.Data
	if e.Channels == 2 {
		both := Samples(data)
		left := both[:0]
		for i := 0; i+1 < len(both); i += 2 {
			left = append(left, both[i])
		}
		data = Bytes(left)
	}
	_ = sendAudio(c, data, e.Rate, e.JSON) // a connection that is gone ends the reading, too
}

// Closed does nothing.
func (Echo) Closed(*Conn) {}

// Record writes the binary frames of every connection to a WAV file of its own, call-<number>.wav.
type Record struct {
	Dir      string
	Rate     int // Hz
	Channels int
	Log      func(line string) // says which file was written, or why not; nil: nobody is told

	mu    sync.Mutex
	files map[*Conn]*WAVWriter
}

// Opened starts the file.
func (r *Record) Opened(c *Conn) {
	path := filepath.Join(r.Dir, fmt.Sprintf("call-%d.wav", c.Handshake.N))
	w, err := CreateWAV(path, r.Rate, max(r.Channels, 1))
	if err != nil {
		r.say("cannot record connection %d: %v", c.Handshake.N, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.files == nil {
		r.files = make(map[*Conn]*WAVWriter)
	}
	r.files[c] = w
}

// Received appends audio.
func (r *Record) Received(c *Conn, f Frame) {
	r.mu.Lock()
	w := r.files[c]
	r.mu.Unlock()
	if w == nil || !f.IsBinary() {
		return
	}
	if err := w.Write(Samples(f.Data)); err != nil {
		r.say("cannot write the recording of connection %d: %v", c.Handshake.N, err)
	}
}

// Closed completes the file.
func (r *Record) Closed(c *Conn) {
	r.mu.Lock()
	w := r.files[c]
	delete(r.files, c)
	r.mu.Unlock()
	if w == nil {
		return
	}
	if err := w.Close(); err != nil {
		r.say("cannot complete the recording of connection %d: %v", c.Handshake.N, err)
		return
	}
	r.say("connection %d was recorded to %s", c.Handshake.N, w.file.Name())
}

func (r *Record) say(format string, args ...any) {
	if r.Log != nil {
		r.Log(fmt.Sprintf(format, args...))
	}
}

// Play sends samples on every connection.
type Play struct {
	Samples []int16 // mono
	Rate    int     // Hz
	Burst   bool    // one message with everything, at once; else 20 ms frames on time
	JSON    bool    // streamAudio messages instead of binary frames
	Loop    bool    // start over at the end; not with Burst
}

// Opened starts to play.
func (p Play) Opened(c *Conn) {
	if p.Burst {
		c.Go(func(context.Context) { _ = sendAudio(c, Bytes(p.Samples), p.Rate, p.JSON) })
		return
	}
	c.Go(func(ctx context.Context) { p.pace(ctx, c) })
}

// Received does nothing.
func (Play) Received(*Conn, Frame) {}

// Closed does nothing.
func (Play) Closed(*Conn) {}

// pace sends a frame every 20 ms, counted from the start so that lateness does not add up.
func (p Play) pace(ctx context.Context, c *Conn) {
	size := int(int64(p.Rate) * int64(frameTime) / int64(time.Second))
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	at := 0
	for n := 0; ; n++ {
		timer.Reset(time.Until(start.Add(time.Duration(n) * frameTime)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if at >= len(p.Samples) {
			if !p.Loop || len(p.Samples) == 0 {
				return
			}
			at = 0
		}
		end := min(at+size, len(p.Samples))
		if sendAudio(c, Bytes(p.Samples[at:end]), p.Rate, p.JSON) != nil {
			return
		}
		at = end
	}
}

// Join lets several modes serve the same connections, in the order given.
type Join []Mode

// Opened calls every mode's.
func (j Join) Opened(c *Conn) {
	for _, m := range j {
		m.Opened(c)
	}
}

// Received calls every mode's.
func (j Join) Received(c *Conn, f Frame) {
	for _, m := range j {
		m.Received(c, f)
	}
}

// Closed calls every mode's.
func (j Join) Closed(c *Conn) {
	for _, m := range j {
		m.Closed(c)
	}
}

func sendAudio(c *Conn, data []byte, rate int, asJSON bool) error {
	if asJSON {
		return c.SendText(StreamAudio("raw", rate, data))
	}
	return c.SendBinary(data)
}
