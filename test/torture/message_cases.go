package main

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/gobwas/ws"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// badMessages are streamAudio messages with every field missing, null, or of a wrong type or value. Each costs one bad
// message and nothing else.
func badMessages() (out []string) {
	good := map[string]string{"audioDataType": `"raw"`, "sampleRate": `8000`, "audioData": `"AAAA"`}
	with := func(field, value string) string {
		var parts []string
		for _, name := range []string{"audioDataType", "sampleRate", "audioData"} {
			v := good[name]
			if name == field {
				v = value
			}
			if v != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", name, v))
			}
		}
		return `{"type":"streamAudio","data":{` + strings.Join(parts, ",") + `}}`
	}
	for _, v := range []string{"", "null", "1", "true", "[]", "{}", `""`, `"flac"`, `"RAW\u0000"`} {
		out = append(out, with("audioDataType", v))
	}
	for _, v := range []string{"", "null", "0", "-1", "1e9", "-8000", "8000.5", `"x"`, "true", "[]", "{}", "18446744073709551616"} {
		out = append(out, with("sampleRate", v))
	}
	for _, v := range []string{"", "null", "1", "true", "[]", "{}", `"*"`, `"AA=A"`, `"\ud800"`} {
		out = append(out, with("audioData", v))
	}
	for _, data := range []string{"", `,"data":null`, `,"data":1`, `,"data":"x"`, `,"data":[]`} {
		out = append(out, `{"type":"streamAudio"`+data+`}`)
	}
	for _, kind := range []string{"wav", "mp3", "ogg"} { // to be decoded here, and no such file
		out = append(out, fmt.Sprintf(`{"type":"streamAudio","data":{"audioDataType":%q,"sampleRate":8000,"play":true,"audioData":"bm8gc3VjaCBmaWxl"}}`, kind))
	}
	return out
}

func messageCases() []scenario {
	return []scenario{
		{name: "streamAudio with every field missing, null or wrong", run: func(r *round) {
			conn := r.start(r.agent(agent.Config{}), "mono")
			bad := badMessages()
			for i, m := range bad {
				before := r.stats().BadMessages
				r.check("send", conn.SendText(m))
				// what comes behind it says that it was read
				id := fmt.Sprintf("behind %d", i)
				r.check("send", conn.SendText(id))
				_, err := r.sw.Events().Wait(r.ctx, switchtest.Filter{UUID: r.call.UUID(), Subclass: "json", Body: func(body string) bool { return body == id }}, 1)
				r.check("what is behind "+m, err)
				if now := r.stats().BadMessages; now != before+1 {
					r.errorf("%s: counted %d times", m, now-before)
				}
			}
			if got := r.finals(); len(got) > 0 {
				r.errorf("a bad message gave the event %s", got[0].Body)
			}
			r.runs()
		}},
		borneFrom("messages that are no messages", func(p *peer) {
			for _, m := range []string{"", " ", "null", "0", `"type"`, "[]", "{}", `{"type":null}`, `{"type":1}`, `{"type":"nothing we know"}`, `{"type":"mark"}`,
				`{"type":"mark","data":null}`, `{"type":"mark","data":{"name":1}}`, `{"type":"transfer","data":{}}`, `{"type":"sendDtmf","data":{"digits":"not digits"}}`,
				`{"type":"clear","data":"x"}`, `{"type":"hangup","data":[1]}`, `{`, `{"type":"clear"`, "\x00", `{"type":"clear"}x`} {
				p.write(textFrame(m))
			}
		}),
		borneFrom("JSON 10,000 levels deep", func(p *peer) {
			p.write(textFrame(strings.Repeat("[", 10000) + strings.Repeat("]", 10000)))
			p.write(textFrame(strings.Repeat(`{"type":`, 10000) + "1" + strings.Repeat("}", 10000)))
			p.write(textFrame(`{"type":"streamAudio","data":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + "}"))
		}),
		{name: "a JSON text of the largest size", memory: 48 << 20, run: borneFrom("", func(p *peer) {
			p.write(textFrame(`{"type":"x","filler":"` + strings.Repeat("é", 2<<20-100) + `"}`))
		}).run},
		{name: "server floods with small texts", memory: 64 << 20, limit: 60e9, run: borneFrom("", func(p *peer) {
			for i := range 6000 {
				p.write(textFrame(fmt.Sprintf(`{"type":"note","n":%d}`, i)))
			}
		}).run},
		{name: "server floods with texts of 16 KiB", memory: 64 << 20, limit: 60e9, run: borneFrom("", func(p *peer) {
			note := textFrame(`{"type":"note","filler":"` + strings.Repeat("x", 16<<10) + `"}`)
			for range 600 {
				p.write(note)
			}
		}).run},
		{name: "server floods with texts of a MiB", memory: 64 << 20, limit: 60e9, run: borneFrom("", func(p *peer) {
			note := textFrame(`{"type":"note","filler":"` + strings.Repeat("x", 1<<20) + `"}`)
			for range 12 {
				p.write(note)
			}
		}).run},
		{name: "server floods with marks", memory: 48 << 20, limit: 60e9, run: borneFrom("", func(p *peer) {
			for i := range 60000 {
				p.write(textFrame(fmt.Sprintf(`{"type":"mark","data":{"name":"mark %d"}}`, i)))
			}
		}).run},
		{name: "server sets marks that are never reached", memory: 48 << 20, limit: 60e9, run: borneFrom("", func(p *peer) {
			p.write(textFrame(`{"type":"pause"}`))
			p.write(frame(true, 0, ws.OpBinary, strings.Repeat("\x01\x01", 8000)))
			for i := range 20000 {
				p.write(textFrame(fmt.Sprintf(`{"type":"mark","data":{"name":"mark %d"}}`, i)))
			}
		}).run},
		{name: "server floods with clears", limit: 60e9, run: borneFrom("", func(p *peer) {
			for range 300 {
				p.write(frame(true, 0, ws.OpBinary, strings.Repeat("\x01\x01", 160)))
				p.write([]byte(strings.Repeat(string(textFrame(`{"type":"clear"}`)), 10)))
			}
		}).run},
		{name: "server sends audio beyond the playback queue", memory: 48 << 20, vars: map[string]string{"STREAM_PLAYBACK_MAX_MS": "5000"}, limit: 60e9, run: borneFrom("", func(p *peer) {
			for range 1000 {
				p.write(frame(true, 0, ws.OpBinary, strings.Repeat("\x01\x01", 16000)))
			}
		}).run},
		{name: "server sends binary frames of one byte", run: borneFrom("", func(p *peer) {
			one := frame(true, 0, ws.OpBinary, "\x01")
			for range 100 {
				p.write([]byte(strings.Repeat(string(one), 1000)))
			}
		}).run},
		{name: "server sends a thousand files", memory: 48 << 20, limit: 60e9, run: borneFrom("", func(p *peer) {
			wav := base64.StdEncoding.EncodeToString([]byte("RIFF" + strings.Repeat("\x00", 8000)))
			for range 1000 {
				p.write(textFrame(`{"type":"streamAudio","data":{"audioDataType":"wav","sampleRate":8000,"audioData":"` + wav + `"}}`))
			}
		}).run},
		{name: "server asks for what it may not", run: borneFrom("", func(p *peer) {
			p.write(textFrame(`{"type":"hangup"}`))
			p.write(textFrame(`{"type":"transfer","data":{"extension":"100"}}`))
			p.write(textFrame(`{"type":"sendDtmf","data":{"digits":"1#"}}`))
		}).run},
	}
}
