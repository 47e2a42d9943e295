package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// result is what a test compares of a Message.
type result struct {
	kind                                        Kind
	audio                                       string
	format                                      Format
	rate, channels                              int
	name                                        string
	cause, extension, dialplan, context, digits string
	fileType, fileData, body                    string
}

func decode(text string, playback bool) (result, error) {
	var m Message
	data := []byte(text)
	err := Native().Decode(false, data, playback, &m)
	if string(m.Text) != text {
		return result{}, errors.New("Text is not the message as it came")
	}
	r := result{kind: m.Kind, audio: string(m.Audio), fileType: m.FileType, fileData: string(m.FileData)}
	if m.PlayBody != nil {
		for i := range data {
			data[i] = 'x' // the body must not live on the caller's bytes
		}
		r.body = string(m.PlayBody("/tmp/f"))
	}
	if m.Kind == Audio {
		r.format, r.rate, r.channels = m.Format, m.Rate, m.Channels
	}
	for i := range data {
		data[i] = 'x' // strings neither
	}
	r.name, r.cause, r.extension, r.dialplan = m.Name, m.Cause, m.Extension, m.Dialplan
	r.context, r.digits = m.Context, m.Digits
	return r, err
}

func TestBinaryIsAudioAtTheStreamsRate(t *testing.T) {
	m := Message{Text: []byte("old"), Kind: Mark, Name: "old"}
	data := []byte{1, 2, 3}
	if err := Native().Decode(true, data, true, &m); err != nil {
		t.Fatal(err)
	}
	if m.Kind != Audio || m.Format != L16 || m.Rate != 0 || m.Channels != 1 || &m.Audio[0] != &data[0] || len(m.Audio) != 3 ||
		m.Text != nil || m.Name != "" {
		t.Errorf("%+v", m)
	}
}

func TestMessagesAreSortedByType(t *testing.T) {
	for text, want := range map[string]result{
		`{"type":"clear"}`:                           {kind: Clear},
		`{"type":"killAudio"}`:                       {kind: Clear},
		` { "data" : 7 , "type" : "clear" } ` + "\n": {kind: Clear},
		`{"type":"\u0063lear"}`:                      {kind: Clear},
		`{"type":"pause","data":{}}`:                 {kind: Pause},
		`{"type":"resume"}`:                          {kind: Resume},
		`{"type":"mark","data":{"name":"m1"}}`:       {kind: Mark, name: "m1"},
		`{"data":{"x":[1,{"name":"no"}],"name":"a \"b\" \u00e9\n","name":"second"},"type":"mark"}`: {kind: Mark, name: "a \"b\" é\n"},
		`{"type":"mark","data":{"name":"` + strings.Repeat("é", 128) + `"}}`:                       {kind: Mark, name: strings.Repeat("é", 128)},
		`{"type":"hangup"}`:                               {kind: Hangup},
		`{"type":"hangup","data":{}}`:                     {kind: Hangup},
		`{"type":"hangup","data":{"cause":""}}`:           {kind: Hangup},
		`{"type":"hangup","data":{"cause":null}}`:         {kind: Hangup},
		`{"type":"hangup","data":{"cause":"USER_BUSY"}}`:  {kind: Hangup, cause: "USER_BUSY"},
		`{"type":"hangup","data":{"cause":"17"}}`:         {kind: Hangup, cause: "17"},
		`{"type":"transfer","data":{"extension":"1000"}}`: {kind: Transfer, extension: "1000"},
		`{"type":"transfer","data":{"extension":"+49 30@a;b=c","dialplan":"XML","context":"a-b.example.com"}}`: {kind: Transfer, extension: "+49 30@a;b=c", dialplan: "XML", context: "a-b.example.com"},
		`{"type":"sendDtmf","data":{"digits":"1#"}}`:                                                           {kind: SendDTMF, digits: "1#"},
		`{"type":"sendDtmf","data":{"digits":"0123456789ABCDabcd*#wW@200+1"}}`:                                 {kind: SendDTMF, digits: "0123456789ABCDabcd*#wW@200+1"},
		// nothing that is known here
		``:                                {},
		` `:                               {},
		`hello`:                           {},
		`"clear"`:                         {},
		`7`:                               {},
		`null`:                            {},
		`[]`:                              {},
		`[{"type":"clear"}]`:              {},
		`{}`:                              {},
		`{"type":1}`:                      {},
		`{"type":null}`:                   {},
		`{"type":["clear"]}`:              {},
		`{"type":"Clear"}`:                {},
		`{"Type":"clear"}`:                {},
		`{"type":"clear "}`:               {},
		`{"type":"other","data":{"a":1}}`: {},
		`{"type":"other","type":"clear"}`: {},
		`{"data":{"type":"clear"}}`:       {},
		// not JSON
		`{"type":"clear"`:                   {},
		`{"type":"clear"}}`:                 {},
		`{"type":"clear"} {}`:               {},
		`{'type':'clear'}`:                  {},
		`{type:"clear"}`:                    {},
		`{"type":"clear",}`:                 {},
		`{"type":"cl` + "\n" + `ear"}`:      {},
		`{"type":"mark","data":{"name":"x}`: {},
		"\xef\xbb\xbf" + `{"type":"clear"}`: {},
	} {
		for _, playback := range []bool{true, false} {
			got, err := decode(text, playback)
			if err != nil || got != want {
				t.Errorf("%s\n got %+v, %v\nwant %+v", text, got, err, want)
			}
		}
	}
}

func TestBadFieldsAreOneErrorThatSaysWhatWasExpected(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for text, want := range map[string]string{
		`{"type":"mark"}`:                                                          `bad message: mark: data.name is missing; expected a string of 1 to 1024 bytes`,
		`{"type":"mark","data":"m1"}`:                                              `data.name is missing`,
		`{"type":"mark","data":{"name":7}}`:                                        `data.name is 7; expected`,
		`{"type":"mark","data":{"name":""}}`:                                       `data.name is ""; expected`,
		`{"type":"mark","data":{"name":{}}}`:                                       `data.name is an object; expected`,
		`{"type":"mark","data":{"name":[1]}}`:                                      `data.name is an array; expected`,
		`{"type":"mark","data":{"name":true}}`:                                     `data.name is a boolean; expected`,
		`{"type":"mark","data":{"name":null}}`:                                     `data.name is null; expected`,
		`{"type":"mark","data":{"name":"` + long + `"}}`:                           `data.name is "` + long[:40] + `..."; expected`,
		`{"type":"mark","data":{"name":"` + strings.Repeat("x", 1025) + `"}}`:      `expected a string of 1 to 1024 bytes`,
		"{\"type\":\"mark\",\"data\":{\"name\":\"\xff\"}}":                         `expected a string`,
		`{"type":"hangup","data":7}`:                                               `hangup: data is 7; expected an object`,
		`{"type":"hangup","data":{"cause":17}}`:                                    `hangup: data.cause is 17; expected the name of a hangup cause`,
		`{"type":"hangup","data":{"cause":"a b"}}`:                                 `hangup: data.cause is "a b"`,
		`{"type":"hangup","data":{"cause":"` + long + `"}}`:                        `hangup: data.cause is`,
		`{"type":"transfer"}`:                                                      `transfer: data.extension is missing`,
		`{"type":"transfer","data":{"extension":1000}}`:                            `transfer: data.extension is 1000; expected`,
		`{"type":"transfer","data":{"extension":""}}`:                              `transfer: data.extension is ""`,
		`{"type":"transfer","data":{"extension":"a\u0000b"}}`:                      `transfer: data.extension is "a\x00b"`,
		`{"type":"transfer","data":{"extension":"a\nb"}}`:                          `transfer: data.extension is "a\nb"`,
		`{"type":"transfer","data":{"extension":"` + long + `"}}`:                  `1 to 256 bytes`,
		`{"type":"transfer","data":{"extension":"${system(id)}"}}`:                 `without control characters and $`,
		`{"type":"transfer","data":{"extension":"system:id","dialplan":"inline"}}`: `transfer: data.dialplan is "inline"; expected`,
		`{"type":"transfer","data":{"extension":"system:id","dialplan":"INLINE"}}`: `transfer: data.dialplan is "INLINE"`,
		`{"type":"transfer","data":{"extension":"1","dialplan":"XML,inline"}}`:     `transfer: data.dialplan is "XML,inline"`,
		`{"type":"transfer","data":{"extension":"1","dialplan":7}}`:                `transfer: data.dialplan is 7`,
		`{"type":"transfer","data":{"extension":"1","context":"a b"}}`:             `transfer: data.context is "a b"`,
		`{"type":"sendDtmf"}`:                                                      `sendDtmf: data.digits is missing`,
		`{"type":"sendDtmf","data":{"digits":5}}`:                                  `sendDtmf: data.digits is 5; expected`,
		`{"type":"sendDtmf","data":{"digits":""}}`:                                 `sendDtmf: data.digits is ""`,
		`{"type":"sendDtmf","data":{"digits":"12x"}}`:                              `sendDtmf: data.digits is "12x"`,
		`{"type":"sendDtmf","data":{"digits":"` + strings.Repeat("1", 65) + `"}}`:  `1 to 64`,
	} {
		got, err := decode(text, true)
		if !errors.Is(err, ErrBadMessage) || !strings.Contains(err.Error(), want) || got.kind != Other {
			t.Errorf("%.200s\n got %+v, %v\nwant %s", text, got, err, want)
			continue
		}
		if len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%.200s: %q", text, err)
		}
	}
}

func TestDeepNestingIsRefusedAndCostsNoStack(t *testing.T) {
	nest := func(open, close string, n int) string {
		return `{"type":"clear","data":` + strings.Repeat(open, n-1) + `1` + strings.Repeat(close, n-1) + `}`
	}
	for _, c := range []struct {
		text string
		deep bool
	}{
		{nest("[", "]", 64), false},
		{nest("[", "]", 65), true},
		{nest(`{"a":`, "}", 64), false},
		{nest(`{"a":`, "}", 65), true},
		{strings.Repeat("[", 4<<20), true},
		{strings.Repeat(`{"a":`, 1<<20), true},
		{`{"type":"clear","data":"` + strings.Repeat("[", 100) + `"}`, false},
		{`{"type":"clear","data":"\"` + strings.Repeat("[", 100) + `\\\""}`, false},
		{`{"type":"clear","data":["\\` + `",` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]}`, true},
		{`{"type":"clear","data":[` + strings.Repeat("[],", 100) + `{}]}`, false},
	} {
		got, err := decode(c.text, true)
		if errors.Is(err, ErrBadMessage) != c.deep || (!c.deep && got.kind != Clear) {
			t.Errorf("%.90s: %+v, %v", c.text, got, err)
		}
	}
	if _, err := decode(strings.Repeat("(", 99)+strings.Repeat("[", 99), true); err != nil {
		t.Errorf("plain text is not JSON of any depth: %v", err)
	}
}

func TestEncodersAreByteExact(t *testing.T) {
	d := Native()
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{d.Mark("m1", "played", 1234*time.Millisecond), `{"type":"mark","data":{"name":"m1","status":"played","playedMs":1234}}`},
		{d.Mark("a\"<&>é\n", "cleared", 999*time.Microsecond), `{"type":"mark","data":{"name":"a\"<&>é\n","status":"cleared","playedMs":0}}`},
		{d.DTMF('5', 100*time.Millisecond), `{"type":"dtmf","data":{"digit":"5","durationMs":100}}`},
		{d.DTMF('#', 0), `{"type":"dtmf","data":{"digit":"#","durationMs":0}}`},
		{d.DTMF('"', time.Second), `{"type":"dtmf","data":{"digit":"\"","durationMs":1000}}`},
		{bytes.Join(d.Open(`{"a": "b"} `), []byte("|")), `{"a": "b"} `},
		{bytes.Join(d.Close("bye", true), []byte("|")), "bye"},
	} {
		if string(c.got) != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
	if d.Open("") != nil || d.Close("", false) != nil || len(d.Close("", true)) != 1 || d.Name() != "native" {
		t.Error("frames where there should be none, or none where there should be one")
	}
	pcm := []byte{1, 2, 3, 4}
	if payload, binary := d.Audio(nil, pcm); !binary || &payload[0] != &pcm[0] || len(payload) != 4 {
		t.Error("captured audio must go out as it is")
	}
}

func FuzzDecode(f *testing.F) {
	audio := base64.StdEncoding.EncodeToString([]byte("some audio"))
	for _, text := range []string{
		``, `{}`, `[`, `{"type":"clear"}`, `{"type":"mark","data":{"name":"m"}}`, `{"type":"hangup","data":{"cause":"X"}}`,
		`{"type":"transfer","data":{"extension":"1","dialplan":"XML","context":"c"}}`, `{"type":"sendDtmf","data":{"digits":"1#"}}`,
		`{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":8000,"audioData":"` + audio + `"}}`,
		`{"type":"streamAudio","data":{"audioDataType":"wav","x":[1, 2],"audioData":"` + audio + `","file":"/etc/passwd"}}`,
		`{"type":"streamAudio","data":{"audioDataType":"pcmu","channels":2,"audioData":"YQ=="}}`,
		`{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":8e3,"audioData":"Y\/ \nQ"}}`,
		`{"a":"\\\"[[","type":"\u0063lear"}`,
	} {
		f.Add([]byte(text), true, false)
		f.Add([]byte(text), false, false)
	}
	f.Add([]byte{1, 2, 3}, true, true)
	f.Fuzz(func(t *testing.T, data []byte, playback, binary bool) {
		var m Message
		before := string(data)
		err := Native().Decode(binary, data, playback, &m)
		if string(data) != before {
			t.Fatal("Decode wrote to the caller's bytes")
		}
		if err != nil && (!errors.Is(err, ErrBadMessage) || m.Kind != Other || len(err.Error()) > 400 ||
			strings.ContainsAny(err.Error(), "\r\n\x00")) {
			t.Fatalf("%+v, %q", m, err)
		}
		if binary {
			if m.Kind != Audio || !bytes.Equal(m.Audio, data) || err != nil {
				t.Fatalf("%+v, %v", m, err)
			}
			return
		}
		if !bytes.Equal(m.Text, data) {
			t.Fatal("Text is not the message as it came")
		}
		if m.Kind == Other {
			return
		}
		// what is acted on is a JSON object for everybody else too, with that type first
		var object map[string]json.RawMessage
		if uerr := json.Unmarshal(data, &object); uerr != nil {
			t.Fatalf("acts on what is no JSON: %v", uerr)
		}
		switch m.Kind {
		case Audio:
			if !playback || m.Rate == 0 || m.Channels < 1 || m.Channels > 2 {
				t.Fatalf("%+v", m)
			}
		case File:
			body := m.PlayBody("/tmp/\"x")
			var got map[string]any
			if uerr := json.Unmarshal(body, &got); uerr != nil || got["file"] != "/tmp/\"x" || got["audioData"] != nil {
				t.Fatalf("%s: %v", body, uerr)
			}
			if len(m.FileData) == 0 || m.FileType == "" {
				t.Fatalf("%+v", m)
			}
		case Mark:
			if m.Name == "" || !json.Valid(Native().Mark(m.Name, "played", 0)) {
				t.Fatalf("%+v", m)
			}
		case Transfer:
			if m.Extension == "" || strings.ContainsAny(m.Extension+m.Dialplan+m.Context, "\x00\r\n$") {
				t.Fatalf("%+v", m)
			}
		}
	})
}
