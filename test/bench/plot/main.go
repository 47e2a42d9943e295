// Command plot draws how the cost of a stream grows with their number, from the figures of the macro benchmark. It has a module
// file of its own, for the sake of what the drawing library brings along.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/results"
)

func main() {
	in := flag.String("macro", "build/bench/macro.json", "figures of the macro benchmark")
	out := flag.String("out", "growth.svg", "where the drawing goes")
	flag.Parse()
	if err := draw(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

// line is one series with the rounds' extremes.
type line struct {
	plotter.XYs
	plotter.YErrors
}

func (l *line) add(streams int, s measure.Spread) {
	if s.N == 0 {
		return
	}
	l.XYs = append(l.XYs, plotter.XY{X: float64(streams), Y: s.Median})
	l.YErrors = append(l.YErrors, struct{ Low, High float64 }{s.Median - s.Low, s.High - s.Median})
}

// fewest streams on the drawing: below it the cost of waking is one stream's alone, and off the scale.
const fewest = 50

func draw(in, out string) error {
	f, err := results.Read(in)
	if err != nil {
		return err
	}
	var names []string
	lines := map[string]*line{}
	get := func(name string) *line {
		if lines[name] == nil {
			lines[name] = new(line)
			names = append(names, name)
		}
		return lines[name]
	}
	for _, g := range f.Groups() {
		if g.Calls < fewest || g.Phase != "capture" && g.Phase != "duplex" {
			continue
		}
		name := g.Phase + ", " + map[string]string{"host": "stand-in host", "freeswitch": "FreeSWITCH", "loopback": "loopback"}[g.Switch]
		if g.Module != "mod_audio_stream" {
			name += ", " + g.Module
		}
		get(name).add(g.Calls, g.Added)
	}
	for _, n := range f.FloorStreams() {
		if n >= fewest {
			get("bare send loop, windows of 5 ms").add(n, f.FloorOf(n, 5))
			get("bare send loop, frame by frame").add(n, f.FloorOf(n, 0))
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no phase with %d streams or more", in, fewest)
	}
	p := plot.New()
	p.Title.Text = "CPU added per stream"
	p.X.Label.Text, p.Y.Label.Text = "streams", "ms per second"
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.ConstantTicks(ticks(50, 100, 200, 500, 1000))
	p.Y.Min = 0
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	for i, name := range names {
		points, marks, err := plotter.NewLinePoints(lines[name])
		if err != nil {
			return err
		}
		bars, err := plotter.NewYErrorBars(lines[name])
		if err != nil {
			return err
		}
		points.Color, marks.Color, bars.Color = plotutil.Color(i), plotutil.Color(i), plotutil.Color(i)
		marks.Shape = plotutil.Shape(i)
		p.Add(points, marks, bars)
		p.Legend.Add(name, points, marks)
	}
	p.Y.Max *= 1.3 // room for the legend
	return p.Save(9*vg.Inch, 5*vg.Inch, out)
}

func ticks(values ...int) (all []plot.Tick) {
	for _, v := range values {
		all = append(all, plot.Tick{Value: float64(v), Label: strconv.Itoa(v)})
	}
	return all
}
