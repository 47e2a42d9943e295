// Package measure reads what a process costs, from outside, and keeps time.
package measure

import (
	"encoding/binary"
	"errors"
	"syscall"
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

// Stamped has the kernel note when each of a socket's packets came. A receiver that has to wait for a processor is then not taken
// for a packet that came late.
func Stamped(conn syscall.Conn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}); err != nil {
		return err
	}
	return failed
}

// StampBytes is the room that a packet's stamp needs.
const StampBytes = 32

// Came is when a packet came, on Now's clock, from what was received beside it; Now where it has no stamp.
func Came(oob []byte) int64 {
	now := Now()
	header, data, _, err := unix.ParseOneSocketControlMessage(oob)
	if err != nil || header.Level != unix.SOL_SOCKET || header.Type != unix.SO_TIMESTAMPNS || len(data) < 16 {
		return now
	}
	stamp := int64(binary.NativeEndian.Uint64(data))*int64(time.Second) + int64(binary.NativeEndian.Uint64(data[8:]))
	return now - (time.Now().UnixNano() - stamp)
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
