package stream

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/hosttest"
	"mod_audio_stream/goside/worker"
)

// A server can bring about events as fast as it can send. While the switch is slow with them they wait, but not without end,
// whatever their kind; what tells of the stream's own end is told all the same.
func TestWhateverAServerSendsItsEventsAreBounded(t *testing.T) {
	for name, messages := range map[string][]string{
		"clear":         {`{"type":"clear"}`},
		"pause, resume": {`{"type":"pause"}`, `{"type":"resume"}`},
		"marks":         {`{"type":"mark","data":{"name":"m"}}`},
		"texts":         {`"text"`},
		"controls":      {`{"type":"sendDtmf","data":{"digits":"1"}}`},
		"files":         {`{"type":"streamAudio","data":{"audioDataType":"wav","audioData":"UklGRg=="}}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			hanging, carryOn := make(chan struct{}, 1), make(chan struct{})
			c := r.start(srv.URL(""), map[string]string{"STREAM_ALLOW_CONTROL": "send_dtmf", "STREAM_SUPPRESS_LOG": "true"})
			conn := r.connect(srv, c)
			r.h.OnEvent(func(hosttest.Event) { // the switch is stuck
				select {
				case hanging <- struct{}{}:
				default:
				}
				<-carryOn
			})
			send(t, conn, `"the first"`)
			<-hanging
			const floods = 5 * worker.MaxQueued
			bytes := uint64(0)
			for n := range floods {
				text := messages[n%len(messages)]
				bytes += uint64(len(text))
				send(t, conn, text)
			}
			r.until("all has been read", func() bool { return c.s.stats.BytesReceived.Load() >= bytes })
			if n := r.queue.Pending(); n > 2*worker.MaxQueued+10 {
				t.Errorf("%d events are pending", n)
			}
			if rep := c.s.Report(nil); rep.EventsDropped == 0 {
				t.Error("none is counted as dropped")
			}
			r.line("some are dropped")
			c.s.Stop("", false)
			r.h.OnEvent(nil)
			close(carryOn)
			r.ended(c)
			c.checkLast(bye)
		})
	}
}

// Behind a file that is being played even single bytes count for what they cost.
func TestSingleBytesBehindAFileAreBounded(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil)
	conn := r.connect(srv, c)
	send(t, conn, playFileMessage(t, ramp(64000)))
	r.until("the file", func() bool { return !c.s.ingest.idle() })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	frame := agent.BinaryFrame([]byte{1})
	burst := []byte(strings.Repeat(string(frame), 1000))
	for n := 0; n < 300; n++ {
		if err := conn.SendRaw(burst); err != nil {
			t.Fatal(err)
		}
	}
	c.event("error", `"code":13`)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 3*maxBehind {
		t.Errorf("%s are kept for %d bytes", fmt.Sprintf("%d MiB", grown>>20), 300*1000)
	}
	c.s.ingest.clear()
}
