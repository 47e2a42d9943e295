//go:build faults

package module

import (
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/fault"
)

func TestFaultAtTheDeadlineOfAnUnloadIsLoggedAndItEnds(t *testing.T) {
	r := newRig(t, nil)
	deaf := r.serve(agent.Config{HoldReads: true}) // its goodbye takes longer than the deadline
	r.add("a", nil)
	r.want("a", start(deaf), ok)
	r.event("a", "default", "connect", "")
	fault.Arm(t, "unload-deadline")
	r.stop(200 * time.Millisecond)
	r.line("internal error in the deadline of an unload: injected at unload-deadline")
	if n := r.lasts("")["a/default"]; n != 1 {
		t.Errorf("%d last events", n)
	}
}
