package settings

import (
	"crypto/tls"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestModuleDefaults(t *testing.T) {
	want := Module{
		Workers: 4, Window: 5 * time.Millisecond, MaxMessage: 4 << 20, MinTLS: tls.VersionTLS12, defaults: map[string]string{},
	}
	if got := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got, warnings := ParseModule(nil); !reflect.DeepEqual(got, want) || warnings != nil {
		t.Errorf("%+v, %v", got, warnings)
	}
}

func TestEveryBuiltInDefaultCanBeRead(t *testing.T) {
	for _, p := range moduleParams {
		if err := p.set(&Module{}, p.builtin); p.builtin != "" && err != nil {
			t.Errorf("%s=%s: %v", p.name, p.builtin, err)
		}
	}
	for _, p := range streamParams {
		if err := p.set(&Stream{}, p.builtin); p.builtin != "" && err != nil {
			t.Errorf("%s=%s: %v", p.name, p.builtin, err)
		}
	}
}

func TestVariablesAreTheDocumentedOnes(t *testing.T) {
	want := strings.Fields(`STREAM_MESSAGE_DEFLATE STREAM_HEART_BEAT STREAM_SUPPRESS_LOG STREAM_BUFFER_SIZE STREAM_EXTRA_HEADERS
		STREAM_NO_RECONNECT STREAM_TLS_CA_FILE STREAM_TLS_CERT_FILE STREAM_TLS_KEY_FILE
		STREAM_TLS_DISABLE_HOSTNAME_VALIDATION STREAM_PLAYBACK STREAM_SAMPLE_RATE STREAM_PLAYBACK_MODE STREAM_PLAYBACK_MAX_MS
		STREAM_CONNECT_TIMEOUT_MS STREAM_CONNECT_BUFFER_MS STREAM_RECONNECT_MAX STREAM_SUBPROTOCOL STREAM_DTMF
		STREAM_ALLOW_CONTROL STREAM_ANSWER`)
	if got := Variables(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestModuleParametersAreReadAndBounded(t *testing.T) {
	for _, c := range []struct {
		name, value string
		set         func(*Module) // what changes; nil with a warning
		warning     string
	}{
		{"workers", "1", func(m *Module) { m.Workers = 1 }, ""},
		{"WORKERS", "64", func(m *Module) { m.Workers = 64 }, ""},
		{"workers", "0", nil, `parameter workers="0" must be a whole number from 1 to 64; using 4`},
		{"workers", "65", nil, `parameter workers="65" must be a whole number from 1 to 64; using 4`},
		{"gomaxprocs", "2", func(m *Module) { m.GOMAXPROCS = 2 }, ""},
		{"gomaxprocs", "-1", nil, `parameter gomaxprocs="-1" must be a whole number from 0 to 256; 0: one more than cores; using 0`},
		{"memory-limit-mb", "256", func(m *Module) { m.MemoryLimit = 256 << 20 }, ""},
		{"memory-limit-mb", "0", func(*Module) {}, ""},
		{"memory-limit-mb", "1", nil, `parameter memory-limit-mb="1" must be a whole number from 16 to 1048576, or 0 for none; using 0`},
		{"window-ms", "0", func(m *Module) { m.Window = 0 }, ""},
		{"window_ms", "20", func(m *Module) { m.Window = 20 * time.Millisecond }, ""},
		{"window-ms", "21", nil, `parameter window-ms="21" must be a whole number from 0 to 20 (ms; 0 sends every frame at once); using 5`},
		{"max-message-bytes", "1024", func(m *Module) { m.MaxMessage = 1024 }, ""},
		{"max-message-bytes", "4M", nil, `parameter max-message-bytes="4M" must be a whole number from 1024 to 67108864 (bytes); using 4194304`},
		{"tls-min-version", "1.3", func(m *Module) { m.MinTLS = tls.VersionTLS13 }, ""},
		{"tls-min-version", "1.0", func(m *Module) { m.MinTLS = tls.VersionTLS10 }, ""},
		{"tls-min-version", "3", nil, `parameter tls-min-version="3" must be 1.0, 1.1, 1.2 or 1.3; using 1.2`},
		{"metrics-listen", "127.0.0.1:9108", func(m *Module) { m.MetricsAddr = "127.0.0.1:9108" }, ""},
		{"metrics-listen", "[::1]:0", func(m *Module) { m.MetricsAddr = "[::1]:0" }, ""},
		{"metrics-listen", ":9108", func(m *Module) { m.MetricsAddr = ":9108" }, ""},
		{"metrics-listen", "OFF", func(*Module) {}, ""},
		{"metrics-listen", "9108", nil, `parameter metrics-listen="9108" must be host:port (127.0.0.1:9108), or off; using off`},
		{"metrics-listen", "h:99999", nil, `parameter metrics-listen="h:99999" must be host:port (127.0.0.1:9108), or off; using off`},
		{"metrics-listen", "http://h:80", nil, `parameter metrics-listen="http://h:80" must be host:port (127.0.0.1:9108), or off; using off`},
		{"allowed-hosts", "A.example.com., *.B.org ,10.0.0.1,[::1]", func(m *Module) {
			m.AllowedHosts = []string{"a.example.com", "*.b.org", "10.0.0.1", "::1"}
		}, ""},
		{"allowed-hosts", "", func(*Module) {}, ""},
		{"workerz", "1", nil, `parameter "workerz" is not known and is ignored; the known ones are in audio_stream.conf.xml`},
		{"a\nb", "1", nil, `parameter "a\nb" is not known and is ignored; the known ones are in audio_stream.conf.xml`},
		{"tls-ca-file", "\x01", nil, `parameter tls-ca-file="\x01" must be the path of a PEM file, SYSTEM, or NONE; using SYSTEM`},
		{"sample-rate", "7", nil, `parameter sample-rate="7" must be one of ` + RateNames + `, or 0 for the rate of start; using 0`},
		{"subprotocol", "a b", nil, `parameter subprotocol="a b" must be the name of a subprotocol, or several with commas between, of letters, digits and - . _ without blanks, up to 256 characters; it is ignored`},
	} {
		want := Default()
		var warned []string
		if c.set != nil {
			c.set(&want)
		} else {
			warned = []string{c.warning}
		}
		got, warnings := ParseModule(map[string]string{c.name: c.value})
		if !reflect.DeepEqual(got, want) || !slices.Equal(warnings, warned) {
			t.Errorf("%s=%s\n got %+v, %q\nwant %+v, %q", c.name, c.value, got, warnings, want, warned)
		}
	}
}

func TestOneParameterUnderTwoNamesIsReported(t *testing.T) {
	m, warnings := ParseModule(map[string]string{"buffer-size": "40", "STREAM_BUFFER_SIZE": "60"})
	if len(warnings) != 1 || !strings.Contains(warnings[0], `"buffer-size" is ignored: "STREAM_BUFFER_SIZE" sets the same`) {
		t.Errorf("%q", warnings)
	}
	if s, _, _ := m.Stream(nil); s.BufferMS != 60 {
		t.Errorf("%+v", s)
	}
}

func TestAllowedHosts(t *testing.T) {
	for _, c := range []struct {
		list string
		bad  bool
		yes  []string
		no   []string
	}{
		{"", false, []string{"any", "10.0.0.1", "::1"}, nil},
		{"a.example.com", false, []string{"a.example.com", "A.Example.Com."}, []string{"example.com", "b.a.example.com", ""}},
		{"*.example.com", false, []string{"a.example.com", "b.a.example.com"}, []string{"example.com", ".example.com", "aexample.com", "example.com.evil.org"}},
		{"10.0.0.1, ::1", false, []string{"10.0.0.1", "[::1]", "0:0::1", "::ffff:10.0.0.1"}, []string{"10.0.0.2", "::2"}},
		{"*.0.0.1", false, nil, []string{"10.0.0.1"}},
		{"my_host", false, []string{"my_host"}, []string{"my-host"}},
		{"ok.org,http://bad.org", true, []string{"ok.org"}, []string{"bad.org", "other"}},
		{"ws://h:80/", true, nil, []string{"h", "any"}},
		{"h:80", true, nil, []string{"h", "any"}},
		{"*", true, nil, []string{"any"}},
		{"*.", true, nil, []string{"any", "a."}},
		{"a.*.org", true, nil, []string{"a.b.org"}},
		{",", true, nil, []string{"any"}},
	} {
		m, warnings := ParseModule(map[string]string{"allowed-hosts": c.list})
		if (len(warnings) == 1) != c.bad {
			t.Errorf("%s: %q", c.list, warnings)
		}
		for _, host := range c.yes {
			if !m.HostAllowed(host) {
				t.Errorf("%s does not allow %s", c.list, host)
			}
		}
		for _, host := range c.no {
			if m.HostAllowed(host) {
				t.Errorf("%s allows %s", c.list, host)
			}
		}
	}
}

func TestRatesByNameAndByNumberAgree(t *testing.T) {
	names := strings.Split(RateNames, ", ")
	if len(names) != len(rateByName) {
		t.Errorf("%d names, %d rates", len(names), len(rateByName))
	}
	for _, name := range names {
		if hz, ok := ParseRate(name); !ok || !ValidRate(hz) {
			t.Errorf("%s: %d, %v", name, hz, ok)
		}
	}
	for _, hz := range []int{0, -8000, 64000, 8001} {
		if ValidRate(hz) {
			t.Errorf("%d is valid", hz)
		}
	}
}

// FuzzSettings: nothing panics; every value that comes out is inside its range; messages are one line each.
func FuzzSettings(f *testing.F) {
	f.Add("buffer-size", "30", "STREAM_BUFFER_SIZE", "40")
	f.Add("allowed-hosts", "a,*.b,[::1],http://x", "STREAM_EXTRA_HEADERS", `{"A":"b","C":"d\n"}`)
	f.Add("STREAM_PLAYBACK", "no", "STREAM_TLS_CA_FILE", "none")
	f.Add("metrics-listen", ":1", "STREAM_SUBPROTOCOL", "a, b")
	f.Add("memory_limit_mb", "99", "STREAM_ALLOW_CONTROL", "hangup,x")
	f.Add("max-message-bytes", "9999999999", "STREAM_HEART_BEAT", "1e9")
	f.Fuzz(func(t *testing.T, param, paramValue, variable, value string) {
		m, warnings := ParseModule(map[string]string{param: paramValue})
		if m.Workers < 1 || m.Workers > 64 || m.Window < 0 || m.Window > 20*time.Millisecond || m.MaxMessage < 1024 ||
			m.MinTLS < tls.VersionTLS10 || m.MemoryLimit < 0 || m.GOMAXPROCS < 0 {
			t.Fatalf("%+v", m)
		}
		// each value goes to the variable given and to all that read free text
		for _, v := range []string{variable, "STREAM_EXTRA_HEADERS", "STREAM_SUBPROTOCOL", "STREAM_TLS_CA_FILE", "STREAM_ALLOW_CONTROL"} {
			s, more, err := m.Stream(map[string]string{v: value})
			warnings = append(warnings, more...)
			if err != nil {
				warnings = append(warnings, err.Error())
				continue
			}
			if s.BufferMS%20 != 0 || s.BufferMS < 20 || s.BufferMS > 1000 || s.HeartBeat < 0 || s.PlaybackMax < 100*time.Millisecond ||
				s.ConnectTimeout < 100*time.Millisecond || s.ConnectBuffer < 0 || s.ReconnectMax < 0 || s.TLSCAFile == "" ||
				(s.SampleRate != 0 && !ValidRate(s.SampleRate)) || strings.ContainsAny(s.Subprotocol, "\r\n") {
				t.Fatalf("%+v", s)
			}
			for _, h := range s.ExtraHeaders {
				if strings.ContainsAny(h.Name+h.Value, "\r\n\x00") || !IsToken(h.Name) {
					t.Fatalf("%q", h)
				}
			}
		}
		for _, w := range warnings {
			if w == "" || strings.ContainsAny(w, "\r\n\x00") {
				t.Fatalf("%q", w)
			}
		}
	})
}
