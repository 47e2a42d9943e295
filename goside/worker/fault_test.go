//go:build faults

package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/fault"
)

// arm gives the order to panic at a place.
func arm(t *testing.T, place string) {
	dir := t.TempDir()
	t.Setenv(fault.Folder, dir)
	if err := os.WriteFile(filepath.Join(dir, place), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFaultAtTheDeadlineOfStopIsToldAndStopEnds(t *testing.T) {
	told := make(chan string, 1)
	q := New(1, func(r any, stack []byte) { told <- r.(string) + "\n" + string(stack) })
	running, carryOn := make(chan struct{}), make(chan struct{})
	q.Lane().Post(Event{Do: func() { close(running); <-carryOn }})
	<-running
	arm(t, "worker-deadline")
	if q.Stop(10 * time.Millisecond) {
		t.Error("Stop did not tell of the event that hangs")
	}
	if s := recv(t, told, "the panic"); !strings.HasPrefix(s, "injected at worker-deadline\ngoroutine ") {
		t.Errorf("told %q", s)
	}
	close(carryOn)
	q.done.Wait()
}
