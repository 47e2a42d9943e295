package wsclient

// The WebSocket handshake (RFC 6455 section 4.1) on a connection that stands, by gobwas/ws, bounded in time and size.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/fault"
)

// upgraded is what the handshake gave.
type upgraded struct {
	early       []byte // what the server sent right behind its answer
	subprotocol string
	deflate     bool
	keepWindow  bool // the server compresses with context takeover (RFC 7692 section 7.1.1.1)
}

var (
	errAnswerTooLarge = errors.New("the answer is too large")
	longAgo           = time.Unix(1, 0)
)

// tlsAlert is the first byte of a TLS alert record (RFC 8446 section 5.1), which is how a TLS server answers clear text.
const tlsAlert = 0x15

// answerReader hands the server's answer on line by line, so that what follows it stays in br. It bounds the answer,
// remembers its first byte, and reads Connection as RFC 6455 section 4.1 does, as a list of which one is "Upgrade".
type answerReader struct {
	net.Conn
	br    *bufio.Reader
	line  []byte // not handed on yet; br's memory
	err   error  // what ended the line
	left  int    // bytes that the answer may still have
	first int    // -1: nothing has come yet
}

func (a *answerReader) Read(p []byte) (int, error) {
	for len(a.line) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		line, err := a.br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil // a piece of a long line
		}
		if a.left -= len(line); a.left < 0 {
			return 0, errAnswerTooLarge
		}
		if len(line) > 0 && a.first < 0 {
			a.first = int(line[0])
		}
		a.line, a.err = connectionLine(line), err
	}
	n := copy(p, a.line)
	a.line = a.line[n:]
	return n, nil
}

// connectionLine gives a Connection header as the library wants it: "Upgrade" alone. One without it is left out; other
// lines stay what they are.
func connectionLine(line []byte) []byte {
	name, value, ok := strings.Cut(string(line), ":")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "Connection") {
		return line
	}
	for _, token := range strings.Split(value, ",") {
		if strings.EqualFold(strings.TrimSpace(token), "Upgrade") {
			return []byte("Connection: Upgrade\r\n")
		}
	}
	return nil
}

func (d *dialing) upgrade(nc net.Conn, subprotocols []string) (upgraded, *Error) {
	dialer := ws.Dialer{
		Protocols: subprotocols,
		Host:      hostHeader(d.u),
		Header:    requestHeaders{user: d.u.User, userAgent: printable(d.cfg.UserAgent), more: d.cfg.Headers},
	}
	if d.cfg.Deflate {
		// No context takeover on either side: no 32 KiB window per stream and direction (RFC 7692 section 7.1.1)
		dialer.Extensions = []httphead.Option{wsflate.DefaultParameters.Option()}
	}
	// The one place where reads and writes of the handshake can wait: the deadline and the caller's cancel end both.
	if deadline, ok := d.ctx.Deadline(); ok {
		if err := nc.SetDeadline(deadline); err != nil {
			return upgraded{}, d.handshakeFailed(err, -1)
		}
	}
	stop := context.AfterFunc(d.ctx, func() {
		defer d.guard()
		_ = nc.SetDeadline(longAgo)
		fault.At("cancel")
	})
	answer := &answerReader{Conn: nc, br: readers.Get().(*bufio.Reader), left: maxHeaderBytes, first: -1}
	answer.br.Reset(nc)
	defer func() {
		answer.br.Reset(nil)
		readers.Put(answer.br)
	}()
	br, hs, err := dialer.Upgrade(answer, requestTarget(d.cfg.URL))
	if !stop() && err == nil {
		err = context.Cause(d.ctx) // the deadline in the past may have been set already
	}
	if br != nil {
		ws.PutReader(br) // cannot be: nothing behind the answer has been handed on
	}
	var up upgraded
	if n := answer.br.Buffered(); n > 0 {
		up.early = make([]byte, n)
		_, _ = io.ReadFull(answer.br, up.early) // cannot fail: they are buffered
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		return upgraded{}, d.handshakeFailed(err, answer.first)
	}
	up.subprotocol = hs.Protocol
	if failed := d.extensions(hs.Extensions, &up); failed != nil {
		return upgraded{}, failed
	}
	return up, nil
}

// guard recovers a goroutine of the attempt, which goes on.
func (d *dialing) guard() {
	if r := recover(); r != nil {
		d.cfg.OnPanic(r, debug.Stack())
	}
}

// extensions checks the server's choice against what we offered (RFC 7692 section 7.1).
func (d *dialing) extensions(chosen []httphead.Option, up *upgraded) *Error {
	if len(chosen) == 0 {
		return nil
	}
	var params wsflate.Parameters
	err := params.Parse(chosen[0])
	switch {
	case len(chosen) > 1:
		err = errors.New("it was chosen more than once")
	case err == nil && params.ClientMaxWindowBits.Defined():
		err = errors.New("client_max_window_bits was not offered")
	}
	if err != nil {
		return d.failed(events.NotSupported, err, "the server's permessage-deflate cannot be used: %s (fix the server, or leave "+
			"STREAM_MESSAGE_DEFLATE at true, which does not offer it)", printable(err.Error()))
	}
	up.deflate = true
	up.keepWindow = !params.ServerNoContextTakeover
	return nil
}

// handshakeFailed turns what Upgrade returned into an *Error.
func (d *dialing) handshakeFailed(err error, first int) *Error {
	var status ws.StatusError
	if errors.As(err, &status) {
		e := d.failed(events.ConnectFailed, err, "%s", statusReason(int(status)))
		e.Status = int(status)
		return e
	}
	switch {
	case errors.Is(err, errAnswerTooLarge):
		return d.failed(events.InvalidHeader, err, "the server's answer to the handshake has more than %d bytes (is it a WebSocket server?)",
			maxHeaderBytes)
	case errors.Is(err, ws.ErrHandshakeBadSubProtocol):
		return d.failed(events.NotSupported, err, "the server chose a subprotocol that was not offered (check STREAM_SUBPROTOCOL)")
	case errors.Is(err, ws.ErrHandshakeBadExtensions):
		return d.failed(events.NotSupported, err, "the server chose an extension that was not offered (fix the server)")
	case errors.Is(err, ws.ErrMalformedResponse), errors.Is(err, ws.ErrHandshakeBadProtocol):
		return d.notHTTP(err, first)
	}
	if e := d.ended("the WebSocket handshake was not finished", "check that it is a WebSocket server", err); e != nil {
		return e
	}
	if isAlert(err) {
		// with TLS 1.3 a refused client certificate shows only in the first read
		return d.failed(events.SSLHandshakeFailed, err, "%s", d.alertReason(err))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if first == tlsAlert {
			return d.notHTTP(err, first)
		}
		if first >= 0 {
			return d.failed(events.InvalidHeader, err, "the server closed the connection in the middle of its answer to the handshake "+
				"(is it a WebSocket server%s?)", d.orTLS())
		}
		return d.failed(events.ConnectFailed, err, "the server closed the connection without an answer to the handshake (is it a "+
			"WebSocket server%s?)", d.orTLS())
	}
	if first < 0 || isNetwork(err) {
		return d.failed(events.ConnectFailed, err, "the connection was lost during the WebSocket handshake: %s%s", cause(err), seeServer)
	}
	return d.badAnswer(err)
}

func (d *dialing) badAnswer(err error) *Error {
	what := "is wrong"
	switch {
	case errors.Is(err, ws.ErrHandshakeBadSecAccept):
		what = "has a wrong or no Sec-WebSocket-Accept"
	case errors.Is(err, ws.ErrHandshakeBadUpgrade):
		what = "has no \"Upgrade: websocket\""
	case errors.Is(err, ws.ErrHandshakeBadConnection):
		what = "has no \"Connection: Upgrade\""
	}
	return d.failed(events.InvalidHeader, err, "the server's answer to the handshake %s (is there a proxy between that does not know WebSockets?)", what)
}

func (d *dialing) notHTTP(err error, first int) *Error {
	if first == tlsAlert && d.u.Scheme == "ws" {
		return d.failed(events.InvalidHeader, err, "the server speaks TLS on this port (use wss://)")
	}
	return d.failed(events.InvalidHeader, err, "the server's answer to the handshake is not HTTP/1.1 (is it a WebSocket server%s?)", d.orTLS())
}

func (d *dialing) orTLS() string {
	if d.u.Scheme == "ws" {
		return "; does it want wss://"
	}
	return ""
}

func isNetwork(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

func statusReason(status int) string {
	advice := ""
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		advice = " (check user:password@ in the URL and STREAM_EXTRA_HEADERS)"
	case status == http.StatusNotFound:
		advice = " (check the path of the URL)"
	case status >= 300 && status < 400:
		advice = " (redirects are not followed: use the final URL)"
	case status >= 500:
		advice = " (look into the server's log)"
	case status >= 200 && status < 300:
		advice = " (it is an HTTP server but no WebSocket is at this path)"
	}
	name := http.StatusText(status)
	return fmt.Sprintf("the server refused the WebSocket handshake with HTTP status %s%s",
		strings.TrimSpace(fmt.Sprintf("%d %s", status, name)), advice)
}

// requestTarget is path and query of raw, which ParseURL has accepted, in a form that the library writes byte for byte: people
// put what they like into both, and net/url would write it in its own way.
func requestTarget(raw string) *url.URL {
	_, rest, _ := strings.Cut(raw, "://")
	target := ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		target = rest[i:]
	}
	path, query, hasQuery := strings.Cut(target, "?")
	u := &url.URL{RawQuery: query, ForceQuery: hasQuery}
	switch {
	case path == "":
		u.Opaque = "/"
	case !strings.HasPrefix(path, "//"):
		u.Opaque = path
	default:
		// net/url would put a scheme in front of it; what is illegal in a path is percent-encoded here
		u.RawPath = escapeIllegal(path)
		u.Path, _ = url.PathUnescape(u.RawPath)
	}
	return u
}

// escapeIllegal percent-encodes what RFC 3986 section 3.3 does not allow in a path.
func escapeIllegal(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if c := path[i]; alnum(c) || c < 0x80 && strings.IndexByte("-._~!$&'()*+,;=:@%/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// hostHeader is host and port as in the URL (RFC 7230 section 5.4); a zone is of this machine only (RFC 6874 section 3).
func hostHeader(u *url.URL) string {
	host := u.Host
	if i := strings.IndexByte(host, '%'); i >= 0 && strings.HasPrefix(host, "[") {
		if end := strings.IndexByte(host, ']'); end > i {
			host = host[:i] + host[end:]
		}
	}
	return host
}
