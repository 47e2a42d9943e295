package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/results"
	"mod_audio_stream/test/bench/steps"
	"mod_audio_stream/test/bench/wsload"
)

// The media callbacks are timed by the stand-in host, around each call of the module's function, while duplex streams run
// and the Go side is in one of these states. Nothing in the module helps: what keeps it busy comes over the network.
var states = []struct {
	name  string
	gogc  string // how eagerly Go collects, in the host's environment; "" as usual
	flood []byte // sent by flooders without pause, in one piece
}{
	{name: "idle"},
	{name: "collecting garbage", gogc: "1", flood: texts(marks(64), `{"type":"clear"}`)},
	{name: "all processors busy", flood: texts(audio(10), `{"type":"clear"}`)},
	{name: "both", gogc: "1", flood: texts(audio(10), marks(64), `{"type":"clear"}`)},
}

const (
	callbackCalls = 50
	flooders      = 4 // further calls, more than there are processors
)

// marks are messages of which each one allocates.
func marks(n int) string {
	return strings.Repeat(`{"type":"mark","data":{"name":"a name that is kept until the mark has been played"}}`+"\n", n)
}

// audio is messages that take time: base64, a change of rate, the queue.
func audio(n int) string {
	pcm := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2}, 24000/5))
	return strings.Repeat(fmt.Sprintf(`{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":24000,"audioData":"%s"}}`+"\n", pcm), n)
}

// texts makes a text frame of each line.
func texts(lines ...string) []byte {
	var b []byte
	for line := range strings.Lines(strings.Join(lines, "")) {
		b = append(b, wsload.TextFrame(strings.TrimSuffix(line, "\n"))...)
	}
	return b
}

// hostStats is what the stand-in host says of the callbacks.
type hostStats struct {
	Callbacks map[string]results.Times `json:"callbacks"`
	Lateness  results.Times            `json:"mediaLateness"`
	Nothing   results.Times            `json:"nothing"`
}

// callbacks measures them in every state.
func (o *options) callbacks(ctx context.Context, file *results.File) error {
	for _, state := range states {
		if o.states != "all" && !slices.Contains(strings.Split(o.states, ","), state.name) {
			continue
		}
		if state.gogc != "" {
			if err := os.Setenv("GOGC", state.gogc); err != nil {
				return err
			}
		}
		s, err := open(ctx, o, "host", o.modules[0], callbackCalls+flooders, "--time-nothing")
		_ = os.Unsetenv("GOGC") // it was not set before, or the first start would have had it
		if err != nil {
			return err
		}
		c, err := o.callbacksIn(ctx, s, state.flood)
		c.State = state.name
		if err2 := s.close(); err == nil {
			err = err2
		}
		if err != nil {
			return fmt.Errorf("callbacks, %s: %w", state.name, err)
		}
		file.Callbacks = append(file.Callbacks, c)
		say("callbacks, Go side %s: READ p50 %d p99 %d p99.9 %d max %d ns of %d; WRITE_REPLACE p50 %d p99 %d p99.9 %d max %d ns of %d; "+
			"%.1f collections/s, host at %.0f %% of a processor, media threads woke late by %d µs at p99; "+
			"a µs of nothing took p99 %d p99.9 %d max %d ns", state.name,
			c.Read.P50, c.Read.P99, c.Read.P999, c.Read.Max, c.Read.Count, c.Write.P50, c.Write.P99, c.Write.P999, c.Write.Max, c.Write.Count,
			c.GCs, c.Processor, c.Late.P99/1000, c.Nothing.P99, c.Nothing.P999, c.Nothing.Max)
	}
	return nil
}

func (o *options) callbacksIn(ctx context.Context, s *site, flood []byte) (c results.Callbacks, err error) {
	server := o.servers[false]
	server.Play(wsload.Binary)
	defer server.Play(wsload.Listen)
	if err := s.startStreams(ctx, func(i int) string { return server.URL(i, 8000) }, 8000); err != nil {
		return c, err
	}
	if err := server.WaitCount(len(s.uuids), 30*time.Second); err != nil {
		return c, err
	}
	stop := make(chan struct{})
	if flood != nil {
		for i, conn := range server.Conns() {
			if i >= callbackCalls {
				server.Flood(conn, flood, stop)
			}
		}
	}
	defer close(stop)
	pause(ctx, o.settle)
	if err := s.expect(ctx, "host_stats reset", "+OK"); err != nil {
		return c, err
	}
	collected, err := inside(ctx, s)
	if err != nil {
		return c, err
	}
	before, err := measure.Process(s.sw.Pid())
	if err != nil {
		return c, err
	}
	pause(ctx, 3*o.measure) // 99.9 % needs many
	after, err := measure.Process(s.sw.Pid())
	if err != nil {
		return c, err
	}
	text, err := s.sw.API(ctx, "host_stats")
	if err != nil {
		return c, err
	}
	then, err := inside(ctx, s)
	if err != nil {
		return c, err
	}
	var h hostStats
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return c, fmt.Errorf("host_stats: %w", err)
	}
	seconds := float64(after.At-before.At) / 1e9
	c = results.Callbacks{Calls: callbackCalls, Read: h.Callbacks["read"], Write: h.Callbacks["writeReplace"], Late: h.Lateness, Nothing: h.Nothing,
		GCs: float64(then.GCs-collected.GCs) / seconds, Processor: 100 * float64(after.CPU-before.CPU) / 1e9 / seconds}
	if due := uint64(seconds*1000/steps.FrameMS) * uint64(callbackCalls); c.Read.Count < due*9/10 || c.Write.Count < due*9/10 {
		return c, fmt.Errorf("%d READ and %d WRITE_REPLACE callbacks were timed, about %d were due", c.Read.Count, c.Write.Count, due)
	}
	return c, nil
}
