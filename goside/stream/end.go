package stream

// How a stream gives back what it has. Nothing here decides that it ends.

import (
	"errors"
	"time"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/worker"
)

// drainDeadline is how long the pump may take to empty the ring of a bug that is gone. It takes a window.
const drainDeadline = 2 * time.Second

// finish gives everything back. It does nothing twice, and none of its steps is left out because another one fails.
func (s *Stream) finish() {
	s.detach()
	s.waitDrained()
	s.closePlayer()
	s.countUnsent(nil)
	s.dropTexts()
	s.sayLast()
	// Behind the events, so that a play event's file is there while it is being handled.
	s.do(0, worker.Life, func() {
		if err := s.files.close(); err != nil {
			s.log(host.LevelWarning, "temporary files not removed: %v", err)
		}
	})
	s.free()
	s.setState(Closed)
}

func (s *Stream) detach() {
	defer s.p.Pump.Wake()
	defer s.noted("removing the media bug")
	if err := s.media.Detach(); err != nil && !errors.Is(err, host.ErrGone) {
		s.log(host.LevelWarning, "media bug not removed: %v", err)
	}
}

func (s *Stream) closePlayer() {
	defer s.noted("the end of playback")
	if s.player != nil {
		s.ingest.close()
	}
}

// sayLast posts a last event if none has been.
func (s *Stream) sayLast() {
	defer s.noted("the last event")
	s.postLast(events.SubclassError, errorEnding(errInternal).body)
}

func (s *Stream) free() {
	defer s.noted("freeing the media")
	s.mediaMu.Lock()
	defer s.mediaMu.Unlock()
	s.mediaLost = readLost(s.media)
	s.freed = true
	s.media.Free()
}

// waitDrained waits for the pump to have taken the last frame, so that nothing of it is touched after the end.
func (s *Stream) waitDrained() {
	timer := time.NewTimer(drainDeadline)
	defer timer.Stop()
	select {
	case <-s.drained:
	case <-timer.C:
		s.log(host.LevelError, "the capture ring was not emptied in %v", drainDeadline)
	}
}
