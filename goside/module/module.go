// Package module is the module as a whole: its settings, its streams by channel and name, load and unload. What a command
// says is in goside/command; what a stream does is in goside/stream.
package module

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/fault"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/metrics"
	"mod_audio_stream/goside/protocol"
	"mod_audio_stream/goside/pump"
	"mod_audio_stream/goside/settings"
	"mod_audio_stream/goside/stats"
	"mod_audio_stream/goside/stream"
	"mod_audio_stream/goside/tempfiles"
	"mod_audio_stream/goside/worker"
)

// Version of the module, as told to users and servers.
const Version = "0.1.0"

// key names a stream.
type key struct{ uuid, name string }

// Module is one loaded module. Its methods may be called from any goroutine.
type Module struct {
	host    host.Host
	pumps   *pump.Set
	workers *worker.Queue
	set     atomic.Pointer[settings.Module]
	dialect protocol.Dialect
	temp    *tempfiles.Folder
	born    time.Time

	mu       sync.Mutex
	streams  map[key]*stream.Stream      // running; nil while being started
	all      map[*stream.Stream]struct{} // those and the ones that are ending
	stopping bool
	ended    sync.Cond // a stream left all

	past stats.Report // the sum of the streams that have ended, under mu

	started, failed atomic.Uint64 // streams since load
	tidier          *tidier

	metricsMu sync.Mutex
	metrics   *metrics.Server // nil: off
}

// Start starts the module in a host.
func Start(h host.Host, bell host.Doorbell, params map[string]string) *Module {
	m := &Module{host: h, dialect: protocol.Native(), born: time.Now(), streams: map[key]*stream.Stream{},
		all: map[*stream.Stream]struct{}{}, temp: tempfiles.New(h.TempDir())}
	m.ended.L = &m.mu
	m.tidier = newTidier(func(r any, stack []byte) {
		m.log(host.LevelError, "internal error in collecting garbage: %v\n%s", r, stack)
	})
	set := m.apply(params)
	m.sweep()
	m.workers = worker.New(set.Workers, func(r any, stack []byte) {
		m.log(host.LevelError, "internal error in an event, which is lost: %v\n%s", r, stack)
	})
	m.pumps = pump.StartSet(bell, set.Window, min(maxPumps, runtime.NumCPU()), func(what any, stack []byte) {
		m.log(host.LevelError, "internal error in the pump, which goes on: %v\n%s", what, stack)
	}, func(pumps int) { setProcessors(m.set.Load().GOMAXPROCS, pumps) })
	m.serveMetrics(set.MetricsAddr)
	collectEarly()
	rehearse(m.tidier.free)
	m.log(host.LevelNotice, "version %s, Go %s, in FreeSWITCH %s", Version, strings.TrimPrefix(runtime.Version(), "go"), h.Version())
	return m
}

// apply reads settings and puts those in force that can change while running.
func (m *Module) apply(params map[string]string) settings.Module {
	set, warnings := settings.ParseModule(params)
	for _, w := range warnings {
		m.log(host.LevelWarning, "audio_stream.conf: %s", w)
	}
	before := m.set.Swap(&set)
	// Both are put back where a reload takes them away.
	if before == nil { // it stops the world, each time
		setProcessors(set.GOMAXPROCS, 1)
	} else if before.GOMAXPROCS != set.GOMAXPROCS {
		setProcessors(set.GOMAXPROCS, m.pumps.Pumps())
	}
	if set.MemoryLimit > 0 {
		debug.SetMemoryLimit(set.MemoryLimit)
	} else {
		debug.SetMemoryLimit(math.MaxInt64)
	}
	if before != nil {
		m.pumps.SetWindow(set.Window)
	}
	return set
}

// maxPumps bounds the pumps of a machine with many cores: with pump.StreamsPerPump that is 4000 streams before any has more.
const maxPumps = 8

// setProcessors sets GOMAXPROCS, for pumps that keep one each while they sleep (netpoll.SleepUntil): n, but one more than there are
// pumps at least; 0: what the runtime would take, and the pumps' beside it.
func setProcessors(n, pumps int) {
	if n > 0 {
		runtime.GOMAXPROCS(max(pumps+1, n))
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + pumps)
}

// reload reads the XML again. Running streams keep what they were started with.
func (m *Module) reload() error {
	params, err := m.host.Config()
	if err != nil {
		return fmt.Errorf("audio_stream.conf could not be read: %w; the settings are unchanged", err)
	}
	before := m.set.Load()
	set := m.apply(params)
	if set.Workers != before.Workers {
		m.log(host.LevelNotice, "the number of workers changes with the next load of the module")
	}
	if set.MetricsAddr != before.MetricsAddr {
		m.serveMetrics(set.MetricsAddr)
	}
	return nil
}

// Stop ends every stream and every goroutine of the module, within about the deadline. It returns how many streams and
// workers did not end.
func (m *Module) Stop(deadline time.Duration) (left int) {
	until := time.Now().Add(deadline)
	// None of the steps is left out because another one fails: what stays behind would meet the next load.
	step := func(what string, do func()) {
		defer m.noted(what)
		do()
	}
	step("the end of the streams", func() { left = m.stopStreams(until) })
	step("the end of the workers", func() {
		if !m.workers.Stop(time.Until(until)) {
			left++
		}
		if n := m.workers.Dropped(); n > 0 {
			m.log(host.LevelWarning, "%d events were dropped", n)
		}
	})
	step("the end of the metrics page", func() { m.serveMetrics("") })
	step("the end of the pumps", m.pumps.Stop)
	step("the last collection", m.tidier.close)
	step("the removal of temporary files", func() {
		if err := m.temp.Close(); err != nil {
			m.log(host.LevelWarning, "temporary files were not removed: %v", err)
		}
	})
	return left
}

func (m *Module) stopStreams(until time.Time) (left int) {
	m.mu.Lock()
	m.stopping = true
	running := slices.Collect(maps.Keys(m.all))
	m.mu.Unlock()
	for _, s := range running {
		s.Stop("", false)
	}
	// Half of the time for closing politely, then the sockets are cut.
	if left = m.waitStreams(time.Until(until) / 2); left > 0 {
		for _, s := range running {
			s.Abort()
		}
		left = m.waitStreams(time.Until(until) / 2)
	}
	return left
}

// sweep removes the files of a process that crashed.
func (m *Module) sweep() {
	switch n, err := m.temp.Sweep(); {
	case err != nil:
		m.log(host.LevelWarning, "files of an earlier process were not removed: %v", err)
	case n > 0:
		m.log(host.LevelNotice, "removed the files that %d earlier processes had left in %s", n, m.host.TempDir())
	}
}

// serveMetrics moves the Prometheus page to an address, "" for none. A page that cannot be served is no reason not to load.
func (m *Module) serveMetrics(addr string) {
	m.metricsMu.Lock()
	defer m.metricsMu.Unlock()
	if m.metrics != nil {
		m.metrics.Close()
		m.metrics = nil
	}
	if addr == "" {
		return
	}
	var err error
	m.metrics, err = metrics.Listen(addr, m.Status, func(err error) {
		m.log(host.LevelError, "metrics page at %s: %v", addr, err)
	})
	if err != nil {
		m.log(host.LevelError, "no metrics page: %v (metrics-listen in audio_stream.conf)", err)
	}
}

// waitStreams waits for all streams to end and returns how many did not.
func (m *Module) waitStreams(limit time.Duration) int {
	over := false
	timer := time.AfterFunc(limit, func() {
		defer m.noted("the deadline of an unload")
		m.mu.Lock()
		over = true
		m.mu.Unlock()
		m.ended.Broadcast()
		fault.At("unload-deadline")
	})
	defer timer.Stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.all) > 0 && !over {
		m.ended.Wait()
	}
	return len(m.all)
}

func (m *Module) log(level host.Level, format string, args ...any) {
	m.host.Log(level, "", "mod_audio_stream: "+fmt.Sprintf(format, args...))
}

// recovered turns a panic in a command into its reply.
func (m *Module) recovered(reply *string) {
	if r := recover(); r != nil {
		m.log(host.LevelError, "internal error in a command: %v\n%s", r, debug.Stack())
		*reply = "-ERR internal error, see the log\n"
	}
}

// noted recovers a goroutine of the module's own.
func (m *Module) noted(where string) {
	if r := recover(); r != nil {
		m.log(host.LevelError, "internal error in %s: %v\n%s", where, r, debug.Stack())
	}
}

// find returns a running stream.
func (m *Module) find(uuid, name string) (*stream.Stream, error) {
	m.mu.Lock()
	s := m.streams[key{uuid, name}]
	m.mu.Unlock()
	if s != nil {
		return s, nil
	}
	if _, err := m.host.Variables(uuid, nil); errors.Is(err, host.ErrGone) {
		return nil, errNoSession
	}
	return nil, fmt.Errorf("no stream %q is running on this channel (audio_stream list shows those that are)", name)
}

// Break clears what every stream of a channel has queued for playback.
func (m *Module) Break(uuid string) {
	m.mu.Lock()
	var list []*stream.Stream
	for s := range m.all {
		if s.UUID() == uuid {
			list = append(list, s)
		}
	}
	m.mu.Unlock()
	for _, s := range list {
		_ = s.Clear() // one that does not play has nothing to clear
	}
}

// forget takes a stream that ends off the books.
func (m *Module) forget(s *stream.Stream) {
	last := s.Report(nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := (key{s.UUID(), s.Name()}); m.streams[k] == s {
		delete(m.streams, k)
	}
	if _, running := m.all[s]; running {
		delete(m.all, s)
		m.past.Add(&last)
	}
	m.ended.Broadcast()
	m.tidier.littered()
}

// running lists the streams in the order of channel and name.
func (m *Module) running() []*stream.Stream {
	m.mu.Lock()
	list := slices.Collect(maps.Keys(m.all))
	m.mu.Unlock()
	slices.SortFunc(list, func(a, b *stream.Stream) int {
		if c := strings.Compare(a.UUID(), b.UUID()); c != 0 {
			return c
		}
		return strings.Compare(a.Name(), b.Name())
	})
	return list
}
