package netpoll

import (
	"io"
	"iter"

	"mod_audio_stream/goside/fault"
)

// budget is how much a task may read, in bytes, each time that the poller's goroutine runs it. One that reads more is
// about to have much to do, and goes on on a goroutine of its own until its socket is drained: the audio of all other
// streams waits for the poller's.
const budget = 32 << 10

// task is the reader of a connection: a coroutine, which is resumed when there is something to read and gives control
// back when there is nothing left. That is a call and not a wake-up, so no thread is woken for it.
type task struct {
	next  func() (verdict, bool) // resumes it; false: it has ended
	yield func(verdict) bool
	heavy bool // never on the poller's goroutine
	off   bool // it runs on a goroutine of its own; its own between two yields
	spent int  // bytes read since it was resumed; the same

	// under Poller.mu
	state state
	again bool // something happened while it ran
}

type verdict int

const (
	parked verdict = iota // nothing left to read
	leave                 // more to do than the poller's goroutine has time for
)

type state int

const (
	idle    state = iota
	queued        // in Poller.ready
	running       // on the poller's goroutine, or on its own
)

// Run has f read from the connection's Reader, as a task; it begins at once and need not have anything to read.
// heavy: f has much to do for every byte, and always runs on a goroutine of its own. f must not wait for anything but
// the Reader, and recovers its own panics, which it alone can report. Once only.
func (c *Conn) Run(heavy bool, f func()) {
	t := &task{heavy: heavy}
	t.next, _ = iter.Pull(func(yield func(verdict) bool) {
		t.yield = yield
		f()
	})
	c.p.mu.Lock()
	c.task = t
	c.queue()
	c.p.mu.Unlock()
	c.p.Kick()
}

// Reader is what the task reads from. Before Run it blocks, as Read does.
func (c *Conn) Reader() io.Reader { return taskReader{c} }

type taskReader struct{ c *Conn }

func (r taskReader) Read(b []byte) (int, error) {
	t := r.c.task
	if t == nil {
		return r.c.Read(b)
	}
	for {
		n, done, err := r.c.tryRead(b)
		if !done {
			t.yield(parked)
			continue
		}
		if t.spent += n; t.spent > budget && !t.off {
			t.yield(leave)
		}
		return n, err
	}
}

// queue has the task run. Under p.mu.
func (c *Conn) queue() bool {
	if c.task == nil {
		return false
	}
	switch c.task.state {
	case idle:
		c.task.state = queued
		c.p.ready = append(c.p.ready, c)
	case running:
		c.task.again = true
	case queued:
	}
	return true
}

// runReady runs the tasks that are queued, and those that this queues. It unlocks mu, which the caller holds.
func (p *Poller) runReady() {
	for len(p.ready) > 0 {
		list := p.ready
		p.ready, p.spare = p.spare[:0], nil
		for _, c := range list {
			c.task.state, c.task.again = running, false
		}
		p.mu.Unlock()
		for i, c := range list {
			list[i] = nil
			c.runTask()
		}
		p.mu.Lock()
		p.spare = list[:0]
	}
	p.mu.Unlock()
}

// runTask runs one task on the poller's goroutine, as long as it takes little.
func (c *Conn) runTask() {
	t := c.task
	if t.heavy {
		go c.runOff()
		return
	}
	t.spent = 0
	for again := true; again; {
		v, more := c.resume()
		if more && v == leave {
			go c.runOff()
			return
		}
		again = c.parkTask(more)
	}
}

// runOff is the goroutine of a task that has left the poller's, until its socket is drained.
func (c *Conn) runOff() {
	defer c.p.survived(c.abandon)
	fault.At("task")
	t := c.task
	t.off = true
	for again := true; again; {
		v, more := c.resume()
		if more && v == leave {
			continue
		}
		t.off = false // nobody else's before it is parked
		if again = c.parkTask(more); again {
			t.off = true
		}
	}
}

// abandon closes the connection of a task that nobody has resumed because of a panic. The task, which would wait for
// ever, sees that.
func (c *Conn) abandon() {
	c.p.mu.Lock()
	c.task.off, c.task.state = false, idle
	c.p.mu.Unlock()
	_ = c.Close() // it reports nothing but a second call
	c.wakeReader()
}

// resume runs a task until it gives control back. A panic that it has not recovered ends it and its connection, and nothing
// else: on this goroutine are the readers of all the others.
func (c *Conn) resume() (v verdict, more bool) {
	defer c.p.survived(func() {
		v, more = parked, false
		_ = c.Close() // it reports nothing but a second call
	})
	return c.task.next()
}

// parkTask notes that a task has given control back, and reports that it is to be resumed at once because something
// happened meanwhile. more is false when it has ended.
func (c *Conn) parkTask(more bool) (again bool) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	t := c.task
	if more {
		if again, t.again = t.again, false; !again {
			t.state = idle
		}
	}
	return again // one that has ended stays running, so that nobody resumes it
}
