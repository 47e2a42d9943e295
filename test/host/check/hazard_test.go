package check

import (
	"strings"
	"testing"
	"time"
)

// What of FreeSWITCH a module can trip over: packets that are passed on, writes that wait, events of API commands.

func TestABridgeOfL16PassesOnThePacketNotTheSamples(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, tc := range []struct {
		codec string
		hears bool // what a module wrote over the samples without taking the packet away
	}{{"RAW", true}, {"L16", false}} {
		one := h.originate("in=zeros codec=" + tc.codec + " out=" + h.path(tc.codec+".wav"))
		two := h.originate("in=counter codec=" + tc.codec)
		h.ok("selftest", one+" attach x-700") // the counter has no negative samples so early
		h.ok("uuid_bridge", one+" "+two)
		if got := strings.TrimSpace(h.api("selftest", one+" partner")); got != two {
			t.Errorf("%s: the partner is %q", tc.codec, got)
		}
		h.until("20 replaced frames", func() bool { return h.count(one).replaced >= 20 })
		h.hangup(one)
		heard := false
		for _, v := range h.samples(tc.codec + ".wav") {
			heard = heard || v == -700
		}
		if heard != tc.hears {
			t.Errorf("%s: the replacement is heard: %v", tc.codec, heard)
		}
	}
	h.stop()
}

func TestAFrameWithoutATimestampWaitsForTheNextTick(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("in=zeros")
	h.until("it runs", func() bool { return h.stats(uuid).Ticks > 3 })
	began := time.Now()
	h.ok("selftest", uuid+" burst 25 4711")
	if d := time.Since(began); d > 250*time.Millisecond {
		t.Errorf("25 frames with a timestamp took %s", d)
	}
	began = time.Now()
	h.ok("selftest", uuid+" burst 25 0")
	if d := time.Since(began); d < 24*20*time.Millisecond {
		t.Errorf("25 frames without a timestamp took only %s", d)
	}
	h.stop()
}

func TestEveryAPICommandIsAnEventOnceItIsDone(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("in=zeros")
	h.ok("selftest", "bind")
	for i, tc := range []struct{ cmd, arg, want string }{
		{"uuid_break", uuid + " all ", "uuid_break|" + uuid + " all"},
		{"uuid_break", "nobody", "uuid_break|nobody"},
		{"no_such_command", "x", "no_such_command|x"},
		{"version", "", "version|none"},
	} {
		_ = h.api(tc.cmd, tc.arg)
		var got string
		h.until("the event", func() bool {
			got = strings.TrimSpace(h.api("selftest", "events"))
			return strings.HasPrefix(got, string(rune('1'+i))+" ")
		})
		if _, text, _ := strings.Cut(got, " "); text != tc.want {
			t.Errorf("the event of %s %s says %q", tc.cmd, tc.arg, text)
		}
	}
	h.ok("selftest", "unbind")
	_ = h.api("version", "")
	if got := h.api("selftest", "events"); !strings.HasPrefix(got, "4 ") {
		t.Errorf("after unbind: %q", got)
	}
	h.stop()
}

func TestMembersOfAConferenceHearTheOthersAndNotThemselves(t *testing.T) {
	t.Parallel()
	h := start(t)
	one := h.originate("in=counter out=" + h.path("one.wav"))
	two := h.originate("in=zeros out=" + h.path("two.wav"))
	for _, uuid := range []string{one, two} {
		h.ok("execute", uuid+" conference room")
	}
	h.until("a second of conference", func() bool { return h.stats(two).Emitted > 50 && h.stats(one).Emitted > 50 })
	h.hangup(one)
	h.hangup(two)
	follows := 0
	s := h.samples("two.wav")
	for i := 1; i < len(s); i++ {
		if s[i] != 0 && s[i] == s[i-1]+1 {
			follows++
		}
	}
	if follows < 4000 {
		t.Errorf("the second member heard %d samples of the first in order", follows)
	}
	for i, v := range h.samples("one.wav") {
		if v != 0 {
			t.Fatalf("the first member heard %d at %d, himself", v, i)
		}
	}
	h.stop()
}
