// Package measure reads what a process costs, from outside, and keeps time.
package measure

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Now is CLOCK_MONOTONIC in nanoseconds, the clock that the module stamps frames with.
func Now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil { // cannot fail for this clock
		return 0
	}
	return ts.Nano()
}

// Ticker sleeps on the calling thread, to absolute times.
type Ticker struct {
	step time.Duration
	next int64
}

// NewTicker puts the calling thread, which must be locked to its goroutine, into real time where that is allowed: a load
// that comes in clumps measures the clumps.
func NewTicker(step time.Duration) *Ticker {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}, 0)
	return &Ticker{step: step, next: Now()}
}

// Wait sleeps until a step behind the last due time and says how late it woke.
func (t *Ticker) Wait() (late time.Duration) {
	t.next += int64(t.step)
	ts := unix.NsecToTimespec(t.next)
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
		if !errors.Is(err, unix.EINTR) {
			return time.Duration(Now() - t.next)
		}
	}
}
