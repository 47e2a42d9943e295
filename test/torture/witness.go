package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// witness is a call with a stream both ways that no case touches. Its server also takes the streams beside the victims'.
type witness struct {
	sw     switchtest.Switch
	call   switchtest.Call
	server *agent.Server
	mode   *witnessMode
	lost   losses
	from   int // where in what the caller heard the present case began
}

const witnessPath = "/witness"

func newWitness(ctx context.Context, sw switchtest.Switch) (*witness, error) {
	w := &witness{sw: sw, mode: &witnessMode{tracks: map[string]*track{}}}
	var err error
	if w.server, err = agent.Start(agent.Config{Mode: w.mode, Forget: true}); err != nil {
		return nil, err
	}
	if w.call, err = sw.Originate(ctx, switchtest.CallSpec{Source: &switchtest.Counter{}}); err != nil {
		return nil, err
	}
	reply, err := sw.API(ctx, "uuid_audio_stream "+w.call.UUID()+" start "+w.server.URL(witnessPath)+" mono")
	if err != nil || !strings.HasPrefix(reply, "+OK") {
		return nil, fmt.Errorf("the witness cannot start: %q, %w", reply, err)
	}
	heard := func(samples []int16) bool { return longestSilence(samples).sound > 8000 }
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := w.call.WaitHeard(ctx, heard); err != nil {
		return nil, fmt.Errorf("the witness hears nothing: %w", err)
	}
	w.lost.judge(ctx, sw, w.call, "default", w.mode.track(witnessPath).report()) // what was before is no case's
	return w, nil
}

// reset begins a measurement.
func (w *witness) reset() {
	machine.reset()
	w.mode.track(witnessPath).reset()
	w.from = len(w.call.Heard())
}

// judge gives the worst pauses since reset, and what is wrong with the witness.
func (w *witness) judge(ctx context.Context, o options) (ear, server time.Duration, faults []string) {
	t := w.mode.track(witnessPath)
	server = t.pause()
	heard := w.call.Heard()
	s := longestSilence(heard[min(w.from, len(heard)):])
	ear = time.Duration(s.longest) * time.Second / time.Duration(w.call.Rate())
	limit := o.pauseLimit()
	if server > limit {
		faults = append(faults, fmt.Sprintf("the witness's server got nothing for %s", server.Round(time.Millisecond)))
	}
	if ear > limit {
		faults = append(faults, fmt.Sprintf("the witness's caller heard nothing for %s", ear))
	}
	if fault := w.lost.judge(ctx, w.sw, w.call, "default", t.report()); fault != "" {
		faults = append(faults, "the witness's stream: "+fault)
	}
	for _, ev := range w.sw.Events().Module(w.call.UUID(), "") {
		if !strings.HasSuffix(ev.Subclass, "::connect") && !strings.HasSuffix(ev.Subclass, "::playback") {
			faults = append(faults, "the witness got the event "+ev.Subclass+" "+ev.Body)
		}
	}
	return ear, server, faults
}

// counterHalf is how long half of the counter's round lasts, less some: a longer loss is taken for a repetition.
const counterHalf = counterLast / 2 * time.Second / 8000 / 2

// losses follows what is missing of a call's stream at its server.
type losses struct {
	dropped  int // samples that the module has dropped and counted
	forgiven int // of them those that the machine is to blame for
	told     int // samples that were reported as lost
	repeated int
}

// judge says what is missing without an excuse. What the switch itself lost is one, and, where the machine stood still, what
// the module dropped and counted.
func (l *losses) judge(ctx context.Context, sw switchtest.Switch, call switchtest.Call, stream string, report switchtest.CounterReport) string {
	frame := call.Rate() * call.Ptime() / 1000
	if reply, err := sw.API(ctx, "uuid_audio_stream "+call.UUID()+" name="+stream+" stats"); err == nil {
		var s stats
		if json.Unmarshal([]byte(reply), &s) == nil {
			dropped := 0
			for _, n := range s.FramesDropped {
				dropped += int(n) * frame
			}
			if overwhelmed() {
				l.forgiven += dropped - l.dropped
				if machine.since() > counterHalf { // then a jump ahead looks like one back
					l.repeated = report.Repeated
				}
			}
			l.dropped = dropped
		}
	}
	unexcused := report.Lost - call.Missed(ctx)*frame - l.forgiven - l.told
	if unexcused <= 0 && report.Repeated <= l.repeated {
		return ""
	}
	l.told += max(unexcused, 0)
	l.repeated = report.Repeated
	return fmt.Sprintf("%d samples lost, %d dropped and counted: %s", unexcused, l.dropped, report)
}

// abandon leaves the witness to the switch's end.
func (w *witness) abandon() { go func() { _ = w.server.Close() }() }

// end stops the witness in order.
func (w *witness) end(ctx context.Context) (faults []string) {
	reply, err := w.sw.API(ctx, "uuid_audio_stream "+w.call.UUID()+" stop")
	if err != nil || !strings.HasPrefix(reply, "+OK") {
		faults = append(faults, fmt.Sprintf("the witness cannot stop: %q, %v", reply, err))
	} else if _, err := w.sw.Events().Wait(ctx, switchtest.Filter{UUID: w.call.UUID(), Subclass: "disconnect"}, 1); err != nil {
		faults = append(faults, err.Error())
	}
	if err := w.call.Hangup(ctx); err != nil {
		faults = append(faults, err.Error())
	}
	if err := w.server.Close(); err != nil {
		faults = append(faults, err.Error())
	}
	return faults
}

// silence is what longestSilence found: samples of sound, and the longest run of zeros between two of them.
type silence struct{ sound, longest int }

func longestSilence(samples []int16) (s silence) {
	run := 0
	for _, v := range samples {
		if v == 0 {
			run++
			continue
		}
		if s.sound > 0 {
			s.longest = max(s.longest, run)
		}
		s.sound++
		run = 0
	}
	return s
}

// witnessMode follows what each stream sends, apart by its path, and speaks to its caller all the time.
type witnessMode struct {
	mu     sync.Mutex
	tracks map[string]*track
}

// track is what has come of one stream.
type track struct {
	mu     sync.Mutex
	check  switchtest.CounterCheck
	frames int
	last   time.Time
	worst  time.Duration
}

func (m *witnessMode) track(path string) *track {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tracks[path]
	if t == nil {
		t = &track{}
		m.tracks[path] = t
	}
	return t
}

// forget drops a stream that is over.
func (m *witnessMode) forget(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tracks, path)
}

// spoken ahead: what the module holds for the caller, so that the server's own pauses are not heard.
const aheadOfCaller = 2 * time.Second

// Opened speaks, in real time and some seconds ahead.
func (m *witnessMode) Opened(c *agent.Conn) {
	c.Go(func(ctx context.Context) {
		var counter switchtest.Counter
		block := make([]int16, 8000/5)
		began := time.Now()
		for sent := time.Duration(0); ; sent += 200 * time.Millisecond {
			select {
			case <-time.After(time.Until(began.Add(sent - aheadOfCaller))):
			case <-ctx.Done():
				return
			}
			counter.Next(8000, block)
			if c.SendBinary(agent.Bytes(block)) != nil {
				return
			}
		}
	})
}

// Received follows audio.
func (m *witnessMode) Received(c *agent.Conn, f agent.Frame) {
	if !f.IsBinary() {
		return
	}
	t := m.track(c.Handshake.Path)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.frames > 0 {
		t.worst = max(t.worst, f.At.Sub(t.last))
	}
	t.frames++
	t.last = f.At
	t.check.Add(agent.Samples(f.Data))
}

// Closed has nothing to do: what has come is looked at later.
func (m *witnessMode) Closed(*agent.Conn) {}

func (t *track) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.frames
}

func (t *track) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.worst = 0
}

// pause is the longest time between two frames, the one that is going on included.
func (t *track) pause() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.worst, time.Since(t.last))
}

func (t *track) report() switchtest.CounterReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.check.Report()
}
