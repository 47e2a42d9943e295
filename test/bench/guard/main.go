// Command guard compares what repeats exactly with a recorded baseline: allocations of the Go benchmarks, and instructions of
// the benchmarks in C as callgrind counts them. Times are shown by bench-micro and not judged.
//
//	guard -baseline test/bench/baseline.txt -go <output of go test -bench> <C benchmark>...
//
// With -update it writes the baseline anew.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

func main() {
	baseline := flag.String("baseline", "test/bench/baseline.txt", "the recorded figures")
	goOutput := flag.String("go", "", "output of go test -bench -benchmem")
	cc := flag.String("cc", "gcc", "the compiler that the C benchmarks were built with")
	update := flag.Bool("update", false, "record anew instead of comparing")
	flag.Parse()
	if err := run(*baseline, *goOutput, toolchain(*cc), flag.Args(), *update); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		os.Exit(1)
	}
}

func run(baseline, goOutput, built string, programs []string, update bool) error {
	got := figures{}
	if err := got.allocations(goOutput); err != nil {
		return err
	}
	want, with := figures{}, built
	if !update {
		var err error
		if want, with, err = readBaseline(baseline); err != nil {
			return err
		}
	}
	_, err := exec.LookPath("valgrind")
	why := ""
	switch {
	case err != nil:
		why = "valgrind is not installed (make deps installs it)"
	case with != built:
		why = fmt.Sprintf("the baseline was made with %s and this is %s, whose code differs (make bench-baseline before and after a change compares all the same)",
			with, built)
	default:
		if err := got.instructions(programs); err != nil {
			return err
		}
	}
	if update {
		if why != "" {
			return errors.New("no baseline without instruction counts: " + why)
		}
		return got.write(baseline, built)
	}
	if why != "" { // allocations hold all the same
		maps.DeleteFunc(want, func(name string, _ float64) bool { return strings.HasPrefix(name, instructions) })
	}
	if err := compare(want, got); err != nil {
		return err
	}
	if why != "" {
		fmt.Printf("skipped: instruction counts: %s\n", why)
	}
	return nil
}

// toolchain names what the counts depend on: the compiler, and the libraries that the hot paths call. On what processor they
// were counted does not matter (count.go).
func toolchain(cc string) string {
	cc, args, _ := strings.Cut(cc, " ")
	version := output(cc, append(strings.Fields(args), "-dumpfullversion", "-dumpversion")...)
	return fmt.Sprintf("%s %s %s, %s, speexdsp %s", filepath.Base(cc), version, runtime.GOARCH, output("getconf", "GNU_LIBC_VERSION"),
		output("pkg-config", "--modversion", "speexdsp"))
}

func output(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
