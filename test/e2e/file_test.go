// Cases: streamAudio that is stored as a file and announced by the play event.

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// play waits for the n-th play event and reads its body.
func (e *env) play(c switchtest.Call, n int) (body map[string]any, file string) {
	e.Helper()
	ev := e.nthEvent(c, "", "play", n)
	e.check("play event "+ev.Body, json.Unmarshal([]byte(ev.Body), &body))
	file, ok := body["file"].(string)
	if !ok {
		e.Fatalf("play event without a file: %s", ev.Body)
	}
	if _, has := body["audioData"]; has {
		e.Errorf("play event with the audio in it: %.300s", ev.Body)
	}
	return body, file
}

// gone waits until a file is removed.
func (e *env) gone(file string) {
	e.Helper()
	e.eventually(file+" is removed", func() bool {
		_, err := os.Stat(file)
		return os.IsNotExist(err)
	})
}

// stored checks a file's contents, mode and place.
func (e *env) stored(file, kind string, data []byte) {
	e.Helper()
	got, err := os.ReadFile(file)
	e.check("the stored file", err)
	if !bytes.Equal(got, data) {
		e.Errorf("%s holds %d bytes, the server sent %d", file, len(got), len(data))
	}
	info, err := os.Stat(file)
	e.check("stat", err)
	if info.Mode().Perm() != 0o600 {
		e.Errorf("%s has mode %o, expected 600", file, info.Mode().Perm())
	}
	if filepath.Dir(file) != filepath.Clean(e.sw.TempDir()) && !strings.HasPrefix(file, e.sw.TempDir()) {
		e.Errorf("%s is not in the temp directory %s", file, e.sw.TempDir())
	}
	if !strings.HasSuffix(file, "."+kind) {
		e.Errorf("%s does not end in .%s", file, kind)
	}
}

var fileCases = []testcase{
	{name: "wav, mp3 and ogg are stored, announced and removed with the stream", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		var files []string
		for i, kind := range []string{"wav", "mp3", "ogg"} {
			data := slices.Concat([]byte(kind), bytes.Repeat([]byte{byte(i), 0xFF, 0x00}, 5000))
			e.check("send", conn.SendText(agent.StreamAudio(kind, 16000, data)))
			body, file := e.play(c, i+1)
			e.stored(file, kind, data)
			if body["audioDataType"] != kind || body["sampleRate"] != float64(16000) {
				e.Errorf("play event %v", body)
			}
			files = append(files, file)
		}
		e.silent("heard", c.Heard())
		e.ok(c, "stop")
		for _, file := range files {
			e.gone(file)
		}
		e.ended(c, "disconnect")
	}},
	{name: "files are removed when the call is hung up", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendText(agent.StreamAudio("wav", 8000, []byte("RIFF"))))
		_, file := e.play(c, 1)
		e.stored(file, "wav", []byte("RIFF"))
		e.hangup(c)
		e.gone(file)
	}},
	{name: "with STREAM_PLAYBACK=false raw, pcmu and pcma are stored too", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_PLAYBACK", "false"))
		conn := e.start(c, s, "mono")
		for i, kind := range []string{"raw", "pcmu", "pcma", "wav"} {
			data := bytes.Repeat([]byte{1, 2, 3, byte(i)}, 800)
			e.check("send", conn.SendText(agent.StreamAudio(kind, 8000, data)))
			body, file := e.play(c, i+1)
			got, err := os.ReadFile(file)
			e.check("the stored file", err)
			if !bytes.Contains(got, data) {
				e.Errorf("%s does not hold the audio", file)
			}
			if body["audioDataType"] != kind {
				e.Errorf("play event %v", body)
			}
		}
	}},
	{name: "the play event keeps the message's other members", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendText(`{"type":"streamAudio","data":{"audioDataType":"wav","sampleRate":8000,"textContent":"Hi \"there\" ü","n":[1,{"a":null}],"audioData":"`+encoded([]byte("RIFFdata"))+`"}}`))
		body, _ := e.play(c, 1)
		if body["textContent"] != `Hi "there" ü` || fmt.Sprint(body["n"]) != "[1 map[a:<nil>]]" {
			e.Errorf("play event %v", body)
		}
	}},
	{name: "file names cannot be guessed", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		names := map[string]bool{}
		for i := range 5 {
			e.check("send", conn.SendText(agent.StreamAudio("wav", 8000, []byte("RIFF"))))
			_, file := e.play(c, i+1)
			names[filepath.Base(file)] = true
			if len(filepath.Base(file)) < 20 {
				e.Errorf("%s is short", file)
			}
		}
		if len(names) != 5 {
			e.Errorf("names %v", names)
		}
	}},
}
