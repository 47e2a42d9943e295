// Package settings turns channel variables and the module's XML parameters into checked values. It knows names,
// ranges and defaults; it opens no file and talks to nobody.
package settings

import "time"

// Mix is which legs of the call are streamed, and how.
type Mix int

// The mixes of the start command.
const (
	Mono   Mix = iota // the caller
	Mixed             // caller and callee added up, one channel
	Stereo            // caller left, callee right
)

// Channels is the number of interleaved channels on the wire.
func (m Mix) Channels() int {
	if m == Stereo {
		return 2
	}
	return 1
}

func (m Mix) String() string { return [...]string{"mono", "mixed", "stereo"}[m] }

// Stream holds one stream's settings, read once at start.
type Stream struct {
	Deflate         bool          // offer permessage-deflate
	HeartBeat       time.Duration // silence on the wire after which a ping goes out; 0: never
	SuppressLog     bool          // server messages are not logged
	BufferMS        int           // audio per binary frame, 20 to 1000, a multiple of 20
	ExtraHeaders    []Header      // further handshake headers, in the order given
	NoReconnect     bool          // never reconnect
	TLSCAFile       string        // a file, "SYSTEM" or "NONE"
	TLSCertFile     string        // client certificate, "" for none
	TLSKeyFile      string        // its key
	TLSSkipHostname bool          // verify the chain, not the name
	Playback        bool          // play the server's audio; false: store streamAudio as a file
	SampleRate      int           // Hz of binary audio from the server; 0: the rate of start
	PlaybackReplace bool          // replace other audio while playing, instead of mixing
	PlaybackMax     time.Duration // longest playback queue
	ConnectTimeout  time.Duration // TCP, TLS and handshake together
	ConnectBuffer   time.Duration // captured audio kept while not connected
	ReconnectMax    int           // attempts after an abnormal loss
	Subprotocol     string        // Sec-WebSocket-Protocol, "" for none
	DTMF            bool          // send the caller's digits
	AllowHangup     bool          // the server may hang up,
	AllowTransfer   bool          // transfer,
	AllowSendDTMF   bool          // send digits
	Answer          bool          // answer the channel at start
}

// Header is one HTTP header.
type Header struct{ Name, Value string }

// Module holds the module-wide settings.
type Module struct {
	Workers      int           // goroutines that fire events
	GOMAXPROCS   int           // 0: one more than there are cores
	MemoryLimit  int64         // bytes, soft limit of the Go heap; 0: none
	Window       time.Duration // how long the pump gathers frames when many streams run; 0: always immediate
	MaxMessage   int           // bytes, largest message from a server
	AllowedHosts []string      // hosts that streams may connect to; empty: any. "*.example.com" matches subdomains
	MinTLS       uint16        // crypto/tls version
	MetricsAddr  string        // host:port of the Prometheus page; "": off

	defaults map[string]string // STREAM_* defaults
}
