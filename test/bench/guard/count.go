package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// figures are by kind and name: "allocs BenchmarkPlay/L16", "bytes BenchmarkPlay/L16", "instructions READ_mono".
type figures map[string]float64

// The kinds.
const (
	allocs       = "allocs "
	allocated    = "bytes "
	instructions = "instructions "
)

var benchLine = regexp.MustCompile(`^(Benchmark\S+?)(?:-\d+)?\s+\d+\s.*?(\d+) B/op\s+(\d+) allocs/op`)

// allocations reads Go's benchmarks. Bytes are read beside the count, which Go rounds down: what allocates in every other
// operation only shows in them.
func (f figures) allocations(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		m := benchLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for i, kind := range []string{allocated, allocs} {
			if f[kind+m[1]], err = strconv.ParseFloat(m[2+i], 64); err != nil {
				return err
			}
		}
	}
	return nil
}

// Two runs of different length: the difference is what the operations cost, without start and end.
const short, long = 100, 600

// instructions counts every case of every program, on as many processors as there are.
func (f figures) instructions(programs []string) error {
	type job struct{ program, name string }
	var jobs []job
	for _, p := range programs {
		list, err := exec.Command(p, "-list").Output()
		if err != nil {
			return fmt.Errorf("%s -list: %w", p, err)
		}
		for _, name := range strings.Fields(string(list)) {
			jobs = append(jobs, job{p, name})
		}
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var failed error
	slots := make(chan struct{}, runtime.NumCPU())
	for _, j := range jobs {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			few, err := callgrind(j.program, j.name, short)
			many, err2 := callgrind(j.program, j.name, long)
			mu.Lock()
			defer mu.Unlock()
			if err = errors.Join(err, err2); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s %s: %w", j.program, j.name, err))
				return
			}
			f[instructions+j.name] = math.Round((many-few)/(long-short)*10) / 10
		})
	}
	wait.Wait()
	return failed
}

// plain has libc take the versions of memcpy and its like that every processor of the kind has: which it prefers depends on the
// machine, and their lengths differ. The names are those of glibc 2.33 and later, and of the earlier ones.
const plain = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-ERMS,-FSRM,-SSSE3,-SSE4_1,-SSE4_2,-Fast_Unaligned_Copy,-Prefer_ERMS," +
	"-AVX2_Usable,-AVX_Usable,-AVX512F_Usable,-AVX512VL_Usable,-AVX_Fast_Unaligned_Load"

var collected = regexp.MustCompile(`Collected\s*:\s*(\d+)`)

func callgrind(program, name string, times int) (float64, error) {
	cmd := exec.Command("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, name, strconv.Itoa(times))
	cmd.Env = append(os.Environ(), plain)
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
