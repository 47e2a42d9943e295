// Package netpoll looks after sockets from one goroutine, the pump's, in place of the Go runtime's own poller: that one
// wakes a thread for every packet that arrives, while the pump looks at all sockets at once when it is awake anyway.
//
// What is read from a socket is read by a task: code that reads as if it could block, and runs on the poller's goroutine
// whenever its socket has something. It knows sockets and nothing of WebSocket or audio.
//
//	poller.go  the set of sockets, and the waiting
//	task.go    readers that the poller runs
//	conn.go    a socket as net.Conn
//	side.go    one direction of it: readiness and deadline
//	sleep.go   waiting for a moment
package netpoll

import (
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/mono"
)

// ErrClosed is what Wait returns once the poller has been closed.
var ErrClosed = errors.New("the poller is closed")

// batch is how many sockets one system call reports; more wait for the next one, at once.
const batch = 128

// Poller watches sockets. Poll and Wait belong to one goroutine at a time; everything else may be called from anywhere.
type Poller struct {
	// OnPanic is told of a panic that nobody else has recovered; what it belongs to is ended. Set before the first
	// connection; any goroutine.
	OnPanic func(recovered any, stack []byte)

	ep     int
	kicker int // an eventfd that ends Wait
	events [batch]unix.EpollEvent

	mu     sync.Mutex // guards what follows; never held while a task runs
	slots  []slot
	free   []int32
	ready  []*Conn // tasks to run
	spare  []*Conn // the other one of the two lists
	closed bool
}

// slot names a socket to the kernel: by place and generation, so that an event of a socket that is gone finds nobody.
type slot struct {
	conn       *Conn
	generation int32
}

// New makes a poller.
func New() (*Poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &Poller{ep: ep, OnPanic: func(any, []byte) {}}
	if p.kicker, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, errors.Join(err, unix.Close(ep))
	}
	if err = p.Watch(p.kicker); err != nil {
		return nil, errors.Join(err, unix.Close(p.kicker), unix.Close(ep))
	}
	return p, nil
}

// Watch has Wait end whenever an eventfd, which stays the caller's, has been written to. The poller reads it.
func (p *Poller) Watch(eventfd int) error {
	return unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, eventfd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(-1 - eventfd)})
}

// Wait blocks until something has happened on a socket or a watched eventfd, or limit is over (0: no limit), and runs
// the tasks that it happened to. With a limit the runtime is not told that it waits (see SleepUntil), so keep it to
// milliseconds. ErrClosed.
func (p *Poller) Wait(limit time.Duration) error {
	if p.isClosed() {
		return ErrClosed
	}
	n, err := p.block(limit)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return ErrClosed
	}
	p.handle(max(n, 0))
	if n == batch {
		p.Poll()
	}
	return nil
}

func (p *Poller) block(limit time.Duration) (n int, err error) {
	if limit <= 0 {
		return unix.EpollWait(p.ep, p.events[:], -1)
	}
	if n, err = p.await(mono.Now() + int64(limit)); err != nil {
		return unix.EpollWait(p.ep, p.events[:], int((limit+time.Millisecond-1)/time.Millisecond))
	}
	return n, nil
}

// await blocks until something has happened, or a moment of CLOCK_MONOTONIC (ns, as mono.Now) has come, and returns how many
// events there are. The runtime is not told: see SleepUntil. Linux before 5.11 does not know it, which is an error.
func (p *Poller) await(until int64) (n int, err error) {
	for {
		ts := unix.NsecToTimespec(max(until-mono.Now(), 0))
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.ep), uintptr(unsafe.Pointer(&p.events[0])), batch,
			uintptr(unsafe.Pointer(&ts)), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			runtime.Gosched() // as in SleepUntil
		default:
			return 0, errno
		}
	}
}

func (p *Poller) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Poll runs the tasks whose sockets have something by now, and returns how many arrivals it was told of. It does not block.
// Not after Close.
func (p *Poller) Poll() (arrivals int) {
	for {
		// Raw: it cannot block, and the runtime need not hear of it.
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.ep), uintptr(unsafe.Pointer(&p.events[0])), batch, 0, 0, 0)
		if errno != 0 {
			n = 0
		}
		p.handle(int(n))
		arrivals += int(n)
		if n < batch {
			return arrivals
		}
	}
}

// PollUntil does what Poll does until a moment of CLOCK_MONOTONIC (ns, as mono.Now), and at that moment. With rest above 0 it
// is there as soon as something arrives, and then again when it has rested for so long; with 0 it looks at the end only. The
// runtime is not told that it sleeps: see SleepUntil. Not after Close.
func (p *Poller) PollUntil(at int64, rest time.Duration) (arrivals int) {
	for rest > 0 && mono.Now() < at {
		n, err := p.await(at)
		switch {
		case err != nil:
			rest = 0
		case n == 0:
			return arrivals // at that moment there was nothing
		default:
			p.handle(n)
			arrivals += n
			SleepUntil(min(at, mono.Now()+int64(rest)))
		}
	}
	SleepUntil(at)
	return arrivals + p.Poll()
}

// handle passes n events on and runs the tasks.
func (p *Poller) handle(n int) {
	p.mu.Lock()
	for i := range p.events[:n] {
		e := &p.events[i]
		if e.Fd < 0 {
			drain(-1 - int(e.Fd))
			continue
		}
		if s := &p.slots[e.Fd]; s.conn != nil && s.generation == e.Pad {
			s.conn.happened(e.Events)
		}
	}
	p.runReady()
}

func drain(eventfd int) {
	var count [8]byte
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(eventfd), uintptr(unsafe.Pointer(&count)), uintptr(len(count)))
}

// survived is for deferring: it recovers, tells, and does what is to be done then.
func (p *Poller) survived(then func()) {
	if r := recover(); r != nil {
		defer then()
		defer func() { _ = recover() }() // what panics even in telling can only be left alone
		p.OnPanic(r, debug.Stack())
	}
}

// Kick ends Wait: something happened that the kernel does not know of.
func (p *Poller) Kick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return // the descriptor may be somebody else's
	}
	one := [8]byte{1}
	_, _ = unix.Write(p.kicker, one[:]) // EAGAIN means that it has been kicked already
}

// add begins to watch a socket.
func (p *Poller) add(c *Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if n := len(p.free); n > 0 {
		c.slot = p.free[n-1]
		p.free = p.free[:n-1]
	} else {
		c.slot = int32(len(p.slots))
		p.slots = append(p.slots, slot{})
	}
	s := &p.slots[c.slot]
	s.conn = c
	s.generation++
	// edge-triggered: each arrival is told once, and what was told is remembered in the Conn
	err := unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: c.slot, Pad: s.generation})
	if err != nil {
		p.vacate(c)
	}
	return err
}

// remove ends watching it; the descriptor is still open.
func (p *Poller) remove(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed { // else there is nothing that watches
		_ = unix.EpollCtl(p.ep, unix.EPOLL_CTL_DEL, c.fd, nil)
	}
	p.vacate(c)
}

// vacate frees a slot. Under mu.
func (p *Poller) vacate(c *Conn) {
	p.slots[c.slot].conn = nil
	p.free = append(p.free, c.slot)
}

// Close closes the sockets that are left and has their tasks see it, so that they end. Not while Poll or Wait runs.
func (p *Poller) Close() {
	p.mu.Lock()
	var left []*Conn
	for _, s := range p.slots {
		if s.conn != nil {
			left = append(left, s.conn)
		}
	}
	p.mu.Unlock()
	for _, c := range left {
		_ = c.Close() // it reports nothing but a second call
	}
	p.mu.Lock()
	p.runReady()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		_ = unix.Close(p.ep) // neither has anything that could still fail
		_ = unix.Close(p.kicker)
	}
}
