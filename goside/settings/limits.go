// Limits and rates that commands, settings and messages share.

package settings

import (
	"slices"
	"strings"
)

// MaxText is the longest metadata or text of a command, in bytes.
const MaxText = 64 << 10

// MaxURL is the longest ws-url of a start command, in bytes.
const MaxURL = 4096

// MaxStreams is how many streams one channel may have at a time.
const MaxStreams = 8

// RateNames lists every rate that may be named, for messages to people.
const RateNames = "8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 8k, 12k, 16k, 24k, 32k, 48k"

// DefaultRate is the rate (Hz) of a start command that names none.
const DefaultRate = 8000

// rates are the sample rates (Hz) that audio on the socket may have, either way.
var rates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

var rateByName = map[string]int{
	"8000": 8000, "11025": 11025, "12000": 12000, "16000": 16000, "22050": 22050, "24000": 24000, "32000": 32000,
	"44100": 44100, "48000": 48000,
	"8k": 8000, "12k": 12000, "16k": 16000, "24k": 24000, "32k": 32000, "48k": 48000,
}

// ParseRate reads a rate as RateNames spells it, in either case; there is no other spelling ("08000" and "+8000" are none).
func ParseRate(s string) (hz int, ok bool) {
	hz, ok = rateByName[strings.ToLower(s)]
	return hz, ok
}

// ValidRate reports whether hz is one of the rates that audio on the socket may have.
func ValidRate(hz int) bool { return slices.Contains(rates, hz) }
