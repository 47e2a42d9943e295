// Package callload makes many SIP calls to a FreeSWITCH on this machine for little CPU of its own: all calls share one SIP
// socket and one RTP socket, one thread sends every call's packets and one goroutine receives them. What a caller says and
// hears are the steps of package steps.
package callload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/pion/sdp/v3"
)

// Caller is the user agent of all calls.
type Caller struct {
	ua       *sipgo.UserAgent
	dialogs  sipgo.DialogUA
	sipConn  *net.UDPConn
	sipPort  int
	target   int
	finished chan struct{}
	media    *media
}

// quiet keeps the SIP library off the output.
var quiet = sync.OnceFunc(func() { sip.SetDefaultLogger(slog.New(slog.NewTextHandler(io.Discard, nil))) })

// New makes a caller for the FreeSWITCH that listens for SIP on target.
func New(target int) (*Caller, error) {
	quiet()
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("bench"), sipgo.WithUserAgentHostname("127.0.0.1"))
	if err != nil {
		return nil, err
	}
	c := &Caller{ua: ua, target: target, finished: make(chan struct{})}
	server, err := sipgo.NewServer(ua)
	if err != nil {
		return nil, err
	}
	ok := func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	}
	server.OnBye(ok)
	server.OnOptions(ok)
	server.OnInfo(ok)
	if c.sipConn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, err
	}
	_ = c.sipConn.SetReadBuffer(4 << 20)
	c.sipPort = c.sipConn.LocalAddr().(*net.UDPAddr).Port
	go func() {
		defer close(c.finished)
		_ = ua.TransportLayer().ServeUDP(c.sipConn) // until Close
	}()
	if err := c.connect(); err != nil {
		c.closeSIP()
		return nil, err
	}
	if c.media, err = newMedia(); err != nil {
		c.closeSIP()
		return nil, err
	}
	return c, nil
}

// connect makes the client that uses the same socket.
func (c *Caller) connect() error {
	own := fmt.Sprintf("127.0.0.1:%d", c.sipPort)
	client, err := sipgo.NewClient(c.ua, sipgo.WithClientAddr(own), sipgo.WithClientConnectionAddr(own))
	if err != nil {
		return err
	}
	// The library looks the socket up among those it serves, and would open it again were it not there yet.
	for {
		if _, err := c.ua.TransportLayer().GetConnection("udp", own); err == nil {
			break
		}
		select {
		case <-c.finished:
			return errors.New("the SIP socket was closed at start")
		case <-time.After(time.Millisecond):
		}
	}
	c.dialogs = sipgo.DialogUA{Client: client, ContactHDR: sip.ContactHeader{Address: sip.Uri{User: "bench", Host: "127.0.0.1", Port: c.sipPort}}}
	return nil
}

func (c *Caller) closeSIP() {
	_ = c.ua.Close()
	_ = c.sipConn.Close()
	<-c.finished
}

// Close stops media and signalling without a BYE: the switch is expected to be ended next to it.
func (c *Caller) Close() {
	c.media.close()
	c.closeSIP()
}

// Call dials the extension with the given Call-ID, waits for the answer and begins to speak.
func (c *Caller) Call(ctx context.Context, id, extension string) (*Call, error) {
	offer, err := describe(c.media.port())
	if err != nil {
		return nil, err
	}
	callID := sip.CallIDHeader(id)
	// not bound to ctx: the dialog outlives the set-up
	dialog, err := c.dialogs.Invite(context.Background(), sip.Uri{User: extension, Host: "127.0.0.1", Port: c.target}, offer, &callID,
		sip.NewHeader("Content-Type", "application/sdp"))
	if err != nil {
		return nil, fmt.Errorf("INVITE: %w", err)
	}
	if err := dialog.WaitAnswer(ctx, sipgo.AnswerOptions{}); err != nil {
		return nil, fmt.Errorf("the call to %s was not answered: %w", extension, err)
	}
	if err := dialog.Ack(ctx); err != nil {
		return nil, fmt.Errorf("ACK: %w", err)
	}
	port, err := mediaPort(dialog.InviteResponse.Body())
	if err != nil {
		return nil, err
	}
	return c.media.add(id, port)
}

// describe is the offer: mu-law in packets of 20 ms.
func describe(port int) ([]byte, error) {
	s := sdp.SessionDescription{
		Origin:                sdp.Origin{Username: "-", SessionID: 1, SessionVersion: 1, NetworkType: "IN", AddressType: "IP4", UnicastAddress: "127.0.0.1"},
		SessionName:           "bench",
		ConnectionInformation: &sdp.ConnectionInformation{NetworkType: "IN", AddressType: "IP4", Address: &sdp.Address{Address: "127.0.0.1"}},
		TimeDescriptions:      []sdp.TimeDescription{{}},
		MediaDescriptions: []*sdp.MediaDescription{{
			MediaName:  sdp.MediaName{Media: "audio", Port: sdp.RangedPort{Value: port}, Protos: []string{"RTP", "AVP"}, Formats: []string{"0"}},
			Attributes: []sdp.Attribute{sdp.NewAttribute("rtpmap", "0 PCMU/8000"), sdp.NewAttribute("ptime", "20"), sdp.NewPropertyAttribute("sendrecv")},
		}},
	}
	return s.Marshal()
}

func mediaPort(body []byte) (int, error) {
	var s sdp.SessionDescription
	if err := s.Unmarshal(body); err != nil {
		return 0, fmt.Errorf("the answer's SDP: %w", err)
	}
	if len(s.MediaDescriptions) == 0 || s.MediaDescriptions[0].MediaName.Port.Value == 0 {
		return 0, errors.New("the answer has no audio")
	}
	return s.MediaDescriptions[0].MediaName.Port.Value, nil
}
