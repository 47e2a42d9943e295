package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mod_audio_stream/test/bench/results"
)

// ofPhase is 50 SIP calls in a phase.
func ofPhase(phase string, cpu float64, c, p results.Direction, underruns uint64) results.Run {
	return results.Run{Switch: "freeswitch", Module: ours, Calls: 50, Phase: phase, CPU: cpu, Capture: c, Play: p, Inside: &results.Module{Underruns: underruns}}
}

func table(t *testing.T, f *results.File, micro string) string {
	t.Helper()
	limits := filepath.Join(t.TempDir(), "limits.txt")
	if err := os.WriteFile(limits, []byte("# by hand\ncpu-capture: the kernel's send\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := writeTargets(&b, f, micro, limits); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTargetsAreJudgedAndExplained(t *testing.T) {
	out := results.Direction{Frames: 3000, P99: 20}
	f := &results.File{Runs: []results.Run{ofPhase("parked", 2, results.Direction{}, results.Direction{}, 0), ofPhase("capture", 3.5, out, results.Direction{}, 0),
		ofPhase(results.Paused, 2.5, results.Direction{}, results.Direction{}, 0), ofPhase("duplex", 4, out, results.Direction{Frames: 3000, P50: 22, P99: 46}, 3)}}
	f.Floor = []results.Floor{{Streams: 50, WindowMS: 5, CPU: 0.4}}
	f.Callbacks = []results.Callbacks{{State: "idle", Read: results.Times{P99: 1500, P999: 11_000}}}
	got := table(t, f, "BenchmarkA-2 100 3 ns/op 0 B/op 1 allocs/op\nBenchmarkDecode/mark 1 2 ns/op 3 B/op 1 allocs/op\n")
	for _, want := range []string{
		"CPU added by capture, ms per call and second | at most 1.00 | 1.50 | **no** | the kernel's send |",
		"the same but for the 0.50 ms of a paused stream, in bare send loops (0.40 ms) in windows of 5 ms | at most 2.0 | 2.5 | **no** |",
		"CPU added by duplex over parked calls, ms | at most 3.30 | 2.00 | yes |  |",
		"playback latency p50 | at most 25.0 ms | 22.0 ms | yes |",
		"playback latency p99 | at most 45.0 ms | 46.0 ms | **no** | not looked into yet |",
		"underruns | none | 3 in 1 rounds (0 before, while the streams began",
		"frames lost, twice or out of order, capture | none | 0 of 3000 | yes |",
		"READ p99, Go side: idle | at most 2.00 µs | 1.50 µs | yes |",
		"READ p99.9, Go side: idle | at most 10.00 µs | 11.00 µs | **no** |",
		"allocations per frame | none | A 1 | **no** |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// A frame that is missing where FreeSWITCH filled in silence is FreeSWITCH's; any other is the module's.
func TestFramesThatAreMissingAreTheModulesWithoutSilence(t *testing.T) {
	for _, c := range []struct {
		lost, silent, twice uint64
		reached             string
	}{{0, 0, 0, "yes"}, {2, 3, 0, "yes"}, {2, 0, 0, "**no**"}, {0, 0, 1, "**no**"}} {
		out := results.Direction{Frames: 100, Lost: c.lost, Silent: c.silent, Repeated: c.twice}
		got := table(t, &results.File{Runs: []results.Run{ofPhase("capture", 1, out, results.Direction{}, 0)}}, "")
		for line := range strings.Lines(got) {
			if strings.Contains(line, "frames lost") && !strings.Contains(line, "| "+c.reached+" |") {
				t.Errorf("%+v: %s", c, line)
			}
		}
	}
}

func TestWhatWasNotMeasuredIsNotJudged(t *testing.T) {
	if got := table(t, &results.File{}, ""); got != "" {
		t.Errorf("got %q", got)
	}
}
