package wsclient

// How connections end: close handshake, loss, Abort.

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/events"
)

// readEnd reads until the error, on its own goroutine.
func readEnd(c *Conn) <-chan error {
	end := make(chan error, 1)
	go func() {
		for {
			if _, _, err := c.Read(); err != nil {
				if _, _, again := c.Read(); again != err {
					err = errors.New("a second Read gave another error")
				}
				end <- err
				return
			}
		}
	}()
	return end
}

func TestCloseSendsWhatWaitsAndAwaitsTheAnswer(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		frames := make(chan []frameSeen, 1)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			if !p.upgrade() {
				return
			}
			var all []frameSeen
			for {
				h, payload, err := p.next()
				if err != nil {
					t.Errorf("no close frame: %v", err)
					return
				}
				all = append(all, frameSeen{h.OpCode, false, string(payload)})
				if h.OpCode == ws.OpClose {
					break
				}
			}
			p.send(ws.OpText, "last words")
			p.sendClose(1000, "bye")
			if _, err := p.br.ReadByte(); err != io.EOF {
				t.Errorf("the connection ended with %v, not in order", err)
			}
			frames <- all
		})
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca})
		var words string
		end := make(chan error, 1)
		go func() {
			_, data, err := c.Read()
			if words = string(data); err == nil {
				_, _, err = c.Read()
			}
			end <- err
		}()
		c.SendAudio([]byte("audio"), 0)
		if err := c.SendText([]byte("text")); err != nil {
			t.Error(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { c.Close(1001, strings.Repeat("é", 100), patience) })
		}
		wg.Wait()
		err := within(t, "Read", end)
		var closed *CloseError
		if !errors.As(err, &closed) || closed.Code != 1000 || closed.Reason != "bye" || words != "last words" {
			t.Errorf("Read gave %q, then %v", words, err)
		}
		all := within(t, "frames", frames)
		if len(all) != 3 || all[2].op != ws.OpClose {
			t.Fatalf("the server saw %s", short(all))
		}
		code, reason := ws.ParseCloseFrameData([]byte(all[2].payload))
		if code != 1001 || !utf8.ValidString(reason) || len(reason) != 122 {
			t.Errorf("closed with %d %q", code, reason)
		}
		if err := c.SendText([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("a text after Close: %v", err)
		}
	})
}

func TestServerCloseIsAnsweredBeforeReadReturns(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		codes := make(chan int, 1)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			if p.upgrade() {
				p.sendClose(4001, "enough")
				codes <- p.closeCode()
			}
		})
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca})
		err := within(t, "Read", readEnd(c))
		var closed *CloseError
		if !errors.As(err, &closed) || closed.Code != 4001 || closed.Reason != "enough" {
			t.Errorf("Read: %v", err)
		}
		if code := within(t, "answer", codes); code != 4001 {
			t.Errorf("answered with %d", code)
		}
		begun := time.Now()
		c.Close(1000, "", patience)
		if took := time.Since(begun); took > patience/2 {
			t.Errorf("Close after the server's took %v", took)
		}
	})
}

func TestServerThatBreaksTheRulesLearnsWhy(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		codes := make(chan int, 1)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			if !p.upgrade() {
				return
			}
			// more than is ever read: without care the close frame would be lost to a reset
			_, _ = p.Write(cat(f(true, ws.OpContinuation, ""), make([]byte, 100000)))
			codes <- p.closeCode()
		})
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca})
		err := within(t, "Read", readEnd(c))
		var e *Error
		if !errors.As(err, &e) || e.Code != events.Protocol || e.CloseCode != 1002 {
			t.Errorf("Read: %v", err)
		}
		c.Close(1002, "", patience)
		if code := within(t, "close frame", codes); code != 1002 {
			t.Errorf("the server saw code %d", code)
		}
	})
}

func TestCloseDeadlineHoldsWhateverTheServerDoes(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		for name, reading := range map[string]bool{"someone reads": true, "nobody reads": false} {
			addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
				p.upgrade()
				_, _ = io.Copy(io.Discard, p) // reads, never answers
			})
			c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca})
			var end <-chan error
			if reading {
				end = readEnd(c)
			}
			begun := time.Now()
			c.Close(1000, "", 50*time.Millisecond)
			if took := time.Since(begun); took > patience/2 || took < 50*time.Millisecond {
				t.Errorf("%s: Close took %v", name, took)
			}
			if reading {
				var e *Error
				if err := within(t, "Read", end); !errors.As(err, &e) || e.Code != events.IO || !errors.Is(err, net.ErrClosed) {
					t.Errorf("Read: %v", err)
				}
			}
		}
	})
}

func TestLossWithoutCloseFrameIsAnIOError(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		for name, reset := range map[string]bool{"end": false, "reset": true} {
			addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
				p.upgrade()
				nc := p.Conn
				if over, ok := nc.(*tls.Conn); ok {
					nc = over.NetConn()
				}
				if reset {
					_ = nc.(*net.TCPConn).SetLinger(0)
				}
				nc.Close()
			})
			c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca})
			var e *Error
			if err := within(t, "Read", readEnd(c)); !errors.As(err, &e) || e.Code != events.IO || e.CloseCode != 0 {
				t.Errorf("%s: %v", name, err)
			}
			c.Close(1000, "", patience) // at once, there is nothing to wait for
		}
	})
}

func TestWriteErrorEndsRead(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			p.upgrade()
			_, _ = io.Copy(io.Discard, p)
		})
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca})
		end := readEnd(c)
		if err := c.base.SetWriteDeadline(longAgo); err != nil {
			t.Fatal(err)
		}
		c.SendAudio(make([]byte, 320), 0)
		var e *Error
		if err := within(t, "Read", end); !errors.As(err, &e) || e.Code != events.IO {
			t.Errorf("Read: %v", err)
		}
		c.Abort()
		c.sender.Wait()
		if c.UnsentFrames() != 1 {
			t.Errorf("%d frames unsent, want 1", c.UnsentFrames())
		}
	})
}

func TestCloseFrameInFrontOfAResetIsStillDelivered(t *testing.T) {
	ready := make(chan bool)
	addr := serve(t, func(p *peer) {
		if p.upgrade() {
			p.sendClose(1013, "busy")
			_ = p.Conn.(*net.TCPConn).SetLinger(-1)
			<-ready // the close frame is on its way; with input unread, closing resets the connection
			_, _ = p.br.Peek(1)
		}
	})
	c := dial(t, Config{URL: "ws://" + addr})
	for range 50 {
		c.SendAudio(make([]byte, 320), 0)
	}
	close(ready)
	var closed *CloseError
	if err := within(t, "Read", readEnd(c)); !errors.As(err, &closed) || closed.Code != 1013 {
		t.Errorf("Read: %v", err)
	}
}

func TestBrokenTLSRecordIsATLSError(t *testing.T) {
	ca := newAuthority(t)
	conf := &tls.Config{Certificates: []tls.Certificate{ca.issue(time.Hour, "127.0.0.1")}}
	addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
		if p.upgrade() {
			_, _ = p.Conn.(*tls.Conn).NetConn().Write([]byte("\x17\x03\x03\x00\x20" + strings.Repeat("x", 32)))
			_, _ = io.Copy(io.Discard, p)
		}
	})
	c := dial(t, Config{URL: "wss://" + addr, CAFile: ca.file()})
	var e *Error
	if err := within(t, "Read", readEnd(c)); !errors.As(err, &e) || e.Code != events.SSLError {
		t.Errorf("Read: %v", err)
	}
}

func TestAbortAtAnyInstant(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			if !p.upgrade() {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, p.br) }()
			for p.send(ws.OpPing, "x") && p.send(ws.OpBinary, strings.Repeat("a", 1000)) {
			}
		})
		for range 60 {
			c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca, QueueBytes: 10000, HeartBeat: time.Millisecond})
			end := readEnd(c)
			var wg sync.WaitGroup
			stop := make(chan bool)
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						c.SendAudio(make([]byte, 640), 0)
						_ = c.SendText([]byte("x"))
					}
				}
			})
			pause := time.Duration(rand.Int64N(int64(3 * time.Millisecond)))
			wg.Go(func() {
				time.Sleep(pause)
				c.Close(1000, "", time.Millisecond)
			})
			time.Sleep(pause / 2 * time.Duration(rand.IntN(4)))
			c.Abort()
			c.Abort()
			within(t, "Read", end)
			close(stop)
			wg.Wait()
			c.sender.Wait()
			if c.QueuedBytes() != 0 {
				t.Fatalf("%d bytes are queued after the end", c.QueuedBytes())
			}
		}
	})
}

func TestPanicInACallbackEndsTheConnectionOnly(t *testing.T) {
	s := &script{in: bytes.NewReader(nil)}
	c := newConn(withDefaults(Config{OnSent: func(int64, int) { panic("on purpose") }}), s, s, upgraded{})
	c.SendAudio([]byte{1, 2}, 0)
	c.sender.Wait()
	var e *Error
	if _, _, err := c.Read(); !errors.As(err, &e) || !strings.Contains(e.Text, "on purpose") {
		t.Errorf("Read: %v", err)
	}
	c.Abort()
}

func TestDialedConnectionOutlivesItsContext(t *testing.T) {
	addr := serve(t, func(p *peer) {
		if p.upgrade() {
			h, payload, _ := p.next()
			p.send(h.OpCode, string(payload))
			_, _ = io.Copy(io.Discard, p)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	c, err := Dial(ctx, Config{Poller: poller(t), URL: "ws://" + addr, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	cancel()
	c.SendAudio([]byte("x"), 0)
	if _, data, err := c.Read(); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
}
