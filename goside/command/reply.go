// Wording of replies: syntax lines, the two kinds of error, and tab completion.

package command

import (
	"errors"
	"strings"
	"unicode"
)

// Syntax is the whole command line of uuid_audio_stream.
const Syntax = "<uuid> [name=<stream>] " +
	"start <ws-url> <mono|mixed|stereo> [<rate>] [<metadata>] | stop [<text>] | send_text <text> | pause | resume | " +
	"clear | pause_play | resume_play | graceful-shutdown [<text>] | stats"

// ModuleSyntax is the command line of the audio_stream API.
const ModuleSyntax = "status | list | version | reload, each with optional json"

// maxQuoted is how much of a user's word is repeated in an error, in characters; maxReply how long a reason may be.
const (
	maxQuoted = 64
	maxReply  = 512
)

// String is the command word.
func (v Verb) String() string {
	return [...]string{"start", "stop", "send_text", "pause", "resume", "clear", "pause_play", "resume_play",
		"graceful-shutdown", "stats"}[v]
}

// Syntax is the command line of one command.
func (v Verb) Syntax() string {
	s := "<uuid> [name=<stream>] " + v.String()
	switch v {
	case Start:
		return s + " <ws-url> <mono|mixed|stereo> [<rate>] [<metadata>]"
	case SendText:
		return s + " <text>"
	case Stop, GracefulShutdown:
		return s + " [<text>]"
	}
	return s
}

// UsageError is a command of the wrong form; the reply is "-USAGE: <syntax>".
type UsageError struct{ Syntax string }

func (e *UsageError) Error() string { return "usage: " + e.Syntax }

// Error is a command that cannot be done; the reply is "-ERR <reason>". Reason is one line that a person can act on.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

// Reply is the answer to a command, one line with its newline: "+OK Success" for nil, "-USAGE: <syntax>" for a
// UsageError, "-ERR <reason>" for every other error.
func Reply(err error) string {
	if err == nil {
		return "+OK Success\n"
	}
	var u *UsageError
	if errors.As(err, &u) {
		return "-USAGE: " + oneLine(u.Syntax, maxReply) + "\n"
	}
	reason := oneLine(err.Error(), maxReply)
	if reason == "" {
		reason = "failed without a reason; see the log"
	}
	return "-ERR " + reason + "\n"
}

// Completions are the lines for switch_console_set_complete, one for every command.
func Completions() []string {
	const uuid = "add uuid_audio_stream ::console::list_uuid "
	lines := []string{uuid + "start ws://", uuid + "start wss://"}
	for _, word := range []string{"stop", "send_text", "pause", "resume", "clear", "break", "stop_play", "pause_play",
		"resume_play", "graceful-shutdown", "stats"} {
		lines = append(lines, uuid+word)
	}
	for _, word := range []string{"status", "list", "version", "reload"} {
		lines = append(lines, "add audio_stream "+word, "add audio_stream "+word+" json")
	}
	return lines
}

// quote puts what a user typed between quotes, short and on one line.
func quote(s string) string { return `"` + oneLine(s, maxQuoted) + `"` }

// oneLine makes s fit into one line of a reply: control characters and line separators become spaces, bytes that are
// not UTF-8 the replacement character (range yields it), and what exceeds limit characters is cut.
func oneLine(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == limit {
			b.WriteString("...")
			break
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}
