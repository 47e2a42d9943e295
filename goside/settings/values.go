// Reading of single values. Every error says what is allowed, in a form that follows the name and the value:
// `buffer-size="30" must be a multiple of 20 from 20 to 1000 (ms)`.

package settings

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is how many characters of a value are repeated in a message.
const maxShown = 64

// parseBool takes what FreeSWITCH's own switch_true and switch_false take; a number is true unless its whole part is 0.
func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "yes", "on", "true", "t", "enabled", "active", "allow":
		return true, nil
	case "no", "off", "false", "f", "disabled", "inactive", "disallow":
		return false, nil
	}
	if strings.Trim(v, "0123456789.-+") == "" {
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return f >= 1 || f <= -1, nil
		}
	}
	return false, errors.New("must be true or false")
}

// parseInt reads a decimal number from low to high; unit is put behind the range in the error.
func parseInt(v string, low, high int, unit string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("must be a whole number from %d to %d%s", low, high, unit)
	}
	return n, nil
}

// parseIntOrZero is parseInt for numbers where 0 has a meaning of its own.
func parseIntOrZero(v string, low, high int, zero string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || (n != 0 && n < low) || n > high {
		return 0, fmt.Errorf("must be a whole number from %d to %d, or 0 for %s", low, high, zero)
	}
	return n, nil
}

func parseBufferMS(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 20 || n > 1000 || n%20 != 0 {
		return 0, errors.New("must be a multiple of 20 from 20 to 1000 (ms)")
	}
	return n, nil
}

// parseSampleRate takes 0 as the rate of start.
func parseSampleRate(v string) (int, error) {
	if v == "0" {
		return 0, nil
	}
	hz, ok := ParseRate(v)
	if !ok {
		return 0, errors.New("must be one of " + RateNames + ", or 0 for the rate of start")
	}
	return hz, nil
}

func parsePlaybackMode(v string) (replace bool, err error) {
	switch strings.ToLower(v) {
	case "mix":
		return false, nil
	case "replace":
		return true, nil
	}
	return false, errors.New("must be mix or replace")
}

// setAllowControl takes the words it knows; one that it does not know allows nothing.
func setAllowControl(s *Stream, v string) error {
	s.AllowHangup, s.AllowTransfer, s.AllowSendDTMF = false, false, false
	var unknown []string
	for word := range strings.SplitSeq(v, ",") {
		switch word = strings.TrimSpace(word); strings.ToLower(word) {
		case "hangup":
			s.AllowHangup = true
		case "transfer":
			s.AllowTransfer = true
		case "send_dtmf", "senddtmf":
			s.AllowSendDTMF = true
		case "", "none":
		default:
			unknown = append(unknown, show(word))
		}
	}
	if unknown != nil {
		return fmt.Errorf("has %s, which is not one of hangup, transfer, send_dtmf, none; %w",
			clip(strings.Join(unknown, " and ")), errPartly)
	}
	return nil
}

// parseCAFile reads tls-ca-file; the two words are taken in either case, so that "none" is not looked for as a file.
func parseCAFile(v string) (string, error) {
	switch strings.ToUpper(v) {
	case "SYSTEM":
		return "SYSTEM", nil
	case "NONE":
		return "NONE", nil
	}
	if _, err := parseFile(v); err != nil {
		return "", errors.New("must be the path of a PEM file, SYSTEM, or NONE")
	}
	return v, nil
}

// parseFile checks the form of a path; whether it can be read is known where it is opened.
func parseFile(v string) (string, error) {
	if len(v) > 4096 || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
		return "", errors.New("must be the path of a PEM file")
	}
	return v, nil
}

// parseSubprotocol reads a comma list of tokens (RFC 6455, section 4.1, item 10).
func parseSubprotocol(v string) (string, error) {
	var names []string
	for name := range strings.SplitSeq(v, ",") {
		name = strings.TrimSpace(name)
		if !IsToken(name) || len(v) > 256 {
			return "", errors.New("must be the name of a subprotocol, or several with commas between, " +
				"of letters, digits and - . _ without blanks, up to 256 characters")
		}
		names = append(names, name)
	}
	return strings.Join(names, ", "), nil
}

func parseTLSVersion(v string) (uint16, error) {
	version, ok := tlsVersions[v]
	if !ok {
		return 0, errors.New("must be 1.0, 1.1, 1.2 or 1.3")
	}
	return version, nil
}

// parseListen takes off, or host:port with the host empty for every address.
func parseListen(v string) (string, error) {
	if strings.EqualFold(v, "off") {
		return "", nil
	}
	host, port, err := net.SplitHostPort(v)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || strings.ContainsAny(host, " /@") || strings.ContainsFunc(host, unicode.IsControl) {
		return "", errors.New("must be host:port (127.0.0.1:9108), or off")
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

// variableName is the channel variable of an XML parameter.
func variableName(param string) string {
	return "STREAM_" + strings.ToUpper(strings.ReplaceAll(param, "-", "_"))
}

// show puts a user's word between quotes, on one line and short.
func show(s string) string { return strconv.Quote(clip(s)) }

func shown(value string) string {
	if value == "" {
		return ""
	}
	return "=" + show(value)
}

// clip cuts s after maxShown characters.
func clip(s string) string {
	n := 0
	for i := range s {
		if n == maxShown {
			return s[:i] + "..."
		}
		n++
	}
	return s
}
