package hosttest

// What was asked of the switch, for tests to wait for and to look at.

import (
	"context"
	"fmt"
	"strings"

	"mod_audio_stream/goside/host"
)

// Event is one fired event.
type Event struct{ UUID, Stream, Subclass, Body string }

// Line is one line of the log.
type Line struct {
	Level host.Level
	UUID  string
	Text  string
}

// Call is something that a server asked for: what is Hangup, Transfer or SendDTMF.
type Call struct {
	What, UUID string
	Args       []string
}

// Resamplers counts those that were made and not closed.
func (h *Host) Resamplers() int { return int(h.resamplers.Load()) }

// Events returns the events of a stream so far; "" for any uuid or stream.
func (h *Host) Events(uuid, stream string) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []Event
	for _, e := range h.events {
		if (uuid == "" || e.UUID == uuid) && (stream == "" || e.Stream == stream) {
			found = append(found, e)
		}
	}
	return found
}

// Lines returns the log so far.
func (h *Host) Lines() []Line {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Line(nil), h.lines...)
}

// Calls returns what was asked for so far.
func (h *Host) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Call(nil), h.calls...)
}

// Until waits for cond, which is looked at after every event, call and line of the log.
func (h *Host) Until(ctx context.Context, cond func() bool) error { return h.news.until(ctx, cond) }

// UntilEvent waits for an event of a stream ("" for any) whose subclass ends in subclass and whose body holds part, and returns the first.
func (h *Host) UntilEvent(ctx context.Context, uuid, stream, subclass, part string) (Event, error) {
	var found Event
	err := h.Until(ctx, func() bool {
		for _, e := range h.Events(uuid, stream) {
			if strings.HasSuffix(e.Subclass, subclass) && strings.Contains(e.Body, part) {
				found = e
				return true
			}
		}
		return false
	})
	if err != nil {
		err = fmt.Errorf("no %s event with %q on stream %q: %w; there were %v", subclass, part, stream, err, h.Events(uuid, ""))
	}
	return found, err
}

// UntilLine waits for a line of the log that holds part, and returns the first.
func (h *Host) UntilLine(ctx context.Context, part string) (Line, error) {
	var found Line
	err := h.Until(ctx, func() bool {
		for _, l := range h.Lines() {
			if strings.Contains(l.Text, part) {
				found = l
				return true
			}
		}
		return false
	})
	if err != nil {
		err = fmt.Errorf("no line with %q in the log: %w; there were %v", part, err, h.Lines())
	}
	return found, err
}

// Leaks names what streams have left behind: bugs that are not closed, media that were not freed exactly once,
// resamplers that are open. Empty once every stream has ended.
func (h *Host) Leaks() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var leaks []string
	for _, m := range h.medias {
		if !m.line.closed.Load() {
			leaks = append(leaks, fmt.Sprintf("media %d: the bug is still on the channel", m.id))
		}
		if n := m.Frees(); n != 1 {
			leaks = append(leaks, fmt.Sprintf("media %d: freed %d times", m.id, n))
		}
	}
	if n := h.resamplers.Load(); n != 0 {
		leaks = append(leaks, fmt.Sprintf("%d resamplers are open", n))
	}
	return leaks
}
