package wsload

import (
	"errors"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"mod_audio_stream/test/bench/measure"
)

// poller reads all connections without TLS on one thread: a goroutine and two system calls more for every frame would cost
// as much as what is measured.
type poller struct {
	ep   int
	stop int // an eventfd

	mu    sync.Mutex
	conns map[int32]*Conn
	over  func(c *Conn)
}

func newPoller(over func(c *Conn)) (*poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, stop, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(stop)})
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(ep))
	}
	return &poller{ep: ep, stop: stop, conns: map[int32]*Conn{}, over: over}, nil
}

// socket is a connection taken out of Go's poller, which would be woken for every frame all the same.
type socket struct{ fd int }

// take makes a socket of nc, which it closes.
func take(nc *net.TCPConn) (*socket, error) {
	f, err := nc.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer nc.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &socket{fd}, unix.SetNonblock(fd, true)
}

// Write waits when the client does not read.
func (s *socket) Write(b []byte) (n int, err error) {
	for n < len(b) {
		k, err := unix.SendmsgN(s.fd, b[n:], nil, nil, unix.MSG_NOSIGNAL)
		switch {
		case errors.Is(err, unix.EAGAIN):
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, 1000)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return n, err
			}
		case err != nil:
			return n, err
		default:
			n += k
		}
	}
	return n, nil
}

// Close ends both directions; the poller closes the descriptor when it sees that.
func (s *socket) Close() error { return unix.Shutdown(s.fd, unix.SHUT_RDWR) }

func (p *poller) add(c *Conn, s *socket) error {
	p.mu.Lock()
	p.conns[int32(s.fd)] = c
	p.mu.Unlock()
	return unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(s.fd)})
}

func (p *poller) close() { _, _ = unix.Write(p.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (p *poller) run() {
	defer unix.Close(p.ep)
	defer unix.Close(p.stop)
	events := make([]unix.EpollEvent, 256)
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.EpollWait(p.ep, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == p.stop {
				return
			}
			p.mu.Lock()
			c := p.conns[e.Fd]
			p.mu.Unlock()
			if err := c.readOnce(int(e.Fd), buf); err != nil {
				p.drop(c, e.Fd, errors.Is(err, errClosed))
			}
		}
	}
}

func (c *Conn) readOnce(fd int, buf []byte) error {
	n, err := unix.Read(fd, buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	return c.feed(buf[:n], measure.Now())
}

// drop ends a connection, politely if the client did.
func (p *poller) drop(c *Conn, fd int32, polite bool) {
	if polite {
		c.write(closing)
	}
	p.mu.Lock()
	delete(p.conns, fd)
	p.mu.Unlock()
	p.over(c)
	c.writing.Lock() // nobody writes to a number that is somebody else's then
	defer c.writing.Unlock()
	c.nc = gone{}
	_ = unix.Close(int(fd))
}

// gone is what a connection that has ended is written to.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (gone) Close() error              { return nil }
