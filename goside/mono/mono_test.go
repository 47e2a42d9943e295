package mono

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func kernel(t *testing.T) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano()
}

// Media threads stamp frames with the kernel's clock; the difference of the two is a latency that users read.
func TestNowIsTheClockOfTheMediaThreads(t *testing.T) {
	// The two clocks were read one after the other when the program started, so a preemption there may have shifted Now by
	// a little for good.
	const slack = int64(20 * time.Millisecond)
	for range 1000 {
		before := kernel(t)
		now := Now()
		after := kernel(t)
		if now < before-slack || now > after+slack {
			t.Fatalf("Now is %d, the kernel's clock went from %d to %d", now, before, after)
		}
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	last := Now()
	for range 10_000 {
		now := Now()
		if now < last {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
}

func TestNowAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Now() }); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
}
