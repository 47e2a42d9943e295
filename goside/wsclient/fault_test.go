//go:build faults

package wsclient

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"mod_audio_stream/goside/fault"
)

// stuck is a TLS connection whose last alert the other end does not take until the socket is closed.
type stuck struct {
	*script
	once   sync.Once
	closed chan struct{}
}

func (s *stuck) CloseWrite() error { <-s.closed; return nil }

func (s *stuck) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func TestFaultAtTheDeadlineOfPartingIsToldAndTheSocketIsClosed(t *testing.T) {
	fault.Arm(t, "part")
	s := &stuck{script: &script{in: bytes.NewReader(closeOf(1000, ""))}, closed: make(chan struct{})}
	told := make(chan string, 1)
	c := newConn(withDefaults(Config{OnPanic: func(r any, stack []byte) { told <- r.(string) + "\n" + string(stack) }}), s, s, upgraded{})
	_, _, _ = c.Read() // the close frame
	c.Close(1000, "", 50*time.Millisecond)
	if text := within(t, "the panic", told); !strings.HasPrefix(text, "injected at part\ngoroutine ") {
		t.Errorf("told %q", text)
	}
	select {
	case <-s.closed:
	default:
		t.Error("the socket is open")
	}
}
