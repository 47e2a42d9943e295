// The table of parameters: name, default, what a mistake costs, and how a value is set. A new setting is one row here, one
// field in settings.go and one entry in conf/autoload_configs/audio_stream.conf.xml (a test compares them).

package settings

import (
	"crypto/tls"
	"time"
)

// streamParam is a setting of one stream: a channel variable, and a parameter of the XML that gives its default.
type streamParam struct {
	name     string // in the XML; the variable is its upper case with STREAM_ in front
	builtin  string // what holds when neither is set, as one would write it; "" is unset
	set      func(s *Stream, value string) error
	strict   bool // a mistake in the channel variable refuses the start, instead of costing a warning
	secret   bool // the value may hold credentials and is not repeated to anybody
	variable string
}

// moduleParam is a setting of the module, in the XML only.
type moduleParam struct {
	name    string
	builtin string
	set     func(m *Module, value string) error
}

// streamParams holds every stream setting. A mistake is strict where going on would be unsafe or of no use: a handshake
// without the header that authorizes it or with other trust than was asked for, an encoding or a rate that turns speech
// into noise. Everywhere else the default is a working call, so the mistake costs a warning, as in the community module.
var streamParams = func() []streamParam {
	ps := []streamParam{
		{name: "message-deflate", builtin: "true", set: func(s *Stream, v string) error {
			never, err := parseBool(v)
			s.Deflate = !never && err == nil
			return err
		}},
		{name: "heart-beat", builtin: "0", set: seconds(func(s *Stream) *time.Duration { return &s.HeartBeat }, 0, 3600)},
		{name: "suppress-log", builtin: "false", set: boolean(func(s *Stream) *bool { return &s.SuppressLog })},
		{name: "buffer-size", builtin: "20", set: func(s *Stream, v string) (err error) {
			s.BufferMS, err = parseBufferMS(v)
			return err
		}},
		{name: "extra-headers", strict: true, secret: true, set: func(s *Stream, v string) (err error) {
			s.ExtraHeaders, err = parseHeaders(v)
			return err
		}},
		{name: "no-reconnect", builtin: "false", set: boolean(func(s *Stream) *bool { return &s.NoReconnect })},
		{name: "tls-ca-file", builtin: "SYSTEM", strict: true, set: func(s *Stream, v string) (err error) {
			s.TLSCAFile, err = parseCAFile(v)
			return err
		}},
		{name: "tls-cert-file", strict: true, set: file(func(s *Stream) *string { return &s.TLSCertFile })},
		{name: "tls-key-file", strict: true, set: file(func(s *Stream) *string { return &s.TLSKeyFile })},
		{name: "tls-disable-hostname-validation", builtin: "false", strict: true,
			set: boolean(func(s *Stream) *bool { return &s.TLSSkipHostname })},
		{name: "playback", builtin: "true", set: boolean(func(s *Stream) *bool { return &s.Playback })},
		{name: "sample-rate", builtin: "0", strict: true, set: func(s *Stream, v string) (err error) {
			s.SampleRate, err = parseSampleRate(v)
			return err
		}},
		{name: "playback-mode", builtin: "mix", set: func(s *Stream, v string) (err error) {
			s.PlaybackReplace, err = parsePlaybackMode(v)
			return err
		}},
		{name: "playback-max-ms", builtin: "120000",
			set: milliseconds(func(s *Stream) *time.Duration { return &s.PlaybackMax }, 100, 3600000)},
		{name: "connect-timeout-ms", builtin: "5000",
			set: milliseconds(func(s *Stream) *time.Duration { return &s.ConnectTimeout }, 100, 60000)},
		{name: "connect-buffer-ms", builtin: "1000",
			set: milliseconds(func(s *Stream) *time.Duration { return &s.ConnectBuffer }, 0, 10000)},
		{name: "reconnect-max", builtin: "5", set: func(s *Stream, v string) (err error) {
			s.ReconnectMax, err = parseInt(v, 0, 1000, "")
			return err
		}},
		{name: "subprotocol", strict: true, set: func(s *Stream, v string) (err error) {
			s.Subprotocol, err = parseSubprotocol(v)
			return err
		}},
		{name: "dtmf", builtin: "false", set: boolean(func(s *Stream) *bool { return &s.DTMF })},
		{name: "allow-control", builtin: "none", set: setAllowControl},
		{name: "answer", builtin: "false", set: boolean(func(s *Stream) *bool { return &s.Answer })},
	}
	for i := range ps {
		ps[i].variable = variableName(ps[i].name)
	}
	return ps
}()

// moduleParams holds every setting of the module.
var moduleParams = []moduleParam{
	{"workers", "4", func(m *Module, v string) (err error) {
		m.Workers, err = parseInt(v, 1, 64, "")
		return err
	}},
	{"gomaxprocs", "0", func(m *Module, v string) (err error) {
		m.GOMAXPROCS, err = parseInt(v, 0, 256, "; 0: one more than cores")
		return err
	}},
	{"memory-limit-mb", "0", func(m *Module, v string) error {
		// below 16 MB the collector would run all the time
		mb, err := parseIntOrZero(v, 16, 1<<20, "none")
		m.MemoryLimit = int64(mb) << 20
		return err
	}},
	{"window-ms", "5", func(m *Module, v string) error {
		ms, err := parseInt(v, 0, 20, " (ms; 0 sends every frame at once)")
		m.Window = time.Duration(ms) * time.Millisecond
		return err
	}},
	{"max-message-bytes", "4194304", func(m *Module, v string) (err error) {
		m.MaxMessage, err = parseInt(v, 1024, 64<<20, " (bytes)")
		return err
	}},
	{"allowed-hosts", "", func(m *Module, v string) (err error) {
		m.AllowedHosts, err = parseHosts(v)
		return err
	}},
	{"tls-min-version", "1.2", func(m *Module, v string) (err error) {
		m.MinTLS, err = parseTLSVersion(v)
		return err
	}},
	{"metrics-listen", "off", func(m *Module, v string) (err error) {
		m.MetricsAddr, err = parseListen(v)
		return err
	}},
}

// tlsVersions are the values of tls-min-version.
var tlsVersions = map[string]uint16{
	"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

func boolean(field func(*Stream) *bool) func(*Stream, string) error {
	return func(s *Stream, v string) (err error) {
		*field(s), err = parseBool(v)
		return err
	}
}

func milliseconds(field func(*Stream) *time.Duration, low, high int) func(*Stream, string) error {
	return func(s *Stream, v string) error {
		n, err := parseInt(v, low, high, " (ms)")
		*field(s) = time.Duration(n) * time.Millisecond
		return err
	}
}

// seconds takes 0 as off.
func seconds(field func(*Stream) *time.Duration, low, high int) func(*Stream, string) error {
	return func(s *Stream, v string) error {
		n, err := parseInt(v, low, high, " (seconds; 0 turns it off)")
		*field(s) = time.Duration(n) * time.Second
		return err
	}
}

func file(field func(*Stream) *string) func(*Stream, string) error {
	return func(s *Stream, v string) (err error) {
		*field(s), err = parseFile(v)
		return err
	}
}
