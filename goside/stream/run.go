package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/fault"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/mono"
	"mod_audio_stream/goside/worker"
	"mod_audio_stream/goside/wsclient"
)

// Delays between attempts to reconnect: doubled each time between these two, and each spread by a quarter either way, so
// that the calls of a switch do not come back to a restarted server in one wave.
const (
	firstDelay = 200 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// stable is how long a connection must have held for the attempts to be counted anew. A server that accepts and drops would
// be called for ever otherwise.
const stable = lastDelay

// dialGrace is how long a connection that is being made may still take when a stop comes.
const dialGrace = 250 * time.Millisecond

// closeDeadline is how long the server may take to answer our close frame.
const closeDeadline = time.Second

// queueAudio is how much audio waits at most for a server that does not read. Longer would only make what it reads
// later older.
const queueAudio = time.Second

// minQueueBytes lets the queue hold a few frames of any length.
const minQueueBytes = 32 << 10

// ending is how a life ends: the last event, and what is still owed to the server.
type ending struct {
	subclass string
	body     []byte
	polite   bool // we end it: text and close frame go out
	hungUp   bool // the session is on its way out; its last event must not wait for the server
}

func stoppedEnding() ending {
	return ending{subclass: events.SubclassDisconnect,
		body: events.Disconnected(1000, events.StandardReason(1000)), polite: true}
}

// run is the owner: it is the only one that changes the stream's state.
func (s *Stream) run() {
	defer close(s.ended)
	defer s.noted("the end of the stream")
	defer s.p.OnEnd(s)
	defer s.guard("the stream")
	defer s.finish() // also after a panic
	fault.At("stream")
	s.end(s.life())
}

// life connects, stays connected, and returns how it ended.
func (s *Stream) life() ending {
	s.setState(Connecting)
	attempt := 0
	for {
		over, conn, err := s.dial()
		if over != nil {
			return *over
		}
		if err == nil {
			since := time.Now()
			if over, err = s.connected(conn); over != nil {
				return *over
			}
			if end, final := s.lost(err); final {
				return end
			}
			if time.Since(since) >= stable {
				attempt = 0
			}
		} else if s.State() == Connecting {
			s.log(host.LevelError, "%v", err)
			return errorEnding(err)
		}
		// An established connection was lost, or the attempt to get it back failed.
		if s.p.Settings.NoReconnect || attempt >= s.p.Settings.ReconnectMax {
			s.log(host.LevelError, "connection to %s lost: %v", s.url, err)
			return errorEnding(err)
		}
		s.setState(Reconnecting)
		attempt++
		s.stats.Reconnects.Add(1)
		delay := backoff(attempt)
		s.log(host.LevelWarning, "connection to %s lost (%v); attempt %d in %v", s.url, err, attempt, delay)
		s.post(events.SubclassReconnect, events.Reconnect(attempt, delay, err.Error()), worker.Life)
		if over := s.wait(delay); over != nil {
			return *over
		}
	}
}

func backoff(attempt int) time.Duration {
	d := min(firstDelay<<min(attempt-1, 8), lastDelay)
	return (d - d/4 + rand.N(d/2)).Round(time.Millisecond)
}

// wait sleeps, or returns the ending that came first.
func (s *Stream) wait(d time.Duration) *ending {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.graceful:
		return s.stopNow()
	case <-s.stopped:
		return s.stopNow()
	case <-s.drained:
		return s.hungUp()
	}
}

func (s *Stream) stopNow() *ending {
	e := stoppedEnding()
	if s.broken.Load() {
		e = errorEnding(errInternal)
	}
	return &e
}

// hungUp is the ending of a bug that is gone. A stop removes the bug, too.
func (s *Stream) hungUp() *ending {
	e := s.stopNow()
	select {
	case <-s.stopped:
	default:
		e.hungUp = true
	}
	return e
}

// dial connects, unless the stream's end comes first. The dialling goroutine has ended when it returns.
func (s *Stream) dial() (over *ending, conn *wsclient.Conn, err error) {
	type result struct {
		conn *wsclient.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := make(chan result, 1)
	go func() {
		r := result{err: errInternal}
		defer func() { got <- r }()
		defer s.guard("connecting")
		fault.At("connect")
		r.conn, r.err = wsclient.Dial(ctx, s.config())
	}()
	select {
	case r := <-got:
		return nil, r.conn, r.err
	case <-s.graceful: // nothing can be played from a server that is not there
		over = s.stopNow()
	case <-s.stopped:
		over = s.stopNow()
	case <-s.drained:
		over = s.hungUp()
	}
	if !over.hungUp {
		// The server may have said yes already: it then gets its metadata, the text and a close frame, as ever.
		select {
		case r := <-got:
			if r.err == nil {
				return nil, r.conn, nil
			}
			return over, nil, nil
		case <-time.After(dialGrace):
		}
	}
	cancel()
	if r := <-got; r.conn != nil { // it came through all the same
		r.conn.Abort()
	}
	return over, nil, nil
}

var errInternal = &wsclient.Error{Code: events.IO, Text: "internal error, see the log"}

func (s *Stream) config() wsclient.Config {
	set, cmd := s.p.Settings, s.p.Command
	return wsclient.Config{
		Poller: s.p.Pump.Poller(),
		URL:    cmd.URL, Headers: set.ExtraHeaders, Subprotocol: set.Subprotocol, Timeout: set.ConnectTimeout,
		CAFile: set.TLSCAFile, CertFile: set.TLSCertFile, KeyFile: set.TLSKeyFile, SkipHostname: set.TLSSkipHostname,
		MinTLS: s.p.MinTLS, Deflate: set.Deflate, MaxMessage: s.p.MaxMessage, HeartBeat: set.HeartBeat,
		QueueBytes: s.queueBytes(), UserAgent: s.p.UserAgent,
		OnSent: func(ns int64, _ int) {
			s.stats.FramesSent.Add(1)
			s.stats.Latency.Add(time.Duration(mono.Now() - ns))
		},
		OnDropped: func(frames int) {
			if s.stats.LostSend.Add(uint64(frames)) == uint64(frames) {
				s.log(host.LevelWarning, "%s does not read fast enough; the oldest audio is dropped (look at the server and at the network; "+
					"framesDropped in stats counts it)", s.url)
			}
		},
		OnBytes: func(sent, received int) {
			s.stats.BytesSent.Add(uint64(sent))
			s.stats.BytesReceived.Add(uint64(received))
		},
		OnPanic: func(recovered any, stack []byte) {
			s.logPanic("the connection, the stream ends", recovered, stack)
			s.broken.Store(true)
		},
	}
}

// frameOverhead is more than what a frame needs in the connection's queue besides its audio.
const frameOverhead = 64

// queueBytes also holds what was kept while connecting: over wss all of it goes through the queue at once.
func (s *Stream) queueBytes() int {
	d := max(queueAudio, s.p.Settings.ConnectBuffer)
	frames := int(d/(time.Duration(s.p.Settings.BufferMS)*time.Millisecond)) + 1
	return max(s.audioBytes(d)+frames*frameOverhead, minQueueBytes)
}

// audioBytes is the size of that much audio on the wire.
func (s *Stream) audioBytes(d time.Duration) int {
	return int(int64(s.p.Command.Rate) * int64(d/time.Millisecond) / 1000 * int64(2*s.p.Command.Mix.Channels()))
}

// connected runs one connection: first the texts that open it, then audio, until it is lost (error) or the stream ends.
func (s *Stream) connected(conn *wsclient.Conn) (over *ending, lost error) {
	s.countUnsent(conn)
	s.socket.Store(conn)
	defer func() {
		s.socket.Store(nil)
		conn.Abort() // closed already, unless this is a panic
	}()
	for _, text := range s.p.Dialect.Open(s.p.Command.Text) {
		if err := conn.SendText(text); err != nil {
			s.stats.LostTexts.Add(1)
			s.log(host.LevelWarning, "metadata not sent to %s: %v", s.url, err)
		}
	}
	s.setState(Streaming)
	s.log(host.LevelInfo, "connected to %s", s.url)
	s.post(events.SubclassConnect, events.Connected(), worker.Life)
	s.openTexts(conn) // from here on the pump sends audio, behind the metadata
	s.p.Pump.Wake()

	gone := make(chan error, 1)
	conn.Run(func() { // the connection's reader, on the pump's goroutine; it ends with the connection
		err := error(errInternal)
		defer func() { gone <- err }()
		defer s.guardReader()
		fault.At("receive")
		err = s.receive(conn)
	})
	graceful, idle := s.graceful, (chan struct{})(nil)
	for {
		select {
		case err := <-gone:
			s.closeTexts()
			conn.Close(1000, "", closeDeadline) // the answer to its close frame, or ours after a violation, may still be on its way
			return nil, err
		case <-graceful:
			graceful = nil
			if s.player == nil || s.ingest.idle() {
				return s.leave(conn, gone, s.stopNow()), nil
			}
			idle = s.idle
		case <-idle:
			if s.ingest.idle() {
				return s.leave(conn, gone, s.stopNow()), nil
			}
		case <-s.stopped:
			return s.leave(conn, gone, s.stopNow()), nil
		case <-s.drained:
			return s.leave(conn, gone, s.hungUp()), nil
		}
	}
}

// leave says goodbye to the server: the rest of the audio, the text, the close frame, its answer.
func (s *Stream) leave(conn *wsclient.Conn, gone <-chan error, over *ending) *ending {
	s.setState(Closing)
	if over.hungUp {
		s.postLast(over.subclass, over.body)
	}
	s.detach()
	s.waitDrained()
	s.closePlayer()
	s.closeTexts()
	text, ok := s.finalText()
	for _, t := range s.p.Dialect.Close(text, ok) {
		if err := conn.SendText(t); err != nil {
			s.stats.LostTexts.Add(1)
			s.log(host.LevelWarning, "the final text was not sent to %s: %v", s.url, err)
		}
	}
	conn.Close(1000, "", closeDeadline)
	err := <-gone // the socket is closed, so the reader ends
	s.log(host.LevelInfo, "connection to %s closed: %v", s.url, err)
	return over
}

// countUnsent counts what the end of the last connection left unsent, once the pump has let go of it.
func (s *Stream) countUnsent(next *wsclient.Conn) {
	if s.last != nil {
		s.stats.LostSend.Add(uint64(s.last.UnsentFrames()))
		s.lostTexts(s.last.UnsentTexts(), "the connection ended before they were sent")
	}
	s.last = next
}

// lost says whether the end of a connection is the end of the stream: a close frame and a broken protocol are; a
// connection that just went away is not.
func (s *Stream) lost(err error) (ending, bool) {
	if s.broken.Load() {
		return errorEnding(errInternal), true
	}
	var closed *wsclient.CloseError
	if errors.As(err, &closed) {
		reason := closed.Reason
		if reason == "" {
			reason = events.StandardReason(closed.Code)
		}
		level, hint := host.LevelInfo, ""
		if closed.Code > 1001 && closed.Code != 1005 { // it says that something went wrong on its side
			level, hint = host.LevelWarning, " (look into its log)"
		}
		s.log(level, "%s closed the connection: %d %s%s", s.url, closed.Code, reason, hint)
		return ending{subclass: events.SubclassDisconnect, body: events.Disconnected(closed.Code, reason)}, true
	}
	var failed *wsclient.Error
	if errors.As(err, &failed) {
		switch failed.Code {
		case events.IO, events.SSLError, events.PingTimeout, events.Timeout:
			return ending{}, false
		}
	}
	s.log(host.LevelError, "connection to %s ended: %v", s.url, err)
	return errorEnding(err), true
}

func errorEnding(err error) ending {
	code := events.IO
	var failed *wsclient.Error
	if errors.As(err, &failed) {
		code = failed.Code
	}
	return ending{subclass: events.SubclassError, body: events.ErrorBody(code, err.Error())}
}

// end takes the stream off the call and tells it.
func (s *Stream) end(e ending) {
	s.setState(Closing)
	s.detach()
	s.waitDrained()
	s.closePlayer()
	s.postLast(e.subclass, e.body)
}
