package wsclient

import (
	"crypto/tls"
	"io"
	"strconv"
	"testing"

	"github.com/gobwas/ws"
)

// Pongs: what a server's pings cost while the socket takes nothing.

// Hundreds of pings cost one answer: the socket takes nothing, and of pongs that wait the latest is kept. It goes before what
// waits of the audio.
func TestPingsAreAnsweredWhileAudioWaits(t *testing.T) {
	const pings = 500
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		pong := make(chan int, 1)
		asked := make(chan bool)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			small(p.Conn)
			if !p.upgrade() {
				return
			}
			var all []byte // in one piece: small sockets that nobody reads from hold up what comes in many
			for i := range pings {
				all = append(all, frameBytes(true, 0, ws.OpPing, []byte(strconv.Itoa(i)))...)
			}
			if _, err := p.Write(append(all, frameBytes(true, 0, ws.OpText, []byte("asked"))...)); err != nil {
				t.Error(err)
			}
			<-asked
			audio, pongs := 0, 0
			for {
				h, payload, err := p.next()
				if err != nil {
					t.Error(err)
					return
				}
				if h.OpCode == ws.OpBinary {
					audio++
				}
				if h.OpCode == ws.OpPong {
					pongs++
				}
				if h.OpCode == ws.OpPong && string(payload) == strconv.Itoa(pings-1) {
					if pongs > 2 { // one may have been begun
						t.Errorf("%d pongs waited", pongs)
					}
					pong <- audio
					_, _ = io.Copy(io.Discard, p)
					return
				}
			}
		})
		const queue = 1 << 20
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca, QueueBytes: queue})
		small(c.base)
		frames := 0
		for ; c.QueuedBytes() < queue/2; frames++ {
			c.SendAudio(make([]byte, 640), 0)
		}
		if _, data, err := c.Read(); err != nil || string(data) != "asked" {
			t.Fatalf("%q, %v", data, err)
		}
		waiting := c.QueuedBytes() / 640
		close(asked)
		if before := within(t, "pong", pong); before > frames-waiting/2 {
			t.Errorf("%d of %d frames came before the pong, %d of which waited", before, frames, waiting)
		}
	})
}
