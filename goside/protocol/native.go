// The native dialect: binary L16 both ways, JSON text from the server, the community module's streamAudio among it. Here are
// its encoders and the sorting of server messages by type; streamAudio is in native_audio.go, call control in
// native_control.go.

package protocol

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"mod_audio_stream/goside/events"

	"github.com/tidwall/gjson"
)

// maxMarkName is the longest name of a mark, in bytes.
const maxMarkName = 1024

type native struct{}

// Native is the module's own dialect; it is stateless.
func Native() Dialect { return native{} }

func (native) Name() string { return "native" }

// Open returns the metadata as it was given, or nothing when it is empty.
func (native) Open(metadata string) [][]byte {
	if metadata == "" {
		return nil
	}
	return [][]byte{[]byte(metadata)}
}

// Audio returns pcm itself: captured audio goes out as it is.
func (native) Audio(_, pcm []byte) (payload []byte, binary bool) { return pcm, true }

// Decode reads one message of the server. Binary is audio, text is sorted by its "type"; what is not a JSON object, has
// no type or one that is not known here is Other and no error. A type that is known with a field that is missing or wrong,
// and JSON nested more than 64 levels deep, are errors.
//
// Keys and types are compared exactly, a key given twice counts the first time. Text, and Audio of a binary message, are data itself,
// not a copy: they live as long as the caller leaves data alone.
//
// streamAudio of 20 ms, the common case, allocates nothing.
func (native) Decode(binary bool, data []byte, playback bool, into *Message) error {
	*into = Message{scratch: into.scratch}
	if binary {
		into.Kind, into.Audio, into.Format, into.Channels = Audio, data, L16, 1
		return nil
	}
	into.Text = data
	first := firstByte(data)
	if first != '{' && first != '[' {
		return nil
	}
	if deeperThan(data, maxDepth) {
		return fmt.Errorf("%w: nested more than %d levels deep", ErrBadMessage, maxDepth)
	}
	if first != '{' || !gjson.ValidBytes(data) {
		return nil
	}
	kind, body := members2(view(data), "type", "data")
	if kind.Type != gjson.String {
		return nil
	}
	switch kind.Str {
	case "streamAudio":
		return decodeStreamAudio(body, playback, into)
	case "clear", "killAudio":
		into.Kind = Clear
	case "mark":
		return decodeMark(body, into)
	case "pause":
		into.Kind = Pause
	case "resume":
		into.Kind = Resume
	case "hangup":
		return decodeHangup(body, into)
	case "transfer":
		return decodeTransfer(body, into)
	case "sendDtmf":
		return decodeSendDTMF(body, into)
	}
	return nil
}

func decodeMark(body gjson.Result, into *Message) error {
	name := member(body, "name")
	if name.Type != gjson.String || name.Str == "" || len(name.Str) > maxMarkName || !utf8.ValidString(name.Str) {
		return bad("mark", "data.name", name, "a string of 1 to "+strconv.Itoa(maxMarkName)+" bytes")
	}
	into.Kind, into.Name = Mark, clone(name.Str)
	return nil
}

// Mark is {"type":"mark","data":{"name":"m1","status":"played","playedMs":1234}}.
func (native) Mark(name, status string, played time.Duration) []byte {
	b := append(make([]byte, 0, 80+len(name)), `{"type":"mark","data":`...)
	return append(append(b, events.MarkBody(name, status, played)...), '}')
}

// DTMF is {"type":"dtmf","data":{"digit":"5","durationMs":100}}.
func (native) DTMF(digit byte, duration time.Duration) []byte {
	b := append(make([]byte, 0, 64), `{"type":"dtmf","data":{"digit":`...)
	b = events.AppendString(b, string(rune(digit)))
	b = append(b, `,"durationMs":`...)
	b = strconv.AppendInt(b, duration.Milliseconds(), 10)
	return append(b, "}}"...)
}

// Close returns the text, if there is one, even an empty one.
func (native) Close(text string, ok bool) [][]byte {
	if !ok {
		return nil
	}
	return [][]byte{[]byte(text)}
}
