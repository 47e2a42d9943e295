// The log of events of one switch: in the order the switch fired them, whatever order they were delivered in.

package switchtest

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
)

// EventLog keeps events. Its methods may be called from any goroutine.
type EventLog struct {
	mu      sync.Mutex
	events  []Event // by Sequence
	changed chan struct{}
	closed  error
}

func newEventLog() *EventLog { return &EventLog{changed: make(chan struct{})} }

// add files an event by its sequence number.
func (l *EventLog) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := sort.Search(len(l.events), func(i int) bool { return l.events[i].Sequence > e.Sequence })
	l.events = append(l.events, Event{})
	copy(l.events[at+1:], l.events[at:])
	l.events[at] = e
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
	for _, e := range l.events {
		if f.matches(e) {
			out = append(out, e)
		}
	}
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
