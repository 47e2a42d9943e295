package main

import (
	"encoding/binary"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/netpoll"
)

// bellBlock is the front of as_doorbell_t.
type bellBlock struct {
	armed atomic.Uint32
	fd    int32
}

// doorbell is host.Doorbell over the eventfd, waited for together with the sockets.
type doorbell struct {
	b      *bellBlock
	poller *netpoll.Poller
}

// newDoorbell watches the eventfd, which belongs to C and outlives an unload.
func newDoorbell(p unsafe.Pointer) (*doorbell, error) {
	b := (*bellBlock)(p)
	poller, err := netpoll.New()
	if err != nil {
		return nil, err
	}
	if err := poller.Watch(int(b.fd)); err != nil {
		poller.Close()
		return nil, err
	}
	return &doorbell{b: b, poller: poller}, nil
}

func (d *doorbell) Arm()    { d.b.armed.Store(1) }
func (d *doorbell) Disarm() { d.b.armed.Store(0) }

func (d *doorbell) Wait(limit time.Duration) error { return d.poller.Wait(limit) }

func (d *doorbell) Poller() *netpoll.Poller { return d.poller }

// Ring wakes the pump whether it is armed or not: a ring too many costs one look.
func (d *doorbell) Ring() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(int(d.b.fd), one[:]) // cannot block; EAGAIN means it has been rung already
}

func (d *doorbell) Close() { d.poller.Close() }
