// Command guard compares what repeats exactly with a recorded baseline: allocations of the Go benchmarks, and instructions of
// the benchmarks in C as callgrind counts them. Times are shown and not judged.
//
//	guard -baseline test/bench/baseline.txt -go <output of go test -bench> <C benchmark>...
//
// With -update it writes the baseline anew.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Instructions may differ by this part, and by this many, before it counts: memcpy has another version for another processor.
const (
	tolerance = 0.05
	slack     = 6
)

// figures are by kind and name: "allocs BenchmarkPlay/L16", "instructions READ_mono".
type figures map[string]float64

func main() {
	baseline := flag.String("baseline", "test/bench/baseline.txt", "the recorded figures")
	goOutput := flag.String("go", "", "output of go test -bench -benchmem")
	update := flag.Bool("update", false, "record anew instead of comparing")
	flag.Parse()
	if err := run(*baseline, *goOutput, flag.Args(), *update); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		os.Exit(1)
	}
}

func run(baseline, goOutput string, programs []string, update bool) error {
	got := figures{}
	if goOutput != "" {
		if err := got.allocations(goOutput); err != nil {
			return err
		}
	}
	built := compiler()
	_, err := exec.LookPath("valgrind")
	counted := err == nil
	for _, p := range programs {
		if !counted {
			break
		}
		if err := got.instructions(p); err != nil {
			return err
		}
	}
	if update {
		if !counted {
			return errors.New("valgrind is needed to record a baseline (apt-get install valgrind)")
		}
		return got.write(baseline, built)
	}
	want, with, err := readBaseline(baseline)
	if err != nil {
		return err
	}
	why := ""
	switch {
	case !counted:
		why = "no valgrind on this machine"
	case with != built:
		why = fmt.Sprintf("the baseline's instructions are of %q, this is %q", with, built)
	}
	if why != "" { // allocations hold all the same
		drop := func(name string, _ float64) bool { return strings.HasPrefix(name, "instructions ") }
		maps.DeleteFunc(want, drop)
		maps.DeleteFunc(got, drop)
	}
	if err := compare(want, got); err != nil {
		return err
	}
	if why != "" {
		fmt.Printf("skipped: instruction counts: %s\n", why)
	}
	return nil
}

// compiler names what the counts depend on.
func compiler() string {
	out, err := exec.Command("gcc", "-dumpfullversion").Output()
	if err != nil {
		return "no gcc"
	}
	return "gcc " + strings.TrimSpace(string(out)) + " " + runtime.GOARCH
}

var benchLine = regexp.MustCompile(`^(Benchmark\S+?)(?:-\d+)?\s+\d+\s.*?(\d+) allocs/op`)

func (f figures) allocations(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if m := benchLine.FindStringSubmatch(line); m != nil {
			n, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				return err
			}
			f["allocs "+m[1]] = n
		}
	}
	return nil
}

// Two runs of different length: the difference is what the operations cost, without start and end.
const short, long = 100, 1100

func (f figures) instructions(program string) error {
	list, err := exec.Command(program, "-list").Output()
	if err != nil {
		return fmt.Errorf("%s -list: %w", program, err)
	}
	for _, name := range strings.Fields(string(list)) {
		var n [2]float64
		for i, times := range []int{short, long} {
			if n[i], err = callgrind(program, name, times); err != nil {
				return fmt.Errorf("%s %s: %w", program, name, err)
			}
		}
		f["instructions "+name] = math.Round((n[1]-n[0])/(long-short)*10) / 10
	}
	return nil
}

var collected = regexp.MustCompile(`Collected\s*:\s*(\d+)`)

func callgrind(program, name string, times int) (float64, error) {
	cmd := exec.Command("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, name, strconv.Itoa(times))
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out.String())
	}
	m := collected.FindSubmatch(out.Bytes())
	if m == nil {
		return 0, fmt.Errorf("no count in %q", out.String())
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func (f figures) names() []string { return slices.Sorted(maps.Keys(f)) }

func (f figures) write(path, built string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Recorded by `make bench-baseline`; what `make bench-guard` compares with. Instructions were counted with\nwith %s\n", built)
	for _, name := range f.names() {
		fmt.Fprintf(&b, "%s %g\n", name, f[name])
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func readBaseline(path string) (f figures, with string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("%w (make bench-baseline records one)", err)
	}
	defer file.Close()
	f = figures{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		switch {
		case strings.HasPrefix(line, "#") || at < 0:
		case strings.HasPrefix(line, "with "):
			with = strings.TrimPrefix(line, "with ")
		default:
			v, err := strconv.ParseFloat(line[at+1:], 64)
			if err != nil {
				return nil, "", fmt.Errorf("%s: %q: %w", path, line, err)
			}
			f[line[:at]] = v
		}
	}
	return f, with, nil
}

// compare prints every figure and fails for what is worse, gone, or new.
func compare(want, got figures) error {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, name := range got.names() {
		was, known := want[name]
		now := got[name]
		fmt.Printf("%-60s %8g  (baseline %g)\n", name, now, was)
		allowed := was
		if strings.HasPrefix(name, "instructions ") {
			allowed = max(was*(1+tolerance), was+slack)
			if known && now < min(was*(1-tolerance), was-slack) {
				fmt.Printf("  better than the baseline: record it with make bench-baseline\n")
			}
		}
		switch {
		case !known:
			bad("%s is not in the baseline", name)
		case now > allowed:
			bad("%s: %g, the baseline is %g", name, now, was)
		}
	}
	for _, name := range want.names() {
		if _, there := got[name]; !there {
			bad("%s is in the baseline and was not measured", name)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d figures differ; if that is meant, make bench-baseline records them:\n  %s", len(problems), strings.Join(problems, "\n  "))
	}
	return nil
}
