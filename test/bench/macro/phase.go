package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"mod_audio_stream/goside/stats"
	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/results"
	"mod_audio_stream/test/bench/steps"
	"mod_audio_stream/test/bench/wsload"
)

// phase is one way of using the calls.
type phase struct {
	name    string
	stream  bool // a stream on every call
	play    wsload.Mode
	rate    int // Hz on the wire
	secure  bool
	silence bool // the switch sends silence to the callers by itself
	paused  bool // the streams are paused: what FreeSWITCH's media bug costs by itself, with a callback that sends nothing
	small   bool // part of every matrix, also the one that counts streams
	once    bool // with the smallest number of calls only
}

// phases in the order of a round. Parked comes first and last: a drift of the machine shows, and half of it is taken out. What
// is measured of a phase's memory is on top of what the phases before it have left in the process, so TLS comes last.
var phases = []phase{
	{name: "parked", small: true},
	{name: "capture", stream: true, rate: 8000, small: true},
	{name: results.Paused, stream: true, rate: 8000, paused: true},
	{name: "duplex", stream: true, play: wsload.Binary, rate: 8000, small: true},
	{name: "duplex json", stream: true, play: wsload.JSON, rate: 8000},
	{name: "capture 8k to 16k", stream: true, rate: 16000, once: true},
	{name: "duplex 8k to 16k", stream: true, play: wsload.Binary, rate: 16000, once: true},
	{name: "capture wss", stream: true, rate: 8000, secure: true},
	{name: "duplex wss", stream: true, play: wsload.Binary, rate: 8000, secure: true, once: true},
	{name: "parked", small: true},
	{name: "silence", silence: true},
	{name: "duplex over silence", stream: true, play: wsload.Binary, rate: 8000, silence: true},
}

// latencies gathers times from many goroutines.
type latencies struct {
	mu sync.Mutex
	ms []float64
}

func (l *latencies) add(ns int64) {
	l.mu.Lock()
	l.ms = append(l.ms, float64(ns)/1e6)
	l.mu.Unlock()
}

func (l *latencies) into(d *results.Direction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ms) == 0 {
		return
	}
	slices.Sort(l.ms)
	d.P50, d.P99, d.Max = measure.Quantile(l.ms, 0.5), measure.Quantile(l.ms, 0.99), l.ms[len(l.ms)-1]
}

// watch is what a phase looks at between two moments.
type watch struct {
	s             *site
	conns         map[int]*wsload.Conn
	capture, play latencies
	relative      map[int]*[]int64 // by connection: arrival minus the frame's place in time
}

// second is the longest latency that a step can tell from the next round's.
const second = int64(steps.Count * steps.FrameMS * int(time.Millisecond))

func sinceStep(now, at int64) (int64, bool) {
	d := now - at
	return d, at != 0 && d >= 0 && d < second
}

// begin starts counting. Where the callers are ours, a frame's time is when its packet was sent; on the stand-in, whose
// callers nobody sees, it is the earliest of the call's frames that counts as on time.
func (w *watch) begin() {
	for i, c := range w.conns {
		if i >= len(w.s.calls) {
			all := new([]int64)
			w.relative[i] = all
			c.OnFrame(func(_ int, number, ns int64) {
				*all = append(*all, ns-number*int64(steps.FrameMS*time.Millisecond))
			})
			continue
		}
		call := w.s.calls[i]
		c.OnFrame(func(k int, _, ns int64) {
			if d, ok := sinceStep(ns, call.SentAt(k)); ok {
				w.capture.add(d)
			}
		})
		call.OnHeard(func(k int, ns int64) {
			if d, ok := sinceStep(ns, c.WrittenAt(k)); ok {
				w.play.add(d)
			}
		})
	}
}

// end writes what was counted into the run.
func (w *watch) end(r *results.Run) {
	for i, c := range w.conns {
		n := c.Counts()
		c.OnFrame(nil)
		add(&r.Capture, n.Order)
		if all := w.relative[i]; all != nil && len(*all) > 0 {
			first := slices.Min(*all)
			for _, at := range *all {
				w.capture.add(at - first)
			}
		}
		if i < len(w.s.calls) {
			add(&r.Play, w.s.calls[i].Heard())
			w.s.calls[i].OnHeard(nil)
		}
	}
	w.capture.into(&r.Capture)
	w.play.into(&r.Play)
}

func add(d *results.Direction, o steps.Order) {
	d.Frames += o.Frames
	d.Lost += o.Lost
	d.Repeated += o.Repeated
	d.Silent += o.Silent
	d.Other += o.Other
}

// speakAfter is when the server begins to speak. The module looks for two and a half frames whether somebody else writes to
// the channel; what comes earlier waits for that, and the wait is caught up with for seconds.
const speakAfter = 100 * time.Millisecond

// All streams of a phase begin at once, which in earnest none do. So a phase waits for what that costs to have passed: so long
// for each stream, and where callers listen until the module has taken out again what the first audio had to wait.
const (
	streamSettle = 3 * time.Millisecond
	playSettle   = 6 * time.Second
)

// settled is how long after its streams have begun a phase is measured.
func (o *options) settled(s *site, p phase) time.Duration {
	wait := o.settle
	if p.stream {
		wait = max(wait, time.Duration(len(s.uuids))*streamSettle)
	}
	if s.rtp != nil && p.play == wsload.Binary && p.rate == 8000 && !p.secure {
		wait = max(wait, playSettle)
	}
	if p.play != wsload.Listen {
		wait += wsload.BeginOver
	}
	return wait
}

// measurePhase runs one phase over the calls of a site.
func measurePhase(ctx context.Context, o *options, s *site, p phase) (results.Run, error) {
	r := results.Run{Switch: s.kind, Module: s.mod.name, Calls: len(s.uuids), Phase: p.name}
	server := o.servers[p.secure]
	if p.stream {
		server.Play(wsload.Listen)
		if err := s.startStreams(ctx, func(i int) string { return server.URL(i, p.rate) }, p.rate); err != nil {
			return r, err
		}
		if err := server.WaitCount(len(s.uuids), 15*time.Second); err != nil {
			return r, err
		}
		if p.paused {
			if err := s.pauseStreams(ctx); err != nil {
				return r, err
			}
		}
		pause(ctx, speakAfter)
		server.Play(p.play)
	}
	pause(ctx, o.settled(s, p))

	var start results.Module
	if p.stream && s.mod.name == ours {
		m, err := inside(ctx, s)
		if err != nil {
			return r, err
		}
		start = *m
	}
	w := &watch{s: s, conns: map[int]*wsload.Conn{}, relative: map[int]*[]int64{}}
	if p.stream {
		w.conns = server.Conns()
	}
	w.begin()
	late := s.late(server)
	before, err := measure.Process(s.sw.Pid())
	if err != nil {
		return r, err
	}
	selfBefore, err := measure.Process(os.Getpid())
	if err != nil {
		return r, err
	}
	stop := o.profile(s, p)
	pause(ctx, o.measure)
	stop()
	w.end(&r)
	r.Late = int(s.late(server) - late)
	selfAfter, err := measure.Process(os.Getpid())
	if err != nil {
		return r, err
	}
	after, err := measure.Process(s.sw.Pid())
	if err != nil {
		return r, err
	}
	seconds := float64(after.At-before.At) / 1e9
	per := seconds * float64(len(s.uuids))
	r.CPU = float64(after.CPU-before.CPU) / 1e6 / per
	r.Voluntary = float64(after.Voluntary-before.Voluntary) / per
	r.Involuntary = float64(after.Involuntary-before.Involuntary) / per
	r.Load = 100 * float64(selfAfter.CPU-selfBefore.CPU) / float64(selfAfter.At-selfBefore.At)
	r.Threads, r.RSS = after.Threads, after.RSS
	if s.mod.name == ours {
		if r.Inside, err = inside(ctx, s); err != nil {
			return r, err
		}
		r.Inside.UnderrunsBefore, r.Inside.DroppedBefore = start.Underruns, start.Dropped
		r.Inside.Underruns -= start.Underruns
		r.Inside.Dropped -= start.Dropped
	}
	if p.stream {
		server.Play(wsload.Listen)
		if err := s.stopStreams(ctx); err != nil {
			return r, err
		}
		if err := server.WaitCount(0, 30*time.Second); err != nil {
			return r, err
		}
	}
	return r, ctx.Err()
}

// late counts the times that the load was late, in both directions.
func (s *site) late(server *wsload.Server) int64 {
	if s.rtp == nil {
		return server.Late()
	}
	return server.Late() + s.rtp.Late()
}

// inside asks our module for its own figures.
func inside(ctx context.Context, s *site) (*results.Module, error) {
	text, err := s.sw.API(ctx, "audio_stream status json")
	if err != nil {
		return nil, err
	}
	var st stats.Status
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return nil, fmt.Errorf("audio_stream status json: %w", err)
	}
	sum, d := &st.Sum, &st.Sum.FramesDropped
	return &results.Module{
		Goroutines: st.Goroutines, GCs: int(st.GCCount), HeapKB: int(st.GoHeapBytes >> 10),
		CaptureP50: sum.CaptureLatencyMS.P50, CaptureP99: sum.CaptureLatencyMS.P99, CaptureMax: sum.CaptureLatencyMS.Max,
		Underruns: sum.Underruns, Dropped: d.RingFull + d.ConnectBuffer + d.SendQueue + d.Convert, GCPauseP99: st.GCPauses.P99,
	}, nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
