package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func stream(fields string) string { return `{"type":"streamAudio","data":{` + fields + `}}` }

func TestStreamAudioIsPlayed(t *testing.T) {
	for fields, want := range map[string]result{
		`"audioDataType":"raw","sampleRate":8000,"audioData":"AQID"`:                   {audio: "\x01\x02\x03", rate: 8000, channels: 1},
		`"audioData":"AQIDBA==","sampleRate":48000,"audioDataType":"raw"`:              {audio: "\x01\x02\x03\x04", rate: 48000, channels: 1},
		`"audioDataType":"raw","sampleRate":11025,"audioData":"AQIDBA"`:                {audio: "\x01\x02\x03\x04", rate: 11025, channels: 1},
		`"audioDataType":"raw","sampleRate":16000.0,"audioData":"AQI="`:                {audio: "\x01\x02", rate: 16000, channels: 1},
		`"audioDataType":"raw","sampleRate":1.6e4,"audioData":"AQI="`:                  {audio: "\x01\x02", rate: 16000, channels: 1},
		`"audioDataType":"raw","sampleRate":24000,"channels":2,"audioData":"AQIDBA=="`: {audio: "\x01\x02\x03\x04", rate: 24000, channels: 2},
		`"audioDataType":"raw","sampleRate":24000,"channels":1,"audioData":""`:         {audio: "", rate: 24000, channels: 1},
		`"audioDataType":"pcmu","audioData":"//8="`:                                    {audio: "\xff\xff", format: PCMU, rate: 8000, channels: 1},
		`"audioDataType":"pcmu","sampleRate":16000,"audioData":"\/\/8="`:               {audio: "\xff\xff", format: PCMU, rate: 16000, channels: 1},
		`"audioDataType":"pcma","sampleRate":8000,"audioData":"1dU"`:                   {audio: "\xd5\xd5", format: PCMA, rate: 8000, channels: 1},
		`"audioDataType":"pcma","audioData":" 1d\r\nU\t=\n "`:                          {audio: "\xd5\xd5", format: PCMA, rate: 8000, channels: 1},
		`"audioDataType":"pcma","audioData":"\u0031dU="`:                               {audio: "\xd5\xd5", format: PCMA, rate: 8000, channels: 1},
		`"audioDataType":"raw","sampleRate":8000,"audioData":"AQID","audioData":7,"extra":{"audioData":"x"}`: {
			audio: "\x01\x02\x03", rate: 8000, channels: 1},
	} {
		want.kind = Audio
		got, err := decode(stream(fields), true)
		if err != nil || got != want {
			t.Errorf("%s\n got %+v, %v\nwant %+v", fields, got, err, want)
		}
	}
}

func TestStreamAudioIsStored(t *testing.T) {
	for _, c := range []struct {
		fields   string
		always   bool // also with playback on
		fileType string
		body     string
	}{
		{`"audioDataType":"wav","sampleRate":8000,"audioData":"YWJj"`, true, "wav", `{"audioDataType":"wav","sampleRate":8000,"file":"/tmp/f"}`},
		{`"audioData":"YWJj","audioDataType":"mp3"`, true, "mp3", `{"audioDataType":"mp3","file":"/tmp/f"}`},
		{`"audioDataType":"ogg","sampleRate":"any","channels":9,"audioData":"YWJj"`, true, "ogg", `{"audioDataType":"ogg","sampleRate":"any","channels":9,"file":"/tmp/f"}`},
		{`"audioDataType":"raw","sampleRate":8000,"audioData":"YWJj"`, false, "r8", `{"audioDataType":"raw","sampleRate":8000,"file":"/tmp/f"}`},
		{`"audioDataType":"raw","sampleRate":16000,"audioData":"YWJj"`, false, "r16", `{"audioDataType":"raw","sampleRate":16000,"file":"/tmp/f"}`},
		{`"audioDataType":"raw","sampleRate":24000,"audioData":"YWJj"`, false, "r24", `{"audioDataType":"raw","sampleRate":24000,"file":"/tmp/f"}`},
		{`"audioDataType":"raw","sampleRate":32000,"audioData":"YWJj"`, false, "r32", `{"audioDataType":"raw","sampleRate":32000,"file":"/tmp/f"}`},
		{`"audioDataType":"raw","sampleRate":48000,"audioData":"YWJj"`, false, "r48", `{"audioDataType":"raw","sampleRate":48000,"file":"/tmp/f"}`},
		{`"audioDataType":"raw","sampleRate":22050,"audioData":"YWJj"`, false, "raw", `{"audioDataType":"raw","sampleRate":22050,"file":"/tmp/f"}`},
		{`"audioDataType":"pcmu","audioData":"YWJj"`, false, "pcmu", `{"audioDataType":"pcmu","file":"/tmp/f"}`},
		{`"audioDataType":"pcma","audioData":"YWJj"`, false, "pcma", `{"audioDataType":"pcma","file":"/tmp/f"}`},
		{` "b" : 1.50e+1 , "audioDataType" : "wav" , "a" : { "x" : [ 1 , "a b" , null ] , "y" : {} } , "audioData" : "YWJj" , "s" : "é\u00e9 \/ \"" , "t" : true`,
			true, "wav", `{"b":1.50e+1,"audioDataType":"wav","a":{"x":[1,"a b",null],"y":{}},"s":"é\u00e9 \/ \"","t":true,"file":"/tmp/f"}`},
		{`"file":"/etc/passwd","audioDataType":"wav","audioData":"YWJj"`, true, "wav", `{"audioDataType":"wav","file":"/tmp/f"}`},
	} {
		for _, playback := range []bool{false, true} {
			if playback && !c.always {
				continue
			}
			got, err := decode(stream(c.fields), playback)
			want := result{kind: File, fileType: c.fileType, fileData: "abc", body: c.body}
			if err != nil || got != want {
				t.Errorf("%s\n got %+v, %v\nwant %+v", c.fields, got, err, want)
			}
			if !json.Valid([]byte(got.body)) {
				t.Errorf("%s is not JSON", got.body)
			}
		}
	}
}

func TestPlayBodyEscapesThePath(t *testing.T) {
	var m Message
	if err := Native().Decode(false, []byte(stream(`"audioDataType":"wav","audioData":"YWJj"`)), true, &m); err != nil {
		t.Fatal(err)
	}
	if got := string(m.PlayBody(`C:\tmp\"é`)); got != `{"audioDataType":"wav","file":"C:\\tmp\\\"é"}` {
		t.Error(got)
	}
}

func TestBadStreamAudioIsRefusedWithoutShowingTheAudio(t *testing.T) {
	const audio = "QUJDREVGR0hJSktMTU5PUA=="
	for message, want := range map[string]string{
		`{"type":"streamAudio"}`:                                     "streamAudio: data is missing; expected an object",
		`{"type":"streamAudio","data":"x"}`:                          `streamAudio: data is "x"; expected an object`,
		`{"type":"streamAudio","data":[1]}`:                          `streamAudio: data is an array; expected an object`,
		`{"type":"streamAudio","data":null}`:                         `streamAudio: data is null; expected an object`,
		stream(``):                                                   "data.audioDataType is missing; expected raw, pcmu, pcma, wav, mp3 or ogg",
		stream(`"audioDataType":"flac","audioData":"` + audio + `"`): `data.audioDataType is "flac"; expected raw`,
		stream(`"audioDataType":"RAW","sampleRate":8000,"audioData":"` + audio + `"`):                `data.audioDataType is "RAW"`,
		stream(`"audioDataType":7,"audioData":"` + audio + `"`):                                      `data.audioDataType is 7`,
		stream(`"audioDataType":"raw","audioData":"` + audio + `"`):                                  "data.sampleRate is missing; expected one of 8000, 11025",
		stream(`"audioDataType":"raw","sampleRate":"8000","audioData":"` + audio + `"`):              `data.sampleRate is "8000"; expected one of`,
		stream(`"audioDataType":"raw","sampleRate":8001,"audioData":"` + audio + `"`):                "data.sampleRate is 8001; expected",
		stream(`"audioDataType":"raw","sampleRate":8000.5,"audioData":"` + audio + `"`):              "data.sampleRate is 8000.5; expected",
		stream(`"audioDataType":"raw","sampleRate":64000,"audioData":"` + audio + `"`):               "data.sampleRate is 64000",
		stream(`"audioDataType":"raw","sampleRate":-8000,"audioData":"` + audio + `"`):               "data.sampleRate is -8000",
		stream(`"audioDataType":"raw","sampleRate":1e400,"audioData":"` + audio + `"`):               "data.sampleRate is 1e400",
		stream(`"audioDataType":"raw","sampleRate":0,"audioData":"` + audio + `"`):                   "data.sampleRate is 0",
		stream(`"audioDataType":"raw","sampleRate":null,"audioData":"` + audio + `"`):                "data.sampleRate is null",
		stream(`"audioDataType":"pcmu","sampleRate":7,"audioData":"` + audio + `"`):                  "data.sampleRate is 7",
		stream(`"audioDataType":"pcmu","sampleRate":null,"audioData":"` + audio + `"`):               "data.sampleRate is null",
		stream(`"audioDataType":"raw","sampleRate":8000,"channels":0,"audioData":"` + audio + `"`):   "data.channels is 0; expected 1 or 2",
		stream(`"audioDataType":"raw","sampleRate":8000,"channels":3,"audioData":"` + audio + `"`):   "data.channels is 3",
		stream(`"audioDataType":"raw","sampleRate":8000,"channels":1.5,"audioData":"` + audio + `"`): "data.channels is 1.5",
		stream(`"audioDataType":"raw","sampleRate":8000,"channels":"2","audioData":"` + audio + `"`): `data.channels is "2"`,
		stream(`"audioDataType":"raw","sampleRate":8000`):                                            "data.audioData is missing; expected a string of base64",
		stream(`"audioDataType":"raw","sampleRate":8000,"audioData":5050`):                           "data.audioData is a number",
		stream(`"audioDataType":"raw","sampleRate":8000,"audioData":["` + audio + `"]`):              "data.audioData is an array",
		stream(`"audioDataType":"wav","audioData":null`):                                             "data.audioData is null",
		stream(`"audioDataType":"wav","audioData":""`):                                               "data.audioData is empty",
		stream(`"audioDataType":"wav","audioData":" = "`):                                            "data.audioData is empty",
		stream(`"audioDataType":"raw","sampleRate":8000,"audioData":"A"`):                            "data.audioData is not base64",
		stream(`"audioDataType":"raw","sampleRate":8000,"audioData":"AQ==="`):                        "data.audioData is not base64",
		stream(`"audioDataType":"raw","sampleRate":8000,"audioData":"QUJD!EVG"`):                     "data.audioData is not base64 (character 4)",
		stream(`"audioDataType":"raw","sampleRate":8000,"audioData":"QU=JD"`):                        "data.audioData is not base64 (character 2)",
		stream(`"audioDataType":"raw","sampleRate":8000,"audioData":"-_-_"`):                         "data.audioData is not base64 (character 0)",
		stream(`"audioDataType":"wav","audioData":"QUJDREVGR0hJSktMTU5PUA==\u0000"`):                 "data.audioData is not base64",
	} {
		for _, playback := range []bool{true, false} {
			got, err := decode(message, playback)
			if !errors.Is(err, ErrBadMessage) || !strings.Contains(err.Error(), want) || got.kind != Other {
				t.Errorf("%s\n got %+v, %v\nwant %s", message, got, err, want)
				continue
			}
			if strings.Contains(err.Error(), "QUJD") {
				t.Errorf("the error holds the audio: %v", err)
			}
		}
	}
}

func TestOneMessageIsReusedForAll(t *testing.T) {
	var m Message
	for i, n := range []int{640, 320, 0, 6400, maxScratch * 2, 640} {
		pcm := bytes.Repeat([]byte{byte(i), 0xfb}, n/2)
		if err := Native().Decode(false, rawMessage(pcm), true, &m); err != nil || !bytes.Equal(m.Audio, pcm) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if cap(m.scratch) > maxScratch {
			t.Errorf("%d bytes stay with the stream after a message of %d", cap(m.scratch), n)
		}
		if err := Native().Decode(false, []byte(`{"type":"mark","data":{"name":"m"}}`), true, &m); err != nil ||
			m.Audio != nil || m.Rate != 0 || m.Kind != Mark {
			t.Fatalf("%+v, %v", m, err)
		}
		if err := Native().Decode(false, []byte(`{"type":"mark"}`), true, &m); err == nil || m.Name != "" {
			t.Fatalf("%+v, %v", m, err)
		}
	}
}

func rawMessage(pcm []byte) []byte {
	return []byte(stream(`"audioDataType":"raw","sampleRate":8000,"audioData":"` + base64.StdEncoding.EncodeToString(pcm) + `"`))
}

// steady are the messages that come all the time during a call.
func steady() map[string][]byte {
	messages := map[string][]byte{"mark": []byte(`{"type":"mark","data":{"name":"m1"}}`)}
	for _, ms := range []int{20, 200} {
		messages[fmt.Sprintf("raw-%dms-8k", ms)] = rawMessage(bytes.Repeat([]byte{0x12, 0xfb}, 8*ms))
		messages[fmt.Sprintf("raw-%dms-16k", ms)] = rawMessage(bytes.Repeat([]byte{0x12, 0xfb}, 16*ms))
	}
	return messages
}

func TestAudioIsDecodedWithoutAllocation(t *testing.T) {
	d := Native()
	for name, data := range steady() {
		var m Message
		want := 0.0
		if name == "mark" {
			want = 1 // its name, which outlives the message
		}
		if got := testing.AllocsPerRun(100, func() {
			if err := d.Decode(false, data, true, &m); err != nil {
				t.Fatal(err)
			}
		}); got > want {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
	var m Message
	data := make([]byte, 320)
	if got := testing.AllocsPerRun(100, func() { _ = d.Decode(true, data, true, &m) }); got != 0 {
		t.Errorf("binary: %v allocations", got)
	}
}

func BenchmarkDecode(b *testing.B) {
	d := Native()
	for name, data := range steady() {
		b.Run(name, func(b *testing.B) {
			var m Message
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := d.Decode(false, data, true, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("binary-20ms-8k", func(b *testing.B) {
		var m Message
		data := make([]byte, 320)
		b.ReportAllocs()
		for b.Loop() {
			if err := d.Decode(true, data, true, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
