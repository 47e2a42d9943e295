// The log of events of one switch: in the order the switch fired them, whatever order they were delivered in.

package switchtest

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// EventLog keeps events, call by call. Its methods may be called from any goroutine.
type EventLog struct {
	mu      sync.Mutex
	calls   map[string]*callEvents // by Unique-ID; "" for events of no call
	changed chan struct{}
	closed  error
	forget  time.Duration // 0: never
	swept   time.Time
}

// callEvents is what one call has had.
type callEvents struct {
	events []Event // by Sequence
	hungUp time.Time
}

func newEventLog() *EventLog {
	return &EventLog{calls: map[string]*callEvents{}, changed: make(chan struct{})}
}

// ForgetEnded drops the events of calls that were hung up longer than this ago. A long run with many calls would look
// through all that it ever had.
func (l *EventLog) ForgetEnded(after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget = after
}

// add files an event by its sequence number.
func (l *EventLog) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[e.UUID]
	if c == nil {
		c = &callEvents{}
		l.calls[e.UUID] = c
	}
	at := sort.Search(len(c.events), func(i int) bool { return c.events[i].Sequence > e.Sequence })
	c.events = slices.Insert(c.events, at, e)
	if e.Name == "CHANNEL_HANGUP_COMPLETE" || e.Name == "CHANNEL_DESTROY" {
		c.hungUp = e.At
	}
	if l.forget > 0 && e.At.Sub(l.swept) > l.forget/4 {
		l.swept = e.At
		for uuid, c := range l.calls {
			if !c.hungUp.IsZero() && e.At.Sub(c.hungUp) > l.forget {
				delete(l.calls, uuid)
			}
		}
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// end makes every Wait return err: no event will come any more.
func (l *EventLog) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = err
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// Filter picks events; empty fields match everything.
type Filter struct {
	UUID     string
	Stream   string
	Name     string
	Subclass string // with or without the mod_audio_stream:: in front
	Body     func(body string) bool
}

// modulePrefix begins every subclass of the module.
const modulePrefix = "mod_audio_stream::"

func (f Filter) matches(e Event) bool {
	if f.Subclass != "" && strings.TrimPrefix(e.Subclass, modulePrefix) != strings.TrimPrefix(f.Subclass, modulePrefix) {
		return false
	}
	return (f.UUID == "" || f.UUID == e.UUID) && (f.Stream == "" || f.Stream == e.Stream) &&
		(f.Name == "" || f.Name == e.Name) && (f.Body == nil || f.Body(e.Body))
}

// All returns the events that match, in order.
func (l *EventLog) All(f Filter) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pick(f)
}

func (l *EventLog) pick(f Filter) []Event {
	var out []Event
	keep := func(events []Event) {
		for _, e := range events {
			if f.matches(e) {
				out = append(out, e)
			}
		}
	}
	if f.UUID != "" {
		if c := l.calls[f.UUID]; c != nil {
			keep(c.events)
		}
		return out
	}
	for _, c := range l.calls {
		keep(c.events)
	}
	slices.SortStableFunc(out, func(a, b Event) int {
		switch {
		case a.Sequence < b.Sequence:
			return -1
		case a.Sequence > b.Sequence:
			return 1
		}
		return 0
	})
	return out
}

// Module returns the module's own events of a call, in order; stream "" takes all streams.
func (l *EventLog) Module(uuid, stream string) []Event {
	var out []Event
	for _, e := range l.All(Filter{UUID: uuid, Stream: stream}) {
		if strings.HasPrefix(e.Subclass, modulePrefix) {
			out = append(out, e)
		}
	}
	return out
}

// Wait waits until n events match and returns the n-th (from 1).
func (l *EventLog) Wait(ctx context.Context, f Filter, n int) (Event, error) {
	for {
		l.mu.Lock()
		got, changed, closed := l.pick(f), l.changed, l.closed
		l.mu.Unlock()
		if len(got) >= n {
			return got[n-1], nil
		}
		if closed != nil {
			return Event{}, fmt.Errorf("event %d of %s%s: %w", n, f.Name, f.Subclass, closed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("no event %d of %s%s for %s: %w; the call's events: %s",
				n, f.Name, f.Subclass, f.UUID, ctx.Err(), l.brief(f.UUID))
		}
	}
}

// brief lists the module's events of a call for error messages.
func (l *EventLog) brief(uuid string) string {
	var parts []string
	for _, e := range l.Module(uuid, "") {
		parts = append(parts, fmt.Sprintf("%s(%s) %.200s", strings.TrimPrefix(e.Subclass, modulePrefix), e.Stream, e.Body))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
