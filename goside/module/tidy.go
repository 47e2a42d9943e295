package module

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"mod_audio_stream/goside/fault"
)

// A start leaves about as much garbage as the stream keeps, and the stacks of what connected it. After that nothing is allocated,
// so Go has no reason to collect it, for hours perhaps. So it is done when things have gone quiet, and what is free then goes
// back to the system. A switch on which they never do gets it now and then all the same.
//
// Within a burst garbage lies between what is kept, and keeps its pages. So Go may add a quarter to what is in use, and not, as
// by default, as much again and 4 MiB at least, before it collects: then the next start uses the last one's garbage.
const (
	tidyQuiet = 300 * time.Millisecond
	tidyLate  = 5 * time.Second
	gcPercent = 25
)

// collectEarly sets the share that Go may add. Whoever set GOGC in FreeSWITCH's environment knows why.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// rehearse collects some garbage of every size that streams leave. Go makes its lists of each size's memory when they are first
// needed, 500 KiB in all; this way it is at load, and no call pays for it.
func rehearse(free func()) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for range 2 { // a collection goes from one half of the lists to the other
		var keep []any
		for _, class := range m.BySize {
			if n := int(class.Size); n > 0 && n <= 4096 {
				keep = append(keep, make([]byte, n), make([]*byte, max(1, (n-8)/8)))
			}
		}
		free()
		runtime.KeepAlive(keep)
	}
	free()
}

// tidier collects garbage behind bursts of starts and ends.
type tidier struct {
	mu      sync.Mutex
	timer   *time.Timer // nil: nothing to tidy
	first   time.Time   // since when there is
	closed  bool
	running sync.WaitGroup
	free    func() // debug.FreeOSMemory; tests change it
	failed  func(recovered any, stack []byte)
}

func newTidier(failed func(recovered any, stack []byte)) *tidier {
	return &tidier{free: debug.FreeOSMemory, failed: failed}
}

// littered notes that there is something to collect. Any goroutine.
func (t *tidier) littered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
	case t.timer == nil:
		t.first = time.Now()
		t.running.Add(1)
		t.timer = time.AfterFunc(tidyQuiet, t.tidy)
	case time.Since(t.first) < tidyLate && t.timer.Stop(): // not yet on its way
		t.timer.Reset(tidyQuiet)
	}
}

func (t *tidier) tidy() {
	defer t.running.Done()
	defer func() { // what was not collected is collected the next time
		if r := recover(); r != nil {
			t.failed(r, debug.Stack())
		}
	}()
	t.mu.Lock()
	t.timer = nil
	t.mu.Unlock()
	fault.At("tidy")
	t.free()
}

// close ends it; nothing runs afterwards.
func (t *tidier) close() {
	t.mu.Lock()
	t.closed = true
	if t.timer != nil && t.timer.Stop() {
		t.running.Done()
	}
	t.mu.Unlock()
	t.running.Wait()
}
