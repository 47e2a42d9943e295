//go:build faults

package netpoll

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mod_audio_stream/goside/fault"
)

func TestFaultAtADeadlineIsToldAndTheDeadlinePasses(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(fault.Folder, dir)
	if err := os.WriteFile(filepath.Join(dir, "socket-deadline"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
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
