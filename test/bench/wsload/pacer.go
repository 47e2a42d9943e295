package wsload

import (
	"encoding/base64"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/steps"
)

// slots are the milliseconds of a frame, over which connections are spread.
const slots = steps.FrameMS

// BeginOver is over how long the connections begin to be sent to, beginPlaces of them one after the other; more share those
// places. Without it all would begin in one frame's time, which speakers in earnest never do.
const (
	BeginOver   = time.Second
	beginPlaces = 200
)

// begins is how long after Play a connection's first step is due.
func begins(index int) time.Duration {
	return time.Duration(index%beginPlaces) * BeginOver / beginPlaces
}

// pacer sends to every connection in real time, from one thread.
type pacer struct {
	mode atomic.Int32
	from atomic.Int64 // when that was set, ns
	late atomic.Int64
	stop chan struct{}

	mu   sync.Mutex
	slot [slots][]*Conn
}

func newPacer() *pacer { return &pacer{stop: make(chan struct{})} }

// spread puts neighbours apart, and both directions of a call, too: a server's clock knows nothing of a caller's.
func spread(index int) int { return (index*7 + 3) % slots }

func (p *pacer) add(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := spread(c.Index)
	p.slot[i] = append(slices.Clone(p.slot[i]), c)
}

func (p *pacer) remove(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := spread(c.Index)
	p.slot[i] = slices.DeleteFunc(slices.Clone(p.slot[i]), func(other *Conn) bool { return other == c })
}

func (p *pacer) run() {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	clock := measure.NewTicker(time.Millisecond)
	for tick := 0; ; tick++ {
		late := clock.Wait()
		select {
		case <-p.stop:
			return
		default:
		}
		mode := Mode(p.mode.Load())
		if mode == Listen {
			continue
		}
		if late > 5*time.Millisecond {
			p.late.Add(1)
		}
		p.mu.Lock()
		due := p.slot[tick%slots]
		p.mu.Unlock()
		since := time.Duration(measure.Now() - p.from.Load())
		for _, c := range due {
			if since >= begins(c.Index) {
				c.sendStep(mode)
			}
		}
	}
}

type kind struct {
	mode Mode
	rate int
}

// compiled holds every step as a frame, ready to be written.
var compiled sync.Map // kind to [][]byte

func messages(mode Mode, rate int) [][]byte {
	if all, ok := compiled.Load(kind{mode, rate}); ok {
		return all.([][]byte)
	}
	var all [][]byte
	for k := range steps.Count {
		f := ws.NewBinaryFrame(steps.PCM(k, rate))
		if mode == JSON {
			f = ws.NewTextFrame(fmt.Appendf(nil, `{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":%d,"audioData":"%s"}}`,
				rate, base64.StdEncoding.EncodeToString(steps.PCM(k, rate))))
		}
		all = append(all, ws.MustCompileFrame(f))
	}
	compiled.Store(kind{mode, rate}, all)
	return all
}
