// Package protocol is the language spoken over the WebSocket: what a call's audio looks like on the wire, and what the
// server's frames mean. A Dialect is one such language; everything outside this package is the same for all of them.
package protocol

import (
	"errors"
	"time"
)

// Kind is what a message from the server asks for.
type Kind int

// The kinds of server messages.
const (
	Other    Kind = iota // nothing that is known here: a json event, no more
	Audio                // play Audio
	File                 // store File and announce it with a play event
	PlayFile             // decode File and play it
	Clear                // drop the playback queue
	Mark                 // report when all that was queued before it has been played
	Pause                // hold playback
	Resume               // go on with it
	Hangup               // end the call
	Transfer             // send the call elsewhere
	SendDTMF             // send digits to the caller
)

// Format is an audio encoding.
type Format int

// The formats that are played; everything else is stored as a file.
const (
	L16  Format = iota // 16 bit signed, little-endian
	PCMU               // G.711 mu-law, RFC 3551
	PCMA               // G.711 A-law, RFC 3551
)

// Width is the number of bytes of one sample of one channel.
func (f Format) Width() int {
	if f == L16 {
		return 2
	}
	return 1
}

// Duration is how long so many bytes play.
func (f Format) Duration(bytes, rate, channels int) time.Duration {
	return time.Duration(bytes/(f.Width()*max(channels, 1))) * time.Second / time.Duration(max(rate, 1))
}

// Message is one decoded server message. A Message belongs to one goroutine, which uses it for one Decode after the other.
// Byte slices are valid until the next Decode with the same Message, and no longer than the data that was given to it:
// Text, and Audio of a binary message, are that data itself. Strings and PlayBody are copies.
type Message struct {
	Kind Kind
	Text []byte // the message as it came, for the json event; nil for binary audio

	// Audio
	Audio    []byte // L16 may have an odd length: servers cut where they like
	Format   Format
	Rate     int // Hz; 0: the stream's STREAM_SAMPLE_RATE
	Channels int // interleaved; 0 counts as 1

	// File
	FileType string                   // the file name's ending: wav, mp3, ogg, pcmu, pcma; L16: r8, r16, r24, r32, r48, raw
	FileData []byte                   // decoded contents
	PlayBody func(path string) []byte // body of the play event for the file stored at path

	// Mark
	Name string

	// Hangup, Transfer, SendDTMF
	Cause, Extension, Dialplan, Context, Digits string

	scratch []byte // reused by Decode
}

// ErrBadMessage is what every Decode error wraps: the message is bad, the connection is not. Its text says what is wrong
// and what was expected, and never holds the audio.
var ErrBadMessage = errors.New("bad message")

// Dialect is one language over the socket. Its methods are pure: they keep nothing and may be called from any goroutine.
type Dialect interface {
	// Name is what the user calls it.
	Name() string
	// Open returns the text frames that go out first, before any audio, also after a reconnect.
	Open(metadata string) [][]byte
	// Audio turns captured audio (L16 little-endian) into the payload of one frame. The result may be pcm itself, or
	// dst grown.
	Audio(dst, pcm []byte) (payload []byte, binary bool)
	// Decode reads one message. playback says whether streamAudio is played or stored. On error into.Text is still
	// set, so that the json event can be fired.
	Decode(binary bool, data []byte, playback bool, into *Message) error
	// Mark is the answer to a mark: status is "played" or "cleared".
	Mark(name, status string, played time.Duration) []byte
	// DTMF is the caller's digit.
	DTMF(digit byte, duration time.Duration) []byte
	// Close returns the text frames that go out before the close frame. ok says whether there is a text at all.
	Close(text string, ok bool) [][]byte
}
