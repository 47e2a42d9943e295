// What comes over the event socket: blocks of headers with a body, and the replies and events in them.

package esl

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

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

// block is headers, and a body when there is a Content-Length.
type block struct {
	header textproto.MIMEHeader
	body   []byte
}

func readBlock(in *textproto.Reader) (block, error) {
	h, err := in.ReadMIMEHeader()
	if err != nil {
		return block{}, err
	}
	b := block{header: h}
	if length := h.Get("Content-Length"); length != "" {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 {
			return b, fmt.Errorf("Content-Length %q", length)
		}
		b.body = make([]byte, n)
		if _, err := io.ReadFull(in.R, b.body); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (b block) reply() *Reply {
	if b.header.Get("Content-Type") == "api/response" {
		return &Reply{Header: b.header, Text: string(b.body)}
	}
	return &Reply{Header: b.header, Text: b.header.Get("Reply-Text")}
}

func parseEvent(text []byte) (*Event, error) {
	b, err := readBlock(textproto.NewReader(bufio.NewReader(bytes.NewReader(text))))
	if err != nil {
		return nil, err
	}
	for _, values := range b.header {
		for i, v := range values {
			if decoded, err := url.PathUnescape(v); err == nil {
				values[i] = decoded
			}
		}
	}
	return &Event{Header: b.header, Body: string(b.body)}, nil
}
