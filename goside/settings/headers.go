// Reading of STREAM_EXTRA_HEADERS: what may go into the handshake, and what may not.

package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of the extra headers: servers commonly refuse a handshake beyond 8 to 16 KiB.
const (
	maxHeaders     = 64
	maxHeaderBytes = 8 << 10 // names and values together
)

// parseHeaders reads a JSON object of strings, in the order of the text. It refuses what would break the handshake or
// let one header smuggle in another: names that are no token and values with control characters (RFC 9110, sections 5.1
// and 5.5), the headers that the handshake itself sets (RFC 6455, section 4.1) or that frame an HTTP message, and a name
// given twice. Errors never repeat a value, which may be a credential.
func parseHeaders(v string) ([]Header, error) {
	const form = `must be a JSON object of strings, {"Name":"value"}`
	if !utf8.ValidString(v) {
		return nil, errors.New(form + ", in UTF-8")
	}
	if len(v) > 4*maxHeaderBytes || !json.Valid([]byte(v)) {
		return nil, errors.New(form)
	}
	dec := json.NewDecoder(strings.NewReader(v))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New(form)
	}
	var headers []Header
	seen := map[string]bool{}
	size := 0
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return nil, errors.New(form)
		}
		val, err := dec.Token()
		value, ok := val.(string)
		if err != nil || !ok {
			return nil, fmt.Errorf("%s; the value of %s is not a string", form, show(name))
		}
		if err := CheckHeader(name, value); err != nil {
			return nil, err
		}
		if seen[strings.ToLower(name)] {
			return nil, fmt.Errorf("has the header %s twice; name it once", show(name))
		}
		seen[strings.ToLower(name)] = true
		size += len(name) + len(value)
		headers = append(headers, Header{name, value})
	}
	if len(headers) > maxHeaders || size > maxHeaderBytes {
		return nil, fmt.Errorf("has %d headers of %d bytes; at most %d headers and %d bytes are allowed",
			len(headers), size, maxHeaders, maxHeaderBytes)
	}
	return headers, nil
}

// CheckHeader refuses a header that would change or forge the handshake: a name that is no token, a reserved name, a control
// character in the value. Its text holds the name, never the value, and reads on from what has the header.
func CheckHeader(name, value string) error {
	if !IsToken(name) {
		return fmt.Errorf("has %s, which is not the name of a header; use letters, digits and -", show(name))
	}
	lower := strings.ToLower(name)
	switch lower {
	case "sec-websocket-protocol":
		return fmt.Errorf("has the reserved header %s; set STREAM_SUBPROTOCOL for it", show(name))
	case "host", "upgrade", "connection", "content-length", "transfer-encoding", "te", "trailer", "expect",
		"keep-alive", "proxy-connection", "http2-settings":
		return fmt.Errorf("has the reserved header %s, which the handshake sets itself or must not have; leave it out", show(name))
	}
	if strings.HasPrefix(lower, "sec-websocket-") {
		return fmt.Errorf("has the reserved header %s, which the handshake sets itself; leave it out", show(name))
	}
	for i := range len(value) {
		if c := value[i]; (c < 0x20 && c != '\t') || c == 0x7f {
			return fmt.Errorf("has a control character (CR, LF or the like) in the value of %s; take it out", show(name))
		}
	}
	return nil
}

// IsToken reports whether s is a token of RFC 9110, section 5.6.2.
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
