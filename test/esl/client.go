// A pair of connections: one for events, so that a slow command does not hold them up, and one for commands, which is made
// anew after it broke.

package esl

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Options say whom to call and what for.
type Options struct {
	Address  string // "127.0.0.1:8021"
	Password string
	Events   []string // as Conn.Listen takes them
	// OnEvent gets every event, in the order of arrival, on one goroutine. It may not use the Client.
	OnEvent func(*Event)
	// OnEnd is called once, after the last event: the connection for events has gone and none will come any more.
	OnEnd func(error)
	// Gone, when closed, ends Connect early: the switch will not come up.
	Gone <-chan struct{}
}

// Client is the pair. Its methods may be called by several goroutines.
type Client struct {
	options  Options
	events   *Conn
	watching sync.WaitGroup

	mu       sync.Mutex // one command at a time, as the protocol wants it
	commands *Conn
	closed   bool
}

// Connect makes both connections, trying until ctx ends: the switch may still be starting.
func Connect(ctx context.Context, o Options) (*Client, error) {
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		c := &Client{options: o}
		err := c.connect(ctx)
		if err == nil {
			return c, nil
		}
		select {
		case <-retry.C:
		case <-o.Gone:
			return nil, fmt.Errorf("the switch ended before its event socket on %s answered", o.Address)
		case <-ctx.Done():
			return nil, fmt.Errorf("no event socket on %s: %w (last attempt: %w)", o.Address, ctx.Err(), err)
		}
	}
}

func (c *Client) connect(ctx context.Context) (err error) {
	if c.commands, err = c.dial(ctx, nil); err != nil {
		return err
	}
	if c.events, err = c.dial(ctx, c.options.OnEvent); err != nil {
		c.commands.Close()
		return err
	}
	if err := c.events.Listen(ctx, c.options.Events...); err != nil {
		c.commands.Close()
		c.events.Close()
		return err
	}
	c.watching.Add(1)
	go func() {
		defer c.watching.Done()
		<-c.events.Done()
		if c.options.OnEnd != nil {
			c.options.OnEnd(c.events.Err())
		}
	}()
	return nil
}

func (c *Client) dial(ctx context.Context, onEvent func(*Event)) (*Conn, error) {
	return Dial(ctx, c.options.Address, c.options.Password, onEvent)
}

// ready gives the connection for commands, a new one when the last has gone. c.mu is held.
func (c *Client) ready(ctx context.Context) (*Conn, error) {
	if c.closed {
		return nil, ErrClosed
	}
	if c.commands.Err() != nil {
		next, err := c.dial(ctx, nil)
		if err != nil {
			return nil, err
		}
		c.commands = next
	}
	return c.commands, nil
}

// API runs an API command and returns its output, byte for byte.
func (c *Client) API(ctx context.Context, command string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn, err := c.ready(ctx)
	if err != nil {
		return "", err
	}
	return conn.API(ctx, command)
}

// Dial makes another connection for commands, so that a slow one holds up no other. The caller closes it.
func (c *Client) Dial(ctx context.Context) (*Conn, error) { return c.dial(ctx, nil) }

// Execute runs a dialplan application on the channel's own thread. It returns when the request is queued.
func (c *Client) Execute(ctx context.Context, uuid, app, arg string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn, err := c.ready(ctx)
	if err != nil {
		return err
	}
	return conn.Execute(ctx, uuid, app, arg)
}

// Close ends both connections, waiting for a command that runs, and returns after OnEnd.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.commands.Close()
	c.mu.Unlock()
	c.events.Close()
	c.watching.Wait()
}
