// Reading of command lines: what follows the uuid, and the line of the audio_stream API.

package command

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"mod_audio_stream/goside/settings"
)

// maxName is the longest stream name, in bytes.
const maxName = 64

// blanks separate words. Line ends are among them, since a command may come from a file or a socket as it was there.
const blanks = " \t\r\n"

// verbs are the command words, in lower case, with the aliases of the community modules.
var verbs = map[string]Verb{
	"start": Start, "stop": Stop, "send_text": SendText, "pause": Pause, "resume": Resume,
	"clear": Clear, "break": Clear, "stop_play": Clear,
	"pause_play": PausePlay, "resume_play": ResumePlay, "graceful-shutdown": GracefulShutdown, "stats": Stats,
}

// Parse reads what follows the uuid: `[name=<stream>] <command> [arguments]`. Words are separated by blanks (space,
// tab, CR, LF), any number of them, and commands and mixes are read in either case.
//
// A text (metadata or the text of stop, send_text and graceful-shutdown) is the rest of the line as it was typed: what
// stands behind the one blank that ends the word before it, up to the end of the line. Backslashes, quotes, blanks in the
// middle and at both ends stay. Only two things are taken away: one line end ("\n", "\r\n" or "\r") at the end of the
// line, and one pair of quotes, when the first and the last byte of the rest are the same quote (' or "). A rest that is
// empty, blank, or an empty pair of quotes is no text, so that `start ws://host mono "${meta}"` works without meta too.
//
// The word after the mix is a rate only when it starts with a digit or a sign; metadata that does must stand in quotes.
//
// The errors are *UsageError (wrong form) and *Error (right form, wrong value).
func Parse(line string) (Command, error) {
	line = cutLineEnd(line)
	c := Command{Stream: DefaultStream}
	if !utf8.ValidString(line) {
		return c, errorf("the command is not valid UTF-8; send text and metadata as UTF-8")
	}
	word, rest := nextWord(line)
	if len(word) >= 5 && strings.EqualFold(word[:5], "name=") {
		c.Stream = word[5:]
		if !validName(c.Stream) {
			return c, errorf("%s is not a stream name; use 1 to %d of the characters A-Z a-z 0-9 _ . -",
				quote(c.Stream), maxName)
		}
		word, rest = nextWord(rest)
	}
	verb, ok := verbs[strings.ToLower(word)]
	if !ok {
		return c, &UsageError{Syntax: Syntax}
	}
	c.Verb = verb
	switch verb {
	case Start:
		return parseStart(c, rest)
	case Stop, GracefulShutdown:
		err := c.setText(rest)
		return c, err
	case SendText:
		err := c.setText(rest)
		if err == nil && !c.HasText {
			err = usage(verb)
		}
		return c, err
	default:
		if extra, _ := nextWord(rest); extra != "" {
			return c, usage(verb)
		}
		return c, nil
	}
}

func parseStart(c Command, rest string) (Command, error) {
	url, rest := nextWord(rest)
	mix, rest := nextWord(rest)
	if url == "" || mix == "" {
		return c, usage(Start)
	}
	// a URL in quotes is what FreeSWITCH's own argument splitting took
	c.URL = unquote(url)
	if !hasPrefixFold(c.URL, "ws://") && !hasPrefixFold(c.URL, "wss://") {
		return c, notWebSocket(c.URL)
	}
	if len(c.URL) > settings.MaxURL {
		return c, errorf("the URL has %d bytes; the longest allowed is %d", len(c.URL), settings.MaxURL)
	}
	switch strings.ToLower(mix) {
	case "mono":
		c.Mix = settings.Mono
	case "mixed":
		c.Mix = settings.Mixed
	case "stereo":
		c.Mix = settings.Stereo
	default:
		return c, errorf("%s is not a mix; use mono, mixed or stereo", quote(mix))
	}
	c.Rate = settings.DefaultRate
	if rate, after := nextWord(rest); looksLikeRate(rate) {
		hz, ok := settings.ParseRate(rate)
		if !ok {
			return c, errorf("%s is not a sample rate; use one of %s (put metadata that starts with a digit or a sign in quotes)",
				quote(rate), settings.RateNames)
		}
		c.Rate, rest = hz, after
	}
	err := c.setText(rest)
	return c, err
}

// notWebSocket shows the scheme only: the rest may hold a password.
func notWebSocket(url string) error {
	scheme, _, ok := strings.Cut(url, "://")
	if !ok || !validName(scheme) {
		return errorf("the URL must start with ws:// or wss://")
	}
	return errorf("the URL must start with ws:// or wss://, not with %s", quote(scheme+"://"))
}

// setText takes the rest of the line behind a word; see Parse for what it keeps.
func (c *Command) setText(rest string) error {
	if rest == "" {
		return nil
	}
	text := rest[1:] // the blank that ended the word
	if strings.Trim(text, blanks) == "" {
		return nil
	}
	text = unquote(text)
	if len(text) > settings.MaxText {
		return errorf("the text has %d bytes; the longest allowed is %d", len(text), settings.MaxText)
	}
	c.Text, c.HasText = text, text != ""
	return nil
}

// ParseModule reads the line of the audio_stream API: status, list, version or reload, each with an optional json behind
// it. cmd comes back in lower case. The error is a *UsageError.
func ParseModule(line string) (cmd string, json bool, err error) {
	word, rest := nextWord(cutLineEnd(line))
	format, rest := nextWord(rest)
	extra, _ := nextWord(rest)
	cmd = strings.ToLower(word)
	switch cmd {
	case "status", "list", "version", "reload":
	default:
		return "", false, &UsageError{Syntax: ModuleSyntax}
	}
	json = strings.EqualFold(format, "json")
	if extra != "" || (format != "" && !json) {
		return "", false, &UsageError{Syntax: ModuleSyntax}
	}
	return cmd, json, nil
}

// nextWord skips blanks and cuts the word that follows them; rest starts with the blank that ended it.
func nextWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, blanks)
	if i := strings.IndexAny(s, blanks); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func cutLineEnd(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}

func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

func looksLikeRate(word string) bool {
	return word != "" && (word[0] == '-' || word[0] == '+' || (word[0] >= '0' && word[0] <= '9'))
}

func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func errorf(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }

func usage(v Verb) error { return &UsageError{Syntax: v.Syntax()} }
