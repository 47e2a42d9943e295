// Package command reads the command line of uuid_audio_stream and of the dialplan applications, and words the replies.
// It executes nothing.
package command

import "mod_audio_stream/goside/settings"

// Verb is what a command does.
type Verb int

// The commands.
const (
	Start Verb = iota
	Stop
	SendText
	Pause
	Resume
	Clear
	PausePlay
	ResumePlay
	GracefulShutdown
	Stats
)

// DefaultStream is the name of a stream that was not given one.
const DefaultStream = "default"

// Command is one parsed command.
type Command struct {
	Stream string // the stream's name
	Verb   Verb
	// start only
	URL  string
	Mix  settings.Mix
	Rate int // Hz
	// start (metadata), stop, send_text, graceful-shutdown
	Text    string
	HasText bool
}
