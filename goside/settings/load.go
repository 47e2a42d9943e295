// From names and texts to settings: XML parameters to a Module, channel variables over the XML's defaults to a Stream.

package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Default is the module with nothing set in the XML.
func Default() Module {
	m := Module{defaults: map[string]string{}}
	for _, p := range moduleParams {
		if p.builtin != "" {
			_ = p.set(&m, p.builtin) // a test reads every built-in default
		}
	}
	return m
}

// Variables are the names of the channel variables that Module.Stream reads.
func Variables() []string {
	names := make([]string, len(streamParams))
	for i := range streamParams {
		names[i] = streamParams[i].variable
	}
	return names
}

// ParseModule reads the parameters of the XML, name to value. Names are written as in audio_stream.conf.xml
// (buffer-size); the variable's own spelling (STREAM_BUFFER_SIZE) is taken too, and letter case does not matter. An empty
// value is an unset one.
//
// Nothing here stops the module from loading: a bad value and an unknown name each give one warning, a line for the log,
// and the built-in default holds. It stays on the safe side: an entry of allowed-hosts that cannot be read matches no
// host, and does not open the list; the TLS settings fall back to full verification.
func ParseModule(params map[string]string) (Module, []string) {
	m := Default()
	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	seen := map[string]string{}
	// sorted, so that the same file gives the same result and the same warnings
	for _, given := range slices.Sorted(maps.Keys(params)) {
		value := strings.TrimSpace(params[given])
		if value == "" {
			continue
		}
		name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(given)), "_", "-")
		mp := findModuleParam(name)
		var sp *streamParam
		if mp == nil {
			name = strings.TrimPrefix(name, "stream-")
			if sp = findStreamParam(name); sp == nil {
				warn("parameter %s is not known and is ignored; the known ones are in audio_stream.conf.xml", show(given))
				continue
			}
		}
		if first, twice := seen[name]; twice {
			warn("parameter %s is ignored: %s sets the same", show(given), show(first))
			continue
		}
		seen[name] = given
		if mp != nil {
			next := m
			err := mp.set(&next, value)
			if err == nil || errors.Is(err, errPartly) {
				m = next
			}
			if err != nil {
				warn("%s", complaint("parameter "+mp.name, value, err, mp.builtin))
			}
			continue
		}
		var probe Stream
		if err := sp.set(&probe, value); err != nil {
			if !errors.Is(err, errPartly) {
				warn("%s", complaint("parameter "+sp.name, sp.display(value), err, sp.builtin))
				continue
			}
			warn("%s", complaint("parameter "+sp.name, value, err, ""))
		}
		m.defaults[sp.name] = value
	}
	return m, warnings
}

// Stream reads the settings of one stream: channel variables first, then the defaults of the XML, then the built-in ones. vars holds
// what of Variables the channel has set; an empty value is an unset one, other names are not looked at.
//
// A warning is one line for the log about a value that was ignored. An error refuses the start; its text names the
// variable and what to do. Errors are mistakes in STREAM_EXTRA_HEADERS, STREAM_TLS_*, STREAM_SUBPROTOCOL and
// STREAM_SAMPLE_RATE (going on would be unsafe, or of no use); all others are warnings.
func (m Module) Stream(vars map[string]string) (Stream, []string, error) {
	var s Stream
	var warnings []string
	for i := range streamParams {
		p := &streamParams[i]
		fallback := p.builtin
		if d := m.defaults[p.name]; d != "" {
			fallback = d
		}
		value := strings.TrimSpace(vars[p.variable])
		if value != "" {
			next := s
			err := p.set(&next, value)
			switch {
			case err == nil:
				s = next
				continue
			case p.strict:
				return Stream{}, warnings, fmt.Errorf("%s%s %w", p.variable, shown(p.display(value)), err)
			case errors.Is(err, errPartly):
				warnings = append(warnings, complaint(p.variable, value, err, ""))
				s = next
				continue
			}
			warnings = append(warnings, complaint(p.variable, p.display(value), err, p.fallbackName(fallback)))
		}
		if fallback != "" {
			_ = p.set(&s, fallback) // read without error by ParseModule, or built in
		}
	}
	if (s.TLSCertFile == "") != (s.TLSKeyFile == "") {
		return Stream{}, warnings, errors.New("STREAM_TLS_CERT_FILE and STREAM_TLS_KEY_FILE must be set together " +
			"(the same file twice when it holds both)")
	}
	return s, warnings, nil
}

// errPartly is wrapped by a setter that took what it could of a list.
var errPartly = errors.New("the rest of the list holds")

// complaint is a warning's text.
func complaint(name, value string, err error, instead string) string {
	s := name + shown(value) + " "
	if errors.Is(err, errPartly) {
		return s + err.Error()
	}
	if instead == "" {
		return s + err.Error() + "; it is ignored"
	}
	return s + err.Error() + "; using " + instead
}

// display is the value as it may be repeated in a message.
func (p *streamParam) display(value string) string {
	if p.secret {
		return ""
	}
	return value
}

func (p *streamParam) fallbackName(fallback string) string {
	if p.secret && fallback != "" {
		return "the default of the XML"
	}
	return fallback
}

func findStreamParam(name string) *streamParam {
	for i := range streamParams {
		if streamParams[i].name == name {
			return &streamParams[i]
		}
	}
	return nil
}

func findModuleParam(name string) *moduleParam {
	for i := range moduleParams {
		if moduleParams[i].name == name {
			return &moduleParams[i]
		}
	}
	return nil
}
