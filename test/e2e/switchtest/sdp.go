// Session descriptions and codecs: what is offered, and how samples become payloads.

package switchtest

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/zaf/g711"
)

// codec is one audio format over RTP.
type codec struct {
	name    string // L16, PCMU, PCMA
	rate    int    // Hz
	payload uint8  // RTP payload type
}

// dtmfPayload is the RTP payload type of telephone-event (RFC 4733), dynamic.
const dtmfPayload = 101

func newCodec(name string, rate int) (codec, error) {
	switch {
	case name == "" || name == "L16":
		return codec{"L16", rate, l16Payload(rate)}, nil
	case name == "PCMU" && rate == 8000:
		return codec{name, rate, 0}, nil
	case name == "PCMA" && rate == 8000:
		return codec{name, rate, 8}, nil
	}
	return codec{}, fmt.Errorf("no codec %s at %d Hz", name, rate)
}

// l16Payload is the dynamic payload type of L16 at a rate; each rate has its own, so that a packet says which it is.
func l16Payload(rate int) uint8 {
	switch rate {
	case 16000:
		return 98
	case 32000:
		return 99
	case 48000:
		return 100
	}
	return 97
}

// encode appends the payload of samples. L16 is big-endian on the wire (RFC 3551 section 4.5.11).
func (c codec) encode(dst []byte, samples []int16) []byte {
	for _, s := range samples {
		switch c.name {
		case "PCMU":
			dst = append(dst, g711.EncodeUlawFrame(s))
		case "PCMA":
			dst = append(dst, g711.EncodeAlawFrame(s))
		default:
			dst = binary.BigEndian.AppendUint16(dst, uint16(s))
		}
	}
	return dst
}

// decode appends the samples of a payload.
func (c codec) decode(dst []int16, payload []byte) []int16 {
	switch c.name {
	case "PCMU":
		for _, b := range payload {
			dst = append(dst, g711.DecodeUlawFrame(b))
		}
	case "PCMA":
		for _, b := range payload {
			dst = append(dst, g711.DecodeAlawFrame(b))
		}
	default:
		for i := 0; i+1 < len(payload); i += 2 {
			dst = append(dst, int16(binary.BigEndian.Uint16(payload[i:])))
		}
	}
	return dst
}

// describe makes an offer or an answer for one codec and ptime, with telephone-event at the codec's clock rate.
func describe(c codec, ptime, rtpPort int, version uint64) ([]byte, error) {
	formats := []string{strconv.Itoa(int(c.payload)), strconv.Itoa(dtmfPayload)}
	d := sdp.SessionDescription{
		Origin:                sdp.Origin{Username: "-", SessionID: 1, SessionVersion: version, NetworkType: "IN", AddressType: "IP4", UnicastAddress: "127.0.0.1"},
		SessionName:           "call",
		ConnectionInformation: &sdp.ConnectionInformation{NetworkType: "IN", AddressType: "IP4", Address: &sdp.Address{Address: "127.0.0.1"}},
		TimeDescriptions:      []sdp.TimeDescription{{}},
		MediaDescriptions: []*sdp.MediaDescription{{
			MediaName: sdp.MediaName{Media: "audio", Port: sdp.RangedPort{Value: rtpPort}, Protos: []string{"RTP", "AVP"}, Formats: formats},
			Attributes: []sdp.Attribute{
				{Key: "rtpmap", Value: fmt.Sprintf("%d %s/%d", c.payload, c.name, c.rate)},
				{Key: "rtpmap", Value: fmt.Sprintf("%d telephone-event/%d", dtmfPayload, c.rate)},
				{Key: "fmtp", Value: fmt.Sprintf("%d 0-15", dtmfPayload)},
				{Key: "ptime", Value: strconv.Itoa(ptime)},
				{Key: "sendrecv"},
			},
		}},
	}
	return d.Marshal()
}

// remote is what the other side's description says.
type remote struct {
	port  int
	codec codec
	ptime int // 0: not said
}

// parseRemote reads the first audio stream of a description. The first format that is not telephone-event counts.
func parseRemote(body []byte) (remote, error) {
	var d sdp.SessionDescription
	if err := d.Unmarshal(body); err != nil {
		return remote{}, fmt.Errorf("session description: %w", err)
	}
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Media != "audio" || m.MediaName.Port.Value == 0 {
			continue
		}
		r := remote{port: m.MediaName.Port.Value}
		if v, ok := m.Attribute("ptime"); ok {
			r.ptime, _ = strconv.Atoi(v)
		}
		for _, f := range m.MediaName.Formats {
			pt, err := strconv.Atoi(f)
			if err != nil {
				continue
			}
			name, rate := mapped(m, f)
			if strings.EqualFold(name, "telephone-event") || strings.EqualFold(name, "CN") {
				continue
			}
			r.codec = codec{name: name, rate: rate, payload: uint8(pt)}
			return r, nil
		}
	}
	return remote{}, fmt.Errorf("no audio in the session description:\n%s", body)
}

// mapped finds a format's name and clock rate; the static ones (RFC 3551 table 4) need no rtpmap.
func mapped(m *sdp.MediaDescription, format string) (string, int) {
	for _, a := range m.Attributes {
		rest, ok := strings.CutPrefix(a.Value, format+" ")
		if a.Key != "rtpmap" || !ok {
			continue
		}
		parts := strings.Split(rest, "/")
		if len(parts) >= 2 {
			rate, _ := strconv.Atoi(parts[1])
			return parts[0], rate
		}
	}
	switch format {
	case "0":
		return "PCMU", 8000
	case "8":
		return "PCMA", 8000
	}
	return "", 0
}
