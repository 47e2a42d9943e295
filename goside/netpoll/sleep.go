package netpoll

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/mono"
)

// SleepUntil waits until a moment of CLOCK_MONOTONIC (ns, as mono.Now). It sleeps in the kernel, and the runtime is not told:
// a timer of Go's, waited for a few hundred times a second, costs a wake-up of the thread that polls, another to hand the
// goroutine on, and keeps the runtime's monitor awake, which together is more than what sending costs. The price is a
// processor (P) that does nothing else meanwhile; the module asks for one more than there are cores.
func SleepUntil(at int64) {
	ts := unix.NsecToTimespec(at)
	for mono.Now() < at { // for the kernel sets its timer, which on a virtual machine is slow, for a moment that has passed, too
		_, _, errno := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
			uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if errno != unix.EINTR {
			return
		}
		// The runtime's signal: somebody (the garbage collector) wants us to stop for a moment.
		runtime.Gosched()
	}
}
