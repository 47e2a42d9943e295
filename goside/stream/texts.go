package stream

// Texts for the server: those that wait for the connection, those that open and end it, and those that it never got.

import (
	"errors"

	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/wsclient"
)

// Limits of what is kept for a server that is not there yet.
const (
	maxPendingTexts     = 256
	maxPendingTextBytes = 1 << 20
)

// SendText sends one text frame, or keeps it until the connection is there.
func (s *Stream) SendText(text string) error {
	s.textMu.Lock()
	defer s.textMu.Unlock()
	if s.State() >= Closing {
		return errClosing
	}
	if conn := s.conn.Load(); conn != nil {
		switch err := conn.SendText([]byte(text)); {
		case err == nil:
			return nil
		case errors.Is(err, wsclient.ErrQueueFull):
			return errTexts
		case !errors.Is(err, wsclient.ErrClosed):
			return err
		}
		// The connection is lost, which its reader has yet to notice: the text waits for the next one.
	}
	if len(s.texts) >= maxPendingTexts || s.textBytes+len(text) > maxPendingTextBytes {
		return errTexts
	}
	s.texts = append(s.texts, []byte(text))
	s.textBytes += len(text)
	return nil
}

// openTexts sends what waited for the connection; SendText goes to it directly from now on.
func (s *Stream) openTexts(conn *wsclient.Conn) {
	s.textMu.Lock()
	defer s.textMu.Unlock()
	for _, text := range s.texts {
		if err := conn.SendText(text); err != nil {
			s.stats.LostTexts.Add(1)
			s.log(host.LevelWarning, "a text was not sent to %s: %v", s.url, err)
		}
	}
	s.texts, s.textBytes = nil, 0
	s.conn.Store(conn) // under the lock, so that no text gets between: it would wait for a connection that is there
}

// lostTexts counts texts that were taken and will not be sent.
func (s *Stream) lostTexts(n int, why string) {
	if n > 0 {
		s.stats.LostTexts.Add(uint64(n))
		s.log(host.LevelWarning, "%d texts did not get to %s: %s", n, s.url, why)
	}
}

func (s *Stream) closeTexts() {
	s.textMu.Lock()
	defer s.textMu.Unlock()
	s.conn.Store(nil)
}

func (s *Stream) finalText() (string, bool) {
	s.textMu.Lock()
	defer s.textMu.Unlock()
	if s.stopText == nil {
		return "", false
	}
	return *s.stopText, true
}

// dropTexts drops what waits for a connection that will not come.
func (s *Stream) dropTexts() {
	s.textMu.Lock()
	n := len(s.texts)
	s.texts, s.textBytes = nil, 0
	s.textMu.Unlock()
	s.lostTexts(n, "the stream ended without a connection")
}
