// The SIP user agent that calls the real FreeSWITCH, and that is called by it for the second leg of a bridge. Media is
// in rtp.go, one call in sipcall.go.

package switchtest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// userAgent is one SIP endpoint on 127.0.0.1.
type userAgent struct {
	ua       *sipgo.UserAgent
	client   *sipgo.Client
	dialogs  sipgo.DialogUA
	port     int // ours
	target   int // FreeSWITCH's
	conn     *net.UDPConn
	finished chan struct{}

	mu       sync.Mutex
	calls    map[string]*sipCall // by Call-ID
	expected map[string]*sipCall // calls that will come in, by user name
}

// quiet keeps the SIP library off the test's output.
var quiet = sync.OnceFunc(func() { sip.SetDefaultLogger(slog.New(slog.NewTextHandler(io.Discard, nil))) })

func newUserAgent(target int) (*userAgent, error) {
	quiet()
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("caller"), sipgo.WithUserAgentHostname("127.0.0.1"))
	if err != nil {
		return nil, err
	}
	u := &userAgent{ua: ua, target: target, finished: make(chan struct{}), calls: map[string]*sipCall{}, expected: map[string]*sipCall{}}
	server, err := sipgo.NewServer(ua)
	if err != nil {
		return nil, err
	}
	server.OnInvite(u.onInvite)
	server.OnAck(func(*sip.Request, sip.ServerTransaction) {})
	server.OnBye(u.onBye)
	server.OnCancel(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	})
	server.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	})
	server.OnInfo(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	})

	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("cannot listen for SIP: %w", err)
	}
	u.conn, u.port = conn, conn.LocalAddr().(*net.UDPAddr).Port
	go func() {
		defer close(u.finished)
		_ = ua.TransportLayer().ServeUDP(conn) // until close
	}()
	own := fmt.Sprintf("127.0.0.1:%d", u.port)
	u.client, err = sipgo.NewClient(ua, sipgo.WithClientAddr(own), sipgo.WithClientConnectionAddr(own))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	// The library looks the socket up among those it serves, and would open it again were it not there yet.
	for _, err := ua.TransportLayer().GetConnection("udp", own); err != nil; _, err = ua.TransportLayer().GetConnection("udp", own) {
		select {
		case <-u.finished:
			return nil, errors.New("the SIP socket was closed at start")
		case <-time.After(time.Millisecond):
		}
	}
	u.dialogs = sipgo.DialogUA{Client: u.client, ContactHDR: sip.ContactHeader{Address: sip.Uri{User: "caller", Host: "127.0.0.1", Port: u.port}}}
	return u, nil
}

// close drops what calls are left, without a BYE, and stops listening.
func (u *userAgent) close() {
	u.mu.Lock()
	var left []*sipCall
	for _, c := range u.calls {
		left = append(left, c)
	}
	for _, c := range u.expected {
		left = append(left, c)
	}
	u.mu.Unlock()
	for _, c := range left {
		c.end()
	}
	_ = u.ua.Close()
	_ = u.conn.Close()
	<-u.finished
}

func (u *userAgent) register(c *sipCall) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls[c.id] = c
}

func (u *userAgent) forget(c *sipCall) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.calls, c.id)
	if c.user != "" {
		delete(u.expected, c.user)
	}
}

func (u *userAgent) find(callID string) *sipCall {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls[callID]
}

// expect prepares a call that FreeSWITCH will make to user@127.0.0.1:port.
func (u *userAgent) expect(c *sipCall) (address string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expected[c.user] = c
	return fmt.Sprintf("%s@127.0.0.1:%d", c.user, u.port)
}

// onInvite answers the second leg of a bridge, and re-INVITEs from FreeSWITCH.
func (u *userAgent) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	id := req.CallID().Value()
	if c := u.find(id); c != nil {
		c.reinvited(req, tx)
		return
	}
	u.mu.Lock()
	c := u.expected[req.Recipient.User]
	delete(u.expected, req.Recipient.User)
	u.mu.Unlock()
	if c == nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 404, "Not Found", nil))
		return
	}
	c.id = id
	u.register(c)
	c.answer(req, tx)
}

func (u *userAgent) onBye(req *sip.Request, tx sip.ServerTransaction) {
	c := u.find(req.CallID().Value())
	if c == nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
		return
	}
	_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	c.end()
}

// headerValue encodes text so that it survives a SIP header and FreeSWITCH's url_decode.
func headerValue(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
