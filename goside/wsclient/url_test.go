package wsclient

// URLs and headers: what is accepted, what is refused and why, what may be shown.

import (
	"strings"
	"testing"
	"unicode/utf8"

	"mod_audio_stream/goside/settings"
)

func TestParseURLAcceptsWhatServersAreCalled(t *testing.T) {
	for raw, want := range map[string]string{ // Host and request target
		"ws://h":                                 "h /",
		"WSS://Host.Example:8443/p":              "Host.Example:8443 /p",
		"ws://my_host.local_net/x":               "my_host.local_net /x",
		"ws://10.0.0.1:80/":                      "10.0.0.1:80 /",
		"ws://[::1]:9000/a":                      "[::1]:9000 /a",
		"ws://[fe80::1%25eth0]/a":                "[fe80::1%eth0] /a",
		"ws://h?x=1":                             "h /?x=1",
		"ws://h/p?":                              "h /p?",
		"ws://h.example./":                       "h.example. /",
		"ws://h/a%2Fb/c%20d?q=%7B%22a%22%3A1%7D": "h /a%2Fb/c%20d?q=%7B%22a%22%3A1%7D",
		"ws://h/a?q={\"a\":1}&b=c+d;e":           "h /a?q={\"a\":1}&b=c+d;e",
		"ws://h/a%2Fb{x}\"<>|`é?{é}":             "h /a%2Fb{x}\"<>|`é?{é}",
		"ws://h//a%2Fb{x}":                       "h //a%2Fb%7Bx%7D",
		"ws://h//double//slash":                  "h //double//slash",
		"ws://h/p@q:r!$&'()*+,;=":                "h /p@q:r!$&'()*+,;=",
		"ws://u:p%40ss@h/":                       "h /",
		"ws://u@h/":                              "h /",
		"ws://h:65535/":                          "h:65535 /",
		"ws://h/" + strings.Repeat("a", 4089):    "h /" + strings.Repeat("a", 4089),
	} {
		u, err := ParseURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got := u.Host + " " + requestTarget(raw).RequestURI(); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

func TestParseURLRefusesWithAReasonAndWithoutSecrets(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                      "empty",
		"h/p":                                   "no scheme",
		"http://h/":                             "ws://",
		"ftp://secret:secret@h/?secret":         "ws://",
		"ws:///p":                               "no host",
		"ws://:80/":                             "no host",
		"ws://u:secret@/":                       "no host",
		"ws://h:0/":                             "port",
		"ws://h:65536/":                         "port",
		"ws://h:secret/":                        "port",
		"ws://h:/":                              "port",
		"ws://h:+80/":                           "port",
		"ws://user:sec/ret@h/":                  "port",
		"ws://::1/":                             "IPv6",
		"ws://[::1/":                            "bracket",
		"ws://[::1]x/":                          "behind its IPv6",
		"ws://[1.2.3.4]/":                       "not an IPv6",
		"ws://[secret]/":                        "not an IPv6",
		"ws://1.2.3.256/":                       "IPv4",
		"ws://127.1/":                           "IPv4",
		"ws://0x7f000001/":                      "IPv4",
		"ws://h/a b?secret":                     "space",
		"ws://h/\r\nX: y":                       "control",
		"ws://h/\x00":                           "control",
		"ws://h/\x7f":                           "control",
		"ws://h/\xff":                           "UTF-8",
		"ws://h/#f":                             "fragment",
		"ws://h/?secret#f":                      "fragment",
		"ws://h/%zz?secret":                     "percent-escape",
		"ws://u:sec%ret@h/":                     "percent-escape",
		"ws://u:secret<@h/":                     "percent-encoded",
		"ws://bücher.example/":                  "xn--",
		"ws://a..b/":                            "empty",
		"ws://" + strings.Repeat("a", 64) + "/": "63",
		"ws://" + strings.Repeat("a.", 127):     "254",
		"ws://h/" + strings.Repeat("a", 4090):   "4097",
	} {
		_, err := ParseURL(raw)
		if err == nil {
			t.Errorf("%q was accepted", raw)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v; want %q in it, and no secret", raw, err, want)
		}
	}
}

func TestRedactHidesCredentialsAndQueryValues(t *testing.T) {
	for raw, want := range map[string]string{
		"ws://h:80/p":                      "ws://h:80/p",
		"ws://h/p@q":                       "ws://h/p@q",
		"wss://u:secret@h/p?a=secret&b=":   "wss://***@h/p?a=***&b=***",
		"wss://secret@h?secret":            "wss://***@h?***",
		"ws://h/?a=1;b=2":                  "ws://h/?a=***&b=***",
		"ws://h/?":                         "ws://h/?",
		"ws://u:sec/ret@h/p?x=1":           "ws://***@h/p?x=***",
		"ws://u:s?cret@h/p":                "ws://***@h/p",
		"ws://u:s#cret@h/p":                "ws://***@h/p",
		"u:secret@h/p?x=secret":            "***@h/p?x=***",
		"http://u:secret@h/?x=secret#frag": "http://***@h/?x=***",
		"ws://user:secret":                 "ws://user:***",
		"ws://user:secret/p":               "ws://user:***/p",
		"ws://h/p#secret":                  "ws://h/p#***",
		"ws://h/a\r\nb":                    "ws://h/a\ufffd\ufffdb",
		"ws://u:p@h:99999/":                "ws://***@h:99999/",
		"":                                 "",
		"nonsense":                         "nonsense",
	} {
		if got := Redact(raw); got != want {
			t.Errorf("Redact(%q) = %q, want %q", raw, got, want)
		}
	}
	long := Redact("ws://u:secret@h/?secret=1&b=" + strings.Repeat("secret", 2000))
	if strings.Count(long, "secret") != 1 || len(long) > maxURL+8 {
		t.Errorf("an overlong URL became %d bytes with %d secrets", len(long), strings.Count(long, "secret")-1)
	}
}

func TestCheckHeadersKeepsTheHandshakeSafe(t *testing.T) {
	for _, ok := range []settings.Header{
		{Name: "X-Token", Value: "a b;c=\"d\", \\ \t é"}, {Name: "Authorization", Value: "Bearer x"}, {Name: "Origin", Value: ""},
		{Name: "User-Agent", Value: "x"}, {Name: "X.!#$%&'*+^_`|~", Value: "1"},
	} {
		if err := CheckHeaders([]settings.Header{ok}); err != nil {
			t.Errorf("%v: %v", ok, err)
		}
	}
	for _, bad := range []settings.Header{
		{Name: "", Value: "v"}, {Name: "X Y", Value: "v"}, {Name: "X:", Value: "v"}, {Name: "X\r\nY", Value: "v"}, {Name: "é", Value: "v"},
		{Name: "X", Value: "secret\r\nY: z"}, {Name: "X", Value: "secret\n"}, {Name: "X", Value: "secret\x00"}, {Name: "X", Value: "secret\x7f"},
		{Name: "Host", Value: "h"}, {Name: "hOST", Value: "h"}, {Name: "Upgrade", Value: "x"}, {Name: "Connection", Value: "x"},
		{Name: "Sec-WebSocket-Key", Value: "x"}, {Name: "sec-websocket-protocol", Value: "x"}, {Name: "Sec-WebSocket-Foo", Value: "x"},
		{Name: "Content-Length", Value: "0"}, {Name: "Transfer-Encoding", Value: "chunked"}, {Name: "TE", Value: "x"},
		{Name: "X", Value: strings.Repeat("a", maxHeaderBytes)}, {Name: strings.Repeat("ä", 100), Value: "v"},
	} {
		err := CheckHeaders([]settings.Header{bad})
		if err == nil {
			t.Errorf("%q was accepted", bad)
		} else if s := err.Error(); strings.Contains(s, "secret") || strings.ContainsAny(s, "\r\n") || !utf8.ValidString(s) {
			t.Errorf("%q: unfit for a log: %q", bad, s)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"ws://h/p", "wss://u:p@[::1]:8443/a%20b?c=d", "ws://u:p/w@h", "ws://h:99999", "x", "ws://1.2.3.4:1?@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseURL(raw)
		shown := Redact(raw)
		if strings.ContainsAny(shown, "\r\n\x00") {
			t.Errorf("Redact(%q) = %q", raw, shown)
		}
		if err != nil {
			return
		}
		if u.Hostname() == "" || u.Scheme != "ws" && u.Scheme != "wss" {
			t.Errorf("%q: scheme %q, host %q", raw, u.Scheme, u.Host)
		}
		if strings.ContainsAny(hostHeader(u)+requestTarget(raw).RequestURI(), " \r\n\x00") {
			t.Errorf("%q can break the request line", raw)
		}
		if password, ok := u.User.Password(); ok && len(password) > 3 && !strings.Contains(u.Host+u.EscapedPath()+"ws***://@", password) &&
			strings.Contains(strings.SplitN(shown, "?", 2)[0], password) {
			t.Errorf("Redact(%q) = %q shows the password", raw, shown)
		}
	})
}
