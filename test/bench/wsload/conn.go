package wsload

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/steps"
)

// Conn is one connection.
type Conn struct {
	Index int
	Rate  int
	nc    io.WriteCloser
	in    parser // the reader's own

	writing   sync.Mutex
	next      int                       // step to send
	writtenAt [steps.Count]atomic.Int64 // measure.Now of the last write of each step

	mu       sync.Mutex
	order    steps.Order
	bytes    uint64
	messages uint64
	texts    uint64
	arrived  func(step int, number, ns int64)
}

func newConn(nc io.WriteCloser, uri string) (*Conn, error) {
	index, rate, err := place(uri)
	if err != nil {
		return nil, err
	}
	return &Conn{Index: index, Rate: rate, nc: nc}, nil
}

// OnFrame has f called for each step that arrives, with its place in the sequence, and counts anew.
func (c *Conn) OnFrame(f func(step int, number, ns int64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order = steps.Order{}
	c.bytes, c.messages, c.texts = 0, 0, 0
	c.arrived = f
}

// Counts are what came since OnFrame.
type Counts struct {
	steps.Order
	Bytes, Messages, Texts uint64
}

// Counts reads what came since OnFrame.
func (c *Conn) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counts{c.order, c.bytes, c.messages, c.texts}
}

// WrittenAt is when step k was last written to the socket; 0: never.
func (c *Conn) WrittenAt(k int) int64 { return c.writtenAt[k].Load() }

// step is the next frame to send; the caller holds writing.
func (c *Conn) step(mode Mode) []byte {
	b := messages(mode, c.Rate)[c.next]
	c.writtenAt[c.next].Store(measure.Now())
	c.next = (c.next + 1) % steps.Count
	return b
}

// sendStep sends one step in real time.
func (c *Conn) sendStep(mode Mode) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.nc.Write(c.step(mode)) // the reader notices the end
}

// write reports whether the connection took it.
func (c *Conn) write(b []byte) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.nc.Write(b)
	return err == nil
}

// Send writes steps faster than real time, and returns when the last was written.
func (c *Conn) Send(frames int) int64 {
	c.writing.Lock()
	defer c.writing.Unlock()
	var b []byte
	for range frames {
		b = append(b, c.step(Binary)...)
	}
	_, _ = c.nc.Write(b) // the reader notices the end
	return measure.Now()
}

// TextFrame is a text as it goes over the wire.
func TextFrame(text string) []byte { return ws.MustCompileFrame(ws.NewTextFrame([]byte(text))) }

// Text sends a text and returns when it was written.
func (c *Conn) Text(text string) int64 {
	c.write(TextFrame(text))
	return measure.Now()
}
