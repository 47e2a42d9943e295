package wsclient

// Handshake headers: which of them a user may add, and how ours and theirs are written.

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"mod_audio_stream/goside/settings"
)

const maxHeaderBytes = 16 << 10 // of a user's headers together, and of the server's answer

// CheckHeaders refuses what would change or forge the handshake: names that are no token (RFC 7230 section 3.2.6), values
// with CR, LF, NUL or other control characters, reserved names, and more than 16 KiB of them. Error texts hold names, never
// values.
func CheckHeaders(h []settings.Header) error {
	total := 0
	for _, header := range h {
		if err := settings.CheckHeader(header.Name, header.Value); err != nil {
			return fmt.Errorf("the list of headers %w", err)
		}
		total += len(header.Name) + len(header.Value) + len(": \r\n")
	}
	if total > maxHeaderBytes {
		return fmt.Errorf("the headers are %d bytes together, at most %d are allowed", total, maxHeaderBytes)
	}
	return nil
}

// checkSubprotocols splits a list of tokens (RFC 6455 section 4.1, item 10).
func checkSubprotocols(list string) ([]string, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	var all []string
	for _, p := range strings.Split(list, ",") {
		if p = strings.TrimSpace(p); !settings.IsToken(p) {
			return nil, errors.New("the subprotocol is not a token (letters, digits and !#$%&'*+-.^_`|~; several separated by commas)")
		}
		all = append(all, p)
	}
	return all, nil
}

// requestHeaders writes the headers that are not the handshake's own.
type requestHeaders struct {
	user      *url.Userinfo
	userAgent string
	more      []settings.Header
}

// WriteTo implements ws.HandshakeHeader. A header that the user gives takes the place of ours.
func (r requestHeaders) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	given := func(name string) bool {
		for _, h := range r.more {
			if strings.EqualFold(h.Name, name) {
				return true
			}
		}
		return false
	}
	if r.user != nil && !given("Authorization") {
		password, _ := r.user.Password()
		// RFC 7617: user-id ":" password, UTF-8
		b.WriteString("Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte(r.user.Username()+":"+password)) + "\r\n")
	}
	if r.userAgent != "" && !given("User-Agent") {
		b.WriteString("User-Agent: " + r.userAgent + "\r\n")
	}
	for _, h := range r.more {
		b.WriteString(h.Name + ": " + strings.Trim(h.Value, " \t") + "\r\n")
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// clip keeps a name in an error text short.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
