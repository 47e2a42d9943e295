package stream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/settings"
)

func TestReconnectTellsEachStepAndSendsTheMetadataAgain(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), nil, metadata("who I am"))
	conn := r.connect(srv, c)
	c.push(3)
	r.frames(conn, 3)
	conn.Abort()
	c.event("reconnect", `"attempt":1`)
	if err := c.s.SendText("meanwhile"); err != nil {
		t.Error(err)
	}
	c.push(2)
	again := r.accept(srv)
	r.until("the connection", func() bool { return c.s.State() == Streaming })
	c.push(2)
	frames, texts := r.frames(again, 4)
	if !slices.Equal(texts, []string{"who I am", "meanwhile"}) {
		t.Errorf("texts %q", texts)
	}
	if string(slices.Concat(frames...)) != string(voiceBytes(3, 4)) {
		t.Error("the audio captured meanwhile is missing or out of order")
	}
	c.s.Stop("", false)
	r.ended(c)
	told := c.told()
	if len(told) != 4 || told[0] != here || told[2] != here || told[3] != bye ||
		!strings.HasPrefix(told[1], `reconnect {"attempt":1,"delayMs":`) || !strings.Contains(told[1], `"reason":"the connection was lost`) {
		t.Errorf("told %q", told)
	}
	if rep := c.s.Report(nil); rep.Reconnects != 1 {
		t.Errorf("%d reconnects", rep.Reconnects)
	}
}

func TestWhatIsKeptWhileNotConnectedIsBounded(t *testing.T) {
	tests := []struct {
		name   string
		vars   map[string]string
		frames int // that are kept
	}{
		{"200 ms", map[string]string{"STREAM_CONNECT_BUFFER_MS": "200"}, 10},
		{"none", map[string]string{"STREAM_CONNECT_BUFFER_MS": "0"}, 0},
		{"one frame at least", map[string]string{"STREAM_CONNECT_BUFFER_MS": "10", "STREAM_BUFFER_SIZE": "40"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			hold := newGate()
			srv := r.serve(agent.Config{Refuse: hold.wait})
			c := r.start(srv.URL(""), tt.vars)
			size := c.s.p.Settings.BufferMS / 20
			c.push(60)
			close(hold.open)
			conn := r.connect(srv, c)
			r.until("the connection", func() bool { return c.s.conn.Load() != nil })
			c.push(4)
			frames, _ := r.frames(conn, tt.frames+4/size)
			from := 60 - tt.frames*size
			if string(slices.Concat(frames...)) != string(voiceBytes(from, tt.frames*size+4)) {
				t.Errorf("%d frames: not the newest ones in order", len(frames))
			}
			if rep := c.s.Report(nil); rep.FramesDropped.ConnectBuffer != uint64(60/size-tt.frames) {
				t.Errorf("%d counted as dropped, want %d", rep.FramesDropped.ConnectBuffer, 60/size-tt.frames)
			}
		})
	}
}

// What was kept while connecting reaches the server whole, also where every write goes through the connection's queue.
func TestWhatIsKeptIsSentWholeOverTLS(t *testing.T) {
	r := newRig(t)
	hold := newGate()
	srv := r.serve(agent.Config{TLS: certificate(t), Refuse: hold.wait})
	vars := map[string]string{"STREAM_TLS_CA_FILE": "NONE", "STREAM_CONNECT_BUFFER_MS": "5000"}
	c := r.start(srv.URL(""), vars, func(p *Params) { p.Command.Rate, p.Command.Mix = 48_000, settings.Stereo })
	frame := make([]int16, 2*960)
	for range 250 {
		for i := range frame {
			frame[i] = int16(c.pushed)
		}
		c.m.Push(48_000, 2, 2, frame)
		c.pushed++
		c.settle()
	}
	close(hold.open)
	conn := r.accept(srv)
	frames, _ := r.frames(conn, 250)
	for i, f := range frames {
		if agent.Samples(f)[0] != int16(i) {
			t.Fatalf("frame %d is number %d", i, agent.Samples(f)[0])
		}
	}
	if rep := c.s.Report(nil); rep.FramesDropped.SendQueue != 0 || rep.FramesDropped.ConnectBuffer != 0 {
		t.Errorf("dropped %+v", rep.FramesDropped)
	}
}

func certificate(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestAttemptsAreBounded(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), map[string]string{"STREAM_RECONNECT_MAX": "2"})
	conn := r.connect(srv, c)
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	<-conn.Done()
	r.ended(c)
	told := c.told()
	if len(told) != 4 || !strings.HasPrefix(told[1], `reconnect {"attempt":1,`) || !strings.HasPrefix(told[2], `reconnect {"attempt":2,`) {
		t.Errorf("told %q", told)
	}
	c.checkLast(errorBody(events.ConnectFailed))
}

// A server that accepts and drops is not called for ever: the attempts are counted on until a connection has held.
func TestAConnectionThatDoesNotHoldCountsAsAnAttempt(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), map[string]string{"STREAM_RECONNECT_MAX": "1"})
	for range 2 {
		r.accept(srv).Abort()
	}
	r.ended(c)
	c.checkLast(errorBody(events.IO))
	if n := srv.Attempts(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestNoReconnectAfterACloseOrARefusal(t *testing.T) {
	for name, do := range map[string]func(*agent.Conn){
		"close 1000": func(conn *agent.Conn) { _ = conn.Close(1000, "") },
		"close 1011": func(conn *agent.Conn) { _ = conn.Close(1011, "") },
		"protocol":   func(conn *agent.Conn) { _ = conn.SendRaw([]byte{0x83, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), nil)
			do(r.connect(srv, c))
			r.ended(c)
			if srv.Attempts() != 1 {
				t.Errorf("%d connections", srv.Attempts())
			}
			c.checkLast("")
		})
	}
}

func TestEndsDuringTheBackoff(t *testing.T) {
	for name, do := range map[string]func(*call){
		"stop":     func(c *call) { c.s.Stop("x", true) },
		"hang-up":  func(c *call) { c.session.Hangup() },
		"graceful": func(c *call) { c.s.GracefulShutdown("", false) },
		"abort":    func(c *call) { c.s.Abort() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			srv := r.serve(agent.Config{})
			c := r.start(srv.URL(""), nil)
			r.connect(srv, c).Abort()
			c.event("reconnect", `"attempt":1`)
			do(c)
			r.ended(c)
			c.checkLast(bye)
			if srv.Attempts() != 1 {
				t.Errorf("%d connections", srv.Attempts())
			}
		})
	}
}

func TestBackoffDoublesWithinItsBounds(t *testing.T) {
	for attempt := 1; attempt <= 20; attempt++ {
		base := min(firstDelay<<min(attempt-1, 10), lastDelay)
		delays := map[time.Duration]bool{}
		for range 200 {
			d := backoff(attempt)
			delays[d] = true
			if d < base-base/4 || d > base+base/4 {
				t.Errorf("attempt %d waits %v, want %v give or take a quarter", attempt, d, base)
			}
		}
		if len(delays) < 50 { // whole milliseconds: a hundred are possible at first
			t.Errorf("attempt %d has %d delays in 200: streams that were lost together would come back together", attempt, len(delays))
		}
	}
}

func TestKeptFramesComeOutInOrderAndOnlyTheNewest(t *testing.T) {
	for _, limit := range []int{0, 1, 2, 7} {
		for n := range 20 {
			k := keptFrames{max: limit}
			dropped := 0
			for round := range 2 { // used again after it was emptied
				dropped = 0
				for i := range n {
					if k.keep([]byte{byte(i)}, int64(i)) {
						dropped++
					}
				}
				var got []byte
				k.each(func(payload []byte, ns int64) {
					if int64(payload[0]) != ns {
						t.Error("a frame has another's time")
					}
					got = append(got, payload...)
				})
				var want []byte
				for i := max(0, n-limit); i < n; i++ {
					want = append(want, byte(i))
				}
				if !slices.Equal(got, want) || dropped != max(0, n-limit) {
					t.Errorf("limit %d, round %d: %v with %d dropped, want %v", limit, round, got, dropped, want)
				}
			}
		}
	}
}

// Every frame that was captured is somewhere: sent, or counted by a reason, also around a loss.
func TestEveryFrameIsAccountedForAcrossALoss(t *testing.T) {
	r := newRig(t)
	srv := r.serve(agent.Config{})
	c := r.start(srv.URL(""), map[string]string{"STREAM_CONNECT_BUFFER_MS": "100"})
	conn := r.connect(srv, c)
	r.until("the connection", func() bool { return c.s.conn.Load() != nil })
	c.push(10)
	conn.Abort()
	c.push(40)
	r.accept(srv)
	r.until("the connection", func() bool { return c.s.State() == Streaming && c.s.conn.Load() != nil })
	c.push(10)
	c.s.Stop("", false)
	r.ended(c)
	rep := c.s.Report(nil)
	d := rep.FramesDropped
	if sum := rep.FramesSent + d.RingFull + d.ConnectBuffer + d.SendQueue + d.Convert; rep.FramesCaptured != 60 || sum != 60 {
		t.Errorf("%d captured, %d sent, dropped %+v", rep.FramesCaptured, rep.FramesSent, d)
	}
}
