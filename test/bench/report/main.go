// Command report words what bench-micro and bench-macro measured as test/bench/RESULTS.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/results"
)

func main() {
	macro := flag.String("macro", "build/bench/macro.json", "figures of the macro benchmark")
	micro := flag.String("micro", "build/bench/micro.txt", "output of the micro benchmarks; left out when it is not there")
	out := flag.String("out", "test/bench/RESULTS.md", "where the report goes")
	limits := flag.String("limits", "test/bench/limits.txt", "what is known to limit figures that are not reached, a line each: key: text")
	flag.Parse()
	if err := run(*macro, *micro, *limits, *out); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(macro, micro, limits, out string) error {
	f, err := results.Read(macro)
	if err != nil {
		return fmt.Errorf("%w (make bench-macro makes it)", err)
	}
	text, err := os.ReadFile(micro)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	var b strings.Builder
	head(&b, f)
	if err := writeTargets(&b, f, string(text), limits); err != nil {
		return err
	}
	for _, part := range sections(f) {
		cost(&b, part)
		timing(&b, part)
	}
	failed(&b, f)
	floor(&b, f)
	clears(&b, f)
	callbacks(&b, f)
	capacity(&b, f)
	if len(text) > 0 {
		microTable(&b, string(text))
	}
	return os.WriteFile(out, []byte(b.String()), 0o644)
}

func head(b *strings.Builder, f *results.File) {
	m := &f.Machine
	p := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	p("# What the module costs\n")
	p("Written by `make bench`; not to be edited. CPU is that of the switch's whole process, from outside; *added* is the")
	p("difference to the same calls without streams in the same round. Each figure is the median of %d rounds of %g s, with the", f.Rounds, f.Phase)
	p("lowest and the highest round behind it.\n")
	p("| | |\n|---|---|")
	p("| machine | %d × %s, %d MiB, %s, Linux %s |", m.Cores, m.CPU, m.MemoryMB, m.OS, m.Kernel)
	p("| switch | FreeSWITCH %s, real-time as it starts by default; calls over SIP, PCMU, 20 ms, on 127.0.0.1 |", m.FreeSWITCH)
	p("| module | commit %s, %s, %.1f MiB |", m.Commit, m.Go, float64(m.ModuleSize)/(1<<20))
	p("| when | %s, load average before %.2f, stolen by the hypervisor %.1f %% |", m.Date, m.OtherLoadAtBegin, 100*m.StealShare)
	p("| again | `make bench-macro BENCH_ARGS='%s'` |", strings.ReplaceAll(f.Command, "|", "\\|"))
	p("")
	p("![cost per stream](growth.svg)\n")
}

// section is one kind of switch with so many calls.
type section struct {
	title  string
	groups []*results.Group
	many   bool // more than one module
}

func sections(f *results.File) (all []section) {
	for _, g := range f.Groups() {
		title := fmt.Sprintf("%d calls %s", g.Calls, map[string]string{"freeswitch": "over SIP on FreeSWITCH",
			"loopback": "inside FreeSWITCH (loopback)", "host": "on the stand-in host"}[g.Switch])
		if len(all) == 0 || all[len(all)-1].title != title {
			all = append(all, section{title: title})
		}
		s := &all[len(all)-1]
		s.groups = append(s.groups, g)
		s.many = s.many || g.Module != s.groups[0].Module
	}
	return all
}

func (s *section) name(g *results.Group) string {
	if s.many {
		return g.Module + ", " + g.Phase
	}
	return g.Phase
}

func spread(s measure.Spread, format string) string {
	if s.N == 0 {
		return ""
	}
	one := fmt.Sprintf(format, s.Median)
	if s.N == 1 {
		return one
	}
	return one + " (" + fmt.Sprintf(format, s.Low) + "…" + fmt.Sprintf(format, s.High) + ")"
}

func cost(b *strings.Builder, s section) {
	fmt.Fprintf(b, "## %s\n\n", s.title)
	b.WriteString("| | CPU, ms per call and second | added | over calls that send silence | context switches added, per call and second | threads added per call | RSS added per call, KiB | load's own CPU |\n|---|---|---|---|---|---|---|---|\n")
	for _, g := range s.groups {
		load := fmt.Sprintf("%.0f %%", g.Median(func(r *results.Run) float64 { return r.Load }))
		if g.Phase == results.Parked || g.Phase == results.Silence {
			fmt.Fprintf(b, "| %s | %s | | | | | | %s |\n", s.name(g), spread(g.CPU, "%.2f"), load)
			continue
		}
		over := ""
		if strings.HasPrefix(g.Phase, "duplex") && g.Phase != results.Over {
			over = spread(g.OverSilence, "%.2f")
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", s.name(g), spread(g.CPU, "%.2f"), spread(g.Added, "%.2f"), over,
			spread(g.Switches, "%.0f"), spread(g.Threads, "%.2f"), spread(g.RSS, "%.0f"), load)
	}
	b.WriteString("\nThe row *" + results.Over + "* is compared with *" + results.Silence + "*, all others with *" + results.Parked + "*. RSS counts from the first phase of a\n" +
		"new process: what earlier phases left is in it. The load's CPU is of one processor; it shares the machine.\n\n")
}

func timing(b *strings.Builder, s section) {
	b.WriteString("| | captured: frames | lost / twice / silent | ms p50 | p99 | max | inside the module p50 | p99 | max | dropped by the module | heard: lost / twice / silent | ms p50 | p99 | max | underruns | goroutines | load late |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, g := range s.groups {
		frames := g.Total(func(r *results.Run) uint64 { return r.Capture.Frames })
		if frames == 0 {
			continue
		}
		ms := func(value func(r *results.Run) float64, sum func(func(r *results.Run) float64) float64) string {
			return fmt.Sprintf("%.1f", sum(value))
		}
		inside := func(value func(m *results.Module) float64, sum func(func(r *results.Run) float64) float64) string {
			if g.Runs[0].Inside == nil {
				return ""
			}
			return fmt.Sprintf("%.1f", sum(func(r *results.Run) float64 { return value(r.Inside) }))
		}
		whole := func(value func(m *results.Module) float64) string {
			if g.Runs[0].Inside == nil {
				return ""
			}
			return fmt.Sprintf("%.0f", g.Most(func(r *results.Run) float64 { return value(r.Inside) }))
		}
		wrong := func(d func(r *results.Run) *results.Direction) string {
			return fmt.Sprintf("%d / %d / %d", g.Total(func(r *results.Run) uint64 { return d(r).Lost }),
				g.Total(func(r *results.Run) uint64 { return d(r).Repeated }), g.Total(func(r *results.Run) uint64 { return d(r).Silent + d(r).Other }))
		}
		capture := func(r *results.Run) *results.Direction { return &r.Capture }
		play := func(r *results.Run) *results.Direction { return &r.Play }
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s | %s | %s | %s | %s |", s.name(g), frames, wrong(capture),
			ms(func(r *results.Run) float64 { return r.Capture.P50 }, g.Median), ms(func(r *results.Run) float64 { return r.Capture.P99 }, g.Median),
			ms(func(r *results.Run) float64 { return r.Capture.Max }, g.Most),
			inside(func(m *results.Module) float64 { return m.CaptureP50 }, g.Median), inside(func(m *results.Module) float64 { return m.CaptureP99 }, g.Median),
			inside(func(m *results.Module) float64 { return m.CaptureMax }, g.Most), whole(func(m *results.Module) float64 { return float64(m.Dropped) }))
		if g.Total(func(r *results.Run) uint64 { return r.Play.Frames }) > 0 {
			fmt.Fprintf(b, " %s | %s | %s | %s |", wrong(play), ms(func(r *results.Run) float64 { return r.Play.P50 }, g.Median),
				ms(func(r *results.Run) float64 { return r.Play.P99 }, g.Median), ms(func(r *results.Run) float64 { return r.Play.Max }, g.Most))
		} else {
			b.WriteString(" | | | |")
		}
		fmt.Fprintf(b, " %s | %s | %d |\n", whole(func(m *results.Module) float64 { return float64(m.Underruns) }), whole(func(m *results.Module) float64 { return float64(m.Goroutines) }),
			g.Total(func(r *results.Run) uint64 { return uint64(r.Late) }))
	}
	b.WriteString("\n")
	if s.groups[0].Switch != "freeswitch" {
		b.WriteString("Latency is from the earliest of a call's frames: these callers are not seen from outside.\n\n")
	} else {
		b.WriteString("Latency is from the caller's packet to the server's read, FreeSWITCH's own timer included, and from the server's write to the\n" +
			"caller's packet. A frame that FreeSWITCH itself did not get in time shows as lost and silent. The server has spoken for a second at least\n" +
			"when counting begins and goes on speaking until it has ended, so neither beginning nor end of speech is among what is heard; underruns are the module's\n" +
			"count of gaps behind which more followed, in the same time. Where the load itself was more than 5 ms late, it may have made them.\n\n")
	}
}
