// Package stream is one stream's life: from the attached media bug over the connection to the last event. One goroutine
// owns it (run.go), the pump's feeds it with audio (serve.go) and reads from the server (receive.go).
package stream

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/command"
	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/playback"
	"mod_audio_stream/goside/protocol"
	"mod_audio_stream/goside/pump"
	"mod_audio_stream/goside/settings"
	"mod_audio_stream/goside/stats"
	"mod_audio_stream/goside/tempfiles"
	"mod_audio_stream/goside/worker"
	"mod_audio_stream/goside/wsclient"
)

// State is where a stream is in its life.
type State int32

// The states, in the order they are usually passed; a stream may go back and forth between the middle two.
const (
	Attached State = iota
	Connecting
	Streaming
	Reconnecting
	Closing
	Closed
)

func (s State) String() string {
	return [...]string{"attached", "connecting", "streaming", "reconnecting", "closing", "closed"}[s]
}

// Params is what a stream is made of.
type Params struct {
	Host       host.Host
	Pump       *pump.Pump
	Lane       *worker.Lane
	Dialect    protocol.Dialect
	UUID       string
	Command    command.Command // the start command
	Settings   settings.Stream
	MaxMessage int
	MinTLS     uint16
	UserAgent  string
	Attached   host.Attached
	Temp       *tempfiles.Folder // where files of the server's messages go
	OnClosing  func(*Stream)     // called before the last event is queued, so that its hearer can start anew; nil: none
	OnEnd      func(*Stream)     // called once, last; the stream's goroutine
}

// Stream is one running stream. Its methods may be called from any goroutine; none of them waits for the network.
type Stream struct {
	p      Params
	media  host.Media
	player *playback.Player // nil with STREAM_PLAYBACK=false
	ingest ingest           // what is to be played goes through it
	url    string           // redacted, for people
	born   time.Time
	state  atomic.Int32
	stats  stats.Stream

	conn   atomic.Pointer[wsclient.Conn] // where audio and texts go; nil while not connected; set under textMu
	socket atomic.Pointer[wsclient.Conn] // the same for Abort, until the socket is closed

	last *wsclient.Conn // the owner's: the latest connection

	// the owner's inbox
	stopOnce  sync.Once
	stopped   chan struct{} // closed when a stop was asked for; stopText is set before
	stopText  *string
	graceful  chan struct{} // closed when a graceful shutdown was asked for
	graceOnce sync.Once
	idle      chan struct{} // capacity 1: playback has come to its end
	drained   chan struct{} // closed by the pump: the bug is gone and its ring is empty
	ended     chan struct{} // closed when all is over

	// texts that wait for the connection
	textMu    sync.Mutex
	texts     [][]byte
	textBytes int

	mediaMu sync.Mutex // guards media against being freed under a command; the pump and the player end before it
	freed   bool
	// what the media had counted when it was freed
	mediaLost lostInMedia

	sealMu sync.Mutex
	sealed bool // the last event was posted

	pumpSide           // serve.go
	files    fileStore // files.go

	overflowing atomic.Bool
	refused     atomic.Uint64 // of what the server asked for
	broken      atomic.Bool   // an internal error ends it
}

// New makes a stream over an attached bug and starts its life: it connects by itself, and what happens is told by
// events.
func New(p Params) *Stream {
	s := &Stream{
		p: p, media: p.Attached.Media, born: time.Now(), url: wsclient.Redact(p.Command.URL),
		stopped: make(chan struct{}), graceful: make(chan struct{}), idle: make(chan struct{}, 1),
		drained: make(chan struct{}), ended: make(chan struct{}),
	}
	s.files = newFileStore(p.Temp, p.UUID)
	s.ingest.s = s
	s.pumpSide.init(s)
	if p.Settings.Playback {
		s.player = playback.New(s.media, p.Settings.PlaybackMax, p.Host.NewResampler, observer{s})
	}
	s.p.Pump.Add(s)
	go s.run()
	return s
}

// UUID is the session's.
func (s *Stream) UUID() string { return s.p.UUID }

// Name is the stream's.
func (s *Stream) Name() string { return s.p.Command.Stream }

// State is where the stream is in its life.
func (s *Stream) State() State { return State(s.state.Load()) }

// Ended is closed when nothing of the stream is left.
func (s *Stream) Ended() <-chan struct{} { return s.ended }

// Errors of the commands, worded for the -ERR reply.
var (
	errNoPlayback = errors.New("this stream does not play audio (STREAM_PLAYBACK is false)")
	errClosing    = errors.New("the stream is being closed")
	errTexts      = errors.New("too much text is waiting for the server, which does not read (look at the server, or send less)")
)

// Stop asks for the end: the bug is removed now, the text is sent if there is one, and the connection is closed with code
// 1000. A second call changes nothing.
func (s *Stream) Stop(text string, has bool) {
	s.stopOnce.Do(func() {
		s.setStopText(text, has)
		close(s.stopped)
	})
	s.detach() // before the reply, so that a new stream can start behind it
}

// GracefulShutdown stops capturing, lets what is queued be heard and then does what Stop does.
func (s *Stream) GracefulShutdown(text string, has bool) {
	s.graceOnce.Do(func() {
		s.setStopText(text, has)
		s.mute(true)
		close(s.graceful)
	})
}

func (s *Stream) setStopText(text string, has bool) {
	if has {
		s.textMu.Lock()
		s.stopText = &text
		s.textMu.Unlock()
	}
}

// Pause throws captured audio away until Resume.
func (s *Stream) Pause() { s.mute(true) }

// Resume goes on sending captured audio.
func (s *Stream) Resume() {
	select {
	case <-s.graceful: // it captures nothing any more
	default:
		s.mute(false)
	}
}

func (s *Stream) mute(mute bool) { s.withMedia(func(m host.Media) { m.SetMute(mute) }) }

// withMedia runs do unless the media is gone.
func (s *Stream) withMedia(do func(host.Media)) {
	s.mediaMu.Lock()
	defer s.mediaMu.Unlock()
	if !s.freed {
		do(s.media)
	}
}

// Clear drops everything queued for playback.
func (s *Stream) Clear() error { return s.withPlayer(func(*playback.Player) { s.ingest.clear() }) }

// PausePlay holds playback and keeps the queue.
func (s *Stream) PausePlay() error { return s.withPlayer((*playback.Player).Pause) }

// ResumePlay goes on with playback.
func (s *Stream) ResumePlay() error { return s.withPlayer((*playback.Player).Resume) }

func (s *Stream) withPlayer(do func(*playback.Player)) error {
	if s.player == nil {
		return errNoPlayback
	}
	do(s.player)
	return nil
}

// Abort ends the stream without any politeness towards the server, for an unload that has run out of time.
func (s *Stream) Abort() {
	s.Stop("", false)
	if conn := s.socket.Load(); conn != nil {
		conn.Abort()
	}
}

func (s *Stream) setState(state State) { s.state.Store(int32(state)) }

// post queues one event. Nothing is posted behind the last one.
func (s *Stream) post(subclass string, body []byte, rank worker.Rank) {
	s.sealMu.Lock()
	defer s.sealMu.Unlock()
	if !s.sealed {
		s.fire(subclass, string(body), rank)
	}
}

// postLast queues the stream's last event, once.
func (s *Stream) postLast(subclass string, body []byte) {
	if s.p.OnClosing != nil {
		s.closing()
	}
	s.sealMu.Lock()
	defer s.sealMu.Unlock()
	if !s.sealed {
		s.sealed = true
		s.fire(subclass, string(body), worker.Life)
	}
}

func (s *Stream) closing() {
	defer s.noted("giving the stream's name back")
	s.p.OnClosing(s)
}

func (s *Stream) fire(subclass, body string, rank worker.Rank) {
	s.do(len(body), rank, func() {
		err := s.p.Host.FireEvent(s.p.UUID, s.Name(), subclass, body)
		if err != nil {
			s.log(host.LevelDebug, "%s not fired: %v", subclass, err)
		}
	})
}

// do queues one action behind the events before it.
func (s *Stream) do(size int, rank worker.Rank, action func()) {
	if !s.p.Lane.Post(worker.Event{Do: action, Size: size, Rank: rank}) && s.p.Lane.Dropped() == 1 {
		s.log(host.LevelWarning, "%s sends messages faster than their events can be fired; some are dropped (send fewer texts, or set more "+
			"workers in audio_stream.conf)", s.url)
	}
}

// observer hears the player, under its lock.
type observer struct{ s *Stream }

// Cleared implements playback.Observer.
func (o observer) Cleared(played, dropped time.Duration) {
	o.s.post(events.SubclassPlayback, events.ClearedBody(played, dropped), worker.Answer)
	o.s.signalIdle()
}

// Playback implements playback.Observer.
func (o observer) Playback(status string, played, queued time.Duration) {
	o.s.post(events.SubclassPlayback, events.Playback(status, played, queued), worker.Answer)
	switch status {
	case events.Started, events.Resumed:
		// The pump has to look for the end of it, and may be asleep: nothing is captured while paused or on hold.
		o.s.p.Pump.Wake()
	case events.Stopped:
		o.s.signalIdle()
	}
}

// Panicked implements playback.Observer.
func (o observer) Panicked(recovered any, stack []byte) { o.s.fail("playback", recovered, stack) }

// Due implements playback.Observer.
func (o observer) Due() { o.s.p.Pump.Wake() }

// signalIdle tells the owner that playback may have come to its end.
func (s *Stream) signalIdle() {
	select {
	case s.idle <- struct{}{}:
	default:
	}
}

// Mark implements playback.Observer.
func (o observer) Mark(name, status string, played time.Duration) {
	if conn := o.s.conn.Load(); conn != nil {
		if err := conn.SendText(o.s.p.Dialect.Mark(name, status, played)); err != nil {
			o.s.stats.LostTexts.Add(1)
			o.s.log(host.LevelDebug, "mark %q not answered: %v", name, err)
		}
	}
	o.s.post(events.SubclassMark, events.MarkBody(name, status, played), worker.Answer)
}
