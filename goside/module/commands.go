package module

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"

	"mod_audio_stream/goside/command"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/settings"
	"mod_audio_stream/goside/stats"
	"mod_audio_stream/goside/stream"
	"mod_audio_stream/goside/wsclient"
)

// The lengths of the two rings. The capture ring bridges the longest pause of the Go side that was seen (a garbage
// collection with all cores busy: 20 ms) many times over; the playout ring is refilled at least once a frame.
const (
	captureRing = 400 * time.Millisecond
	playoutRing = 200 // ms
)

var errNoSession = errors.New("there is no channel with this uuid")

// Command runs one uuid_audio_stream command and returns its reply.
func (m *Module) Command(uuid, line string) (reply string) {
	defer m.recovered(&reply)
	cmd, err := command.Parse(line)
	if err == nil && uuid == "" {
		err = &command.UsageError{Syntax: command.Syntax}
	}
	if err != nil {
		return m.refuse(uuid, cmd, err)
	}
	if cmd.Verb == command.Start {
		if err := m.start(uuid, cmd); err != nil {
			m.failed.Add(1)
			return m.refuse(uuid, cmd, err)
		}
		return command.Reply(nil)
	}
	s, err := m.find(uuid, cmd.Stream)
	if err != nil {
		return m.refuse(uuid, cmd, err)
	}
	if cmd.Verb == command.Stats {
		return toJSON(s.Report(nil))
	}
	if err := m.run(s, cmd); err != nil {
		return m.refuse(uuid, cmd, err)
	}
	return command.Reply(nil)
}

// refuse words the reply to a command that failed, and logs it: not everybody looks at replies, the dialplan least of all.
func (m *Module) refuse(uuid string, cmd command.Command, err error) string {
	reply := command.Reply(err)
	level, where := host.LevelWarning, ""
	if cmd.URL != "" { // a start
		level, where = host.LevelError, " to "+wsclient.Redact(cmd.URL)
	}
	what := cmd.Verb.String()
	if cmd.Verb == command.Start && cmd.URL == "" { // not read that far
		what = "a command"
	}
	m.host.Log(level, uuid, fmt.Sprintf("stream %q: %s%s: %s", cmd.Stream, what, where, strings.TrimSuffix(reply, "\n")))
	return reply
}

func (m *Module) run(s *stream.Stream, cmd command.Command) error {
	switch cmd.Verb {
	case command.Stop:
		m.release(s)
		s.Stop(cmd.Text, cmd.HasText)
	case command.GracefulShutdown:
		s.GracefulShutdown(cmd.Text, cmd.HasText)
	case command.SendText:
		return s.SendText(cmd.Text)
	case command.Pause:
		s.Pause()
	case command.Resume:
		s.Resume()
	case command.Clear:
		return s.Clear()
	case command.PausePlay:
		return s.PausePlay()
	case command.ResumePlay:
		return s.ResumePlay()
	default:
		return fmt.Errorf("%v is not handled", cmd.Verb)
	}
	return nil
}

// release frees a stream's name at once, so that the next start need not wait for the server to say goodbye.
func (m *Module) release(s *stream.Stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := (key{s.UUID(), s.Name()}); m.streams[k] == s {
		delete(m.streams, k)
	}
}

// start checks everything that can be checked without the network, attaches the bug and lets the stream connect. What it
// did before a failure is undone.
func (m *Module) start(uuid string, cmd command.Command) (err error) {
	set := m.set.Load()
	u, err := wsclient.ParseURL(cmd.URL)
	if err != nil {
		return err
	}
	if !set.HostAllowed(u.Hostname()) {
		return fmt.Errorf("host %q is not allowed (allowed-hosts in audio_stream.conf)", u.Hostname())
	}
	k := key{uuid, cmd.Stream}
	if err := m.reserve(k); err != nil {
		return err
	}
	begun := false
	defer func() {
		if !begun { // an error, or a panic on its way to the reply
			m.mu.Lock()
			delete(m.streams, k)
			m.mu.Unlock()
		}
	}()
	vars, err := m.host.Variables(uuid, settings.Variables())
	if errors.Is(err, host.ErrGone) {
		return errNoSession
	} else if err != nil {
		return err
	}
	own, warnings, err := set.Stream(vars)
	for _, w := range warnings {
		m.host.Log(host.LevelWarning, uuid, fmt.Sprintf("stream %q: %s", cmd.Stream, w))
	}
	if err != nil {
		return err
	}
	legs := 2
	if cmd.Mix == settings.Mono {
		legs = 1
	}
	got, err := m.host.Attach(uuid, host.Attach{Legs: legs, Playback: own.Playback, Replace: own.PlaybackReplace,
		Answer: own.Answer, DTMF: own.DTMF, Capture: captureRing, PlayoutMS: playoutRing})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping { // the unload did not see this stream
		_ = got.Media.Detach() // the bug may have gone already
		got.Media.Free()
		return errStopping
	}
	s := stream.New(stream.Params{Temp: m.temp,
		Host: m.host, Pump: m.pumps.Pick(), Lane: m.workers.Lane(), Dialect: m.dialect, UUID: uuid, Command: cmd, Settings: own,
		MaxMessage: set.MaxMessage, MinTLS: set.MinTLS, UserAgent: "mod_audio_stream/" + Version, Attached: got,
		OnClosing: m.release, OnEnd: m.forget,
	})
	begun = true
	m.streams[k] = s
	m.all[s] = struct{}{}
	m.started.Add(1)
	m.tidier.littered()
	return nil
}

var errStopping = errors.New("the module is being unloaded")

// reserve takes the stream's name, so that of two starts at once one is told so.
func (m *Module) reserve(k key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return errStopping
	}
	if _, taken := m.streams[k]; taken {
		return fmt.Errorf("stream %q is already running on this channel (stop it first, or start another with name=<stream>)",
			k.name)
	}
	n := 0
	for other := range m.streams {
		if other.uuid == k.uuid {
			n++
		}
	}
	if n >= settings.MaxStreams {
		return fmt.Errorf("%d streams are running on this channel, and that is the most", n)
	}
	m.streams[k] = nil
	return nil
}

// ModuleCommand runs one audio_stream command and returns its reply.
func (m *Module) ModuleCommand(line string) (reply string) {
	defer m.recovered(&reply)
	cmd, asJSON, err := command.ParseModule(line)
	if err != nil {
		return command.Reply(err)
	}
	switch cmd {
	case "version":
		if asJSON {
			return toJSON(map[string]string{"version": Version, "go": runtime.Version(), "freeswitch": m.host.Version()})
		}
		return fmt.Sprintf("mod_audio_stream %s (%s, FreeSWITCH %s)\n", Version, runtime.Version(), m.host.Version())
	case "reload":
		err := m.reload()
		if asJSON && err == nil {
			return toJSON(map[string]bool{"reloaded": true})
		}
		return command.Reply(err)
	case "list":
		return m.list(asJSON)
	default:
		return m.status(asJSON)
	}
}

func (m *Module) list(asJSON bool) string {
	reports := []stats.Report{}
	for _, s := range m.running() {
		reports = append(reports, s.Report(nil))
	}
	if asJSON {
		return toJSON(reports)
	}
	var b strings.Builder
	for _, r := range reports {
		fmt.Fprintf(&b, "%s %s %s %s\n", r.UUID, r.Stream, r.State, r.URL)
	}
	fmt.Fprintf(&b, "%d total.\n", len(reports))
	return b.String()
}

// Status reads the figures.
func (m *Module) Status() stats.Status {
	st := stats.Status{Version: Version, UptimeMS: time.Since(m.born).Milliseconds(), StreamsStarted: m.started.Load(),
		StreamsFailed: m.failed.Load(), MediaHeld: m.host.MediaHeld(), EventsPending: m.workers.Pending(), EventsDropped: m.workers.Dropped(),
		Goroutines: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0)}
	var latency stats.Histogram
	for _, s := range m.running() {
		r := s.Report(&latency)
		st.Sum.Report.Add(&r)
		st.Streams++
	}
	st.Sum.Report.CaptureLatencyMS = latency.Latency()
	m.mu.Lock()
	st.Lost = stats.LostOf(&m.past)
	m.mu.Unlock()
	st.Lost.Add(stats.LostOf(&st.Sum.Report))
	// runtime/metrics reads without stopping the world, which ReadMemStats would do.
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(samples)
	st.GoHeapBytes, st.GCCount = samples[0].Value.Uint64(), samples[1].Value.Uint64()
	pauses := stats.RuntimeQuantiles(samples[2].Value.Float64Histogram())
	st.GCPauses = stats.Latency{P50: stats.MS(pauses.P50), P99: stats.MS(pauses.P99), Max: stats.MS(pauses.Max)}
	return st
}

func (m *Module) status(asJSON bool) string {
	st := m.Status()
	if asJSON {
		return toJSON(st)
	}
	r := &st.Sum.Report
	lost := &st.Lost
	d := lost.Frames
	var b strings.Builder
	fmt.Fprintf(&b, "mod_audio_stream %s, up %v\n", st.Version, time.Since(m.born).Round(time.Second))
	fmt.Fprintf(&b, "streams      %d running, %d started, %d refused\n", st.Streams, st.StreamsStarted, st.StreamsFailed)
	fmt.Fprintf(&b, "captured     %d frames, %d sent, %d bytes\n", r.FramesCaptured, r.FramesSent, r.BytesSent)
	fmt.Fprintf(&b, "dropped      %d ring full, %d not connected, %d server slow, %d not converted, %d of callees (all since load)\n",
		d.RingFull, d.ConnectBuffer, d.SendQueue, d.Convert, d.Callee)
	fmt.Fprintf(&b, "latency      p50 %.1f ms, p99 %.1f ms, max %.1f ms\n", r.CaptureLatencyMS.P50, r.CaptureLatencyMS.P99,
		r.CaptureLatencyMS.Max)
	fmt.Fprintf(&b, "playback     %d ms played, %d ms queued, %d not played since load, %d underruns, %d overflows, %d clears, %d marks\n",
		r.PlaybackPlayedMS, r.PlaybackQueuedMS, lost.UnplayedMS, r.Underruns, r.Overflows, r.Clears, r.Marks)
	fmt.Fprintf(&b, "clocks       %d ms shortened, %d ms stretched\n", r.ShortenedMS, r.StretchedMS)
	fmt.Fprintf(&b, "received     %d bytes, %d bad messages, %d reconnects\n", r.BytesReceived, r.BadMessages, r.Reconnects)
	fmt.Fprintf(&b, "events       %d pending, %d dropped since load; %d texts dropped\n", st.EventsPending, st.EventsDropped, lost.Texts)
	fmt.Fprintf(&b, "go           %d goroutines, %d KiB heap, %d collections, pauses p99 %.2f ms\n", st.Goroutines,
		st.GoHeapBytes>>10, st.GCCount, st.GCPauses.P99)
	return b.String()
}

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // a figure that JSON has no number for
		return "-ERR " + err.Error() + "\n"
	}
	return string(text) + "\n"
}
