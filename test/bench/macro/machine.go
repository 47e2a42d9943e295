package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mod_audio_stream/test/bench/results"
	"mod_audio_stream/test/e2e/switchtest"
)

// describe says on what machine and with what versions the figures were taken.
func describe(o *options) *results.File {
	m := results.Machine{
		CPU:    first(`model name\s*:\s*(.+)`, read("/proc/cpuinfo")),
		OS:     first(`PRETTY_NAME="(.+)"`, read("/etc/os-release")),
		Cores:  runtime.NumCPU(),
		Go:     runtime.Version(),
		Commit: output("git", "describe", "--always", "--dirty", "--abbrev=10"),
		Date:   time.Now().UTC().Format("2006-01-02 15:04 UTC"),
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.MemoryMB = int(info.Totalram * uint64(info.Unit) >> 20)
		m.OtherLoadAtBegin = float64(info.Loads[0]) / (1 << 16)
	}
	if prefix, err := switchtest.FindFreeSWITCH(); err == nil {
		m.FreeSWITCH = first(`version: (\S+)`, output(prefix+"/bin/freeswitch", "-version"))
	}
	if info, err := os.Stat(o.modules[0].path); err == nil {
		m.ModuleSize = info.Size()
	}
	return &results.File{Machine: m, Rounds: o.rounds, Phase: o.measure.Seconds(), Command: command(os.Args[1:])}
}

// command is the arguments that make a difference, as make wants them.
func command(args []string) string {
	var kept []string
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-build", "-module", "-out", "-profile": // places
			i++
		case "-peer": // where it lies is this machine's affair
			if name, path, ok := strings.Cut(args[min(i+1, len(args)-1)], "="); ok {
				kept = append(kept, args[i], name+"="+filepath.Base(path))
			}
			i++
		default:
			if strings.ContainsAny(args[i], " {}") {
				args[i] = strconv.Quote(args[i])
			}
			kept = append(kept, args[i])
		}
	}
	return strings.Join(kept, " ")
}

func read(path string) string {
	b, _ := os.ReadFile(path) // "" is shown as unknown
	return string(b)
}

func output(program string, args ...string) string {
	b, _ := exec.Command(program, args...).Output()
	return strings.TrimSpace(string(b))
}

func first(pattern, text string) string {
	if m := regexp.MustCompile(pattern).FindStringSubmatch(text); m != nil {
		return strconv.QuoteToASCII(m[1])[1 : len(strconv.QuoteToASCII(m[1]))-1]
	}
	return "unknown"
}
