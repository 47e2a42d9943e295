package hosttest

import (
	"context"
	"sync"
)

// news wakes those who wait for a change. Saying that something changed costs nothing while nobody waits, so that a test
// can count allocations.
type news struct {
	mu sync.Mutex
	ch chan struct{} // nil while nobody waits
}

func (n *news) changed() {
	n.mu.Lock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
	n.mu.Unlock()
}

func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

// until waits for cond, which is looked at after every change.
func (n *news) until(ctx context.Context, cond func() bool) error {
	for {
		ch := n.next()
		if cond() {
			return nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
