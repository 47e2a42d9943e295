// Package esl is a small client of FreeSWITCH's event socket (inbound, plain events), for tests that run under the race
// detector: the public client libraries that were tried race with themselves when a connection is closed. It works
// against the stand-in host and against a real FreeSWITCH alike. Nothing but the protocol lives here.
package esl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// ErrClosed is returned once the connection has gone, whoever ended it.
var ErrClosed = errors.New("event socket: connection closed")

// Event is one event as it was received. Header values are decoded.
type Event struct {
	Header textproto.MIMEHeader
	Body   string
}

// Get returns a header whatever its case, "" when absent.
func (e *Event) Get(name string) string { return e.Header.Get(name) }

// Name is the event's name, for example CHANNEL_ANSWER.
func (e *Event) Name() string { return e.Header.Get("Event-Name") }

// Reply is the answer to one command. Text is the Reply-Text of a command, the body of an API command.
type Reply struct {
	Header textproto.MIMEHeader
	Text   string
}

// OK reports whether the reply begins with +OK.
func (r *Reply) OK() bool { return strings.HasPrefix(r.Text, "+OK") }

// Conn is one connection. Its methods may be called by several goroutines; commands are answered in order.
type Conn struct {
	nc      net.Conn
	onEvent func(*Event)
	replies chan *Reply
	done    chan struct{}
	turn    sync.Mutex // one command at a time
}

// Dial connects to address ("127.0.0.1:8021"), authenticates, and calls onEvent, if any, for each event, in order, on
// the connection's own goroutine. That goroutine ends with Close or when the other side hangs up.
func Dial(ctx context.Context, address, password string, onEvent func(*Event)) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("event socket %s: %w", address, err)
	}
	c := &Conn{nc: nc, onEvent: onEvent, replies: make(chan *Reply, 1), done: make(chan struct{})}
	go c.receive()
	r, err := c.Command(ctx, "auth "+password)
	if err == nil && !r.OK() {
		err = fmt.Errorf("event socket %s: %s (is the password right?)", address, r.Text)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection and waits for its goroutine.
func (c *Conn) Close() {
	_ = c.nc.Close()
	<-c.done
}

// Command sends one command, headers and body included, without the empty line that ends it.
func (c *Conn) Command(ctx context.Context, text string) (*Reply, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if _, err := io.WriteString(c.nc, text+"\n\n"); err != nil {
		return nil, ErrClosed
	}
	select {
	case r, ok := <-c.replies:
		if !ok {
			return nil, ErrClosed
		}
		return r, nil
	case <-ctx.Done():
		_ = c.nc.Close() // a late answer would be taken for the next one's
		return nil, fmt.Errorf("event socket: %.60q: %w", text, ctx.Err())
	}
}

// API runs an API command and returns its output.
func (c *Conn) API(ctx context.Context, command string) (string, error) {
	r, err := c.Command(ctx, "api "+command)
	if err != nil {
		return "", err
	}
	return r.Text, nil
}

// BgAPI starts an API command; its output comes as a BACKGROUND_JOB event with the Job-UUID that is returned.
func (c *Conn) BgAPI(ctx context.Context, command string) (string, error) {
	r, err := c.Command(ctx, "bgapi "+command)
	if err != nil {
		return "", err
	}
	return r.Header.Get("Job-Uuid"), nil
}

// Execute runs a dialplan application on the channel's own thread. It returns when the request is queued.
func (c *Conn) Execute(ctx context.Context, uuid, app, arg string) error {
	r, err := c.Command(ctx, fmt.Sprintf("sendmsg %s\ncall-command: execute\nexecute-app-name: %s\ncontent-type: text/plain\ncontent-length: %d\n\n%s",
		uuid, app, len(arg), arg))
	if err == nil && !r.OK() {
		err = fmt.Errorf("event socket: execute %s on %s: %s", app, uuid, r.Text)
	}
	return err
}

// Listen subscribes to events: names, and behind CUSTOM the subclasses; ALL for everything.
func (c *Conn) Listen(ctx context.Context, events ...string) error {
	r, err := c.Command(ctx, "event plain "+strings.Join(events, " "))
	if err == nil && !r.OK() {
		err = fmt.Errorf("event socket: event plain: %s", r.Text)
	}
	return err
}

func (c *Conn) receive() {
	defer close(c.done)
	defer close(c.replies)
	in := textproto.NewReader(bufio.NewReader(c.nc))
	for {
		h, body, err := readBlock(in)
		if err != nil {
			return
		}
		switch h.Get("Content-Type") {
		case "command/reply":
			c.replies <- &Reply{Header: h, Text: h.Get("Reply-Text")}
		case "api/response":
			c.replies <- &Reply{Header: h, Text: body}
		case "text/event-plain":
			if e, err := parseEvent(body); err == nil && c.onEvent != nil {
				c.onEvent(e)
			}
		case "text/disconnect-notice":
			_ = c.nc.Close()
			return
		}
	}
}

// readBlock reads headers and the body that their Content-Length announces.
func readBlock(in *textproto.Reader) (textproto.MIMEHeader, string, error) {
	h, err := in.ReadMIMEHeader()
	if err != nil {
		return nil, "", err
	}
	n, err := strconv.Atoi(h.Get("Content-Length"))
	if err != nil {
		return h, "", nil
	}
	body := make([]byte, n)
	_, err = io.ReadFull(in.R, body)
	return h, string(body), err
}

func parseEvent(text string) (*Event, error) {
	h, body, err := readBlock(textproto.NewReader(bufio.NewReader(strings.NewReader(text))))
	if err != nil {
		return nil, err
	}
	for _, values := range h {
		for i, v := range values {
			if decoded, err := url.PathUnescape(v); err == nil {
				values[i] = decoded
			}
		}
	}
	return &Event{Header: h, Body: body}, nil
}
