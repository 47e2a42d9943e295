package module

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/hosttest"
)

func TestStopEndsEveryStreamWithOneLastEvent(t *testing.T) {
	r := newRig(t, map[string]string{"window-ms": "2"})
	srv := r.serve(agent.Config{})
	silent := r.serve(agent.Config{Silent: true})
	const calls = 30
	for i := range calls {
		uuid := fmt.Sprint(i)
		s := r.add(uuid, nil)
		if i%3 == 0 {
			r.want(uuid, start(silent), ok)
			continue
		}
		r.want(uuid, start(srv), ok)
		r.event(uuid, "default", "connect", "")
		s.Media().Push(8000, 1, 1, make([]int16, 160))
		if i%3 == 1 {
			conn := r.accept(srv)
			_ = conn.SendBinary(make([]byte, 32_000))
		}
	}
	r.stop(patience)
	last := r.lasts("")
	for i := range calls {
		if n := last[fmt.Sprintf("%d/default", i)]; n != 1 {
			t.Errorf("stream %d has %d last events", i, n)
		}
	}
	for _, e := range r.h.Events("", "") {
		if strings.HasSuffix(e.Subclass, "::error") {
			t.Errorf("told %v", e)
		}
	}
}

// Servers that accept the connection and then neither read nor answer.
func TestStopKeepsItsDeadlineWithServersThatNeverAnswer(t *testing.T) {
	r := newRig(t, nil)
	deaf := r.serve(agent.Config{HoldReads: true})
	for i := range 5 {
		uuid := fmt.Sprint(i)
		r.add(uuid, nil)
		r.want(uuid, start(deaf), ok)
		r.event(uuid, "default", "connect", "")
	}
	begun := time.Now()
	r.stop(600 * time.Millisecond)
	if d := time.Since(begun); d > 900*time.Millisecond {
		t.Errorf("it took %v", d)
	}
	if n := len(r.lasts("")); n != 5 {
		t.Errorf("%d streams told their end", n)
	}
}

func TestNothingStartsOnceStopHasBegun(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	s := r.add("a", nil)
	m := r.m
	r.stop(patience)
	if got := m.Command("a", start(srv)); got != "-ERR the module is being unloaded\n" {
		t.Errorf("replied %q", got)
	}
	if s.Media() != nil {
		t.Error("a bug was attached")
	}
}

func TestAStartThatStopOvertakesIsUndone(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	s := r.add("a", nil)
	attaching, carryOn := make(chan struct{}), make(chan struct{})
	r.h.On(hosttest.Attach, func(string) error {
		close(attaching)
		<-carryOn
		return nil
	})
	m := r.m
	reply := make(chan string)
	go func() { reply <- m.Command("a", start(srv)) }()
	<-attaching
	r.stop(patience)
	close(carryOn)
	if got := <-reply; got != "-ERR the module is being unloaded\n" {
		t.Errorf("replied %q", got)
	}
	if media := s.Media(); media == nil || !media.Closed() || media.Frees() != 1 {
		t.Error("the bug was left on the channel")
	}
	if len(m.streams) != 0 {
		t.Error("the name was left behind")
	}
}

func TestAnEventThatHangsIsCountedAtTheDeadline(t *testing.T) {
	r := newRig(t, map[string]string{"workers": "1"})
	srv := r.serve(agent.Config{})
	r.add("a", nil)
	hanging, carryOn := make(chan struct{}), make(chan struct{})
	r.h.OnEvent(func(hosttest.Event) { // the connect event
		r.h.OnEvent(nil)
		close(hanging)
		<-carryOn
	})
	r.want("a", start(srv), ok)
	<-hanging
	m := r.m
	r.m = nil
	if left := m.Stop(200 * time.Millisecond); left != 1 {
		t.Errorf("%d left, want the worker that hangs", left)
	}
	r.line("events were dropped")
	close(carryOn)
}

func TestUnloadAndLoadAgain(t *testing.T) {
	for round := range 10 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			r := newRig(t, map[string]string{"metrics-listen": "127.0.0.1:0", "gomaxprocs": "2"})
			srv := r.serve(agent.Config{})
			for i := range 3 {
				uuid := fmt.Sprint(i)
				r.add(uuid, nil)
				r.want(uuid, start(srv), ok)
			}
			r.accept(srv)
		})
	}
}

// A busy switch: calls come, talk and go, by every way there is.
func TestCallsComeAndGo(t *testing.T) {
	r := newRig(t, map[string]string{"window-ms": "1"})
	srv := r.serve(agent.Config{Mode: agent.Echo{}, Forget: true})
	const calls = 40
	done := make(chan struct{}, calls)
	for i := range calls {
		uuid := fmt.Sprint(i)
		s := r.add(uuid, nil)
		go func() {
			defer func() { done <- struct{}{} }()
			if got := r.m.Command(uuid, start(srv)+" hello"); got != ok {
				t.Errorf("start: %q", got)
				return
			}
			m := s.Media()
			heard := make([]int16, 160)
			for n := range 50 {
				m.Push(8000, 1, 1, make([]int16, 160))
				m.PlayInto(heard)
				if n%10 == 0 {
					r.m.Command(uuid, "stats")
					r.m.Command(uuid, "clear")
				}
				time.Sleep(time.Millisecond)
			}
			switch i % 3 {
			case 0:
				r.m.Command(uuid, "stop")
			case 1:
				s.Hangup()
			case 2:
				r.m.Command(uuid, "graceful-shutdown")
				for !m.Closed() && r.ctx.Err() == nil {
					m.PlayInto(heard)
					time.Sleep(time.Millisecond)
				}
			}
		}()
	}
	for range calls {
		<-done
	}
	r.ended()
	if n := r.lasts(""); len(n) != calls {
		t.Errorf("%d calls have told their end", len(n))
	}
	for stream, n := range r.lasts("") {
		if n != 1 {
			t.Errorf("%s has %d last events", stream, n)
		}
	}
}
