// One SIP call of the real FreeSWITCH as a Call: its dialog, its media, its end.

package switchtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/google/uuid"
)

// sipCall is a call the user agent made, or, as the second leg of a bridge, was called with.
type sipCall struct {
	fs    *FreeSWITCH
	id    string // Call-ID, and the channel's uuid when we called
	uuid  string
	user  string // name we are called by; "" when we called
	rtp   *rtpSession
	other *sipCall
	done  chan struct{}
	ended sync.Once

	mu      sync.Mutex
	dialog  *sipgo.DialogClientSession // nil when we were called
	codec   codec
	ptime   int
	version uint64 // of our session description

	answered chan struct{}
	answerIt sync.Once
}

func (f *FreeSWITCH) newSIPCall(spec CallSpec, source Source) (*sipCall, error) {
	if spec.Rate == 0 {
		spec.Rate = 8000
	}
	if spec.Ptime == 0 {
		spec.Ptime = 20
	}
	c, err := newCodec(spec.Codec, spec.Rate)
	if err != nil {
		return nil, err
	}
	if _, nobody := source.(Nobody); nobody {
		source = nil
	}
	s, err := newRTPSession(c, spec.Ptime, source)
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	return &sipCall{fs: f, id: id, uuid: id, rtp: s, codec: c, ptime: spec.Ptime, version: 1, done: make(chan struct{}), answered: make(chan struct{})}, nil
}

// Originate calls FreeSWITCH.
func (f *FreeSWITCH) Originate(ctx context.Context, spec CallSpec) (Call, error) {
	c, err := f.newSIPCall(spec, spec.Source)
	if err != nil {
		return nil, err
	}
	extension := map[State]string{Answered: "answered", Early: "early", Ringing: "ringing"}[spec.State]
	var headers []sip.Header
	switch {
	case spec.BridgeTo != nil:
		extension = "bridge"
		if c.other, err = f.newSIPCall(spec, spec.BridgeTo); err != nil {
			c.end()
			return nil, err
		}
		c.other.user = "leg-" + c.other.uuid
		c.other.other = c
		headers = append(headers, sip.NewHeader("X-Bridge-To", f.sip.expect(c.other)), sip.NewHeader("X-Other-UUID", c.other.uuid))
	case spec.Stream != "":
		extension = "stream"
		headers = append(headers, sip.NewHeader("X-Stream", headerValue(spec.Stream)))
	case spec.Playback != "":
		extension = "playback"
		headers = append(headers, sip.NewHeader("X-Playback", headerValue(spec.Playback)))
	}
	if err := c.invite(ctx, extension, spec.State, headers); err != nil {
		c.end()
		return nil, err
	}
	if err := c.setUp(ctx, spec); err != nil {
		_ = c.Hangup(context.WithoutCancel(ctx))
		return nil, err
	}
	return c, nil
}

// setUp waits for the second leg and sets the variables.
func (c *sipCall) setUp(ctx context.Context, spec CallSpec) error {
	if c.other != nil {
		select {
		case <-c.other.answered:
		case <-ctx.Done():
			return fmt.Errorf("the second leg was not called: %w", ctx.Err())
		}
	}
	for name, value := range spec.Vars {
		// FreeSWITCH splits the line itself and takes these two characters for its own (switch_utils.c).
		value = strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)
		reply, err := c.fs.API(ctx, fmt.Sprintf("uuid_setvar %s %s %s", c.uuid, name, value))
		if err == nil && !strings.HasPrefix(reply, "+OK") {
			err = fmt.Errorf("uuid_setvar %s: %s", name, reply)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// invite calls the extension and returns once the state asked for is reached.
func (c *sipCall) invite(ctx context.Context, extension string, state State, headers []sip.Header) error {
	u := c.fs.sip
	offer, err := describe(c.codec, c.ptime, c.rtp.port(), c.version)
	if err != nil {
		return err
	}
	callID := sip.CallIDHeader(c.id)
	headers = append(headers, &callID, sip.NewHeader("Content-Type", "application/sdp"))
	c.fs.sip.register(c)
	// Not bound to ctx: the INVITE's transaction must outlive Originate.
	life, stop := context.WithCancel(context.Background())
	dialog, err := u.dialogs.Invite(life, sip.Uri{User: extension, Host: "127.0.0.1", Port: u.target}, offer, headers...)
	if err != nil {
		stop()
		return fmt.Errorf("INVITE: %w", err)
	}
	c.mu.Lock()
	c.dialog = dialog
	c.mu.Unlock()
	reached, failed := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		defer stop()
		go func() { // the call's end cancels a call that was never answered
			select {
			case <-c.done:
				stop()
			case <-life.Done():
			}
		}()
		err := dialog.WaitAnswer(life, sipgo.AnswerOptions{OnResponse: func(r *sip.Response) error {
			if body := r.Body(); len(body) > 0 && (r.IsProvisional() || r.IsSuccess()) {
				if err := c.negotiated(body); err != nil {
					return err
				}
			}
			if r.StatusCode == 180 && state == Ringing || r.StatusCode == 183 && state == Early {
				once.Do(func() { close(reached) })
			}
			return nil
		}})
		if err == nil {
			err = dialog.Ack(context.Background())
		}
		if err != nil {
			failed <- fmt.Errorf("the call to %s failed: %w", extension, err)
			return
		}
		c.answerIt.Do(func() { close(c.answered) })
		once.Do(func() { close(reached) })
	}()
	select {
	case <-reached:
		return nil
	case err := <-failed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the call to %s got no answer: %w", extension, ctx.Err())
	}
}

// negotiated starts, or changes, the media as the other side's description says.
func (c *sipCall) negotiated(body []byte) error {
	r, err := parseRemote(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if r.codec.name != c.codec.name || r.codec.rate != c.codec.rate {
		defer c.mu.Unlock()
		return fmt.Errorf("offered %s/%d, got %s/%d", c.codec.name, c.codec.rate, r.codec.name, r.codec.rate)
	}
	c.codec.payload = r.codec.payload
	if r.ptime != 0 {
		c.ptime = r.ptime
	}
	codec, ptime := c.codec, c.ptime
	c.mu.Unlock()
	c.rtp.start(r.port, codec, ptime)
	return nil
}

// answer takes a call from FreeSWITCH: the second leg of a bridge.
func (c *sipCall) answer(req *sip.Request, tx sip.ServerTransaction) {
	if err := c.negotiated(req.Body()); err != nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 488, "Not Acceptable Here", nil))
		c.end()
		return
	}
	c.respond(req, tx)
	c.answerIt.Do(func() { close(c.answered) })
}

// reinvited answers a re-INVITE from FreeSWITCH.
func (c *sipCall) reinvited(req *sip.Request, tx sip.ServerTransaction) {
	if len(req.Body()) > 0 {
		if err := c.negotiated(req.Body()); err != nil {
			_ = tx.Respond(sip.NewResponseFromRequest(req, 488, "Not Acceptable Here", nil))
			return
		}
	}
	c.respond(req, tx)
}

func (c *sipCall) respond(req *sip.Request, tx sip.ServerTransaction) {
	c.mu.Lock()
	body, err := describe(c.codec, c.ptime, c.rtp.port(), c.version)
	c.mu.Unlock()
	if err != nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 500, "Server Error", nil))
		return
	}
	res := sip.NewResponseFromRequest(req, 200, "OK", body)
	if to := res.To(); to != nil {
		to.Params.Add("tag", "leg-"+c.uuid)
	}
	contact := c.fs.sip.dialogs.ContactHDR
	res.AppendHeader(&contact)
	res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	_ = tx.Respond(res)
}

// Renegotiate sends a re-INVITE with another rate or ptime.
func (c *sipCall) Renegotiate(ctx context.Context, rate, ptime int) error {
	c.mu.Lock()
	dialog := c.dialog
	c.version++
	version := c.version
	offered, err := newCodec(c.codec.name, rate)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	offer, err := describe(offered, ptime, c.rtp.port(), version)
	if err != nil {
		return err
	}
	if dialog == nil {
		return errors.New("this leg was called by FreeSWITCH; renegotiate on the other")
	}
	recipient := dialog.InviteRequest.Recipient
	if contact := dialog.InviteResponse.Contact(); contact != nil {
		recipient = contact.Address
	}
	req := sip.NewRequest(sip.INVITE, recipient)
	req.SetBody(offer)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	c.rtp.expect(offered) // FreeSWITCH may send it before we have read its answer
	res, err := dialog.Do(ctx, req)
	if err != nil {
		return fmt.Errorf("re-INVITE: %w", err)
	}
	if err := dialog.WriteRequest(sip.NewRequest(sip.ACK, recipient)); err != nil {
		return fmt.Errorf("ACK of the re-INVITE: %w", err)
	}
	if !res.IsSuccess() {
		return fmt.Errorf("re-INVITE with ptime %d: %d %s", ptime, res.StatusCode, res.Reason)
	}
	r, err := parseRemote(res.Body())
	if err != nil {
		return err
	}
	if r.codec.name != offered.name || r.codec.rate != rate {
		return fmt.Errorf("re-INVITE: offered %s/%d, got %s/%d", offered.name, rate, r.codec.name, r.codec.rate)
	}
	// FreeSWITCH 1.10 changes its codec as offered but puts the former ptime into its answer; the offer holds.
	offered.payload = r.codec.payload
	c.mu.Lock()
	c.ptime, c.codec = ptime, offered
	c.mu.Unlock()
	c.rtp.start(r.port, offered, ptime)
	return nil
}

// Hangup sends a BYE, or a CANCEL when the call was not answered.
func (c *sipCall) Hangup(ctx context.Context) error {
	c.mu.Lock()
	dialog := c.dialog
	c.mu.Unlock()
	defer c.end()
	select {
	case <-c.done:
		return nil
	default:
	}
	select {
	case <-c.answered:
	default:
		return nil // end cancels the INVITE
	}
	if dialog == nil {
		_, err := c.fs.API(ctx, "uuid_kill "+c.uuid)
		return err
	}
	if err := dialog.Bye(ctx); err != nil {
		select {
		case <-c.done: // FreeSWITCH hung up at the same time
			return nil
		default:
		}
		return fmt.Errorf("BYE: %w", err)
	}
	return nil
}

// end stops the media and marks the call as over; a second leg's INVITE is not waited for any more.
func (c *sipCall) end() {
	c.ended.Do(func() {
		close(c.done)
		c.rtp.close()
		c.fs.sip.forget(c)
		if c.other != nil {
			select {
			case <-c.other.answered:
			default:
				if c.other.user != "" {
					c.other.end()
				}
			}
		}
	})
}
