// Package switchtest runs calls through a telephony switch that has mod_audio_stream loaded, for end-to-end tests. A
// Switch is either a real FreeSWITCH (freeswitch.go) with SIP calls over RTP, or the stand-in host (standin.go); both
// are child processes that are driven over the event socket (esl.go).
//
// This file holds the interfaces and nothing that runs.
package switchtest

import (
	"context"
	"time"

	"mod_audio_stream/test/esl"
)

// Switch is a running switch with the module at hand.
type Switch interface {
	// Name is "freeswitch" or "host".
	Name() string
	// API runs one API command and returns its reply, byte for byte. An error is one of the connection.
	API(ctx context.Context, command string) (string, error)
	// Dial makes another connection for commands: they are answered in order on each, and API has one. The caller closes
	// it.
	Dial(ctx context.Context) (*esl.Conn, error)
	// Events is everything the switch has fired since it started.
	Events() *EventLog
	// Originate makes a call and returns when it has reached the state asked for.
	Originate(ctx context.Context, spec CallSpec) (Call, error)
	// SetConfig replaces the module's XML settings. They hold from the next load, or `audio_stream reload`.
	SetConfig(ctx context.Context, settings map[string]string) error
	// Pid is the process id.
	Pid() int
	// TempDir is the switch's folder for temporary files.
	TempDir() string
	// LogFile is where the switch and the module log.
	LogFile() string
	// Exited is closed when the process has ended; ExitError then says how (nil: with status 0).
	Exited() <-chan struct{}
	ExitError() error
	// Close ends the switch, gracefully, and waits. The error says when it did not end by itself or not with status 0.
	Close() error
}

// State is how far a call is set up.
type State int

// The states of a call.
const (
	Answered State = iota // answered and parked
	Early                 // pre-answered (183) and parked
	Ringing               // no media yet; parked in the dialplan without any answer
)

// CallSpec describes a call. The zero value is an answered, parked call at 8 kHz with 20 ms frames whose caller sends
// nothing at all.
type CallSpec struct {
	Rate   int    // Hz of the caller's codec; 0: 8000
	Ptime  int    // ms; 0: 20
	Codec  string // "L16" (default), "PCMU" or "PCMA"
	State  State
	Source Source // what the caller says; nil: no packet at all
	// Vars are channel variables set before Originate returns.
	Vars map[string]string
	// Stream, when set, is given to the dialplan application audio_stream as its data, before the call is parked.
	Stream string
	// Playback, when set, makes the dialplan play this file or tone_stream to the caller instead of parking the call.
	Playback string
	// BridgeTo, when set, makes the dialplan bridge the call to a second leg of the same kind, which says BridgeTo.
	// The second leg is Call.Other.
	BridgeTo Source
	// Timed asks for Call.Packets.
	Timed bool
}

// Packet is one packet that the caller got.
type Packet struct {
	Sequence  uint16
	Timestamp uint32
	Rate      int // Hz of its codec
	Samples   int
	At        time.Time
}

// Part is what was heard at one rate.
type Part struct {
	Rate    int
	Samples []int16
}

// Call is one call, seen from the caller.
type Call interface {
	// UUID is the channel's.
	UUID() string
	// Rate and Ptime are the codec's now.
	Rate() int
	Ptime() int
	// Heard is what the caller heard since the call began, gap-free as its player would have it: lost packets are
	// counted in HeardStats, not filled.
	Heard() []int16
	// HeardParts is the same by rate: a re-INVITE to another one begins a new part.
	HeardParts() []Part
	// Packets are those that Heard came in, in order of arrival. CallSpec.Timed asks for them.
	Packets() []Packet
	// WaitHeard waits until cond is true of what was heard.
	WaitHeard(ctx context.Context, cond func([]int16) bool) error
	// Said is the number of samples the caller has sent.
	Said() int
	// Late is the number of packets the caller sent more than half a ptime late: what the switch then loses or fills with
	// silence is not the module's doing.
	Late() int
	// Missed is the number of packets that were not there when the switch wanted them, or that it threw away, by its own
	// count, and of those sent late. Without one of them nothing may be lost.
	Missed(ctx context.Context) int
	// Other is the second leg of a bridged call, nil without one.
	Other() Call
	// Execute runs a dialplan application on the channel and returns when it has been queued.
	Execute(ctx context.Context, app, arg string) error
	// Play begins to play a file or a tone_stream to the caller, as the playback application does, without waiting.
	Play(ctx context.Context, source string) error
	// DTMF sends one digit as RFC 4733 events.
	DTMF(ctx context.Context, digit byte, duration time.Duration) error
	// Renegotiate changes rate and ptime in mid-call, as a re-INVITE does.
	Renegotiate(ctx context.Context, rate, ptime int) error
	// Hangup ends the call from the caller's side and returns when the switch has acknowledged it.
	Hangup(ctx context.Context) error
	// Done is closed when the call is over, whoever ended it.
	Done() <-chan struct{}
}

// Source is what a caller says: Next fills the buffer with the following samples at the call's rate. It is called from
// one goroutine.
type Source interface {
	Next(rate int, samples []int16)
	// Spec names the source for the stand-in host, which makes the same samples itself: silence, counter, tone:<hz>;
	// "" when it has to be given as a file.
	Spec() string
}

// Event is one fired event.
type Event struct {
	Name     string // e.g. CUSTOM, CHANNEL_HANGUP_COMPLETE
	Subclass string
	UUID     string // Unique-ID
	Stream   string // Stream-Name
	Body     string
	Sequence uint64 // order in which the switch fired it
	At       time.Time
	Header   func(name string) string
}
