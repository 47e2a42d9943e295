package events

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestBodiesAreByteExact(t *testing.T) {
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{Connected(), `{"status":"connected"}`},
		{Disconnected(1000, "Normal closure"), `{"status":"disconnected","message":{"code":1000,"reason":"Normal closure"}}`},
		{Disconnected(1000, ""), `{"status":"disconnected","message":{"code":1000,"reason":"Normal closure"}}`},
		{Disconnected(4001, "a \"b\" \\ <c> & é\n"), `{"status":"disconnected","message":{"code":4001,"reason":"a \"b\" \\ <c> & é\n"}}`},
		{ErrorBody(ConnectFailed, "no route"), `{"status":"error","message":{"code":6,"error":"no route"}}`},
		{ErrorBody(PlaybackOverflow, ""), `{"status":"error","message":{"code":13,"error":""}}`},
		{Playback(Started, 0, 20*time.Millisecond), `{"status":"started","playedMs":0,"queuedMs":20}`},
		{ClearedBody(1999999*time.Microsecond, 3*time.Second), `{"status":"cleared","playedMs":1999,"queuedMs":0,"droppedMs":3000}`},
		{MarkBody("m1", Played, 1234*time.Millisecond), `{"name":"m1","status":"played","playedMs":1234}`},
		{MarkBody("\"\\\x00\x1f\x7f/", Cleared, 0), "{\"name\":\"\\\"\\\\\\u0000\\u001f\x7f/\",\"status\":\"cleared\",\"playedMs\":0}"},
		{Reconnect(1, 200*time.Millisecond, "connection reset"), `{"attempt":1,"delayMs":200,"reason":"connection reset"}`},
	} {
		if string(c.got) != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
		if !json.Valid(c.got) {
			t.Errorf("%s is not JSON", c.got)
		}
	}
}

func TestErrorCodesAreTheCommunityModules(t *testing.T) {
	for code, name := range map[Code]string{
		1: "IO", 2: "INVALID_HEADER", 3: "SERVER_MASKED", 4: "NOT_SUPPORTED", 5: "PING_TIMEOUT", 6: "CONNECT_FAILED",
		7: "TLS_INIT_FAILED", 8: "SSL_HANDSHAKE_FAILED", 9: "SSL_ERROR", 10: "TIMEOUT", 11: "PROTOCOL", 12: "TOO_LARGE",
		13: "PLAYBACK_OVERFLOW", 0: "code 0", 14: "code 14", -1: "code -1",
	} {
		if code.String() != name {
			t.Errorf("%d is %s, want %s", int(code), code, name)
		}
	}
}

func TestEverySubclassIsTheModules(t *testing.T) {
	if n := len(Subclasses()); n != 8 {
		t.Errorf("%d subclasses", n)
	}
	for _, s := range Subclasses() {
		if !strings.HasPrefix(s, "mod_audio_stream::") {
			t.Error(s)
		}
	}
}

func TestEveryCloseCodeHasAReason(t *testing.T) {
	for code := -1; code < 6000; code++ {
		if StandardReason(code) == "" {
			t.Errorf("%d has none", code)
		}
	}
	if got := StandardReason(4999); got != "Application close code 4999" {
		t.Error(got)
	}
	if got := StandardReason(3000); got != "Registered close code 3000" {
		t.Error(got)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é\xff\xc3", "\u2028<>&", "\xed\xa0\x80", "\uFFFD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(b, &back); err != nil || !utf8.Valid(b) {
			t.Fatalf("%q became %q: %v", s, b, err)
		}
		want := ""
		for _, r := range s { // yields U+FFFD for each byte that is not UTF-8
			want += string(r)
		}
		if back != want {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}
