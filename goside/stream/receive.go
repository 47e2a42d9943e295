package stream

import (
	"errors"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/playback"
	"mod_audio_stream/goside/protocol"
	"mod_audio_stream/goside/worker"
	"mod_audio_stream/goside/wsclient"
)

// receive reads one connection to its end. Its goroutine is the connection's; it never waits for anything but the server.
func (s *Stream) receive(conn *wsclient.Conn) error {
	var m protocol.Message
	for {
		kind, data, err := conn.Read()
		if err != nil {
			return err
		}
		if err := s.p.Dialect.Decode(kind == wsclient.Binary, data, s.player != nil, &m); err != nil {
			s.bad(err)
			continue
		}
		s.handle(&m)
	}
}

func (s *Stream) handle(m *protocol.Message) {
	switch m.Kind {
	case protocol.Audio:
		s.play(m)
	case protocol.File:
		s.store(m)
	case protocol.PlayFile:
		s.playFile(m)
	case protocol.Clear:
		if s.player != nil {
			s.ingest.clear()
		}
	case protocol.Pause:
		if s.player != nil {
			s.player.Pause()
		}
	case protocol.Resume:
		if s.player != nil {
			s.player.Resume()
		}
	case protocol.Mark:
		s.mark(m.Name)
	default:
		s.control(m)
	}
}

func (s *Stream) play(m *protocol.Message) {
	rate := m.Rate
	if rate == 0 {
		if rate = s.p.Settings.SampleRate; rate == 0 {
			rate = s.p.Command.Rate
		}
	}
	if s.player == nil { // binary audio with STREAM_PLAYBACK=false: nobody asked for it
		s.stats.Unplayed.Add(int64(m.Format.Duration(len(m.Audio), rate, m.Channels)))
		return
	}
	s.played(s.ingest.play(m.Audio, m.Format, rate, m.Channels))
}

// playFile queues a file to be decoded and played.
func (s *Stream) playFile(m *protocol.Message) {
	// The message's memory is the next message's.
	if err := s.ingest.playFile(m.FileType, append([]byte(nil), m.FileData...)); errors.Is(err, playback.ErrOverflow) {
		s.played(err)
	} else if err != nil {
		s.bad(err)
	}
}

// mark without a player is played at once: nothing is queued.
func (s *Stream) mark(name string) {
	if s.player == nil {
		observer{s}.Mark(name, events.Played, 0)
		return
	}
	if err := s.ingest.mark(name); err != nil {
		s.bad(err)
	}
}

// store writes the file on a worker: a disk can be slow, a network reader must not be.
func (s *Stream) store(m *protocol.Message) {
	data, ending, body := append([]byte(nil), m.FileData...), m.FileType, m.PlayBody
	s.do(len(data), worker.Chatter, func() {
		path, err := s.files.add(data, ending)
		if err != nil {
			s.bad(err)
			return
		}
		text := string(body(path))
		if !s.p.Settings.SuppressLog {
			s.log(host.LevelDebug, "response: %s", clip(text))
		}
		if err := s.p.Host.FireEvent(s.p.UUID, s.Name(), events.SubclassPlay, text); err != nil {
			s.log(host.LevelDebug, "%s not fired: %v", events.SubclassPlay, err)
		}
	})
}

// control does what the server asks of the call, if it may, and tells the user in any case.
func (s *Stream) control(m *protocol.Message) {
	if !s.p.Settings.SuppressLog {
		s.log(host.LevelDebug, "response: %s", clip(string(m.Text)))
	}
	s.post(events.SubclassJSON, m.Text, worker.Chatter)
	set, h, uuid := s.p.Settings, s.p.Host, s.p.UUID
	var what string
	var action func() error
	switch cause, ext, dialplan, context, digits := m.Cause, m.Extension, m.Dialplan, m.Context, m.Digits; {
	case m.Kind == protocol.Hangup && set.AllowHangup:
		what, action = asked(m.Kind), func() error { return h.Hangup(uuid, cause) }
	case m.Kind == protocol.Transfer && set.AllowTransfer:
		what, action = asked(m.Kind), func() error { return h.Transfer(uuid, ext, dialplan, context) }
	case m.Kind == protocol.SendDTMF && set.AllowSendDTMF:
		what, action = asked(m.Kind), func() error { return h.SendDTMF(uuid, digits) }
	case m.Kind != protocol.Other:
		if n := s.refused.Add(1); seldom(n) {
			s.log(host.LevelNotice, "%s asked for what STREAM_ALLOW_CONTROL does not allow: %s (refused %d times by now)", s.url, asked(m.Kind), n)
		}
		return
	default:
		return
	}
	s.do(len(m.Text), worker.Answer, func() {
		s.log(host.LevelInfo, "%s asked for %s", s.url, what)
		if err := action(); err != nil {
			s.log(host.LevelWarning, "%s, as %s asked, failed: %v", what, s.url, err)
		}
	})
}

// bad counts a message that could not be used. A server that sends nothing else gets lines 1, 2, 4, 8, …
func (s *Stream) bad(err error) {
	if n := s.stats.BadMessages.Add(1); seldom(n) {
		s.log(host.LevelError, "message %d from %s that could not be used: %v (badMessages in stats counts them)", n, s.url, err)
	}
}

// asked names a control message as the variable does.
func asked(kind protocol.Kind) string {
	switch kind {
	case protocol.Hangup:
		return "hangup"
	case protocol.Transfer:
		return "transfer"
	default:
		return "send_dtmf"
	}
}
