package main

import (
	"fmt"
	"math"
	"os"
	"strings"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/results"
)

const (
	ours     = "mod_audio_stream"
	windowMS = 5.0
	frameMS  = 20.0
	wireMS   = 1.0 // what two sockets and a thread's wake-up may take where a time is measured from outside
)

// target is one line of the table: what is to be reached and what was measured.
type target struct {
	key    string // of limits.txt
	what   string
	want   string
	got    string
	failed bool
}

// targets are the goals, as far as this run measured them.
type targets struct {
	f      *results.File
	groups []*results.Group
	list   []target
}

func (t *targets) group(sw, module string, calls int, phase string) *results.Group {
	for _, g := range t.groups {
		if g.Switch == sw && g.Module == module && g.Calls == calls && g.Phase == phase {
			return g
		}
	}
	return nil
}

// most adds a goal that is an upper limit.
func (t *targets) most(key, what string, got, limit float64, format, unit string) {
	if math.IsNaN(got) {
		return // not measured
	}
	t.list = append(t.list, target{key, what, "at most " + fmt.Sprintf(format, limit) + unit, fmt.Sprintf(format, got) + unit, got > limit})
}

func (t *targets) spread(key, what string, s measure.Spread, limit float64, format, unit string) {
	if s.N > 0 {
		t.list = append(t.list, target{key, what, "at most " + fmt.Sprintf(format, limit) + unit, spread(s, format) + unit, s.Median > limit})
	}
}

// find fills the list in the order of the goals.
func (t *targets) find(micro string) {
	for i, calls := range []int{50, 200} {
		t.cost(calls, []float64{1.0, 0.8}[i])
	}
	t.threads(50, 200)
	for _, calls := range []int{50, 200} {
		t.heard(calls)
		t.captured(calls)
	}
	t.clear()
	t.callbacks()
	t.many(50, 1000)
	t.allocations(micro)
}

func (t *targets) cost(calls int, captureCPU float64) {
	at := fmt.Sprintf("%d SIP calls: ", calls)
	if g := t.group("freeswitch", ours, calls, "capture"); g != nil {
		t.spread("cpu-capture", at+"CPU added by capture, ms per call and second", g.Added, captureCPU, "%.2f", "")
		idle, floor := t.group("freeswitch", ours, calls, results.Paused), t.f.FloorOf(calls, int(windowMS))
		if idle != nil && floor.N > 0 {
			t.most("floor", fmt.Sprintf("%sthe same but for the %.2f ms of a paused stream, in bare send loops (%.2f ms) in windows of 5 ms", at, idle.Added.Median, floor.Median),
				(g.Added.Median-idle.Added.Median)/floor.Median, 2, "%.1f", "")
		}
		t.spread("switches", at+"context switches added by capture, per call and second", g.Switches, 60, "%.0f", "")
		t.spread("rss-capture", at+"RSS added by capture, per call", g.RSS, 48, "%.0f", " KiB")
	}
	if g := t.group("freeswitch", ours, calls, results.Over); g != nil {
		t.spread("cpu-over", at+"CPU added by duplex over calls that send silence, ms", g.Added, 1.8, "%.2f", "")
	}
	if g := t.group("freeswitch", ours, calls, "duplex"); g != nil {
		t.spread("cpu-duplex", at+"CPU added by duplex over parked calls, ms", g.Added, 3.3, "%.2f", "")
		t.spread("rss-duplex", at+"RSS added by duplex, per call", g.RSS, 96, "%.0f", " KiB")
	}
}

// threads are the runtime's own, however many calls there are: what counts is by how much more calls have more of them.
func (t *targets) threads(few, many int) {
	a, b := t.group("freeswitch", ours, few, "duplex"), t.group("freeswitch", ours, many, "duplex")
	if a == nil || b == nil || a.Threads.N == 0 || b.Threads.N == 0 {
		return
	}
	added, more := a.Threads.Median*float64(few), b.Threads.Median*float64(many)
	each := (more - added) / float64(many-few)
	t.list = append(t.list, target{"threads", "threads added per call", "0", fmt.Sprintf("%.2f (%.0f with %d calls, %.0f with %d)", each, added, few, more, many),
		math.Round(each*10) > 0})
}

func (t *targets) heard(calls int) {
	for _, phase := range []string{"duplex", results.Over} {
		g := t.group("freeswitch", ours, calls, phase)
		if g == nil {
			continue
		}
		at := fmt.Sprintf("%d SIP calls, %s: ", calls, phase)
		t.most("playback-p50", at+"playback latency p50", g.Median(func(r *results.Run) float64 { return r.Play.P50 }), 25, "%.1f", " ms")
		t.most("playback-p99", at+"playback latency p99", g.Median(func(r *results.Run) float64 { return r.Play.P99 }), 45, "%.1f", " ms")
		n, began, late := 0, 0, 0
		for i := range g.Runs {
			n += int(g.Runs[i].Inside.Underruns)
			began += int(g.Runs[i].Inside.UnderrunsBefore)
			late += g.Runs[i].Late
		}
		t.list = append(t.list, target{"underruns", at + "underruns", "none", fmt.Sprintf("%d in %d rounds (%d before, while the streams began; the load itself was late %d times)", n, len(g.Runs), began, late), n > 0})
	}
}

func (t *targets) captured(calls int) {
	g := t.group("freeswitch", ours, calls, "capture")
	if g == nil {
		return
	}
	at := fmt.Sprintf("%d SIP calls: ", calls)
	t.whole(g, at)
	p99 := func(g *results.Group) float64 { return g.Median(func(r *results.Run) float64 { return r.Capture.P99 }) }
	best := math.Inf(1)
	for _, other := range t.groups {
		if other.Switch == g.Switch && other.Calls == calls && other.Phase == g.Phase && other.Module != ours {
			best = min(best, p99(other))
		}
	}
	if !math.IsInf(best, 1) {
		t.most("capture-p99", at+"capture latency p99 (the best peer's and the window)", p99(g), best+windowMS, "%.1f", " ms")
	}
	t.most("inside-p99", at+"capture latency p99 inside the module", g.Median(func(r *results.Run) float64 { return r.Inside.CaptureP99 }), windowMS+1, "%.1f", " ms")
}

// whole is about frames lost, twice or out of order. A frame that FreeSWITCH did not get in time is one that it filled with
// silence, and is not the module's.
func (t *targets) whole(g *results.Group, at string) {
	lost, silent := g.Total(func(r *results.Run) uint64 { return r.Capture.Lost }), g.Total(func(r *results.Run) uint64 { return r.Capture.Silent })
	twice := g.Total(func(r *results.Run) uint64 { return r.Capture.Repeated })
	dropped := g.Total(func(r *results.Run) uint64 { return r.Inside.Dropped })
	frames := g.Total(func(r *results.Run) uint64 { return r.Capture.Frames })
	got := fmt.Sprintf("%d of %d", dropped+twice, frames)
	if lost > 0 || silent > 0 {
		got += fmt.Sprintf("; FreeSWITCH filled %d with silence where %d are missing", silent, lost)
	}
	if before := g.Total(func(r *results.Run) uint64 { return r.Inside.DroppedBefore }); before > 0 {
		got += fmt.Sprintf("; %d before, while the streams began", before)
	}
	t.list = append(t.list, target{"lost", at + "frames lost, twice or out of order, " + g.Phase, "none", got, dropped+twice > 0 || lost > silent})
}

func (t *targets) clear() {
	for _, c := range t.f.Clears {
		t.most("clear", fmt.Sprintf("%d SIP calls: clear to silence, p99", c.Calls), c.P99, frameMS+wireMS, "%.1f", " ms")
	}
}

func (t *targets) callbacks() {
	for _, c := range t.f.Callbacks {
		for _, d := range []struct {
			name string
			t    results.Times
		}{{"READ", c.Read}, {"WRITE_REPLACE", c.Write}} {
			t.most("callbacks", fmt.Sprintf("%s p99, Go side: %s", d.name, c.State), float64(d.t.P99)/1000, 2, "%.2f", " µs")
			t.most("callbacks", fmt.Sprintf("%s p99.9, Go side: %s", d.name, c.State), float64(d.t.P999)/1000, 10, "%.2f", " µs")
		}
	}
}

// many compares many streams with few on the stand-in host.
func (t *targets) many(few, many int) {
	for _, phase := range []string{"capture", "duplex"} {
		a, b := t.group("host", ours, few, phase), t.group("host", ours, many, phase)
		if b == nil {
			continue
		}
		t.whole(b, fmt.Sprintf("%d streams on the stand-in host: ", many))
		if a != nil {
			t.most("growth", fmt.Sprintf("%d streams on the stand-in host: CPU per stream against %d, %s", many, few, phase), b.Added.Median, a.Added.Median, "%.2f", " ms")
		}
	}
}

// allocations reads the micro benchmarks. A mark's name is kept, so its message must allocate.
func (t *targets) allocations(micro string) {
	var some []string
	n := 0
	for line := range strings.Lines(micro) {
		m := benchLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || strings.HasSuffix(m[1], "/mark") {
			continue
		}
		for _, f := range figure.FindAllStringSubmatch(m[2], -1) {
			if f[2] == "allocs/op" {
				if n++; f[1] != "0" {
					some = append(some, m[1]+" "+f[1])
				}
			}
		}
	}
	if n > 0 {
		got := fmt.Sprintf("none in %d benchmarks", n)
		if len(some) > 0 {
			got = strings.Join(some, ", ")
		}
		t.list = append(t.list, target{"allocations", "allocations per frame", "none", got, len(some) > 0})
	}
}

// writeTargets writes the table. limits says, by key, what is known to limit a figure that is not reached; it is kept by hand.
func writeTargets(b *strings.Builder, f *results.File, micro, limits string) error {
	t := &targets{f: f, groups: f.Groups()}
	t.find(micro)
	if len(t.list) == 0 {
		return nil
	}
	why := map[string]string{}
	text, err := os.ReadFile(limits)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if key, reason, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(key, "#") {
			why[key] = reason
		}
	}
	reached := 0
	for _, x := range t.list {
		if !x.failed {
			reached++
		}
	}
	fmt.Fprintf(b, "## What was to be reached\n\n%d of %d.\n\n| | goal | figure | reached | what limits it |\n|---|---|---|---|---|\n", reached, len(t.list))
	for _, x := range t.list {
		mark, reason := "yes", ""
		if x.failed {
			mark, reason = "**no**", why[x.key]
			if reason == "" {
				reason = "not looked into yet"
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", x.what, x.want, x.got, mark, reason)
	}
	b.WriteString("\n")
	return nil
}
