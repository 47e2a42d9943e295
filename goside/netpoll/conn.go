package netpoll

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a TCP connection that a Poller watches. It is a net.Conn whose Read and Write block as usual; TryWrite and a
// task's reads do not. One goroutine may read and one write at a time, TryWrite counted as a write.
type Conn struct {
	p             *Poller
	fd            int
	slot          int32
	local, remote net.Addr

	refs atomic.Int32 // 2 for each system call under way; 1: closed. The last one out closes the descriptor

	in, out side
	blocked atomic.Bool // a writer waits for room
	hup     atomic.Bool // the other side has ended or broken it: reading will not block again
	drained bool        // the reader's: nothing was left when it read last

	task *task // set before the first read of a task; under p.mu for what is in it
}

var (
	_ net.Conn  = (*Conn)(nil)
	_ io.Reader = taskReader{}
)

const closedBit = 1

// Take moves a connection from the Go runtime's poller to p. tcp is closed in any case; nobody may be using it.
func (p *Poller) Take(tcp *net.TCPConn) (*Conn, error) {
	defer tcp.Close() // the descriptor that it closes is one of two
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Conn{p: p, local: tcp.LocalAddr(), remote: tcp.RemoteAddr()}
	var dup error
	err = raw.Control(func(fd uintptr) { c.fd, dup = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, dup); err != nil {
		return nil, err
	}
	c.in.init()
	c.out.init()
	if err := p.add(c); err != nil {
		return nil, errors.Join(err, unix.Close(c.fd))
	}
	return c, nil
}

// happened takes what the kernel tells. Under p.mu.
func (c *Conn) happened(events uint32) {
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.hup.Store(true)
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.in.tell()
		c.queue()
	}
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 && c.blocked.Load() {
		c.out.tell()
	}
}

// acquire allows one system call; false: the connection is closed. Followed by release.
func (c *Conn) acquire() bool {
	for {
		refs := c.refs.Load()
		if refs&closedBit != 0 {
			return false
		}
		if c.refs.CompareAndSwap(refs, refs+2) {
			return true
		}
	}
}

func (c *Conn) release() {
	if c.refs.Add(-2) == closedBit {
		c.destroy()
	}
}

func (c *Conn) destroy() {
	c.p.remove(c)
	_ = unix.Close(c.fd) // what was sent is with the kernel
}

// Close implements net.Conn: what waits in Read or Write ends with net.ErrClosed, as does a second Close.
func (c *Conn) Close() error {
	for {
		refs := c.refs.Load()
		if refs&closedBit != 0 {
			return net.ErrClosed
		}
		if c.refs.CompareAndSwap(refs, refs|closedBit) {
			if refs == 0 {
				c.destroy()
			}
			break
		}
	}
	c.in.deadline(c.p, time.Time{}, nil) // no timer is left
	c.out.deadline(c.p, time.Time{}, nil)
	c.wakeReader()
	c.out.tell()
	return nil
}

// wakeReader has the reader look again, for a reason that the kernel does not know of.
func (c *Conn) wakeReader() {
	c.in.tell()
	c.p.mu.Lock()
	queued := c.queue()
	c.p.mu.Unlock()
	if queued {
		c.p.Kick()
	}
}

// CloseWrite ends our direction.
func (c *Conn) CloseWrite() error {
	if !c.acquire() {
		return net.ErrClosed
	}
	defer c.release()
	if err := unix.Shutdown(c.fd, unix.SHUT_WR); err != nil {
		return c.failed("shutdown", err)
	}
	return nil
}

// Control calls f with the descriptor, for socket options.
func (c *Conn) Control(f func(fd int)) error {
	if !c.acquire() {
		return net.ErrClosed
	}
	defer c.release()
	f(c.fd)
	return nil
}

func (c *Conn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: os.NewSyscallError(op, err)}
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		if n, done, err := c.tryRead(b); done {
			return n, err
		}
		<-c.in.waiting
	}
}

// tryRead reads what is there; done is false when that is nothing yet.
func (c *Conn) tryRead(b []byte) (n int, done bool, err error) {
	if len(b) == 0 {
		return 0, true, nil
	}
	for {
		if c.in.late.Load() {
			return 0, true, os.ErrDeadlineExceeded
		}
		if c.drained && !c.hup.Load() {
			if !c.in.news.Swap(false) {
				if c.refs.Load()&closedBit != 0 {
					return 0, true, net.ErrClosed
				}
				return 0, false, nil
			}
			c.drained = false
			continue // what happened may be the deadline
		}
		if !c.acquire() {
			return 0, true, net.ErrClosed
		}
		// Raw, as all calls here: the socket is non-blocking, and a call that the runtime is told of has it take the
		// processor away from the pump in the middle of its round.
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		c.release()
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			c.drained = true
			c.hup.Store(false) // it was told too early, and will be told again
		case errno != 0:
			return 0, true, c.failed("read", errno)
		case n == 0:
			return 0, true, io.EOF
		default:
			// epoll(7): a stream that gave less than was asked for is drained
			c.drained = int(n) < len(b)
			return int(n), true, nil
		}
	}
}

// TryWrite writes what the kernel takes now: n is 0 when that is nothing. It does not block.
func (c *Conn) TryWrite(b []byte) (n int, err error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	defer c.release()
	if c.out.late.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, c.failed("write", syscall.Errno(errno))
		}
	}
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (n int, err error) {
	for n < len(b) {
		k, err := c.TryWrite(b[n:])
		n += k
		if err != nil {
			return n, err
		}
		if k == 0 {
			// Said first, tried once more, then waited for: room that comes between is not missed.
			if !c.blocked.Swap(true) {
				continue
			}
			<-c.out.waiting
		}
		c.blocked.Store(false)
	}
	return n, nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.refs.Load()&closedBit != 0 {
		return net.ErrClosed
	}
	c.in.deadline(c.p, t, c.wakeReader)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.refs.Load()&closedBit != 0 {
		return net.ErrClosed
	}
	c.out.deadline(c.p, t, c.out.tell)
	return nil
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
