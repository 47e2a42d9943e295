// Package events holds the CUSTOM events that users see: subclass names, error codes and the byte-exact bodies. It
// fires nothing.
package events

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Subclasses of the SWITCH_EVENT_CUSTOM events. The first five, names and bodies, are those of the community module.
const (
	SubclassConnect    = "mod_audio_stream::connect"
	SubclassDisconnect = "mod_audio_stream::disconnect"
	SubclassError      = "mod_audio_stream::error"
	SubclassJSON       = "mod_audio_stream::json" // body: the server's text, byte for byte
	SubclassPlay       = "mod_audio_stream::play" // body: protocol.Message.PlayBody
	SubclassPlayback   = "mod_audio_stream::playback"
	SubclassMark       = "mod_audio_stream::mark"
	SubclassReconnect  = "mod_audio_stream::reconnect"
)

// Subclasses returns every subclass, for registration at load.
func Subclasses() []string {
	return []string{SubclassConnect, SubclassDisconnect, SubclassError, SubclassJSON, SubclassPlay, SubclassPlayback,
		SubclassMark, SubclassReconnect}
}

// Code is the code of an error event. 1 to 11 are the community module's.
type Code int

// The error codes.
const (
	IO                 Code = 1
	InvalidHeader      Code = 2
	ServerMasked       Code = 3
	NotSupported       Code = 4
	PingTimeout        Code = 5
	ConnectFailed      Code = 6
	TLSInitFailed      Code = 7
	SSLHandshakeFailed Code = 8
	SSLError           Code = 9
	Timeout            Code = 10
	Protocol           Code = 11
	TooLarge           Code = 12
	PlaybackOverflow   Code = 13
)

var codeNames = [...]string{
	IO: "IO", InvalidHeader: "INVALID_HEADER", ServerMasked: "SERVER_MASKED", NotSupported: "NOT_SUPPORTED",
	PingTimeout: "PING_TIMEOUT", ConnectFailed: "CONNECT_FAILED", TLSInitFailed: "TLS_INIT_FAILED",
	SSLHandshakeFailed: "SSL_HANDSHAKE_FAILED", SSLError: "SSL_ERROR", Timeout: "TIMEOUT", Protocol: "PROTOCOL",
	TooLarge: "TOO_LARGE", PlaybackOverflow: "PLAYBACK_OVERFLOW",
}

// String is the name of the code, for logs.
func (c Code) String() string {
	if c > 0 && int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "code " + strconv.Itoa(int(c))
}

// Statuses of playback and mark events.
const (
	Started = "started"
	Stopped = "stopped"
	Cleared = "cleared"
	Paused  = "paused"
	Resumed = "resumed"
	Played  = "played"
)

// Connected is the body of the connect event.
func Connected() []byte { return []byte(`{"status":"connected"}`) }

// Disconnected is the body of the disconnect event. code is the close code of RFC 6455, section 7.4; reason "" stands for
// StandardReason(code).
func Disconnected(code int, reason string) []byte {
	if reason == "" {
		reason = StandardReason(code)
	}
	b := append(make([]byte, 0, 80+len(reason)), `{"status":"disconnected","message":{"code":`...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = append(b, `,"reason":`...)
	return append(AppendString(b, reason), "}}"...)
}

// ErrorBody is the body of the error event; text is for people.
func ErrorBody(code Code, text string) []byte {
	b := append(make([]byte, 0, 64+len(text)), `{"status":"error","message":{"code":`...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = append(b, `,"error":`...)
	return append(AppendString(b, text), "}}"...)
}

// Playback is the body of the playback event: status is Started, Stopped, Paused or Resumed; both times go out in whole
// milliseconds.
func Playback(status string, played, queued time.Duration) []byte {
	return append(playback(status, played, queued), '}')
}

// ClearedBody is the body of the playback event with status Cleared: nothing is queued any more, and dropped is what was.
func ClearedBody(played, dropped time.Duration) []byte {
	b := strconv.AppendInt(append(playback(Cleared, played, 0), `,"droppedMs":`...), dropped.Milliseconds(), 10)
	return append(b, '}')
}

func playback(status string, played, queued time.Duration) []byte {
	b := AppendString(append(make([]byte, 0, 96), `{"status":`...), status)
	b = strconv.AppendInt(append(b, `,"playedMs":`...), played.Milliseconds(), 10)
	return strconv.AppendInt(append(b, `,"queuedMs":`...), queued.Milliseconds(), 10)
}

// MarkBody is the body of the mark event: status is Played or Cleared.
func MarkBody(name, status string, played time.Duration) []byte {
	b := AppendString(append(make([]byte, 0, 64+len(name)), `{"name":`...), name)
	b = AppendString(append(b, `,"status":`...), status)
	b = strconv.AppendInt(append(b, `,"playedMs":`...), played.Milliseconds(), 10)
	return append(b, '}')
}

// Reconnect is the body of the reconnect event: attempt counts from 1, delay is the wait before it.
func Reconnect(attempt int, delay time.Duration, reason string) []byte {
	b := strconv.AppendInt(append(make([]byte, 0, 64+len(reason)), `{"attempt":`...), int64(attempt), 10)
	b = strconv.AppendInt(append(b, `,"delayMs":`...), delay.Milliseconds(), 10)
	b = AppendString(append(b, `,"reason":`...), reason)
	return append(b, '}')
}

// StandardReason is what a close code means (RFC 6455, section 7.4.1, and the registry of section 11.7), for a server
// that gives no reason of its own.
func StandardReason(code int) string {
	switch code {
	case 1000:
		return "Normal closure"
	case 1001:
		return "Going away"
	case 1002:
		return "Protocol error"
	case 1003:
		return "Unsupported data"
	case 1005:
		return "No status received"
	case 1006:
		return "Abnormal closure"
	case 1007:
		return "Invalid frame payload data"
	case 1008:
		return "Policy violation"
	case 1009:
		return "Message too big"
	case 1010:
		return "Mandatory extension"
	case 1011:
		return "Internal server error"
	case 1012:
		return "Service restart"
	case 1013:
		return "Try again later"
	case 1014:
		return "Bad gateway"
	case 1015:
		return "TLS handshake"
	}
	switch {
	case code >= 3000 && code < 4000:
		return "Registered close code " + strconv.Itoa(code)
	case code >= 4000 && code < 5000:
		return "Application close code " + strconv.Itoa(code)
	}
	return "Close code " + strconv.Itoa(code)
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string (RFC 8259, section 7): quotes, backslashes and control characters are escaped,
// nothing else, so that "<", "&" and "é" stay readable as they do with cJSON. Bytes that are not UTF-8 become U+FFFD, since
// a body must be valid UTF-8.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
