package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	want := figures{"allocs BenchmarkA": 0, "bytes BenchmarkA": 3, "instructions b": 1000}
	for _, c := range []struct {
		name string
		got  figures
		says string // "" passes
	}{
		{"the same", figures{"allocs BenchmarkA": 0, "instructions b": 1000}, ""},
		{"within tolerance", figures{"allocs BenchmarkA": 0, "instructions b": 1040}, ""},
		{"better", figures{"allocs BenchmarkA": 0, "instructions b": 500}, ""},
		{"allocates", figures{"allocs BenchmarkA": 1, "instructions b": 1000}, "BenchmarkA: 1"},
		{"slower", figures{"allocs BenchmarkA": 0, "instructions b": 1100}, "b: 1100"},
		{"allocates now and then", figures{"allocs BenchmarkA": 0, "bytes BenchmarkA": 24, "instructions b": 1000}, "BenchmarkA: 24"},
		{"gone", figures{"instructions b": 1000}, "was not measured"},
		{"new", figures{"allocs BenchmarkA": 0, "instructions b": 1000, "allocs BenchmarkC": 0}, "is new"},
	} {
		if _, set := c.got[allocated+"BenchmarkA"]; !set {
			c.got[allocated+"BenchmarkA"] = 3
		}
		err := compare(want, c.got)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestBaselineIsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "baseline.txt")
	if err := (figures{"allocs BenchmarkA/b": 2, "instructions c": 12.5}).write(path, "gcc 1 amd64"); err != nil {
		t.Fatal(err)
	}
	f, with, err := readBaseline(path)
	if err != nil || with != "gcc 1 amd64" || len(f) != 2 || f["allocs BenchmarkA/b"] != 2 || f["instructions c"] != 12.5 {
		t.Errorf("%v %q %v", f, with, err)
	}
}

func TestAllocationsAreReadFromGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "go.txt")
	text := "goos: linux\nBenchmarkEncode/320-2  \t  3955188\t  30.51 ns/op\t10488.49 MB/s\t  0 B/op\t  0 allocs/op\nBenchmarkDecode/mark 2 237.1 ns/op 2 B/op 1 allocs/op\nPASS\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := figures{}
	if err := f.allocations(path); err != nil || len(f) != 4 || f["allocs BenchmarkEncode/320"] != 0 || f["allocs BenchmarkDecode/mark"] != 1 || f["bytes BenchmarkDecode/mark"] != 2 {
		t.Errorf("%v %v", f, err)
	}
}
