package settings

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzHeaders: what STREAM_EXTRA_HEADERS lets through is what its JSON says, in order, and cannot become another header
// or another line of the handshake.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		`{"A":"b"}`, `{"X-Key":"a b","Authorization":"Bearer x.y"}`, `{"A":"b\r\nC: d"}`, `{"A\r\n":"b"}`, `{"A":"\u0000"}`, `{"A":"\u000d\u000a"}`,
		`{"Host":"x"}`, `{"sec-websocket-key":"x"}`, `{"A":1}`, `{"A":null}`, `{"A":{"B":"c"}}`, `["A"]`, `{"A":"b","a":"c"}`, `{"A":"b"}{"C":"d"}`,
		`{"":""}`, `{"A":"é"}`, "{\"A\":\"\xff\"}", `{"A":"\ud800"}`, `{"A":" b\t"}`, `{"Ünïcode":"x"}`, `{"K":"K"}`, "", " {} ", `{"Content-Length":"0"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		headers, err := parseHeaders(v)
		if err != nil {
			if text := err.Error(); text == "" || strings.ContainsAny(text, "\r\n\x00") {
				t.Fatalf("error %q", text)
			}
			return
		}
		var want map[string]string
		if err := json.Unmarshal([]byte(v), &want); err != nil || len(want) != len(headers) {
			t.Fatalf("%q became %q; as JSON it is %q, %v", v, headers, want, err)
		}
		// written and read again as a server does
		var b strings.Builder
		for _, h := range headers {
			if want[h.Name] != h.Value {
				t.Fatalf("%q: %s is %q", v, h.Name, h.Value)
			}
			b.WriteString(h.Name + ": " + strings.Trim(h.Value, " \t") + "\r\n")
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\r\n"), "\r\n")
		if len(headers) > 0 && len(lines) != len(headers) || strings.ContainsAny(strings.ReplaceAll(b.String(), "\r\n", ""), "\r\n\x00") {
			t.Fatalf("%q became the lines %q", v, lines)
		}
		seen := map[string]bool{}
		for _, h := range headers {
			name := http.CanonicalHeaderKey(h.Name)
			if seen[name] {
				t.Fatalf("%q: %s twice", v, name)
			}
			seen[name] = true
			if name == "Host" || name == "Connection" || name == "Upgrade" || name == "Content-Length" || name == "Transfer-Encoding" || strings.HasPrefix(name, "Sec-Websocket-") {
				t.Fatalf("%q: the handshake's own header %s", v, name)
			}
		}
	})
}
