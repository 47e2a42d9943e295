package wsclient

// What a frame costs: allocations in steady state, and the benchmarks.

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// sink is a server that reads as fast as it can.
func sink(t testing.TB, conf *tls.Config) string {
	return serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
		if p.upgrade() {
			_ = p.SetDeadline(time.Time{})
			buf := make([]byte, 64<<10)
			for {
				if _, err := p.Read(buf); err != nil {
					return
				}
			}
		}
	})
}

func TestSendAudioAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		taken := make(chan bool, 1)
		c := dial(t, Config{URL: scheme + "://" + sink(t, conf), CAFile: ca, HeartBeat: time.Minute,
			OnSent: func(int64, int) { taken <- true }, OnBytes: func(int, int) {}})
		frame := make([]byte, 640)
		send := func() {
			c.SendAudio(frame, 1)
			<-taken
		}
		for range 10 {
			send()
		}
		if n := testing.AllocsPerRun(2000, send); n != 0 {
			t.Errorf("%v allocations per frame", n)
		}
	})
}

func BenchmarkSendAudio(b *testing.B) {
	ca := newAuthority(b)
	conf := &tls.Config{Certificates: []tls.Certificate{ca.issue(time.Hour, "127.0.0.1")}}
	file := ca.file()
	for _, scheme := range []string{"ws", "wss"} {
		b.Run(scheme, func(b *testing.B) {
			server := conf
			if scheme == "ws" {
				server = nil
			}
			taken := make(chan bool, 1)
			c := dial(b, Config{URL: scheme + "://" + sink(b, server), CAFile: file, OnSent: func(int64, int) { taken <- true }})
			frame := make([]byte, 320)
			b.ReportAllocs()
			for b.Loop() {
				c.SendAudio(frame, 1)
				<-taken
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{320, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			block := bytes.Repeat(f(true, ws.OpBinary, string(make([]byte, size))), 64)
			addr := serve(b, func(p *peer) {
				if p.upgrade() {
					_ = p.SetDeadline(time.Time{})
					for {
						if _, err := p.Write(block); err != nil {
							return
						}
					}
				}
			})
			c := dial(b, Config{URL: "ws://" + addr})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := c.Read(); err != nil {
					b.Fatal(err)
				}
			}
			c.Abort()
		})
	}
}
