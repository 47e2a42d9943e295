// What is special to the event sockets of the switches: the password, the events that are wanted, and how one becomes an
// entry of the EventLog. The protocol is package esl's.

package switchtest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"mod_audio_stream/test/esl"
)

// eventSocketPassword is FreeSWITCH's own default; the socket is open on 127.0.0.1 only and for the time of the test only.
const eventSocketPassword = "ClueCon"

// wantedEvents is what the EventLog gets.
var wantedEvents = []string{"CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_PARK", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY",
	"CHANNEL_EXECUTE_COMPLETE", "DTMF", "CUSTOM", modulePrefix + "connect", modulePrefix + "disconnect", modulePrefix + "error",
	modulePrefix + "json", modulePrefix + "play", modulePrefix + "playback", modulePrefix + "mark", modulePrefix + "reconnect"}

// eventSocket is a switch's event socket with the log of what it fired.
type eventSocket struct {
	*esl.Client
	log *EventLog
}

// openEventSocket connects, trying until ctx ends: the switch may still be starting. gone ends it early.
func openEventSocket(ctx context.Context, addr string, gone <-chan struct{}) (*eventSocket, error) {
	log := newEventLog()
	var arrived uint64
	client, err := esl.Connect(ctx, esl.Options{Address: addr, Password: eventSocketPassword, Events: wantedEvents, Gone: gone,
		OnEvent: func(e *esl.Event) {
			arrived++
			log.add(entry(e, arrived))
		},
		OnEnd: func(err error) { log.end(fmt.Errorf("no further events: %w", err)) }})
	if err != nil {
		return nil, err
	}
	return &eventSocket{Client: client, log: log}, nil
}

// entry makes the log's entry. FreeSWITCH hands events out from several threads, so that they may overtake one another;
// Event-Sequence is the order they were fired in.
func entry(e *esl.Event, arrived uint64) Event {
	sequence, err := strconv.ParseUint(e.Get("Event-Sequence"), 10, 64)
	if err != nil {
		sequence = arrived
	}
	return Event{
		Name:     e.Name(),
		Subclass: e.Get("Event-Subclass"),
		UUID:     e.Get("Unique-ID"),
		Stream:   e.Get("Stream-Name"),
		Body:     e.Body,
		Sequence: sequence,
		At:       time.Now(),
		Header:   e.Get,
	}
}
