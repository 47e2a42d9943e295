package esl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slack is how long anything may take on a loaded machine before it counts as not happening.
const slack = 20 * time.Second

// peer is one connection at the switch's end.
type peer struct {
	net.Conn
	in *textproto.Reader
}

// request reads the next request, up to the empty line, and gives its first line.
func (p *peer) request() (string, error) {
	first, err := p.in.ReadLine()
	for line := first; err == nil && line != ""; {
		line, err = p.in.ReadLine()
	}
	return first, err
}

func (p *peer) say(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

func (p *peer) answer(body string) {
	p.say("Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
}

func (p *peer) fire(headers, body string) {
	text := fmt.Sprintf("%s\nContent-Length: %d\n\n%s", headers, len(body), body)
	p.say("Content-Type: text/event-plain\nContent-Length: %d\n\n%s", len(text), text)
}

// serve plays the switch: every connection is let in with the password "right", then handed to after. Connections are
// closed, and the goroutines waited for, at the end of the test.
func serve(t *testing.T, after func(p *peer, n int)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		served := make(chan struct{})
		n := 0
		for ; ; n++ {
			nc, err := l.Accept()
			if err != nil {
				break
			}
			go func(n int) {
				defer func() { served <- struct{}{} }()
				defer nc.Close()
				p := &peer{nc, textproto.NewReader(bufio.NewReader(nc))}
				p.say("Content-Type: auth/request\n\n")
				if line, err := p.request(); err != nil || line != "auth right" {
					p.say("Content-Type: command/reply\nReply-Text: -ERR invalid\n\n")
					return
				}
				p.say("Content-Type: command/reply\nReply-Text: +OK accepted\n\n")
				after(p, n)
			}(n)
		}
		for range n {
			<-served
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String()
}

// echo answers every request with itself until the client has gone.
func echo(p *peer, _ int) {
	for {
		line, err := p.request()
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "api ") {
			p.answer(line)
		} else {
			p.say("Content-Type: command/reply\nReply-Text: +OK %s\n\n", line)
		}
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), slack)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, addr string, onEvent func(*Event)) *Conn {
	t.Helper()
	c, err := Dial(within(t), addr, "right", onEvent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestLoginSaysWhatIsWrong(t *testing.T) {
	addr := serve(t, echo)
	if _, err := Dial(within(t), addr, "wrong", nil); err == nil || !strings.Contains(err.Error(), "-ERR invalid") {
		t.Errorf("wrong password: %v", err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, mute.Addr().String(), "right", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a switch that never greets: %v", err)
	}
}

func TestEventsComeInOrderDecodedAndWithTheirBodies(t *testing.T) {
	const n = 500
	addr := serve(t, func(p *peer, _ int) {
		if line, err := p.request(); err != nil || line != "event plain CUSTOM a::b" {
			t.Errorf("%q, %v", line, err)
		}
		p.say("Content-Type: command/reply\nReply-Text: +OK\n\n")
		for i := range n {
			p.fire(fmt.Sprintf("Event-Name: CUSTOM\nNumber: %d\nEvent-Subclass: a%%3A%%3Ab", i), fmt.Sprintf("line\n\n%d", i))
		}
		p.say("Content-Type: text/disconnect-notice\nContent-Length: 3\n\nbye")
		_, _ = io.Copy(io.Discard, p)
	})
	var got []string
	c := dial(t, addr, func(e *Event) {
		got = append(got, e.Name()+" "+e.Get("event-subclass")+" "+e.Get("Number")+" "+e.Body)
	})
	if err := c.Listen(within(t), "CUSTOM", "a::b"); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("CUSTOM a::b %d line\n\n%d", i, i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d events of %d, or not in order", len(got), n)
	}
}

func TestABrokenConnectionIsNoticed(t *testing.T) {
	for name, end := range map[string]func(*peer){
		"hung up":              func(p *peer) { _ = p.Close() },
		"said goodbye":         func(p *peer) { p.say("Content-Type: text/disconnect-notice\n\n") },
		"in the middle":        func(p *peer) { p.say("Content-Type: api/response\nContent-Length: 10\n\nabc"); _ = p.Close() },
		"answer to nobody":     func(p *peer) { p.answer("one"); p.answer("two"); p.answer("three") },
		"no length":            func(p *peer) { p.say("Content-Type: api/response\nContent-Length: x\n\n") },
		"event without an end": func(p *peer) { p.say("Content-Type: text/event-plain\nContent-Length: 3\n\nabc") },
	} {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, func(p *peer, _ int) {
				end(p)
				_, _ = io.Copy(io.Discard, p)
			})
			c := dial(t, addr, nil)
			select {
			case <-c.Done():
			case <-time.After(slack):
				t.Fatal("not noticed")
			}
			if err := c.Err(); !errors.Is(err, ErrClosed) {
				t.Errorf("Err is %v", err)
			}
			if _, err := c.API(within(t), "status"); !errors.Is(err, ErrClosed) {
				t.Errorf("a command gives %v", err)
			}
		})
	}
}

func TestACommandThatIsNotAnsweredClosesTheConnection(t *testing.T) {
	addr := serve(t, func(p *peer, _ int) { _, _ = io.Copy(io.Discard, p) })
	c := dial(t, addr, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.API(ctx, "status"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if c.Err() == nil {
		t.Error("it is still in use: the late answer would be taken for the next command's")
	}
}

func TestTheClientMakesItsCommandConnectionAnew(t *testing.T) {
	drop := make(chan struct{})
	addr := serve(t, func(p *peer, n int) {
		if n == 0 { // the first connection for commands: one answer, then it breaks
			line, _ := p.request()
			p.answer(line)
			<-drop
			return
		}
		echo(p, n)
	})
	ended := make(chan error, 2)
	c, err := Connect(within(t), Options{Address: addr, Password: "right", Events: []string{"ALL"}, OnEnd: func(err error) { ended <- err }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if got, err := c.API(within(t), "status"); err != nil || got != "api status" {
			t.Errorf("command %d: %q, %v", i, got, err)
		}
		if i == 0 {
			close(drop)
			<-c.commands.Done()
		}
	}
	if err := c.Execute(within(t), "some-uuid", "park", ""); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		t.Errorf("the connection for events ended too: %v", err)
	default:
	}
	c.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("OnEnd got %v", err)
	}
	if _, err := c.API(within(t), "status"); !errors.Is(err, ErrClosed) {
		t.Errorf("a command after Close: %v", err)
	}
}

func TestConnectWaitsForTheSwitchUnlessItHasGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	gone := make(chan struct{})
	close(gone)
	if _, err := Connect(within(t), Options{Address: nobody, Gone: gone}); err == nil || !strings.Contains(err.Error(), "ended before") {
		t.Errorf("error %v", err)
	}
}
