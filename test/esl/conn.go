// Package esl is a client of FreeSWITCH's event socket (inbound, plain events), for tests. It works against the stand-in
// host and against a real FreeSWITCH alike, hands events on in the order of arrival, and runs clean under the race
// detector. Nothing but the protocol lives here: what events mean, and which are wanted, is the caller's matter.
//
// This file holds one connection, which ends for good when it breaks. client.go holds the pair of connections that makes
// its commands' one anew; wire.go reads what comes in.
package esl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// ErrClosed is in every error that says that the connection has gone, whoever ended it.
var ErrClosed = errors.New("event socket: connection closed")

// commandTimeout bounds a command, or a login, whose caller gave no deadline.
const commandTimeout = 20 * time.Second

// Conn is one authenticated connection. Its methods may be called by several goroutines, but not from onEvent; commands
// are answered in order.
type Conn struct {
	nc      net.Conn
	in      *textproto.Reader
	onEvent func(*Event)
	replies chan *Reply
	done    chan struct{}
	err     error      // why it ended; set before done is closed
	turn    sync.Mutex // one command at a time
}

// Dial connects to address ("127.0.0.1:8021"), authenticates, and calls onEvent, if any, for each event, in order, on
// the connection's own goroutine. That goroutine ends with Close or when the other side hangs up.
func Dial(ctx context.Context, address, password string, onEvent func(*Event)) (*Conn, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("event socket %s: %w", address, err)
	}
	c := &Conn{nc: nc, in: textproto.NewReader(bufio.NewReaderSize(nc, 64<<10)), onEvent: onEvent,
		replies: make(chan *Reply, 1), done: make(chan struct{})}
	release := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err = c.login(password)
	if !release() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("event socket %s: %w", address, err)
	}
	go c.receive()
	return c, nil
}

// bounded gives a context that ends.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, commandTimeout)
}

// login waits for the greeting and answers with the password.
func (c *Conn) login(password string) error {
	greeting, err := readBlock(c.in)
	if err != nil {
		return fmt.Errorf("no greeting: %w", err)
	}
	if kind := greeting.header.Get("Content-Type"); kind != "auth/request" {
		return fmt.Errorf("greeted with %q instead of auth/request (does its ACL let 127.0.0.1 in?)", kind)
	}
	if _, err := io.WriteString(c.nc, "auth "+password+"\n\n"); err != nil {
		return err
	}
	answer, err := readBlock(c.in)
	if err != nil {
		return fmt.Errorf("no answer to auth: %w", err)
	}
	if text := answer.header.Get("Reply-Text"); !strings.HasPrefix(text, "+OK") {
		return fmt.Errorf("%s (is the password right?)", text)
	}
	return nil
}

// Close ends the connection and waits for its goroutine.
func (c *Conn) Close() {
	_ = c.nc.Close()
	<-c.done
}

// Done is closed once the connection has gone and the last event has been handed on.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection has gone; nil while it has not. It wraps ErrClosed.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Command sends one command, headers and body included, without the empty line that ends it. An answer of -ERR is no
// error here. After an error, which may be that of ctx, the connection is closed: a late answer would be taken for the
// next one's.
func (c *Conn) Command(ctx context.Context, text string) (*Reply, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	c.turn.Lock()
	defer c.turn.Unlock()
	if err := c.Err(); err != nil {
		return nil, err
	}
	release := context.AfterFunc(ctx, func() { _ = c.nc.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := io.WriteString(c.nc, text+"\n\n")
	if !release() || err != nil {
		c.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("event socket: %.60q was not taken: %w", text, ctx.Err())
		}
		return nil, fmt.Errorf("%w: %w", ErrClosed, err)
	}
	select {
	case r := <-c.replies:
		return r, nil
	case <-c.done:
		select {
		case r := <-c.replies: // it came before the end
			return r, nil
		default:
			return nil, c.err
		}
	case <-ctx.Done():
		c.Close()
		return nil, fmt.Errorf("event socket: %.60q was not answered: %w", text, ctx.Err())
	}
}

// API runs an API command and returns its output, byte for byte.
func (c *Conn) API(ctx context.Context, command string) (string, error) {
	r, err := c.Command(ctx, "api "+command)
	if err != nil {
		name, _, _ := strings.Cut(command, " ")
		return "", fmt.Errorf("api %s: %w", name, err)
	}
	return r.Text, nil
}

// BgAPI starts an API command; its output comes as a BACKGROUND_JOB event with the Job-UUID that is returned.
func (c *Conn) BgAPI(ctx context.Context, command string) (string, error) {
	r, err := c.command(ctx, "bgapi "+command)
	if err != nil {
		return "", err
	}
	return r.Header.Get("Job-Uuid"), nil
}

// Execute runs a dialplan application on the channel's own thread. It returns when the request is queued.
func (c *Conn) Execute(ctx context.Context, uuid, app, arg string) error {
	_, err := c.command(ctx, fmt.Sprintf("sendmsg %s\ncall-command: execute\nexecute-app-name: %s\ncontent-type: text/plain\ncontent-length: %d\n\n%s",
		uuid, app, len(arg), arg))
	if err != nil {
		return fmt.Errorf("execute %s on %s: %w", app, uuid, err)
	}
	return nil
}

// Listen subscribes to events: names, and behind CUSTOM the subclasses; ALL for everything.
func (c *Conn) Listen(ctx context.Context, events ...string) error {
	_, err := c.command(ctx, "event plain "+strings.Join(events, " "))
	return err
}

// command is Command for what is answered with +OK.
func (c *Conn) command(ctx context.Context, text string) (*Reply, error) {
	r, err := c.Command(ctx, text)
	if err == nil && !r.OK() {
		name, _, _ := strings.Cut(text, " ")
		err = fmt.Errorf("event socket: %s: %s", name, r.Text)
	}
	return r, err
}

// receive hands on what arrives until the connection ends.
func (c *Conn) receive() {
	err := c.read()
	_ = c.nc.Close()
	c.err = fmt.Errorf("%w: %w", ErrClosed, err)
	close(c.done)
}

func (c *Conn) read() error {
	for {
		b, err := readBlock(c.in)
		if err != nil {
			return err
		}
		switch b.header.Get("Content-Type") {
		case "command/reply", "api/response":
			select {
			case c.replies <- b.reply():
			default:
				return fmt.Errorf("an answer to no command: %.200q", b.reply().Text)
			}
		case "text/event-plain":
			e, err := parseEvent(b.body)
			if err != nil {
				return fmt.Errorf("an event that cannot be read: %w: %.200q", err, b.body)
			}
			if c.onEvent != nil {
				c.onEvent(e)
			}
		case "text/disconnect-notice":
			return errors.New("the switch says goodbye")
		}
	}
}
