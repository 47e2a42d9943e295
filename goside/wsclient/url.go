package wsclient

// The stream URL: what is accepted, how it is shown to people, and which hosts are allowed. No network.

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxURL      = 4096 // bytes
	maxHostName = 253  // bytes; RFC 1035 section 3.1, in text form
	maxLabel    = 63   // bytes; RFC 1035 section 2.3.4
	hidden      = "***"
)

// ParseURL checks a stream URL: ws or wss, at most 4096 bytes, a host name (underscores allowed), IPv4 or [IPv6], a port
// from 1 to 65535, path, query and user:password@. Error texts hold neither credentials nor query values.
func ParseURL(raw string) (*url.URL, error) {
	switch {
	case raw == "":
		return nil, errors.New("the URL is empty (expected ws://host[:port]/path or wss://…)")
	case len(raw) > maxURL:
		return nil, fmt.Errorf("the URL has %d bytes (at most %d are allowed)", len(raw), maxURL)
	case !utf8.ValidString(raw):
		return nil, errors.New("the URL is not valid UTF-8 (percent-encode other bytes)")
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] == ' ' {
			return nil, fmt.Errorf("the URL holds a space at byte %d (write it as %%20)", i)
		}
		if raw[i] < ' ' || raw[i] == 0x7f {
			return nil, fmt.Errorf("the URL holds a control character at byte %d", i)
		}
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, errors.New("the URL has no scheme (it must begin with ws:// or wss://)")
	}
	if s := strings.ToLower(scheme); s != "ws" && s != "wss" {
		return nil, errors.New("the URL must begin with ws:// or wss://")
	}
	if strings.IndexByte(rest, '#') >= 0 {
		return nil, errors.New("the URL holds a fragment, which WebSocket URLs may not have (RFC 6455 section 3; write # as %23)")
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority = rest[:i]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if err := checkUserInfo(authority[:i]); err != nil {
			return nil, err
		}
		authority = authority[i+1:]
	}
	if err := checkHostPort(authority); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		// url.Error repeats the URL, and its cause may quote a part of it: neither is for logs.
		if _, after, found := strings.Cut(rest, "/"); found && badEscape(after) {
			return nil, errors.New("the URL's path holds a broken percent-escape (write % as %25)")
		}
		return nil, errors.New("the URL is malformed (expected ws://[user:password@]host[:port]/path?query)")
	}
	return u, nil
}

// checkUserInfo wants what RFC 3986 section 3.2.1 allows.
func checkUserInfo(s string) error {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !alnum(c) && !strings.ContainsRune("-._~!$&'()*+,;=:%", rune(c)) {
			return errors.New("user and password in the URL hold a character that must be percent-encoded (for instance @ as %40, / as %2F)")
		}
	}
	if badEscape(s) {
		return errors.New("user and password in the URL hold a broken percent-escape (write % as %25)")
	}
	return nil
}

func checkHostPort(s string) error {
	host, port, hasPort := s, "", false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return errors.New("the URL's IPv6 address has no closing bracket")
		}
		host = s[:end+1]
		switch after := s[end+1:]; {
		case strings.HasPrefix(after, ":"):
			port, hasPort = after[1:], true
		case after != "":
			return errors.New("the URL has something other than :port behind its IPv6 address")
		}
		// RFC 6874: a zone stands behind %25
		addr, err := netip.ParseAddr(strings.Replace(host[1:end], "%25", "%", 1))
		if err != nil || !addr.Is6() || strings.Count(host, "%") != strings.Count(host, "%25") {
			return errors.New("the URL's address in brackets is not an IPv6 address")
		}
	} else {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, port, hasPort = s[:i], s[i+1:], true
			if strings.IndexByte(port, ':') >= 0 {
				return errors.New("the URL's host holds several colons (write an IPv6 address as [::1])")
			}
		}
		if err := checkHostName(host); err != nil {
			return err
		}
	}
	if !hasPort {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || len(port) > 5 {
		return errors.New("the URL's port is not a number from 1 to 65535")
	}
	return nil
}

func checkHostName(host string) error {
	if host == "" {
		return errors.New("the URL has no host (expected ws://host[:port]/path)")
	}
	if len(host) > maxHostName {
		return fmt.Errorf("the URL's host name has %d bytes (at most %d are allowed)", len(host), maxHostName)
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel {
			return fmt.Errorf("the URL's host name has a part that is empty or longer than %d bytes", maxLabel)
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !alnum(c) && c != '-' && c != '_' {
				return errors.New("the URL's host name holds a character other than letters, digits, '-', '_' and '.' " +
					"(write an international name in its xn-- form)")
			}
		}
	}
	// a name whose last part is a number is an IPv4 address or a mistake (WHATWG URL, "ends in a number")
	if _, err := strconv.ParseUint(labels[len(labels)-1], 0, 64); err == nil {
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is4() {
			return errors.New("the URL's host looks like an IPv4 address but is none")
		}
	}
	return nil
}

// Redact gives the URL as it may be shown: without user, password and query values. Input that is no URL is cut so
// that nothing that could be a password is left, and holds no control characters.
func Redact(raw string) string {
	if _, err := ParseURL(raw); err != nil {
		raw = hideUnparsable(printable(raw))
	}
	path, query, hasQuery := strings.Cut(raw, "?")
	path, _, hasFragment := strings.Cut(path, "#")
	if scheme, rest, ok := strings.Cut(path, "://"); ok {
		authority, tail := rest, ""
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			authority, tail = rest[:i], rest[i:]
		}
		if i := strings.LastIndexByte(authority, '@'); i >= 0 {
			authority = hidden + authority[i:]
		}
		path = scheme + "://" + authority + tail
	}
	switch {
	case hasFragment:
		path += "#" + hidden
	case hasQuery:
		path += "?" + redactQuery(query)
	}
	if len(path) > maxURL {
		path = strings.ToValidUTF8(path[:maxURL], "") + "…"
	}
	return path
}

// hideUnparsable works without a grammar: whatever is left of the last @ may be a password, and so may what stands where a
// port should be.
func hideUnparsable(raw string) string {
	scheme, rest := "", raw
	if before, after, ok := strings.Cut(raw, "://"); ok && !strings.ContainsAny(before, ":@/?#") {
		scheme, rest = before+"://", after
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return scheme + hidden + rest[i:]
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	if host, port, ok := strings.Cut(authority, ":"); ok && authority[0] != '[' && strings.Trim(port, "0123456789") != "" {
		authority = host + ":" + hidden
	}
	return scheme + authority + tail
}

func redactQuery(query string) string {
	if query == "" {
		return ""
	}
	var b strings.Builder
	for i, pair := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
		if i > 0 {
			b.WriteByte('&')
		}
		name, _, hasValue := strings.Cut(pair, "=")
		if !hasValue {
			b.WriteString(hidden) // a bare token is as likely a secret as a name
			continue
		}
		b.WriteString(name + "=" + hidden)
	}
	return b.String()
}

// printable replaces what could forge a log line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || 0x7f <= r && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, s)
}

func alnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// badEscape reports a % that two hexadecimal digits do not follow.
func badEscape(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || !hexDigit(s[i+1]) || !hexDigit(s[i+2])) {
			return true
		}
	}
	return false
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
