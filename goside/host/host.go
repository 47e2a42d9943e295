// Package host says what the Go side needs of the telephony switch it runs in. The bridge implements it over
// FreeSWITCH; hosttest implements it in memory for unit tests. Nothing else lives here.
package host

import (
	"errors"
	"time"

	"mod_audio_stream/goside/netpoll"
)

// Errors of a Host. They may be wrapped with a reason for a person.
var (
	// ErrGone: the session or the media does not exist any more. Not a failure: calls end.
	ErrGone = errors.New("the session has ended")
	// ErrNoMedia: the channel has no media that a bug could be attached to.
	ErrNoMedia = errors.New("the channel has no media here")
	// ErrNoMemory: out of memory or of stream slots.
	ErrNoMemory = errors.New("out of memory")
	// ErrRefused: the switch said no.
	ErrRefused = errors.New("refused by the switch")
)

// Level is a log level, with the switch's own numbers (syslog's).
type Level int

// The levels used here.
const (
	LevelError   Level = 3
	LevelWarning Level = 4
	LevelNotice  Level = 5
	LevelInfo    Level = 6
	LevelDebug   Level = 7
)

// Host is the switch. Its methods may be called from any goroutine except the pump, may block for a moment, never
// for the network, and hold no session when they return.
type Host interface {
	// Variables reads channel variables. A variable that is not set is absent from the map. ErrGone.
	Variables(uuid string, names []string) (map[string]string, error)
	// SetVariable sets one channel variable. ErrGone.
	SetVariable(uuid, name, value string) error
	// Attach adds the media bug of one stream. ErrGone, ErrNoMedia, ErrNoMemory, ErrRefused.
	Attach(uuid string, want Attach) (Attached, error)
	// FireEvent fires a CUSTOM event with the channel's headers and Stream-Name. ErrGone: nothing was fired.
	FireEvent(uuid, stream, subclass, body string) error
	// Hangup ends the call; cause by name, "" for normal clearing. ErrGone.
	Hangup(uuid, cause string) error
	// Transfer sends the call to an extension; dialplan and context may be "". ErrGone, ErrRefused.
	Transfer(uuid, extension, dialplan, context string) error
	// SendDTMF sends digits to the caller. ErrGone, ErrRefused.
	SendDTMF(uuid, digits string) error
	// Log writes one line; uuid "" for the module's own.
	Log(level Level, uuid, text string)
	// Config reads the module's XML settings, name to value; empty when the file is absent.
	Config() (map[string]string, error)
	// TempDir is the switch's folder for temporary files.
	TempDir() string
	// MediaHeld is how many streams' media is still in memory, that of ended streams too which somebody holds on to.
	MediaHeld() int
	// Version is the switch's version, for people.
	Version() string
	// NewResampler makes a resampler from one rate to another (Hz), for interleaved samples of 1 to 8 channels.
	NewResampler(from, to, channels int) (Resampler, error)
}

// Attach is what a stream asks of its media bug.
type Attach struct {
	Legs      int           // 1: the caller's leg; 2: caller and callee side by side
	Playback  bool          // make a playout ring and play it to the caller
	Replace   bool          // playback replaces what others write, instead of being mixed in
	Answer    bool          // answer the channel, instead of pre-answer
	DTMF      bool          // collect the caller's digits
	Capture   time.Duration // length of the capture ring
	PlayoutMS int           // length of the playout ring, ms
}

// Attached is an attached media bug and the facts of its channel at that moment.
type Attached struct {
	Media     Media
	ReadRate  int // Hz
	WriteRate int // Hz
	PtimeMS   int
	Answered  bool
}

// Frame is one captured frame. PCM is borrowed from the ring and valid until Media.Release.
type Frame struct {
	PCM      []int16 // interleaved, host order
	Rate     int     // Hz
	Channels int     // interleaved channels in PCM
	Legs     int     // 1: the caller's; 2: samples of caller and callee alternate, Channels/2 each
	Seq      uint32  // frame number; a gap is a frame lost to a full ring
	MonoNS   int64   // CLOCK_MONOTONIC when the media thread read it
}

// Media is one attached bug: its capture ring and its playout ring. The capture methods belong to the pump, the
// playout methods to whoever holds the playback's lock; the others may be called from anywhere. After Free nothing may
// be called.
type Media interface {
	ID() uint64

	// Capture side: one goroutine at a time.

	// Peek borrows the oldest captured frame, false when there is none.
	Peek(f *Frame) bool
	// Release gives the frame peeked last back to the ring.
	Release()
	// Pending reports whether Peek would find a frame or Digit a digit, without touching either.
	Pending() bool
	// Dropped counts frames that found the ring full.
	Dropped() uint64
	// CalleeLost counts frames of the callee's leg that were not captured, or not whole: the caller's leg, whose frames they
	// go with, stood still or had another rate.
	CalleeLost() uint64
	// DigitsLost counts digits that came while too many waited for Digit.
	DigitsLost() uint64
	// Digit takes the oldest DTMF digit, false when there is none.
	Digit() (digit byte, duration time.Duration, ok bool)

	// Playout side: one goroutine at a time.

	// Space is the number of samples that Put takes now.
	Space() int
	// Put queues samples at PlayoutRate and returns how many it took.
	Put(samples []int16) int
	// Position is the number of samples consumed (played or cleared) since the ring was made.
	Position() uint64
	// Queued is the position behind the last sample put.
	Queued() uint64
	// Clear drops all that is queued, at once, exact to the sample: at is the position it was cut at.
	Clear() (at, dropped uint64)
	// Cleared copies samples that Clear has just dropped, from a position on; only before the next Put.
	Cleared(at uint64, dst []int16)
	// Taken is when (CLOCK_MONOTONIC) the media thread last took samples, or looked for some, and how many it wanted.
	Taken() (monoNS int64, samples int)
	// PlayoutRate is the rate (Hz) that the channel plays now; it can change in mid-call.
	PlayoutRate() int
	// SetMadeFor says which rate (Hz) the samples in the ring were made for. While PlayoutRate is another, none is taken.
	SetMadeFor(rate int)
	// SetPaused holds playback, or lets it go on.
	SetPaused(paused bool)
	// SetWanted says that there is, or will at once be, something to play; it keeps the pacer writing.
	SetWanted(wanted bool)
	// WakeAt rings the doorbell once Position has reached pos; NoWake turns it off. The caller checks Position again
	// after the call, since it may have got there before.
	WakeAt(pos uint64)
	// Underruns counts the times the ring ran dry while wanted, the end of what was queued included.
	Underruns() uint64

	// Any goroutine.

	// SetMute throws captured frames away (pause).
	SetMute(mute bool)
	// Closed reports that the bug is gone; no frame follows those in the ring.
	Closed() bool
	// Detach removes the bug; no frame is added after its return. ErrGone when the bug went already.
	Detach() error
	// Free gives the memory back. The bug may still be closing; its own reference keeps the ring alive for it.
	Free()
}

// NoWake for Media.WakeAt.
const NoWake = ^uint64(0)

// Doorbell is what a media thread rings when it has news and the pump said that it waits.
type Doorbell interface {
	// Arm says that the pump is about to wait; it must look at every ring once more before it does.
	Arm()
	// Disarm says that it did not wait after all.
	Disarm()
	// Wait blocks until the doorbell rings, something happens on a socket of the Poller, or the time is over (0: no
	// limit; otherwise keep it to milliseconds, see netpoll.Poller.Wait). An error after Close.
	Wait(limit time.Duration) error
	// Ring wakes the pump from Go: a stream was added or removed.
	Ring()
	// Poller is what Wait waits in; it watches the streams' sockets as well.
	Poller() *netpoll.Poller
	// Close closes the Poller. Not while somebody waits.
	Close()
}

// Resampler changes the rate of a continuous signal; its state carries over from call to call.
type Resampler interface {
	// Process takes interleaved samples and returns the resampled ones, valid until the next call.
	Process(in []int16) []int16
	// Close frees it.
	Close()
}
