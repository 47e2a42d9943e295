// What the stand-in host measures of itself: how long media bugs and holders kept a session's thread at its end. On
// FreeSWITCH, which does not say, calls with and without a stream are compared instead.

package e2e

import (
	"encoding/json"
	"time"
)

// releaseLimit is what the module may add to the end of a session.
const releaseLimit = 5 * time.Millisecond

// resetRelease begins a new measurement.
func (e *env) resetRelease() {
	e.Helper()
	if e.sw.Name() == "host" {
		e.api("host_stats reset")
	}
}

// checkRelease reads the measurement of at least n sessions.
func (e *env) checkRelease(n int) {
	e.Helper()
	if e.sw.Name() != "host" {
		return
	}
	var stats struct {
		Release struct {
			Count               int
			P50Ns, P99Ns, MaxNs int64
		}
	}
	e.check("host_stats", json.Unmarshal([]byte(e.api("host_stats")), &stats))
	r := stats.Release
	note("host: the module held up the end of a session for %s (p50), %s (p99), %s (max of %d)", time.Duration(r.P50Ns).Round(time.Microsecond),
		time.Duration(r.P99Ns).Round(time.Microsecond), time.Duration(r.MaxNs).Round(time.Microsecond), r.Count)
	// The host's threads are ordinary ones here, so that a busy machine may stop one in the middle: one in fifty is let off.
	if r.Count < n || time.Duration(r.P99Ns) > releaseLimit && time.Duration(r.P50Ns) > releaseLimit/5 {
		e.Errorf("%d sessions were held up for %s (p50) and %s (p99), at most %s are allowed", r.Count, time.Duration(r.P50Ns), time.Duration(r.P99Ns), releaseLimit)
	}
}
