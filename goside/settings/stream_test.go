package settings

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// builtin is a stream with nothing set anywhere.
var builtin = Stream{
	BufferMS: 20, TLSCAFile: "SYSTEM", Playback: true, PlaybackMax: 120 * time.Second, ConnectTimeout: 5 * time.Second,
	ConnectBuffer: time.Second, ReconnectMax: 5,
}

func TestStreamWithoutVariablesHasTheBuiltInDefaults(t *testing.T) {
	for _, vars := range []map[string]string{nil, {}, {"STREAM_PLAYBACK": "", "STREAM_BUFFER_SIZE": "  "}, {"OTHER": "x"}} {
		got, warnings, err := Default().Stream(vars)
		if err != nil || warnings != nil || !reflect.DeepEqual(got, builtin) {
			t.Errorf("%v: %+v, %v, %v", vars, got, warnings, err)
		}
	}
}

func TestEveryVariableSetsItsField(t *testing.T) {
	with := func(change func(*Stream)) Stream {
		s := builtin
		change(&s)
		return s
	}
	for _, c := range []struct {
		variable, value string
		want            Stream
	}{
		{"STREAM_MESSAGE_DEFLATE", "true", builtin},
		{"STREAM_MESSAGE_DEFLATE", "false", with(func(s *Stream) { s.Deflate = true })},
		{"STREAM_MESSAGE_DEFLATE", "0", with(func(s *Stream) { s.Deflate = true })},
		{"STREAM_HEART_BEAT", "0", builtin},
		{"STREAM_HEART_BEAT", "15", with(func(s *Stream) { s.HeartBeat = 15 * time.Second })},
		{"STREAM_HEART_BEAT", "3600", with(func(s *Stream) { s.HeartBeat = time.Hour })},
		{"STREAM_SUPPRESS_LOG", "yes", with(func(s *Stream) { s.SuppressLog = true })},
		{"STREAM_BUFFER_SIZE", "20", builtin},
		{"STREAM_BUFFER_SIZE", " 100 ", with(func(s *Stream) { s.BufferMS = 100 })},
		{"STREAM_BUFFER_SIZE", "1000", with(func(s *Stream) { s.BufferMS = 1000 })},
		{"STREAM_EXTRA_HEADERS", `{"X-B":"1","x-a":"zwei, drei"}`, with(func(s *Stream) {
			s.ExtraHeaders = []Header{{"X-B", "1"}, {"x-a", "zwei, drei"}}
		})},
		{"STREAM_EXTRA_HEADERS", `{}`, builtin},
		{"STREAM_NO_RECONNECT", "on", with(func(s *Stream) { s.NoReconnect = true })},
		{"STREAM_TLS_CA_FILE", "/etc/ca file.pem", with(func(s *Stream) { s.TLSCAFile = "/etc/ca file.pem" })},
		{"STREAM_TLS_CA_FILE", "NONE", with(func(s *Stream) { s.TLSCAFile = "NONE" })},
		{"STREAM_TLS_CA_FILE", "system", builtin},
		{"STREAM_TLS_DISABLE_HOSTNAME_VALIDATION", "t", with(func(s *Stream) { s.TLSSkipHostname = true })},
		{"STREAM_PLAYBACK", "false", with(func(s *Stream) { s.Playback = false })},
		{"STREAM_PLAYBACK", "disallow", with(func(s *Stream) { s.Playback = false })},
		{"STREAM_SAMPLE_RATE", "24000", with(func(s *Stream) { s.SampleRate = 24000 })},
		{"STREAM_SAMPLE_RATE", "16k", with(func(s *Stream) { s.SampleRate = 16000 })},
		{"STREAM_SAMPLE_RATE", "0", builtin},
		{"STREAM_PLAYBACK_MODE", "Replace", with(func(s *Stream) { s.PlaybackReplace = true })},
		{"STREAM_PLAYBACK_MODE", "mix", builtin},
		{"STREAM_PLAYBACK_MAX_MS", "100", with(func(s *Stream) { s.PlaybackMax = 100 * time.Millisecond })},
		{"STREAM_CONNECT_TIMEOUT_MS", "60000", with(func(s *Stream) { s.ConnectTimeout = time.Minute })},
		{"STREAM_CONNECT_BUFFER_MS", "0", with(func(s *Stream) { s.ConnectBuffer = 0 })},
		{"STREAM_RECONNECT_MAX", "0", with(func(s *Stream) { s.ReconnectMax = 0 })},
		{"STREAM_SUBPROTOCOL", "audio.v1", with(func(s *Stream) { s.Subprotocol = "audio.v1" })},
		{"STREAM_SUBPROTOCOL", "a,b ,c", with(func(s *Stream) { s.Subprotocol = "a, b, c" })},
		{"STREAM_DTMF", "1", with(func(s *Stream) { s.DTMF = true })},
		{"STREAM_ALLOW_CONTROL", "hangup", with(func(s *Stream) { s.AllowHangup = true })},
		{"STREAM_ALLOW_CONTROL", "Transfer , send_dtmf,", with(func(s *Stream) { s.AllowTransfer, s.AllowSendDTMF = true, true })},
		{"STREAM_ALLOW_CONTROL", "hangup,transfer,sendDtmf", with(func(s *Stream) {
			s.AllowHangup, s.AllowTransfer, s.AllowSendDTMF = true, true, true
		})},
		{"STREAM_ALLOW_CONTROL", "none", builtin},
		{"STREAM_ANSWER", "enabled", with(func(s *Stream) { s.Answer = true })},
	} {
		got, warnings, err := Default().Stream(map[string]string{c.variable: c.value})
		if err != nil || warnings != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s=%s\n got %+v, %v, %v\nwant %+v", c.variable, c.value, got, warnings, err, c.want)
		}
	}
	got, _, err := Default().Stream(map[string]string{"STREAM_TLS_CERT_FILE": "c.pem", "STREAM_TLS_KEY_FILE": "k.pem"})
	if err != nil || got.TLSCertFile != "c.pem" || got.TLSKeyFile != "k.pem" {
		t.Errorf("client certificate: %+v, %v", got, err)
	}
}

func TestMistakesThatKeepACallWorkingAreWarnings(t *testing.T) {
	for _, c := range []struct{ variable, value, warning string }{
		{"STREAM_MESSAGE_DEFLATE", "maybe", `STREAM_MESSAGE_DEFLATE="maybe" must be true or false; using true`},
		{"STREAM_HEART_BEAT", "-1", `STREAM_HEART_BEAT="-1" must be a whole number from 0 to 3600 (seconds; 0 turns it off); using 0`},
		{"STREAM_HEART_BEAT", "1.5", `STREAM_HEART_BEAT="1.5" must be a whole number from 0 to 3600 (seconds; 0 turns it off); using 0`},
		{"STREAM_SUPPRESS_LOG", "2x", `STREAM_SUPPRESS_LOG="2x" must be true or false; using false`},
		{"STREAM_BUFFER_SIZE", "30", `STREAM_BUFFER_SIZE="30" must be a multiple of 20 from 20 to 1000 (ms); using 20`},
		{"STREAM_BUFFER_SIZE", "0", `STREAM_BUFFER_SIZE="0" must be a multiple of 20 from 20 to 1000 (ms); using 20`},
		{"STREAM_BUFFER_SIZE", "1020", `STREAM_BUFFER_SIZE="1020" must be a multiple of 20 from 20 to 1000 (ms); using 20`},
		{"STREAM_BUFFER_SIZE", "-20", `STREAM_BUFFER_SIZE="-20" must be a multiple of 20 from 20 to 1000 (ms); using 20`},
		{"STREAM_BUFFER_SIZE", "20ms\n", `STREAM_BUFFER_SIZE="20ms" must be a multiple of 20 from 20 to 1000 (ms); using 20`},
		{"STREAM_NO_RECONNECT", "\x00", `STREAM_NO_RECONNECT="\x00" must be true or false; using false`},
		{"STREAM_PLAYBACK", "nope", `STREAM_PLAYBACK="nope" must be true or false; using true`},
		{"STREAM_PLAYBACK_MODE", "both", `STREAM_PLAYBACK_MODE="both" must be mix or replace; using mix`},
		{"STREAM_PLAYBACK_MAX_MS", "99", `STREAM_PLAYBACK_MAX_MS="99" must be a whole number from 100 to 3600000 (ms); using 120000`},
		{"STREAM_PLAYBACK_MAX_MS", "99999999999999999999", `STREAM_PLAYBACK_MAX_MS="99999999999999999999" must be a whole number from 100 to 3600000 (ms); using 120000`},
		{"STREAM_CONNECT_TIMEOUT_MS", "0", `STREAM_CONNECT_TIMEOUT_MS="0" must be a whole number from 100 to 60000 (ms); using 5000`},
		{"STREAM_CONNECT_BUFFER_MS", "10001", `STREAM_CONNECT_BUFFER_MS="10001" must be a whole number from 0 to 10000 (ms); using 1000`},
		{"STREAM_RECONNECT_MAX", "many", `STREAM_RECONNECT_MAX="many" must be a whole number from 0 to 1000; using 5`},
		{"STREAM_DTMF", strings.Repeat("é", 100), `STREAM_DTMF="` + strings.Repeat("é", 64) + `..." must be true or false; using false`},
		{"STREAM_ANSWER", "ye s", `STREAM_ANSWER="ye s" must be true or false; using false`},
	} {
		got, warnings, err := Default().Stream(map[string]string{c.variable: c.value})
		if err != nil || !reflect.DeepEqual(warnings, []string{c.warning}) || !reflect.DeepEqual(got, builtin) {
			t.Errorf("%s=%s\n got %q, %v\nwant %q", c.variable, c.value, warnings, err, c.warning)
		}
	}
}

func TestUnknownControlWordAllowsNothing(t *testing.T) {
	m, _ := ParseModule(map[string]string{"allow-control": "transfer"})
	got, warnings, err := m.Stream(map[string]string{"STREAM_ALLOW_CONTROL": "hangup, reboot"})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], `"reboot"`) {
		t.Errorf("%v, %v", warnings, err)
	}
	if !got.AllowHangup || got.AllowTransfer || got.AllowSendDTMF {
		t.Errorf("%+v", got)
	}
}

func TestMistakesThatAreUnsafeOrUselessRefuseTheStart(t *testing.T) {
	for _, c := range []struct{ variable, value, want string }{
		{"STREAM_EXTRA_HEADERS", "X-A: b", "STREAM_EXTRA_HEADERS must be a JSON object of strings"},
		{"STREAM_EXTRA_HEADERS", `["X-A"]`, "must be a JSON object of strings"},
		{"STREAM_EXTRA_HEADERS", `null`, "must be a JSON object of strings"},
		{"STREAM_EXTRA_HEADERS", `"{}"`, "must be a JSON object of strings"},
		{"STREAM_EXTRA_HEADERS", `{"X-A":"b"} {}`, "must be a JSON object of strings"},
		{"STREAM_EXTRA_HEADERS", `{"X-A":"b",}`, "must be a JSON object of strings"},
		{"STREAM_EXTRA_HEADERS", "{\"X-A\":\"\xff\"}", "in UTF-8"},
		{"STREAM_EXTRA_HEADERS", `{"X-A":5}`, `the value of "X-A" is not a string`},
		{"STREAM_EXTRA_HEADERS", `{"X-A":null}`, `the value of "X-A" is not a string`},
		{"STREAM_EXTRA_HEADERS", `{"X-A":["b"]}`, `the value of "X-A" is not a string`},
		{"STREAM_EXTRA_HEADERS", `{"X-A":{"b":"c"}}`, `the value of "X-A" is not a string`},
		{"STREAM_EXTRA_HEADERS", `{"X-A":"b\r\nHost: evil"}`, `control character (CR, LF or the like) in the value of "X-A"`},
		{"STREAM_EXTRA_HEADERS", `{"X-A":"\n"}`, "control character"},
		{"STREAM_EXTRA_HEADERS", `{"X-A":"a\u0000b"}`, "control character"},
		{"STREAM_EXTRA_HEADERS", `{"X-A":"\u007f"}`, "control character"},
		{"STREAM_EXTRA_HEADERS", `{"X-A\r\nY":"b"}`, "not the name of a header"},
		{"STREAM_EXTRA_HEADERS", `{"X A":"b"}`, "not the name of a header"},
		{"STREAM_EXTRA_HEADERS", `{"X-A:":"b"}`, "not the name of a header"},
		{"STREAM_EXTRA_HEADERS", `{"Ä":"b"}`, "not the name of a header"},
		{"STREAM_EXTRA_HEADERS", `{"":"b"}`, "not the name of a header"},
		{"STREAM_EXTRA_HEADERS", `{"X-A":"1","x-a":"2"}`, "twice"},
		{"STREAM_EXTRA_HEADERS", `{"host":"b"}`, `reserved header "host"`},
		{"STREAM_EXTRA_HEADERS", `{"Upgrade":"b"}`, "reserved"},
		{"STREAM_EXTRA_HEADERS", `{"Connection":"b"}`, "reserved"},
		{"STREAM_EXTRA_HEADERS", `{"Sec-WebSocket-Key":"b"}`, "reserved"},
		{"STREAM_EXTRA_HEADERS", `{"sec-websocket-extensions":"b"}`, "reserved"},
		{"STREAM_EXTRA_HEADERS", `{"Sec-WebSocket-Protocol":"b"}`, "STREAM_SUBPROTOCOL"},
		{"STREAM_EXTRA_HEADERS", `{"Content-Length":"1"}`, "reserved"},
		{"STREAM_EXTRA_HEADERS", `{"Transfer-Encoding":"chunked"}`, "reserved"},
		{"STREAM_EXTRA_HEADERS", `{"X-A":"` + strings.Repeat("b", 8190) + `"}`, "at most 64 headers and 8192 bytes"},
		{"STREAM_EXTRA_HEADERS", `{` + strings.TrimSuffix(strings.Repeat(`"#":"",`, 2), ",") + `}`, "twice"},
		{"STREAM_TLS_CA_FILE", "a\nb", `STREAM_TLS_CA_FILE="a\nb" must be the path of a PEM file, SYSTEM, or NONE`},
		{"STREAM_TLS_CERT_FILE", "a\x00b", "must be the path of a PEM file"},
		{"STREAM_TLS_KEY_FILE", "\xff", "must be the path of a PEM file"},
		{"STREAM_TLS_CERT_FILE", "c.pem", "STREAM_TLS_CERT_FILE and STREAM_TLS_KEY_FILE must be set together"},
		{"STREAM_TLS_KEY_FILE", "k.pem", "STREAM_TLS_CERT_FILE and STREAM_TLS_KEY_FILE must be set together"},
		{"STREAM_TLS_DISABLE_HOSTNAME_VALIDATION", "perhaps", "must be true or false"},
		{"STREAM_SAMPLE_RATE", "8001", "must be one of 8000, 11025"},
		{"STREAM_SAMPLE_RATE", "-8000", "or 0 for the rate of start"},
		{"STREAM_SUBPROTOCOL", "a b", "must be the name of a subprotocol"},
		{"STREAM_SUBPROTOCOL", "a\r\nX: y", "must be the name of a subprotocol"},
		{"STREAM_SUBPROTOCOL", "a,,b", "must be the name of a subprotocol"},
		{"STREAM_SUBPROTOCOL", strings.Repeat("a", 257), "must be the name of a subprotocol"},
	} {
		got, _, err := Default().Stream(map[string]string{c.variable: c.value})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.variable) {
			t.Errorf("%s=%s: %v, want %q", c.variable, c.value, err, c.want)
			continue
		}
		if strings.ContainsAny(err.Error(), "\r\n\x00") || !reflect.DeepEqual(got, Stream{}) {
			t.Errorf("%s=%s: %q, %+v", c.variable, c.value, err, got)
		}
	}
}

func TestHeaderValuesAreNeverRepeated(t *testing.T) {
	const secret = "c29tZXRva2Vu"
	for _, value := range []string{
		`{"Authorization":"` + secret + `\n"}`, `{"Authorization":"` + secret, `{"A":"` + secret + `","a":"` + secret + `"}`,
		`{"Host":"` + secret + `"}`,
	} {
		_, _, err := Default().Stream(map[string]string{"STREAM_EXTRA_HEADERS": value})
		_, warnings := ParseModule(map[string]string{"extra-headers": value})
		if err == nil || len(warnings) != 1 {
			t.Errorf("%s: %v, %v", value, err, warnings)
			continue
		}
		if strings.Contains(err.Error()+warnings[0], secret) {
			t.Errorf("%v, %v", err, warnings)
		}
	}
}

func TestChannelVariablesComeBeforeTheXML(t *testing.T) {
	m, warnings := ParseModule(map[string]string{
		"buffer-size": "40", "STREAM_HEART_BEAT": "7", "Stream_Playback_Mode": "replace", "extra-headers": `{"A":"1"}`,
		"message-deflate": "false", "allow-control": "hangup",
	})
	if warnings != nil {
		t.Fatal(warnings)
	}
	want := builtin
	want.BufferMS, want.HeartBeat, want.PlaybackReplace, want.Deflate = 40, 7*time.Second, true, true
	want.AllowHangup, want.ExtraHeaders = true, []Header{{"A", "1"}}
	if got, _, err := m.Stream(nil); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("XML: %+v, %v", got, err)
	}
	want.BufferMS, want.HeartBeat, want.PlaybackReplace, want.Deflate = 60, 0, false, false
	want.AllowHangup, want.AllowTransfer, want.ExtraHeaders = false, true, nil
	got, warnings, err := m.Stream(map[string]string{
		"STREAM_BUFFER_SIZE": "60", "STREAM_HEART_BEAT": "0", "STREAM_PLAYBACK_MODE": "mix", "STREAM_EXTRA_HEADERS": "{}",
		"STREAM_MESSAGE_DEFLATE": "true", "STREAM_ALLOW_CONTROL": "transfer",
	})
	if err != nil || warnings != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("variables: %+v, %v, %v", got, warnings, err)
	}
	// a variable that is ignored leaves the XML's default
	got, warnings, err = m.Stream(map[string]string{"STREAM_BUFFER_SIZE": "41"})
	if err != nil || got.BufferMS != 40 || len(warnings) != 1 || !strings.HasSuffix(warnings[0], "using 40") {
		t.Errorf("%+v, %v, %v", got, warnings, err)
	}
}

func TestTruthIsFreeSWITCHs(t *testing.T) {
	for _, v := range []string{"yes", "on", "true", "t", "enabled", "active", "allow", "TRUE", "1", "2", "-1", "1.9", "+1"} {
		if b, err := parseBool(v); !b || err != nil {
			t.Errorf("%s: %v, %v", v, b, err)
		}
	}
	for _, v := range []string{"no", "off", "false", "f", "disabled", "inactive", "disallow", "False", "0", "0.5", "-0", "00"} {
		if b, err := parseBool(v); b || err != nil {
			t.Errorf("%s: %v, %v", v, b, err)
		}
	}
	for _, v := range []string{"", "y", "n", "1e3", "0x1", "-", ".", "1-1", "NaN", "inf"} {
		if _, err := parseBool(v); err == nil {
			t.Errorf("%s is taken", v)
		}
	}
}
