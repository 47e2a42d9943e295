//go:build faults

package worker

import (
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/fault"
)

func TestFaultAtTheDeadlineOfStopIsToldAndStopEnds(t *testing.T) {
	told := make(chan string, 1)
	q := New(1, func(r any, stack []byte) { told <- r.(string) + "\n" + string(stack) })
	running, carryOn := make(chan struct{}), make(chan struct{})
	q.Lane().Post(Event{Do: func() { close(running); <-carryOn }})
	<-running
	fault.Arm(t, "worker-deadline")
	if q.Stop(10 * time.Millisecond) {
		t.Error("Stop did not tell of the event that hangs")
	}
	if s := recv(t, told, "the panic"); !strings.HasPrefix(s, "injected at worker-deadline\ngoroutine ") {
		t.Errorf("told %q", s)
	}
	close(carryOn)
	q.done.Wait()
}
