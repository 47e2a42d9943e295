package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/results"
	"mod_audio_stream/test/bench/wsload"
	"mod_audio_stream/test/e2e/switchtest"
)

// How many calls FreeSWITCH carries with a stream on each: loopback calls are added until frames are lost or the processors are
// busy. FreeSWITCH's own part, two legs for each call, one playing a file, is most of it, so the machine's load without the
// streams is measured at each step, too.
const (
	capacityStep = 50
	capacityMost = 950  // two channels each, of 2000 sessions
	capacityFull = 97.0 // percent of the machine
	capacityLoss = 1000 // one frame in so many may be missing: FreeSWITCH loses some by itself where a file begins again
)

func (o *options) findCapacity(ctx context.Context, file *results.File) error {
	if _, err := switchtest.FindFreeSWITCH(); err != nil {
		say("capacity skipped: %v", err)
		return nil
	}
	end := time.Now().Add(o.capacity)
	s, err := open(ctx, o, "loopback", o.modules[0], 0)
	if err != nil {
		return fmt.Errorf("capacity: %w", err)
	}
	for ctx.Err() == nil && time.Now().Before(end) && len(s.uuids) < capacityMost {
		step, err := o.capacityAt(ctx, s)
		if err != nil {
			_ = s.close() // the first error is the one to tell
			return fmt.Errorf("capacity, %d calls: %w", len(s.uuids), err)
		}
		file.Capacity = append(file.Capacity, step)
		say("capacity   %4d loopback calls: %d frames, %d lost, %d dropped, inside p99 %.1f ms, machine busy %.0f %%, without streams %.0f %% %s", step.Calls,
			step.Frames, step.Lost, step.Dropped, step.P99, step.Busy, step.Without, step.Why)
		if step.Why != "" {
			break
		}
	}
	return s.close()
}

// capacityAt adds calls, looks at them alone, and then with streams on all.
func (o *options) capacityAt(ctx context.Context, s *site) (results.Step, error) {
	if err := s.loopbackCalls(ctx, filepath.Join(o.dir, "switch"), capacityStep); err != nil {
		return results.Step{}, err
	}
	step := results.Step{Calls: len(s.uuids)}
	server := o.servers[false]
	server.Play(wsload.Listen)
	pause(ctx, o.settle)
	step.Without = o.busy(ctx, o.measure/2)
	if err := s.startStreams(ctx, func(i int) string { return server.URL(i, 8000) }, 8000); err != nil {
		return step, err
	}
	if err := server.WaitCount(step.Calls, 30*time.Second); err != nil {
		return step, err
	}
	pause(ctx, o.settle)
	before, err := inside(ctx, s)
	if err != nil {
		return step, err
	}
	w := &watch{s: s, conns: server.Conns(), relative: map[int]*[]int64{}}
	w.begin()
	step.Busy = o.busy(ctx, o.measure)
	var r results.Run
	w.end(&r)
	in, err := inside(ctx, s)
	if err != nil {
		return step, err
	}
	step.Frames, step.Lost = r.Capture.Frames, r.Capture.Lost+r.Capture.Repeated
	step.Dropped, step.P99 = in.Dropped-before.Dropped, in.CaptureP99
	switch due := uint64(o.measure.Seconds()*50) * uint64(step.Calls); {
	case step.Dropped > 0:
		step.Why = "the module dropped frames"
	case step.Lost > step.Frames/capacityLoss || step.Frames < due*95/100:
		step.Why = "frames were lost"
	case step.Busy > capacityFull:
		step.Why = "the processors are busy"
	}
	if err := s.stopStreams(ctx); err != nil {
		return step, err
	}
	return step, server.WaitCount(0, 30*time.Second)
}

// busy is how much of the machine's time was used while it waited, in percent.
func (o *options) busy(ctx context.Context, d time.Duration) float64 {
	used, all := measure.Busy()
	pause(ctx, d)
	used2, all2 := measure.Busy()
	return 100 * float64(used2-used) / float64(max(all2-all, 1))
}
