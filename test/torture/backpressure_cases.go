package main

import (
	"strings"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// held is a server that reads nothing until it is released, and then everything; got follows the audio.
func held(release <-chan struct{}, got *positions) func(p *peer) {
	return func(p *peer) {
		if !p.upgrade() {
			return
		}
		select {
		case <-release:
		case <-p.ctx.Done():
			return
		}
		p.frames(func(op ws.OpCode, payload []byte) bool {
			if got != nil && op == ws.OpBinary {
				got.add(time.Now(), agent.Samples(payload))
			}
			return true
		})
	}
}

func backpressureCases() []scenario {
	return []scenario{
		{name: "server stops reading, then goes on", full: 3, limit: 3 * time.Minute, run: func(r *round) {
			stall := 3 * time.Second
			if r.o.full {
				stall = 60 * time.Second
			}
			release := make(chan struct{})
			r.ok("start " + r.narrow(held(release, nil)) + " stereo 48000")
			r.eventually("frames are dropped", func() bool { return r.stats().FramesDropped["sendQueue"] > 0 })
			r.pass(stall)
			held := r.stats()
			if held.SendQueueMS > 1500 { // a second, and a frame that is half written
				r.errorf("%d ms of audio are queued", held.SendQueueMS)
			}
			close(release)
			began := time.Now()
			r.eventually("the queue is empty again", func() bool { return r.stats().SendQueueMS <= 100 })
			if d := time.Since(began); d > time.Second {
				r.errorf("latency was back to normal after %s", d.Round(time.Millisecond))
			}
			dropped := r.stats().FramesDropped["sendQueue"]
			r.pass(time.Second)
			if now := r.stats(); now.FramesDropped["sendQueue"] > dropped {
				r.errorf("%d frames were dropped after the server read again", now.FramesDropped["sendQueue"]-dropped)
			}
			r.runs()
		}},
		{name: "server stops reading: what is dropped is the oldest, counted", alone: true, limit: time.Minute, run: func(r *round) {
			const rate = 48000
			var err error
			r.call, err = r.sw.Originate(r.ctx, switchtest.CallSpec{Source: &switchtest.Counter{}, Rate: rate})
			r.check("originate", err)
			got := &positions{rate: rate}
			release := make(chan struct{})
			r.ok("start " + r.narrow(held(release, got)) + " mono 48000")
			r.eventually("frames are dropped", func() bool { return r.stats().FramesDropped["sendQueue"] > 0 })
			r.pass(2 * time.Second) // the counter comes round in 0.68 s
			close(release)
			released := time.Now()
			r.eventually("latency is normal again", func() bool {
				late, at := got.latest()
				return late < 200*time.Millisecond+hops*machine.since() && at.After(released) && r.stats().SendQueueMS <= 100
			})
			if d := time.Since(released); d > time.Second+hops*machine.since() {
				r.errorf("latency was normal again %s after the server read again", d.Round(time.Millisecond))
			}
			now, s := got.due(), r.stats()
			r.pass(500 * time.Millisecond)
			jumps := got.missing()
			if len(jumps) == 0 {
				r.errorf("nothing is missing, and yet %v frames were dropped", s.FramesDropped)
			}
			// What the kernel holds comes first, then what was newest: nothing of the last second before all was well may be missing.
			lost := int64(0)
			for _, j := range jumps {
				lost += j.lost
				if j.pos > now-rate*8/10 && !overwhelmed() {
					r.errorf("%d samples are missing %d ms before latency was normal again: not the oldest", j.lost, (now-j.pos)*1000/rate)
				}
			}
			dropped := int64(s.FramesDropped["sendQueue"]) * rate / 50
			if (dropped-lost)%counterLast != 0 && r.call.Missed(r.ctx) == 0 && !overwhelmed() { // whole rounds of the counter do not show
				r.errorf("%d samples are missing, or rounds of %d more; %v frames were dropped (%d)", lost, counterLast, s.FramesDropped, dropped)
			}
			r.runs()
		}},
		{name: "server reads a little at a time", limit: time.Minute, run: func(r *round) {
			r.ok("start " + r.narrow(func(p *peer) {
				if !p.upgrade() {
					return
				}
				buf := make([]byte, 512)
				for p.ctx.Err() == nil {
					if _, err := p.TCPConn.Read(buf); err != nil {
						return
					}
					time.Sleep(5 * time.Millisecond) // about half of what is sent
				}
			}) + " stereo 48000")
			r.eventually("frames are dropped", func() bool { return r.stats().FramesDropped["sendQueue"] > 20 })
			r.runs()
		}},
		{name: "server never reads, and the stream is stopped", run: func(r *round) {
			r.ok("start " + r.narrow(func(p *peer) {
				if p.upgrade() {
					p.hold()
				}
			}) + " stereo 48000")
			r.eventually("frames are dropped", func() bool { return r.stats().FramesDropped["sendQueue"] > 0 })
			r.ok("stop a last word")
			r.closes()
		}},
		{name: "server never reads, and the call is hung up", run: func(r *round) {
			r.ok("start " + r.narrow(func(p *peer) {
				if p.upgrade() {
					p.hold()
				}
			}) + " stereo 48000")
			r.eventually("frames are dropped", func() bool { return r.stats().FramesDropped["sendQueue"] > 0 })
			r.untouched()
			began := time.Now()
			r.hangup()
			if d := time.Since(began); d > 2*time.Second {
				r.errorf("the hang-up took %s", d)
			}
			panic(abandoned{}) // there is no call any more to look at
		}},
		{name: "server never reads and wants marks answered", memory: 96 << 20, // 16 MiB of events that wait, as much again for the collector, and the switch's
			limit: time.Minute, run: func(r *round) {
				r.ok("start " + r.narrow(func(p *peer) {
					if !p.upgrade() {
						return
					}
					mark := string(textFrame(`{"type":"mark","data":{"name":"` + strings.Repeat("m", 1000) + `"}}`))
					for range 200 {
						_ = p.SetWriteDeadline(time.Now().Add(5 * time.Second))
						if !p.write([]byte(strings.Repeat(mark, 100))) {
							break
						}
					}
					p.hold()
				}) + " mono")
				r.pass(3 * time.Second)
				r.ok("stop")
				r.last(r.lastKind())
			}},
		{name: "operator sends texts that nobody reads", memory: 32 << 20, limit: time.Minute, run: func(r *round) {
			r.ok("start " + r.narrow(func(p *peer) {
				if p.upgrade() {
					p.hold()
				}
			}) + " mono")
			r.eventually("the stream runs", func() bool { return r.stats().State == "streaming" })
			refused := 0
			for range 500 {
				if reply := r.command("send_text " + strings.Repeat("x", 16000)); strings.HasPrefix(reply, "-ERR") {
					refused++
				}
			}
			if refused == 0 {
				r.errorf("8 MB of texts were taken for a server that reads nothing")
			}
			r.ok("stop")
			r.last(r.lastKind())
		}},
		{name: "connections are lost again and again", vars: map[string]string{"STREAM_RECONNECT_MAX": "4"}, limit: time.Minute, run: func(r *round) {
			r.ok("start " + r.server(func(p *peer) {
				if !p.upgrade() {
					return
				}
				h, err := ws.ReadHeader(p.br)
				if err != nil || h.OpCode != ws.OpText {
					p.write(frame(true, 0, ws.OpClose, "\x03\xf2")) // the metadata is not first: 1010 ends it
					p.hold()
					return
				}
				if p.n > 3 {
					go p.drain()
					p.hold()
					return
				}
				p.reset()
			}) + " mono 16k metadata")
			r.eventually("the fourth connection stands", func() bool {
				s := r.stats()
				return s.Reconnects >= 3 && s.State == "streaming"
			})
			r.runs()
		}},
	}
}

// lastKind is what ended the stream, where the server decides which.
func (r *round) lastKind() string {
	r.eventually("the last event of the stream", func() bool { return len(r.finals()) > 0 })
	_, kind, _ := strings.Cut(r.finals()[0].Subclass, "::")
	return kind
}
