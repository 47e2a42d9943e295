package stream

// What a stream says in the switch's log, and how it survives a panic.

import (
	"fmt"
	"math/bits"
	"runtime/debug"
	"strings"
	"unicode"

	"mod_audio_stream/goside/fault"
	"mod_audio_stream/goside/host"
)

// maxLogged is how much of a server's message goes to the log, bytes.
const maxLogged = 1024

// log writes one line with the stream's name; the switch adds the call's uuid.
func (s *Stream) log(level host.Level, format string, args ...any) {
	s.p.Host.Log(level, s.p.UUID, oneLine(fmt.Sprintf("stream %q: ", s.Name())+fmt.Sprintf(format, args...)))
}

// logPanic is log for a panic, whose stack has lines of its own.
func (s *Stream) logPanic(where string, recovered any, stack []byte) {
	s.p.Host.Log(host.LevelError, s.p.UUID, fmt.Sprintf("stream %q: internal error in %s: %v\n%s", s.Name(), where, recovered, stack))
}

// oneLine takes away what could forge a line of the log, or play with the terminal that it is read on: texts and close
// reasons are the server's.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func clip(text string) string {
	if len(text) > maxLogged {
		return text[:maxLogged] + "…"
	}
	return text
}

// seldom says which of many like it is logged: 1, 2, 4, 8, … A server that does nothing else does not fill the log.
func seldom(n uint64) bool { return bits.OnesCount64(n) == 1 }

// guard recovers a goroutine root of this stream: it fails the stream and nothing else.
func (s *Stream) guard(where string) {
	if r := recover(); r != nil {
		s.logPanic(where+", the stream ends", r, debug.Stack())
		s.broken.Store(true)
		s.Abort()
	}
}

// guardReader is guard for what runs on the pump's goroutine, which must not wait: the end of a stream locates the session.
func (s *Stream) guardReader() {
	if r := recover(); r != nil {
		s.fail("receiving", r, debug.Stack())
	}
}

// fail ends the stream after an internal error, from a goroutine that must not wait.
func (s *Stream) fail(where string, recovered any, stack []byte) {
	s.logPanic(where+", the stream ends", recovered, stack)
	s.broken.Store(true)
	go func() {
		defer s.guard("the end of a failed stream")
		fault.At("failed")
		s.Abort()
	}()
}

// noted recovers one step of the end, so that the others are still taken.
func (s *Stream) noted(step string) {
	if r := recover(); r != nil {
		s.logPanic(step, r, debug.Stack())
	}
}
