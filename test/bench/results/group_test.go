package results

import "testing"

func TestAddedIsCountedWithinTheRound(t *testing.T) {
	f := &File{Runs: []Run{
		{Switch: "host", Module: "m", Calls: 10, Round: 0, Phase: Parked, CPU: 1, RSS: 10 << 20, Threads: 20},
		{Switch: "host", Module: "m", Calls: 10, Round: 0, Phase: "capture", CPU: 3, RSS: 11 << 20, Threads: 30, Voluntary: 7},
		{Switch: "host", Module: "m", Calls: 10, Round: 0, Phase: Parked, CPU: 2, RSS: 12 << 20, Threads: 20},
		{Switch: "host", Module: "m", Calls: 10, Round: 1, Phase: Parked, CPU: 5},
		{Switch: "host", Module: "m", Calls: 10, Round: 1, Phase: "capture", CPU: 6},
		{Switch: "host", Module: "m", Calls: 10, Round: 1, Phase: "capture", Failed: "no"},
		{Switch: "host", Module: "other", Calls: 10, Round: 0, Phase: "capture", CPU: 9},
	}}
	groups := f.Groups()
	if len(groups) != 3 {
		t.Fatalf("%d groups", len(groups))
	}
	g := groups[1]
	if g.Added.Low != 1 || g.Added.High != 1.5 || g.Added.N != 2 {
		t.Errorf("added %+v, want 1 and 1.5", g.Added)
	}
	if g.RSS.High != 102.4 || g.Threads.High != 1 || g.Switches.High != 7 {
		t.Errorf("RSS %+v, threads %+v, switches %+v", g.RSS, g.Threads, g.Switches)
	}
	if g.OverSilence.N != 0 {
		t.Errorf("compared with silence that was not measured: %+v", g.OverSilence)
	}
	if other := groups[2]; other.Added.N != 0 || other.CPU.Median != 9 {
		t.Errorf("a module without parked calls of its own: %+v", other)
	}
}
