package measure

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sample is what a process has used up to a moment.
type Sample struct {
	At          int64         // Now
	CPU         time.Duration // of all its threads, those that ended too
	Voluntary   uint64        // context switches of the threads that live
	Involuntary uint64
	Threads     int
	RSS         int64 // bytes
}

// Process reads a process. CPU is the scheduler's own count in nanoseconds, not the ticks of /proc/<pid>/stat.
func Process(pid int) (Sample, error) {
	s := Sample{At: Now()}
	var ts unix.Timespec
	// clock_getcpuclockid(3): the complement of the pid, and 2 for the scheduler's clock
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return s, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	s.CPU = time.Duration(ts.Nano())
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		return s, err
	}
	for _, path := range tasks {
		f, err := fields(path)
		if err != nil {
			continue // it ended meanwhile
		}
		s.Threads++
		s.Voluntary += number(f["voluntary_ctxt_switches"])
		s.Involuntary += number(f["nonvoluntary_ctxt_switches"])
	}
	f, err := fields(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s, err
	}
	s.RSS = int64(number(f["VmRSS"])) << 10
	return s, nil
}

func number(text string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSuffix(text, " kB"), 10, 64) // 0 for what is not there
	return n
}

// fields reads lines of name: value.
func fields(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			f[name] = strings.TrimSpace(value)
		}
	}
	return f, nil
}

// Busy is the time that the machine's processors were not idle, and all their time, since boot.
func Busy() (busy, all time.Duration) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line) {
		if i == 0 || i > 8 { // guests are in user
			continue
		}
		d := time.Duration(number(f)) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
		all += d
		if i != 4 && i != 5 { // idle, waiting for a disk
			busy += d
		}
	}
	return busy, all
}

// Steal is the time that the hypervisor gave to others, of all processors since boot.
func Steal() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 9 {
		return 0
	}
	return time.Duration(number(f[8])) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
}
