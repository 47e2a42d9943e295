package wsclient

// Sending: order, bounds, masks, compression.

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"golang.org/x/sys/unix"

	"mod_audio_stream/goside/netpoll"
)

// schemes runs a test over ws and wss.
func schemes(t *testing.T, test func(t *testing.T, scheme string, ca string, conf *tls.Config)) {
	ca := newAuthority(t)
	conf := &tls.Config{Certificates: []tls.Certificate{ca.issue(time.Hour, "127.0.0.1")}}
	file := ca.file()
	t.Run("ws", func(t *testing.T) { test(t, "ws", file, nil) })
	t.Run("wss", func(t *testing.T) { test(t, "wss", file, conf) })
}

// numbered is an audio frame that says which one it is.
func numbered(n, size int) []byte {
	b := bytes.Repeat([]byte{byte(n)}, size)
	binary.LittleEndian.PutUint32(b, uint32(n))
	return b
}

func TestAudioArrivesAsSent(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		const frames = 500
		got := make(chan int, frames)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			if !p.upgrade() {
				return
			}
			masks := map[[4]byte]bool{}
			for n := range frames {
				h, payload, err := p.next()
				if err != nil || h.OpCode != ws.OpBinary || !h.Fin || h.Rsv != 0 || !bytes.Equal(payload, numbered(n, 320+n%3)) {
					t.Errorf("frame %d: %+v, %d bytes, %v", n, h, len(payload), err)
					break
				}
				masks[h.Mask] = true
			}
			got <- len(masks)
			_, _ = io.Copy(io.Discard, p)
		})
		var sent, bytesSent, wire atomic.Int64
		var last int64 = -1
		all := make(chan bool, 1)
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca, QueueBytes: 1 << 20,
			OnDropped: func(n int) { t.Errorf("%d frames dropped", n) },
			OnBytes:   func(s, _ int) { wire.Add(int64(s)) },
			OnSent: func(captured int64, n int) {
				if captured <= last {
					t.Errorf("frame of %d after that of %d", captured, last)
				}
				last = captured
				bytesSent.Add(int64(n))
				if sent.Add(1) == frames {
					all <- true
				}
			}})
		buf := make([]byte, 1000)
		total := 0
		for n := range frames {
			size := copy(buf, numbered(n, 320+n%3))
			c.SendAudio(buf[:size], int64(n))
			clear(buf) // it is ours again
			total += size
		}
		c.SendAudio(nil, 1<<40)
		within(t, "last frame sent", all)
		if masks := within(t, "last frame received", got); masks < frames-2 {
			t.Errorf("%d frames had %d masking keys", frames, masks)
		}
		c.Abort()
		c.sender.Wait()
		if bytesSent.Load() != int64(total) || wire.Load() != int64(total+8*frames) {
			t.Errorf("OnSent told of %d bytes, OnBytes of %d; want %d and %d", bytesSent.Load(), wire.Load(), total, total+8*frames)
		}
		if c.QueuedBytes() != 0 || c.UnsentFrames() != 0 {
			t.Errorf("%d bytes queued, %d frames unsent", c.QueuedBytes(), c.UnsentFrames())
		}
	})
}

// small makes the kernel's buffers of a connection small, so that it is full soon.
func small(nc net.Conn) {
	if over, ok := nc.(*tls.Conn); ok {
		nc = over.NetConn()
	}
	switch tcp := nc.(type) {
	case *socket:
		small(tcp.Conn)
	case *net.TCPConn:
		_ = tcp.SetReadBuffer(4096)
		_ = tcp.SetWriteBuffer(4096)
	case *netpoll.Conn:
		_ = tcp.Control(func(fd int) {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
		})
	}
}

func TestSlowReaderLosesTheOldestFramesOnly(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		const size, queue = 640, 64 << 10
		goOn := make(chan bool)
		type result struct {
			frames []int
			texts  []string
		}
		results := make(chan result, 1)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			small(p.Conn)
			if !p.upgrade() {
				return
			}
			<-goOn
			var r result
			for {
				h, payload, err := p.next()
				if err != nil || h.OpCode == ws.OpClose {
					p.sendClose(1000, "")
					results <- r
					_, _ = io.Copy(io.Discard, p)
					return
				}
				if h.OpCode == ws.OpText {
					r.texts = append(r.texts, string(payload))
					continue
				}
				n := int(binary.LittleEndian.Uint32(payload))
				if !bytes.Equal(payload, numbered(n, size)) {
					t.Errorf("frame %d is damaged", n)
				}
				r.frames = append(r.frames, n)
			}
		})
		var dropped atomic.Int64
		var mu sync.Mutex
		var sent []int
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca, QueueBytes: queue,
			OnDropped: func(n int) { dropped.Add(int64(n)) },
			OnSent: func(captured int64, n int) {
				mu.Lock()
				sent = append(sent, int(captured))
				mu.Unlock()
			}})
		small(c.base)
		go func() { _, _, _ = c.Read() }()
		total := 0
		for ; dropped.Load() < 100; total++ {
			c.SendAudio(numbered(total, size), int64(total))
			if c.QueuedBytes() > queue+size {
				t.Fatalf("%d bytes are queued, bound %d", c.QueuedBytes(), queue)
			}
		}
		for i := range 3 {
			if err := c.SendText(fmt.Appendf(nil, "text %d", i)); err != nil {
				t.Error(err)
			}
		}
		c.SendAudio(numbered(total, size), int64(total))
		total++
		close(goOn)
		c.Close(1000, "", patience)
		r := within(t, "server's result", results)
		if got := len(r.frames) + int(dropped.Load()); got != total || c.UnsentFrames() != 0 {
			t.Errorf("%d frames sent in all, %d arrived, %d dropped, %d unsent", total, len(r.frames), dropped.Load(), c.UnsentFrames())
		}
		for i := 1; i < len(r.frames); i++ {
			if r.frames[i] <= r.frames[i-1] {
				t.Fatalf("frame %d came after %d", r.frames[i], r.frames[i-1])
			}
		}
		if last := r.frames[len(r.frames)-1]; last != total-1 {
			t.Errorf("the newest frame is %d, want %d: not the oldest were dropped", last, total-1)
		}
		// what is left of the queue is the newest frames without a gap; where the oldest were dropped does not matter
		run := 1
		for i := len(r.frames) - 1; i > 0 && r.frames[i] == r.frames[i-1]+1; i-- {
			run++
		}
		if want := queue / (size + 32); run < want {
			t.Errorf("the last %d frames came without a gap, want %d: others than the oldest were dropped", run, want)
		}
		if strings.Join(r.texts, ",") != "text 0,text 1,text 2" {
			t.Errorf("texts %q", r.texts)
		}
		if fmt.Sprint(sent) != fmt.Sprint(r.frames) {
			t.Error("OnSent told of other frames than have arrived")
		}
		if c.QueuedBytes() != 0 {
			t.Errorf("%d bytes are still queued", c.QueuedBytes())
		}
		if c.direct {
			c.sender.Wait()
			if c.audio.ring != nil {
				t.Error("the queue is kept although nothing waits any more")
			}
		}
	})
}

func TestSendNeverBlocksOnADeadPeer(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		stop := make(chan bool)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			small(p.Conn)
			p.upgrade()
			<-stop
		})
		defer close(stop)
		var sent, dropped atomic.Int64
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca, QueueBytes: 10000,
			OnSent: func(int64, int) { sent.Add(1) }, OnDropped: func(n int) { dropped.Add(int64(n)) }})
		small(c.base)
		begun := time.Now()
		const frames = 5000
		frame := make([]byte, 9000)
		for range frames {
			c.SendAudio(frame, 0)
		}
		var err error
		texts := 0
		for ; err == nil && texts < 10*maxTexts; texts++ {
			err = c.SendText([]byte("x"))
		}
		if !errors.Is(err, ErrQueueFull) || texts < maxTexts {
			t.Errorf("after %d texts: %v", texts, err)
		}
		if err := c.SendText(make([]byte, 2*maxTextBytes)); !errors.Is(err, ErrQueueFull) {
			t.Errorf("a huge text: %v", err)
		}
		c.SendAudio(make([]byte, 20000), 0) // fits no queue
		if took := time.Since(begun); took > patience/2 {
			t.Errorf("sending took %v", took)
		}
		begun = time.Now()
		c.Close(1000, "", 100*time.Millisecond)
		if took := time.Since(begun); took > patience/2 {
			t.Errorf("Close with a deadline of 100 ms took %v", took)
		}
		if got := sent.Load() + dropped.Load() + int64(c.UnsentFrames()); got != frames+1 || c.QueuedBytes() != 0 {
			t.Errorf("of %d frames %d were sent, %d dropped, %d left unsent; %d bytes are queued", frames+1, sent.Load(), dropped.Load(),
				c.UnsentFrames(), c.QueuedBytes())
		}
	})
}

func TestTextsOfManyGoroutinesKeepTheirOrder(t *testing.T) {
	schemes(t, func(t *testing.T, scheme, ca string, conf *tls.Config) {
		const writers, each = 4, 200
		done := make(chan bool, 1)
		addr := serveOn(t, "tcp", "127.0.0.1:0", conf, func(p *peer) {
			defer func() { done <- true }()
			if !p.upgrade() {
				return
			}
			next := map[string]int{}
			for range writers * each {
				h, payload, err := p.next()
				if err != nil || h.OpCode != ws.OpText {
					t.Errorf("%+v, %v", h, err)
					return
				}
				who, n, _ := strings.Cut(string(payload), " ")
				if n != fmt.Sprint(next[who]) {
					t.Errorf("writer %s: text %s, want %d", who, n, next[who])
				}
				next[who]++
			}
		})
		c := dial(t, Config{URL: scheme + "://" + addr, CAFile: ca})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for n := range each {
					for errors.Is(c.SendText(fmt.Appendf(nil, "w%d %d", w, n)), ErrQueueFull) {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		within(t, "all texts", done)
	})
}

func TestSendTextRefusesWhatNoTextFrameMayHold(t *testing.T) {
	s := &script{in: bytes.NewReader(nil)}
	c := newConn(withDefaults(Config{}), s, s, upgraded{})
	if err := c.SendText([]byte("a\xff")); !errors.Is(err, ErrNotUTF8) {
		t.Errorf("invalid UTF-8: %v", err)
	}
	c.Abort()
	if err := c.SendText([]byte("a")); !errors.Is(err, ErrClosed) {
		t.Errorf("after Abort: %v", err)
	}
	c.SendAudio([]byte{1, 2}, 0)
	if c.UnsentFrames() != 1 {
		t.Errorf("%d frames unsent after Abort, want 1", c.UnsentFrames())
	}
}

func TestDeflateIsOfferedAndUsed(t *testing.T) {
	text := strings.Repeat("words ", 100)
	done := make(chan bool, 1)
	addr := serve(t, func(p *peer) {
		defer func() { done <- true }()
		if !p.request() {
			return
		}
		offer := p.header("Sec-WebSocket-Extensions")
		for _, want := range []string{"permessage-deflate", "client_no_context_takeover", "server_no_context_takeover"} {
			if !strings.Contains(offer, want) {
				t.Errorf("offered %q", offer)
			}
		}
		_, _ = io.WriteString(p, p.answer("Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover"))
		for range 3 {
			h, payload, err := p.next()
			if err != nil || !h.Rsv1() {
				t.Errorf("%+v, %v", h, err)
				return
			}
			plain, err := wsflate.DefaultHelper.Decompress(payload)
			if err != nil || h.OpCode == ws.OpText && string(plain) != text || h.OpCode == ws.OpBinary && !bytes.Equal(plain, numbered(1, 640)) {
				t.Errorf("%v: %q, %v", h.OpCode, plain, err)
			}
			reply, err := wsflate.DefaultHelper.Compress(plain)
			if err != nil {
				t.Error(err)
			}
			_, _ = p.Write(frameBytes(true, 4, h.OpCode, reply))
		}
		p.send(ws.OpText, "plain")
		_, _ = io.Copy(io.Discard, p)
	})
	c := dial(t, Config{URL: "ws://" + addr, Deflate: true})
	if err := c.SendText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	c.SendAudio(numbered(1, 640), 0)
	if err := c.SendText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{text, string(numbered(1, 640)), text, "plain"} {
		if _, data, err := c.Read(); err != nil || string(data) != want {
			t.Errorf("%d bytes, %v", len(data), err)
		}
	}
	c.Abort()
	within(t, "server", done)
}

func TestServerMayDeclineDeflate(t *testing.T) {
	addr := serve(t, func(p *peer) {
		if p.upgrade() {
			h, payload, err := p.next()
			if err != nil || h.Rsv1() {
				t.Errorf("%+v, %v", h, err)
			}
			p.send(h.OpCode, string(payload))
			_, _ = io.Copy(io.Discard, p)
		}
	})
	c := dial(t, Config{URL: "ws://" + addr, Deflate: true})
	c.SendAudio([]byte("abcd"), 0)
	if _, data, err := c.Read(); err != nil || string(data) != "abcd" {
		t.Errorf("%q, %v", data, err)
	}
}
