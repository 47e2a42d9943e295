// Package mono reads the clock that the media threads stamp frames with.
package mono

import (
	"time"

	"golang.org/x/sys/unix"
)

// Go reads CLOCK_MONOTONIC itself for time.Since, without a system call, but does not give the number away. So it is
// asked for once, and time.Since does the rest.
var start, base = func() (time.Time, int64) {
	var ts unix.Timespec
	now := time.Now()
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail on Linux for this clock
	return now, ts.Nano()
}()

// Now is CLOCK_MONOTONIC in nanoseconds.
func Now() int64 { return base + int64(time.Since(start)) }
