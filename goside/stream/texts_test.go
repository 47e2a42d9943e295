package stream

// Texts of the user: while connecting, at the end, and too many.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
)

func TestStopSendsItsTextLast(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil, metadata("m"))
	conn := r.connect(srv, c)
	c.push(1)
	c.s.Stop("goodbye", true)
	if err := c.s.SendText("too late"); !errors.Is(err, errClosing) {
		r.ended(c)
		if err := c.s.SendText("too late"); !errors.Is(err, errClosing) {
			t.Errorf("a text after the end: %v", err)
		}
	}
	r.ended(c)
	r.closed(conn)
	_, texts := r.frames(conn, 1)
	if !slices.Equal(texts, []string{"m", "goodbye"}) && !slices.Equal(texts, []string{"m", "too late", "goodbye"}) {
		t.Errorf("texts %q", texts)
	}
}

func TestTextsThatWaitAreBounded(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{Silent: true})
	c := r.start(srv.URL(""), nil)
	for i := range maxPendingTexts {
		if err := c.s.SendText("x"); err != nil {
			t.Fatalf("text %d: %v", i, err)
		}
	}
	if err := c.s.SendText("x"); !errors.Is(err, errTexts) {
		t.Errorf("got %v", err)
	}
	other := r.start(srv.URL(""), nil)
	if err := other.s.SendText(strings.Repeat("x", maxPendingTextBytes)); err != nil {
		t.Error(err)
	}
	if err := other.s.SendText("x"); !errors.Is(err, errTexts) {
		t.Errorf("got %v", err)
	}
}

// A text is sent or waits; none is forgotten, whenever it comes.
func TestTextsThatComeWhileConnectingAreAllSent(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	for range 60 {
		c := r.start(srv.URL(""), nil)
		const texts = 100
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := range texts {
				for c.s.SendText(fmt.Sprint(i)) != nil && r.ctx.Err() == nil { // too many wait
					time.Sleep(100 * time.Microsecond)
				}
				if i%10 == 0 {
					time.Sleep(50 * time.Microsecond) // to be still at it when the connection comes
				}
			}
		})
		conn := r.accept(srv)
		sending.Wait()
		for i := range texts {
			if got := r.text(conn, ""); got != fmt.Sprint(i) {
				t.Fatalf("text %q, want %d", got, i)
			}
		}
		c.s.Stop("", false)
		r.ended(c)
	}
}
