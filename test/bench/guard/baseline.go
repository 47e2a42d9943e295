package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// limit is how much may be where the baseline says was.
func limit(name string, was float64) float64 {
	switch {
	case strings.HasPrefix(name, instructions):
		return max(was*1.05, was+6) // one more atomic, or another order of the same, is no slower path
	case strings.HasPrefix(name, allocated):
		return max(was*1.5, was+8) // what a benchmark's other goroutines allocate at its start is in it
	default:
		return was
	}
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
	lines := bufio.NewScanner(file)
	for lines.Scan() {
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
	return f, with, lines.Err()
}

// compare prints every figure and fails for what is worse, gone, or new.
func compare(want, got figures) error {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, name := range got.names() {
		was, known := want[name]
		now := got[name]
		switch {
		case !known:
			fmt.Printf("%-60s %8g\n", name, now)
			bad("%s is new", name)
			continue
		case now > limit(name, was):
			bad("%s: %g, the baseline is %g", name, now, was)
		}
		fmt.Printf("%-60s %8g  (baseline %g)\n", name, now, was)
		if strings.HasPrefix(name, instructions) && was > limit(name, now) {
			fmt.Printf("  better than the baseline: record it with make bench-baseline\n")
		}
	}
	for _, name := range want.names() {
		if _, there := got[name]; !there {
			bad("%s is in the baseline and was not measured", name)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d figures are not those of the baseline; if that is meant, make bench-baseline records them:\n  %s", len(problems), strings.Join(problems, "\n  "))
	}
	return nil
}
