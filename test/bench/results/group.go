package results

import (
	"math"
	"slices"

	"mod_audio_stream/test/bench/measure"
)

// Group is one phase with one module on one kind of switch with so many calls, over all rounds.
type Group struct {
	Switch, Module string
	Calls          int
	Phase          string
	Runs           []Run // one of each round, but for parked

	CPU         measure.Spread // ms of the process per call and second
	Added       measure.Spread // the same, less what the same calls cost without streams in the same round
	OverSilence measure.Spread // less what they cost while the switch sends silence
	Switches    measure.Spread // added, voluntary and not
	Threads     measure.Spread // added, per call
	RSS         measure.Spread // KiB per call, added since the round's first phase
}

// Phases that are looked for by name.
const (
	Parked  = "parked"
	Silence = "silence"
	Over    = "duplex over silence" // compared with Silence: the callers hear the switch's silence there
	Paused  = "capture paused"      // what capture costs without sending
)

type key struct {
	sw, module string
	calls      int
	phase      string
}

// Groups sums the runs up, in the order in which they were measured.
func (f *File) Groups() []*Group {
	var order []*Group
	groups := map[key]*Group{}
	base := map[key]map[int][]Run{} // by round
	for _, r := range f.Runs {
		if r.Failed != "" {
			continue
		}
		k := key{r.Switch, r.Module, r.Calls, r.Phase}
		if groups[k] == nil {
			groups[k] = &Group{Switch: r.Switch, Module: r.Module, Calls: r.Calls, Phase: r.Phase}
			base[k] = map[int][]Run{}
			order = append(order, groups[k])
		}
		groups[k].Runs = append(groups[k].Runs, r)
		base[k][r.Round] = append(base[k][r.Round], r)
	}
	for _, g := range order {
		against := func(phase string) func(r *Run) []Run {
			return func(r *Run) []Run { return base[key{g.Switch, g.Module, g.Calls, phase}][r.Round] }
		}
		parked, silence := against(Parked), against(Silence)
		usual := parked
		if g.Phase == Over {
			usual = silence
		}
		cpu := func(r *Run) float64 { return r.CPU }
		each := func(value func(r *Run) float64) measure.Spread {
			var all []float64
			for i := range g.Runs {
				all = append(all, value(&g.Runs[i]))
			}
			return measure.Of(all)
		}
		less := func(value func(r *Run) float64, other func(r *Run) []Run) measure.Spread {
			return each(func(r *Run) float64 { return value(r) - mean(other(r), value) })
		}
		g.CPU = each(cpu)
		g.Added = less(cpu, usual)
		g.OverSilence = less(cpu, silence)
		g.Switches = less(func(r *Run) float64 { return r.Voluntary + r.Involuntary }, usual)
		calls := float64(g.Calls)
		g.Threads = less(func(r *Run) float64 { return float64(r.Threads) / calls }, usual)
		g.RSS = each(func(r *Run) float64 {
			first := parked(r)
			if len(first) == 0 {
				return math.NaN()
			}
			return float64(r.RSS-first[0].RSS) / 1024 / calls
		})
	}
	return order
}

// mean of a value over runs; NaN without any, so that the difference is left out.
func mean(runs []Run, value func(r *Run) float64) float64 {
	if len(runs) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for i := range runs {
		sum += value(&runs[i])
	}
	return sum / float64(len(runs))
}

// Median of a value of the runs that have it.
func (g *Group) Median(value func(r *Run) float64) float64 {
	var all []float64
	for i := range g.Runs {
		all = append(all, value(&g.Runs[i]))
	}
	return measure.Of(all).Median
}

// Most is the largest value of the runs.
func (g *Group) Most(value func(r *Run) float64) float64 {
	most := math.Inf(-1)
	for i := range g.Runs {
		most = max(most, value(&g.Runs[i]))
	}
	return most
}

// Total is the sum over the runs.
func (g *Group) Total(value func(r *Run) uint64) (sum uint64) {
	for i := range g.Runs {
		sum += value(&g.Runs[i])
	}
	return sum
}

// FloorOf sums up the bare send loop with so many streams.
func (f *File) FloorOf(streams, window int) measure.Spread {
	var all []float64
	for _, x := range f.Floor {
		if x.Streams == streams && x.WindowMS == window {
			all = append(all, x.CPU)
		}
	}
	return measure.Of(all)
}

// FloorStreams are the numbers of streams that the bare send loop ran with.
func (f *File) FloorStreams() []int {
	var all []int
	for _, x := range f.Floor {
		all = append(all, x.Streams)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
