package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// peer is one TCP connection of the module to a server that misbehaves.
type peer struct {
	*net.TCPConn
	ctx context.Context // ends with the round
	br  *bufio.Reader
	n   int // of the connection, from 1
}

// server runs handle for every connection until the round ends, and then closes them all.
func (r *round) server(handle func(p *peer)) (url string) {
	return r.listen(net.ListenConfig{}, handle)
}

// narrow is server with as little room in the kernel as can be had: what it does not read is the module's to keep within a
// second, and not within half a minute.
func (r *round) narrow(handle func(p *peer)) (url string) {
	return r.listen(net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096),
				// the sender's room grows with the segments
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1000))
		})
		return errors.Join(err, failed)
	}}, handle)
}

func (r *round) listen(how net.ListenConfig, handle func(p *peer)) (url string) {
	l, err := how.Listen(r.ctx, "tcp", "127.0.0.1:0")
	r.check("listen", err)
	var mu sync.Mutex
	var conns []net.Conn
	go func() {
		for n := 1; ; n++ {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, nc)
			mu.Unlock()
			go handle(&peer{TCPConn: nc.(*net.TCPConn), ctx: r.ctx, br: bufio.NewReader(nc), n: n})
		}
	}()
	context.AfterFunc(r.ctx, func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, nc := range conns {
			_ = nc.Close()
		}
	})
	return "ws://" + l.Addr().String() + "/"
}

// request reads the handshake and gives its headers; nil when there is none.
func (p *peer) request() textproto.MIMEHeader {
	tp := textproto.NewReader(p.br)
	if _, err := tp.ReadLine(); err != nil {
		return nil
	}
	h, err := tp.ReadMIMEHeader()
	if err != nil {
		return nil
	}
	return h
}

// answer is the 101 response to a request, with further header lines.
func answer(request textproto.MIMEHeader, more ...string) string {
	sum := sha1.Sum([]byte(request.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	lines := append([]string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:])}, more...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// write writes, for as long as the connection lasts.
func (p *peer) write(b []byte) bool {
	_, err := p.Write(b)
	return err == nil
}

// upgrade does the handshake as it should be.
func (p *peer) upgrade(more ...string) bool {
	h := p.request()
	return h != nil && p.write([]byte(answer(h, more...)))
}

// reset ends the connection by a RST.
func (p *peer) reset() {
	_ = p.SetLinger(0)
	_ = p.Close()
}

// drain reads and forgets until the connection ends.
func (p *peer) drain() {
	buf := make([]byte, 64<<10)
	for {
		if _, err := p.br.Read(buf); err != nil {
			return
		}
	}
}

// hold does nothing until the round ends.
func (p *peer) hold() { <-p.ctx.Done() }

// pass lets time go by.
func (p *peer) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.ctx.Done():
	}
}

// drip writes a byte at a time.
func (p *peer) drip(b []byte, every time.Duration) {
	for i := range b {
		if !p.write(b[i : i+1]) {
			return
		}
		select {
		case <-time.After(every):
		case <-p.ctx.Done():
			return
		}
	}
}

// after gives a server that does the handshake, reads on in the background, and then does what is given.
func after(do func(p *peer)) func(p *peer) {
	return func(p *peer) {
		if !p.upgrade() {
			return
		}
		go p.drain()
		do(p)
	}
}

// sends gives a server that sends these bytes behind the handshake and then holds the connection.
func sends(b []byte) func(p *peer) {
	return after(func(p *peer) {
		p.write(b)
		p.hold()
	})
}

// httpStatus gives a server that answers with a status.
func httpStatus(status int, more ...string) func(p *peer) {
	return func(p *peer) {
		if p.request() == nil {
			return
		}
		lines := append([]string{fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)), "Content-Length: 2"}, more...)
		p.write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\nno"))
		p.hold()
	}
}

// frame encodes a server's frame, right or wrong.
func frame(fin bool, rsv byte, op ws.OpCode, payload string) []byte {
	var b bytes.Buffer
	_ = ws.WriteHeader(&b, ws.Header{Fin: fin, Rsv: rsv, OpCode: op, Length: int64(len(payload))}) // a buffer takes it
	b.WriteString(payload)
	return b.Bytes()
}

func textFrame(s string) []byte { return frame(true, 0, ws.OpText, s) }

// announced is the header of a binary frame of a length, without the frame.
func announced(length uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{0x82, 127}, length)
}

// bomb is a compressed text message of n zero bytes.
func bomb(n int) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is right
	}
	block := make([]byte, 64<<10)
	for ; n > 0; n -= len(block) {
		_, _ = w.Write(block) // into a buffer
	}
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}
