// The caller's clock: a thread of its own that sleeps to absolute times, in real time where that is allowed. A caller
// whose packets are late makes FreeSWITCH put silence in and throw packets away, and a test blame the module for it.

package switchtest

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// pacer sleeps on one thread.
type pacer struct{ next time.Duration } // CLOCK_MONOTONIC

// newPacer takes the calling goroutine's thread for good: it must return without unlocking it, so that the thread ends
// with the goroutine and nothing else runs in real time.
func newPacer() *pacer {
	runtime.LockOSThread()
	// Without the right to it the thread stays as it is. Threads that come of it are ordinary ones.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}, 0)
	return &pacer{next: monotonic()}
}

// wait sleeps until d behind the last due time and says how late it woke.
func (p *pacer) wait(d time.Duration) (late time.Duration) {
	p.next += d
	ts := unix.NsecToTimespec(int64(p.next))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
		if !errors.Is(err, unix.EINTR) {
			return monotonic() - p.next
		}
	}
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil { // cannot fail for this clock
		return 0
	}
	return time.Duration(ts.Nano())
}
