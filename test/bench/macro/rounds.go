package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"mod_audio_stream/test/bench/results"
	"mod_audio_stream/test/bench/wsload"
	"mod_audio_stream/test/e2e/switchtest"
)

// all runs everything: in each round every module gets a new switch with the same calls, one after the other.
func (o *options) all(ctx context.Context, file *results.File) error {
	if slices.Contains(o.switches, "host") && o.states != "none" {
		if err := o.callbacks(ctx, file); err != nil {
			return err
		}
	}
	if o.capacity > 0 {
		if err := o.findCapacity(ctx, file); err != nil {
			return err
		}
	}
	for _, kind := range o.switches {
		sizes := map[string][]int{"freeswitch": o.sip, "loopback": o.loopback, "host": o.host}[kind]
		if _, err := switchtest.FindFreeSWITCH(); err != nil && kind != "host" {
			say("%s skipped: %v", kind, err)
			continue
		}
		for _, n := range sizes {
			for round := range o.rounds {
				for _, m := range o.modules {
					if kind == "host" && m.name != ours {
						continue // it knows the functions that ours needs, and no others
					}
					if err := o.round(ctx, file, kind, m, n, round); err != nil {
						return err
					}
				}
				if o.floor != "" && kind == o.switches[len(o.switches)-1] { // the host's sizes are the most
					if err := o.sendLoops(ctx, file, n, round); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// round is one module on one new switch through all phases. What a peer cannot do is noted and costs it the phase.
func (o *options) round(ctx context.Context, file *results.File, kind string, m module, n, round int) error {
	s, err := open(ctx, o, kind, m, n)
	if err != nil {
		err = fmt.Errorf("%s with %d calls and %s: %w", kind, n, m.name, err)
		if m.name == ours || ctx.Err() != nil {
			return err
		}
		say("left out: %v", err)
		return nil
	}
	silence := false
	for _, p := range o.wanted(kind, n == slices.Min(o.sip)) {
		if o.cannot[m.name+" "+p.name] {
			continue
		}
		if p.silence != silence && s.rtp != nil {
			if err := s.speakSilence(ctx, p.silence); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			silence = p.silence
		}
		r, err := measurePhase(ctx, o, s, p)
		r.Round = round
		if err == nil && p.play != wsload.Listen && s.rtp != nil && r.Play.Frames == 0 {
			r.Failed = "the callers heard nothing"
		}
		if err == nil && r.Failed != "" && m.name == ours {
			err = errors.New(r.Failed)
		}
		if err != nil {
			if m.name == ours {
				_ = s.close() // the first error is the one to tell
				return fmt.Errorf("%s, %d calls, %s: %w", kind, n, p.name, err)
			}
			r.Failed = err.Error()
		}
		file.Runs = append(file.Runs, r)
		tell(&r)
		if r.Failed != "" {
			o.cannot[m.name+" "+p.name] = true // its time is spent once
		}
		if err != nil && s.tidy(ctx, o) != nil {
			break // what it left behind is in the way of the next
		}
	}
	if o.clears > 0 && round == 0 && s.rtp != nil && m.name == ours {
		c, err := s.clears(ctx, o)
		if err != nil {
			return err
		}
		file.Clears = append(file.Clears, c)
		say("%s %d calls clear: p50 %.1f p99 %.1f max %.1f ms of %d, %d never silent", kind, n, c.P50, c.P99, c.Max, c.N, c.Failed)
	}
	if err := s.close(); err != nil && m.name == ours {
		return err
	}
	return nil
}

// wanted are the phases that run on a kind of switch; fewest: with the smallest number of calls.
func (o *options) wanted(kind string, fewest bool) []phase {
	var list []phase
	for _, p := range phases {
		if o.phases != nil && slices.Contains(o.phases, p.name) || o.phases == nil && (p.small || kind == "freeswitch" && (fewest || !p.once)) {
			list = append(list, p)
		}
	}
	return list
}

// tell prints a phase's figures as they come.
func tell(r *results.Run) {
	c, p := &r.Capture, &r.Play
	line := fmt.Sprintf("%-10s %4d %-16s %d %-20s %6.3f ms/s %5.1f+%.1f switches %3d threads %4d MiB, load %3.0f %%", r.Switch, r.Calls, r.Module, r.Round, r.Phase,
		r.CPU, r.Voluntary, r.Involuntary, r.Threads, r.RSS>>20, r.Load)
	if c.Frames > 0 {
		line += fmt.Sprintf(" | out %d lost %d twice %d silent %d other %d  p50 %.1f p99 %.1f max %.1f ms", c.Frames, c.Lost, c.Repeated, c.Silent, c.Other,
			c.P50, c.P99, c.Max)
	}
	if p.Frames > 0 {
		line += fmt.Sprintf(" | back %d lost %d twice %d silent %d other %d  p50 %.1f p99 %.1f max %.1f ms", p.Frames, p.Lost, p.Repeated, p.Silent, p.Other,
			p.P50, p.P99, p.Max)
	}
	if m := r.Inside; m != nil && c.Frames > 0 {
		line += fmt.Sprintf(" | inside p50 %.1f p99 %.1f max %.1f ms, %d goroutines, %d GCs, %d underruns (%d before), %d dropped (%d before)", m.CaptureP50, m.CaptureP99, m.CaptureMax,
			m.Goroutines, m.GCs, m.Underruns, m.UnderrunsBefore, m.Dropped, m.DroppedBefore)
	}
	if r.Late > 0 {
		line += fmt.Sprintf(" | the load was late %d times", r.Late)
	}
	if r.Failed != "" {
		line += " | FAILED: " + r.Failed
	}
	say("%s", line)
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// profile records where the switch's time goes during a phase; the function it returns waits for the end.
func (o *options) profile(s *site, p phase) (stop func()) {
	if o.profiles == "" {
		return func() {}
	}
	if err := os.MkdirAll(o.profiles, 0o755); err != nil {
		say("no profile: %v", err)
		return func() {}
	}
	name := fmt.Sprintf("%s-%d-%s-%s.perf", s.kind, len(s.uuids), s.mod.name, strings.ReplaceAll(p.name, " ", "-"))
	cmd := exec.Command("perf", "record", "-e", "cpu-clock", "-F", "1999", "-g", "-o", filepath.Join(o.profiles, name), "-p", fmt.Sprint(s.sw.Pid()),
		"--", "sleep", fmt.Sprintf("%.1f", o.measure.Seconds()))
	if err := cmd.Start(); err != nil {
		say("no profile: %v", err)
		return func() {}
	}
	return func() {
		if err := cmd.Wait(); err != nil {
			say("no profile: %v", err)
		}
	}
}
