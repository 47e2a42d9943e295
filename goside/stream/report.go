package stream

import (
	"time"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/stats"
)

// lostInMedia is what was lost on the media threads' side.
type lostInMedia struct{ frames, callee, digits uint64 }

func readLost(m host.Media) lostInMedia {
	return lostInMedia{frames: m.Dropped(), callee: m.CalleeLost(), digits: m.DigitsLost()}
}

func (s *Stream) lostInMedia() lostInMedia {
	s.mediaMu.Lock()
	defer s.mediaMu.Unlock()
	if s.freed {
		return s.mediaLost
	}
	return readLost(s.media)
}

// Report is the stream's figures of this moment. merge, if given, gets the latencies added.
func (s *Stream) Report(merge *stats.Histogram) stats.Report {
	c := &s.stats
	r := stats.Report{
		UUID: s.p.UUID, Stream: s.Name(), UptimeMS: time.Since(s.born).Milliseconds(), State: s.State().String(), URL: s.url,
		FramesCaptured: c.FramesCaptured.Load(), FramesSent: c.FramesSent.Load(),
		FramesDropped: stats.Dropped{ConnectBuffer: c.LostConnect.Load(), SendQueue: c.LostSend.Load(),
			Convert: c.LostConvert.Load()},
		BytesSent: c.BytesSent.Load(), BytesReceived: c.BytesReceived.Load(),
		CaptureLatencyMS: c.Latency.Latency(), Reconnects: c.Reconnects.Load(), BadMessages: c.BadMessages.Load(),
		TextsDropped: c.LostTexts.Load(), EventsDropped: s.p.Lane.Dropped(),
	}
	lost := s.lostInMedia()
	r.FramesDropped.RingFull, r.FramesDropped.Callee = lost.frames, lost.callee
	r.TextsDropped += lost.digits
	if conn := s.conn.Load(); conn != nil {
		if perMS := s.audioBytes(time.Second) / 1000; perMS > 0 {
			r.SendQueueMS = int64(conn.QueuedBytes() / perMS)
		}
		r.PingRTTMS = stats.MS(conn.PingRTT())
	}
	unplayed := time.Duration(c.Unplayed.Load())
	if s.player != nil {
		p := s.player.Snapshot()
		unplayed += p.Unplayed
		r.PlaybackQueuedMS, r.PlaybackPlayedMS = p.Queued.Milliseconds(), p.Played.Milliseconds()
		r.ShortenedMS, r.StretchedMS = p.Shortened.Milliseconds(), p.Stretched.Milliseconds()
		r.Underruns, r.Overflows, r.Clears, r.Marks = p.Underruns, p.Overflows, p.Clears, p.Marks
	}
	r.UnplayedMS = unplayed.Milliseconds()
	if merge != nil {
		merge.Merge(&c.Latency)
	}
	return r
}
