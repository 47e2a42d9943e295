package pump

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/mono"
)

// sleepUntil waits until a moment of CLOCK_MONOTONIC (ns, as mono.Now). It sleeps in the kernel, and the runtime is not told:
// a timer of Go's, waited for a few hundred times a second, costs a wake-up of the thread that polls, another to hand the
// goroutine on, and keeps the runtime's monitor awake, which together is more than what sending costs. The price is a
// processor (P) that does nothing else meanwhile; the module asks for one more than there are cores.
func sleepUntil(at int64) {
	ts := unix.NsecToTimespec(at)
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
			uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if errno != unix.EINTR {
			return
		}
		// The runtime's signal: somebody (the garbage collector) wants us to stop for a moment.
		runtime.Gosched()
	}
}

// windowEnd is when the window that follows the one that ended at last ends (ns): at once when we are late.
func windowEnd(last int64, window time.Duration) int64 {
	return max(last+int64(window), mono.Now())
}
