package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"mod_audio_stream/test/bench/results"
)

func floor(b *strings.Builder, f *results.File) {
	if len(f.Floor) == 0 {
		return
	}
	b.WriteString("## The bare send loop\n\nOne thread in C that sends the same frames to the same server and does nothing else (`sendloop.c`): ms of CPU per stream and\nsecond.\n\n" +
		"| streams | in windows of 5 ms | frame by frame |\n|---|---|---|\n")
	for _, n := range f.FloorStreams() {
		fmt.Fprintf(b, "| %d | %s | %s |\n", n, spread(f.FloorOf(n, 5), "%.2f"), spread(f.FloorOf(n, 0), "%.2f"))
	}
	b.WriteString("\n")
}

func clears(b *strings.Builder, f *results.File) {
	if len(f.Clears) == 0 {
		return
	}
	b.WriteString("## Barge-in\n\nFrom the server's clear, with two seconds queued, to the end of the last packet with sound at the caller, ms.\n\n" +
		"| calls | clears | p50 | p99 | max | not silent in time |\n|---|---|---|---|---|---|\n")
	for _, c := range f.Clears {
		fmt.Fprintf(b, "| %d | %d | %.1f | %.1f | %.1f | %d |\n", c.Calls, c.N, c.P50, c.P99, c.Max, c.Failed)
	}
	b.WriteString("\n")
}

func callbacks(b *strings.Builder, f *results.File) {
	if len(f.Callbacks) == 0 {
		return
	}
	fmt.Fprintf(b, "## Callbacks on the media threads\n\nTimed by the stand-in host around every call of the module's function, %d duplex streams, media threads in real time, ns. Behind each call the same thread\ndoes nothing for 1000 ns: what that takes longer is the machine's, not the module's.\n\n"+
		"| Go side | READ p50 | p99 | p99.9 | max | WRITE_REPLACE p50 | p99 | p99.9 | max | nothing p50 | p99 | p99.9 | max | collections per second | process, %% of one processor |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
		f.Callbacks[0].Calls)
	for _, c := range f.Callbacks {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.1f | %.0f |\n", c.State, c.Read.P50, c.Read.P99, c.Read.P999, c.Read.Max,
			c.Write.P50, c.Write.P99, c.Write.P999, c.Write.Max,
			c.Nothing.P50, c.Nothing.P99, c.Nothing.P999, c.Nothing.Max, c.GCs, c.Processor)
	}
	b.WriteString("\n")
}

func capacity(b *strings.Builder, f *results.File) {
	if len(f.Capacity) == 0 {
		return
	}
	b.WriteString("## How many calls FreeSWITCH carries with a stream on each\n\nLoopback calls, two legs each of which one plays a file, added until frames are lost or the processors are busy. Most of it is\nFreeSWITCH's own part, which the last column shows.\n\n" +
		"| calls | frames | lost | dropped by the module | ms inside the module, p99 | machine busy | the same calls without streams | |\n|---|---|---|---|---|---|---|---|\n")
	for _, s := range f.Capacity {
		fmt.Fprintf(b, "| %d | %d | %d | %d | %.1f | %.0f %% | %.0f %% | %s |\n", s.Calls, s.Frames, s.Lost, s.Dropped, s.P99, s.Busy, s.Without, s.Why)
	}
	b.WriteString("\n")
}

// failed says which phases a module could not do.
func failed(b *strings.Builder, f *results.File) {
	seen := map[string]bool{}
	for i := range f.Runs {
		r := &f.Runs[i]
		line := fmt.Sprintf("- %s, %d calls, %s: %s\n", r.Module, r.Calls, r.Phase, r.Failed)
		if r.Failed == "" || seen[line] {
			continue
		}
		if len(seen) == 0 {
			b.WriteString("## What could not be measured\n\n")
		}
		seen[line] = true
		b.WriteString(line)
	}
	if len(seen) > 0 {
		b.WriteString("\n")
	}
}

var (
	benchLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.+)$`)
	figure    = regexp.MustCompile(`([\d.]+) (\S+)`)
)

// microTable words benchmark lines, Go's and C's, which have the same form.
func microTable(b *strings.Builder, text string) {
	units := []string{"ns/op", "p50-ns", "p99-ns", "p99.9-ns", "B/op", "allocs/op"}
	fmt.Fprintf(b, "## Single parts\n\n| | %s |\n|%s\n", strings.Join(units, " | "), strings.Repeat("---|", len(units)+1))
	for line := range strings.Lines(text) {
		m := benchLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		cells := make([]string, len(units))
		for _, f := range figure.FindAllStringSubmatch(m[2], -1) {
			if i := slices.Index(units, f[2]); i >= 0 {
				cells[i] = f[1]
			}
		}
		fmt.Fprintf(b, "| %s | %s |\n", m[1], strings.Join(cells, " | "))
	}
	b.WriteString("\nThe doorbell's wake-up of a sleeping thread is not in these: nobody waits for it here. Resampling is of one frame of 20 ms.\n")
}
