//go:build faults

package netpoll

import (
	"errors"
	"os"
	"testing"
	"time"

	"mod_audio_stream/goside/fault"
)

func TestFaultAtADeadlineIsToldAndTheDeadlinePasses(t *testing.T) {
	fault.Arm(t, "socket-deadline")
	p := start(t)
	told := make(chan any, 1)
	p.OnPanic = func(r any, _ []byte) { told <- r }
	c, _ := pair(t, p)
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v", err)
	}
	if r := within(t, "the report", told); r != "injected at socket-deadline" {
		t.Errorf("told %v", r)
	}
}
