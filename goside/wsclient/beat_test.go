package wsclient

// The heart beat: when a ping goes out, and what happens without its pong.

import (
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/events"
)

func TestHeartBeat(t *testing.T) {
	const beat = 300 * time.Millisecond
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		pings := make(chan string, 100)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			if !p.upgrade() {
				return
			}
			for range 3 { // then it answers no more
				h, payload, err := p.next()
				if err != nil || h.OpCode != ws.OpPing {
					t.Errorf("%+v, %v", h, err)
					return
				}
				p.send(ws.OpPong, "not what was asked")
				p.send(ws.OpPong, string(payload))
				pings <- string(payload)
			}
			_, _ = io.Copy(io.Discard, p)
		})
		begun := time.Now()
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca, HeartBeat: beat})
		end := readEnd(c)
		first := within(t, "ping", pings)
		if took := time.Since(begun); took < beat {
			t.Errorf("the first ping came after %v", took)
		}
		if second := within(t, "ping", pings); first == second {
			t.Error("two pings have the same payload")
		}
		within(t, "ping", pings)
		var e *Error
		if err := within(t, "Read", end); !errors.As(err, &e) || e.Code != events.PingTimeout {
			t.Errorf("Read: %v", err)
		}
		if took := time.Since(begun); took < 5*beat {
			t.Errorf("the connection was given up after %v", took)
		}
		if rtt := c.PingRTT(); rtt <= 0 || rtt > patience {
			t.Errorf("round trip %v", rtt)
		}
	})
}

func TestNoPingWhileSomethingIsOnTheWire(t *testing.T) {
	const beat = time.Second
	addr := serve(t, func(p *peer) {
		if !p.upgrade() {
			return
		}
		for {
			h, payload, err := p.next()
			if err != nil {
				return
			}
			if h.OpCode == ws.OpPing {
				t.Error("a ping within the stream")
			}
			p.send(h.OpCode, string(payload))
		}
	})
	c := dial(t, Config{URL: "ws://" + addr, HeartBeat: beat})
	for begun := time.Now(); time.Since(begun) < beat+beat/2; {
		c.SendAudio(make([]byte, 320), 0)
		if _, _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // the stream's pace
	}
}
