package main

import (
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bellBlock is the front of as_doorbell_t.
type bellBlock struct {
	armed atomic.Uint32
	fd    int32
}

// doorbell is host.Doorbell over the eventfd, read through Go's poller, so that waiting holds no thread.
type doorbell struct {
	b    *bellBlock
	file *os.File
	buf  [8]byte
	late bool // a deadline is set
}

// newDoorbell makes a doorbell of its own descriptor: the eventfd itself belongs to C and outlives an unload.
func newDoorbell(p unsafe.Pointer) (*doorbell, error) {
	b := (*bellBlock)(p)
	fd, err := unix.FcntlInt(uintptr(b.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &doorbell{b: b, file: os.NewFile(uintptr(fd), "doorbell")}, nil
}

func (d *doorbell) Arm()    { d.b.armed.Store(1) }
func (d *doorbell) Disarm() { d.b.armed.Store(0) }

func (d *doorbell) Wait(limit time.Duration) error {
	if limit > 0 || d.late {
		var until time.Time
		if d.late = limit > 0; d.late {
			until = time.Now().Add(limit)
		}
		if err := d.file.SetReadDeadline(until); err != nil {
			return err
		}
	}
	_, err := d.file.Read(d.buf[:]) // takes the whole count
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// Ring wakes the pump whether it is armed or not: a ring too many costs one look.
func (d *doorbell) Ring() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(int(d.b.fd), one[:]) // cannot block; EAGAIN means it has been rung already
}

func (d *doorbell) Close() error { return d.file.Close() }
