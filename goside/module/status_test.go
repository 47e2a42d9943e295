package module

// The audio_stream API: version, list, status, reload.

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/hosttest"
)

func TestVersion(t *testing.T) {
	r := newRig(t, nil)
	if got, want := r.m.ModuleCommand("version"), fmt.Sprintf("mod_audio_stream %s (%s, FreeSWITCH 1.10.12)\n", Version, runtime.Version()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := fmt.Sprintf(`{"freeswitch":"1.10.12","go":"%s","version":"%s"}`+"\n", runtime.Version(), Version)
	if got := r.m.ModuleCommand("version json"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, line := range []string{"", "dance", "status xml", "list json now"} {
		if got := r.m.ModuleCommand(line); !strings.HasPrefix(got, "-USAGE: ") {
			t.Errorf("%q: replied %q", line, got)
		}
	}
}

func TestList(t *testing.T) {
	r := newRig(t, nil)
	if got := r.m.ModuleCommand("list"); got != "0 total.\n" {
		t.Errorf("got %q", got)
	}
	if got := r.m.ModuleCommand("list json"); got != "[]\n" {
		t.Errorf("got %q", got)
	}
	srv := r.serve(agent.Config{})
	for _, c := range [][2]string{{"b", "x"}, {"a", "y"}, {"a", "default"}} {
		if r.h.Events(c[0], "") == nil {
			r.add(c[0], nil)
		}
		r.want(c[0], "name="+c[1]+" "+start(srv), ok)
		r.event(c[0], c[1], "connect", "")
	}
	r.until("streaming", func() bool { return strings.Count(r.m.ModuleCommand("list"), "streaming") == 3 })
	url := srv.URL("/")
	if got, want := r.m.ModuleCommand("list"), fmt.Sprintf("a default streaming %s\na y streaming %s\nb x streaming %s\n3 total.\n", url, url, url); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(r.m.ModuleCommand("list json")), &list); err != nil || len(list) != 3 || list[1]["stream"] != "y" ||
		list[2]["uuid"] != "b" || list[0]["url"] != url {
		t.Errorf("list %v, %v", list, err)
	}
}

func TestStatusSumsTheStreams(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	for i := range 3 {
		uuid := fmt.Sprint(i)
		s := r.add(uuid, nil)
		r.want(uuid, start(srv), ok)
		r.event(uuid, "default", "connect", "")
		for range 4 {
			s.Media().Push(8000, 1, 1, make([]int16, 160))
		}
		s.Media().Skip(2)
	}
	r.until("the frames", func() bool { return r.m.Status().Sum.FramesSent == 12 })
	st := r.m.Status()
	if st.Streams != 3 || st.MediaHeld != 3 || st.StreamsStarted != 3 || st.Sum.FramesCaptured != 12 || st.Sum.FramesDropped.RingFull != 6 ||
		st.Sum.CaptureLatencyMS.Max <= 0 || st.Goroutines < 3 || st.GoHeapBytes == 0 || st.GOMAXPROCS != runtime.GOMAXPROCS(0) {
		t.Errorf("status %+v", st)
	}

	text := r.m.ModuleCommand("status")
	for _, part := range []string{"^mod_audio_stream " + regexp.QuoteMeta(Version) + ", up ", `\nstreams +3 running, 3 started, 0 refused\n`,
		`\ncaptured +12 frames, 12 sent, \d+ bytes\n`, `\ndropped +6 ring full, 0 not connected, 0 server slow, 0 not converted, 0 of callees \(all since load\)\n`,
		`\nevents +0 pending, 0 dropped since load; 0 texts dropped\n`, `\ngo +\d+ goroutines, \d+ KiB heap, \d+ collections, pauses p99 [\d.]+ ms\n$`} {
		if !regexp.MustCompile(part).MatchString(text) {
			t.Errorf("no %q in %q", part, text)
		}
	}
}

// Names and order of the JSON are the contract with users.
func TestStatusJSON(t *testing.T) {
	r := newRig(t, nil)
	text := r.m.ModuleCommand("status json")
	got := regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(text, -1)
	var names []string
	for _, m := range got {
		names = append(names, m[1])
	}
	want := strings.Fields(`version uptimeMs streams streamsStarted streamsFailed mediaHeld eventsPending eventsDropped goroutines gomaxprocs
		goHeapBytes gcCount gcPausesMs p50 p99 max dropped frames ringFull connectBuffer
		sendQueue convert callee texts events badMessages overflows unplayedMs sum framesCaptured framesSent framesDropped ringFull connectBuffer sendQueue convert callee
		bytesSent bytesReceived sendQueueMs captureLatencyMs p50 p99 max playbackQueuedMs playbackPlayedMs playbackShortenedMs
		playbackStretchedMs playbackUnplayedMs underruns overflows clears marks reconnects badMessages textsDropped eventsDropped`)
	if !slices.Equal(names, want) {
		t.Errorf("got  %v\nwant %v", names, want)
	}
	var any map[string]any
	if err := json.Unmarshal([]byte(text), &any); err != nil || strings.Count(text, "\n") != 1 {
		t.Errorf("%q: %v", text, err)
	}
}

func TestReloadIsForTheStreamsStartedAfterwards(t *testing.T) {
	r := newRig(t, nil)
	srv := r.serve(agent.Config{})
	r.add("a", nil)
	s := r.add("b", nil)
	r.want("a", start(srv), ok)
	r.event("a", "default", "connect", "")
	r.h.SetConfig(map[string]string{"allowed-hosts": "example.com", "workers": "2", "playback": "false", "no-such": "1", "window-ms": "0"})
	if got := r.m.ModuleCommand("reload"); got != ok {
		t.Errorf("replied %q", got)
	}
	r.line("no-such")
	r.line("workers changes with the next load")
	r.want("b", start(srv), `-ERR host "127.0.0.1" is not allowed (allowed-hosts in audio_stream.conf)`+"\n")
	if r.m.Status().Streams != 1 {
		t.Error("the running stream did not go on")
	}
	r.h.On(hosttest.ReadConfig, func(string) error { return errors.New("it is not there") })
	const failed = "-ERR audio_stream.conf could not be read: it is not there; the settings are unchanged\n"
	for _, line := range []string{"reload", "reload json"} {
		if got := r.m.ModuleCommand(line); got != failed {
			t.Errorf("replied %q", got)
		}
	}
	r.h.On(hosttest.ReadConfig, nil)
	r.h.SetConfig(map[string]string{"playback": "false"})
	if got := r.m.ModuleCommand("reload json"); got != `{"reloaded":true}`+"\n" {
		t.Errorf("replied %q", got)
	}
	r.want("b", start(srv), ok)
	if want := s.Wants()[0]; want.Playback || !reflect.DeepEqual(want, host.Attach{Legs: 1, Capture: captureRing, PlayoutMS: playoutRing}) {
		t.Errorf("asked %+v", want)
	}
}

func TestReloadSetsProcessorsAndMemoryAndPutsThemBack(t *testing.T) {
	r := newRig(t, nil)
	procs, limit := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1)
	r.h.SetConfig(map[string]string{"gomaxprocs": "1", "memory-limit-mb": "64"})
	if got := r.m.ModuleCommand("reload"); got != ok {
		t.Errorf("replied %q", got)
	}
	if p, l := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1); p != 2 || l != 64<<20 { // the pump sleeps on one
		t.Errorf("GOMAXPROCS %d, memory limit %d", p, l)
	}
	r.h.SetConfig(nil)
	if got := r.m.ModuleCommand("reload"); got != ok {
		t.Errorf("replied %q", got)
	}
	if p, l := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1); p != procs || l != limit {
		t.Errorf("GOMAXPROCS %d, memory limit %d; want them back at %d, %d", p, l, procs, limit)
	}
}
