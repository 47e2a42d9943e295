package stream

import (
	"sync"
	"time"

	"mod_audio_stream/goside/capture"
	"mod_audio_stream/goside/fault"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/wsclient"
)

// pumpSide is what belongs to the pump's goroutine.
type pumpSide struct {
	s       *Stream
	framer  *capture.Framer
	frame   host.Frame
	emit    func(pcm []byte) // made once, so that a frame allocates nothing
	conn    *wsclient.Conn   // the connection of this round
	scratch []byte
	kept    keptFrames
	failed  bool // a failure to convert was logged

	drainOnce sync.Once
}

func (ps *pumpSide) init(s *Stream) {
	p := s.p
	ps.s = s
	ps.framer = capture.New(p.Command.Mix, p.Command.Rate, p.Settings.BufferMS, p.Host.NewResampler)
	if b := p.Settings.ConnectBuffer; b > 0 { // one frame at least, however long frames are
		ps.kept.max = max(1, int(b/(time.Duration(p.Settings.BufferMS)*time.Millisecond)))
	}
	ps.emit = ps.send
}

// Serve implements pump.Stream: captured frames to the socket, digits to the server, playback to the ring.
func (s *Stream) Serve() (done, active bool) {
	fault.At("serve")
	ps := &s.pumpSide
	closed := s.media.Closed() // looked at first: no frame follows, so the ring is empty for good below
	ps.conn = s.conn.Load()    // there only once the metadata is on its way, so that no audio overtakes it
	if ps.conn != nil && ps.kept.n > 0 {
		ps.kept.each(ps.conn.SendAudio)
	}
	for s.media.Peek(&ps.frame) {
		s.stats.FramesCaptured.Add(1)
		if err := ps.framer.Push(&ps.frame, ps.emit); err != nil {
			s.stats.LostConvert.Add(1)
			if !ps.failed {
				ps.failed = true
				s.log(host.LevelError, "captured audio is lost: %v (convert in framesDropped of stats counts it)", err)
			}
		}
		s.media.Release()
	}
	for {
		digit, duration, ok := s.media.Digit()
		if !ok {
			break
		}
		if s.p.Settings.DTMF {
			if err := s.SendText(string(s.p.Dialect.DTMF(digit, duration))); err != nil {
				s.stats.LostTexts.Add(1)
				s.log(host.LevelWarning, "digit %c not sent to %s: %v", digit, s.url, err)
			}
		}
	}
	if s.player != nil {
		active = s.player.Serve()
	}
	if closed {
		ps.framer.Flush(ps.emit)
		ps.close()
		return true, false
	}
	return false, active
}

// Pending implements pump.Stream.
func (s *Stream) Pending() bool { return s.media.Pending() }

// Failed implements pump.Stream.
func (s *Stream) Failed(recovered any, stack []byte) {
	s.fail("sending", recovered, stack)
	s.pumpSide.close()
}

func (ps *pumpSide) close() {
	ps.drainOnce.Do(func() {
		ps.s.stats.LostConnect.Add(uint64(ps.kept.n)) // the connection did not come in the call's time
		defer close(ps.s.drained)                     // also when the framer is what failed
		ps.framer.Close()
	})
}

func (ps *pumpSide) send(pcm []byte) {
	payload, binary := ps.s.p.Dialect.Audio(ps.scratch, pcm)
	switch {
	case ps.conn == nil:
		if ps.kept.keep(payload, ps.frame.MonoNS) {
			ps.s.stats.LostConnect.Add(1)
		}
	case binary:
		ps.conn.SendAudio(payload, ps.frame.MonoNS)
	default:
		if err := ps.conn.SendText(payload); err != nil {
			ps.s.stats.LostSend.Add(1)
		}
	}
}

// keptFrames holds the wire frames captured while there is no connection, the oldest dropped first.
type keptFrames struct {
	max    int // frames
	frames []keptFrame
	head   int
	n      int
}

type keptFrame struct {
	payload []byte
	ns      int64
}

// keep copies one frame and reports whether one was dropped for it.
func (k *keptFrames) keep(payload []byte, ns int64) (dropped bool) {
	if k.max == 0 {
		return true
	}
	if k.n < len(k.frames) || len(k.frames) == k.max {
		if dropped = k.n == k.max; dropped {
			k.head = (k.head + 1) % k.max
			k.n--
		}
		f := &k.frames[(k.head+k.n)%len(k.frames)]
		f.payload, f.ns = append(f.payload[:0], payload...), ns
		k.n++
		return dropped
	}
	if k.head != 0 { // grow only in order; it happens a few times in a stream's life
		k.frames = append(append([]keptFrame(nil), k.frames[k.head:]...), k.frames[:k.head]...)
		k.head = 0
	}
	k.frames = append(k.frames, keptFrame{append([]byte(nil), payload...), ns})
	k.n++
	return false
}

// each hands out every frame, oldest first, and forgets them and their memory.
func (k *keptFrames) each(send func(payload []byte, ns int64)) {
	for i := range k.n {
		f := k.frames[(k.head+i)%len(k.frames)]
		send(f.payload, f.ns)
	}
	k.frames, k.head, k.n = nil, 0, 0
}
