// The event socket client of both backends: one connection for commands, one for events. It is written here because the
// suite runs under the race detector and needs events in order: percipia/eslgo reads a map without its lock when a
// connection closes, and hands every event to a goroutine of its own.

package switchtest

import (
	"bufio"
	"bytes"
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
	"time"
)

// eslPassword is FreeSWITCH's own default; the socket is open on 127.0.0.1 only and for the time of the test only.
const eslPassword = "ClueCon"

// commandTimeout bounds a command whose caller gave no deadline.
const commandTimeout = 20 * time.Second

// esl is the pair of connections.
type esl struct {
	addr string
	log  *EventLog

	events  *eslConn
	reading sync.WaitGroup

	mu       sync.Mutex // one command at a time, as the protocol wants it
	commands *eslConn   // nil after a failure, until the next command
}

// eslConn is one authenticated connection.
type eslConn struct {
	net.Conn
	r *textproto.Reader
	b *bufio.Reader
}

// eslMessage is one message: headers, and a body when there is a Content-Length.
type eslMessage struct {
	header textproto.MIMEHeader
	body   []byte
}

// dialESL connects, trying until ctx ends: the switch may still be starting. gone ends it early.
func dialESL(ctx context.Context, addr string, gone <-chan struct{}) (*esl, error) {
	e := &esl{addr: addr, log: newEventLog()}
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := e.connect(ctx)
		if err == nil {
			return e, nil
		}
		select {
		case <-retry.C:
		case <-gone:
			return nil, fmt.Errorf("the switch ended before its event socket on %s answered", addr)
		case <-ctx.Done():
			return nil, fmt.Errorf("no event socket on %s: %w (last attempt: %w)", addr, ctx.Err(), err)
		}
	}
}

// connect makes both connections.
func (e *esl) connect(ctx context.Context) error {
	commands, err := e.dial(ctx)
	if err != nil {
		return err
	}
	events, err := e.dial(ctx)
	if err != nil {
		_ = commands.Close()
		return err
	}
	subclasses := []string{"connect", "disconnect", "error", "json", "play", "playback", "mark", "reconnect"}
	subscribe := "event plain CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_PARK CHANNEL_HANGUP_COMPLETE CHANNEL_EXECUTE_COMPLETE DTMF CUSTOM"
	for _, s := range subclasses {
		subscribe += " " + modulePrefix + s
	}
	if _, err := events.command(ctx, subscribe); err != nil {
		_ = commands.Close()
		_ = events.Close()
		return err
	}
	e.commands, e.events = commands, events
	e.reading.Add(1)
	go e.readEvents()
	return nil
}

func (e *esl) dial(ctx context.Context) (*eslConn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", e.addr)
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(nc, 64<<10)
	c := &eslConn{Conn: nc, b: b, r: textproto.NewReader(b)}
	c.deadline(ctx)
	greeting, err := c.read()
	if err == nil && greeting.header.Get("Content-Type") != "auth/request" {
		err = fmt.Errorf("the event socket greeted with %q", greeting.header.Get("Content-Type"))
	}
	if err == nil {
		_, err = c.command(ctx, "auth "+eslPassword)
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *eslConn) deadline(ctx context.Context) {
	at, ok := ctx.Deadline()
	if !ok {
		at = time.Now().Add(commandTimeout)
	}
	_ = c.SetDeadline(at)
}

func (c *eslConn) read() (eslMessage, error) {
	h, err := c.r.ReadMIMEHeader()
	if err != nil {
		return eslMessage{}, err
	}
	m := eslMessage{header: h}
	if length := h.Get("Content-Length"); length != "" {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 {
			return m, fmt.Errorf("Content-Length %q of the event socket", length)
		}
		m.body = make([]byte, n)
		if _, err := io.ReadFull(c.b, m.body); err != nil {
			return m, err
		}
	}
	return m, nil
}

// send writes one command and reads the answer to it.
func (c *eslConn) send(ctx context.Context, text string) (eslMessage, error) {
	c.deadline(ctx)
	if _, err := io.WriteString(c, text+"\n\n"); err != nil {
		return eslMessage{}, err
	}
	for {
		m, err := c.read()
		if err != nil {
			return m, err
		}
		switch m.header.Get("Content-Type") {
		case "command/reply", "api/response":
			return m, nil
		case "text/disconnect-notice":
			return m, errors.New("the switch closed the event socket")
		}
	}
}

// command is send for commands that are answered with +OK.
func (c *eslConn) command(ctx context.Context, text string) (eslMessage, error) {
	m, err := c.send(ctx, text)
	if reply := m.header.Get("Reply-Text"); err == nil && !strings.HasPrefix(reply, "+OK") {
		name, _, _ := strings.Cut(text, " ")
		err = fmt.Errorf("event socket, %s: %s", name, reply)
	}
	return m, err
}

func (e *esl) readEvents() {
	defer e.reading.Done()
	_ = e.events.SetDeadline(time.Time{})
	var arrived uint64
	for {
		m, err := e.events.read()
		if err != nil {
			e.log.end(fmt.Errorf("the event socket was closed: %w", err))
			return
		}
		if m.header.Get("Content-Type") == "text/event-plain" {
			arrived++
			e.deliver(m.body, arrived)
		}
	}
}

// deliver files one event. FreeSWITCH hands events out from several threads, so that they may overtake one another;
// Event-Sequence is the order they were fired in.
func (e *esl) deliver(text []byte, arrived uint64) {
	b := bufio.NewReader(bytes.NewReader(text))
	header, err := textproto.NewReader(b).ReadMIMEHeader()
	if err != nil {
		return
	}
	get := func(name string) string {
		raw := header.Get(name)
		if decoded, err := url.PathUnescape(raw); err == nil {
			return decoded
		}
		return raw
	}
	sequence, err := strconv.ParseUint(get("Event-Sequence"), 10, 64)
	if err != nil {
		sequence = arrived
	}
	var body []byte
	if n, err := strconv.Atoi(get("Content-Length")); err == nil && n > 0 {
		body = make([]byte, n)
		if _, err := io.ReadFull(b, body); err != nil {
			return
		}
	}
	e.log.add(Event{
		Name:     get("Event-Name"),
		Subclass: get("Event-Subclass"),
		UUID:     get("Unique-ID"),
		Stream:   get("Stream-Name"),
		Body:     string(body),
		Sequence: sequence,
		At:       time.Now(),
		Header:   get,
	})
}

// send runs one command. After a failure the connection is not in step any more, so it is made anew for the next.
func (e *esl) send(ctx context.Context, text string) (eslMessage, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.commands == nil {
		c, err := e.dial(ctx)
		if err != nil {
			return eslMessage{}, err
		}
		e.commands = c
	}
	m, err := e.commands.send(ctx, text)
	if err != nil {
		_ = e.commands.Close()
		e.commands = nil
	}
	return m, err
}

// api runs one API command.
func (e *esl) api(ctx context.Context, line string) (string, error) {
	m, err := e.send(ctx, "api "+line)
	if err != nil {
		name, _, _ := strings.Cut(line, " ")
		return "", fmt.Errorf("api %s: %w", name, err)
	}
	return string(m.body), nil
}

// execute queues a dialplan application on a channel.
func (e *esl) execute(ctx context.Context, uuid, app, arg string) error {
	m, err := e.send(ctx, fmt.Sprintf("sendmsg %s\ncall-command: execute\nexecute-app-name: %s\ncontent-type: text/plain\ncontent-length: %d\n\n%s",
		uuid, app, len(arg), arg))
	if err == nil && !strings.HasPrefix(m.header.Get("Reply-Text"), "+OK") {
		err = errors.New(m.header.Get("Reply-Text"))
	}
	if err != nil {
		return fmt.Errorf("execute %s on %s: %w", app, uuid, err)
	}
	return nil
}

// close ends both connections and the reading.
func (e *esl) close() {
	e.mu.Lock()
	if e.commands != nil {
		_ = e.commands.Close()
		e.commands = nil
	}
	e.mu.Unlock()
	_ = e.events.Close()
	e.reading.Wait()
}
