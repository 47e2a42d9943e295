package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadDeliversEverySampleOnceInOrderAtEachRateAndPtime(t *testing.T) {
	t.Parallel()
	h := start(t)
	type call struct {
		rate, ptime, channels int
		uuid                  string
	}
	var calls []*call
	for _, c := range []call{{8000, 10, 1, ""}, {8000, 20, 1, ""}, {8000, 30, 1, ""}, {8000, 40, 1, ""}, {16000, 20, 1, ""},
		{24000, 20, 1, ""}, {32000, 20, 1, ""}, {48000, 20, 1, ""}, {48000, 40, 2, ""}, {16000, 20, 2, ""}} {
		c.uuid = h.originate(fmt.Sprintf("rate=%d ptime=%d channels=%d in=counter", c.rate, c.ptime, c.channels))
		h.ok("selftest", fmt.Sprintf("%s attach r>%s", c.uuid, h.path(c.uuid)))
		calls = append(calls, &c)
	}
	for _, c := range calls {
		got := h.awaitFrames(c.uuid, 20)
		if want := c.rate * c.ptime / 1000 * 2 * c.channels; got.bytes != want || got.rate != c.rate || got.channels != c.channels {
			t.Errorf("%d Hz %d ms %d ch: frame %+v, want %d bytes", c.rate, c.ptime, c.channels, got, want)
		}
		h.ok("selftest", c.uuid+" detach")
		s := h.samples(c.uuid)
		for i := c.channels; i < len(s); i += c.channels {
			if s[i] != s[i-c.channels]+1 {
				t.Fatalf("%d Hz %d ms: sample %d is %d after %d", c.rate, c.ptime, i, s[i], s[i-c.channels])
			}
			if c.channels == 2 && s[i+1] != ^s[i] {
				t.Fatalf("right channel is %d beside %d", s[i+1], s[i])
			}
		}
	}
	h.stop()
}

func TestFramesComeInRealTime(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("rate=8000 ptime=20 in=tone:440")
	h.ok("selftest", uuid+" attach r")
	from, t0 := h.awaitFrames(uuid, 1).frames, time.Now()
	to := h.awaitFrames(uuid, 100).frames
	rate := float64(to-from) / time.Since(t0).Seconds()
	if rate < 45 || rate > 55 {
		t.Errorf("%.1f frames per second, want 50", rate)
	}
	h.stop()
}

func TestComfortNoiseReachesTheBugAsFF(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("in=silence")
	h.ok("selftest", uuid+" attach r>"+h.path("dump"))
	h.awaitFrames(uuid, 3)
	h.ok("selftest", uuid+" detach")
	for i, v := range h.samples("dump") {
		if v != -1 {
			t.Fatalf("sample %d is %d, want -1", i, v)
		}
	}
	h.stop()
}

func TestStereoReadPutsTheCallerLeftAndFillsAnAbsentCalleeWithFF(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("in=counter")
	h.ok("selftest", uuid+" attach rws>"+h.path("dump"))
	if c := h.awaitFrames(uuid, 5); c.bytes != 640 || c.channels != 2 {
		t.Errorf("frame %+v", c)
	}
	h.ok("host_play", uuid+" tone:300")
	h.awaitFrames(uuid, h.count(uuid).frames+10)
	h.ok("selftest", uuid+" detach")
	s, loud := h.samples("dump"), 0
	for i := 2; i < len(s); i += 2 {
		if s[i] != s[i-2]+1 {
			t.Fatalf("left sample %d is %d after %d", i/2, s[i], s[i-2])
		}
		if i < 2*5*160 && s[i+1] != -1 {
			t.Fatalf("right sample %d is %d while nobody writes", i/2, s[i+1])
		}
		if s[i+1] > 5000 {
			loud++
		}
	}
	if loud == 0 {
		t.Error("the callee's tone is not in the right channel")
	}
	h.stop()
}

func TestWriteReplaceChangesWhatGoesOut(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, codec := range []string{"RAW", "L16"} {
		uuid := h.originate("in=zeros codec=" + codec + " out=" + h.path(codec+".wav"))
		h.ok("selftest", uuid+" attach m1000")
		h.ok("host_play", uuid+" zeros")
		h.until("10 replaced frames", func() bool { return h.count(uuid).replaced >= 10 })
		h.hangup(uuid)
		s := h.samples(codec + ".wav")
		if len(s) < 1600 {
			t.Fatalf("%s: %d samples", codec, len(s))
		}
		for i, v := range s {
			if v != 1000 {
				t.Fatalf("%s: sample %d is %d", codec, i, v)
			}
		}
	}
	h.stop()
}

func TestARecordingHearsTheReplacementOnlyBehindIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, how string
		hears     int16
	}{{"recorder first, bug behind it", "x700", 0}, {"recorder first, bug with SMBF_FIRST", "fx700", 700}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			uuid := h.originate("in=zeros writer=zeros")
			h.ok("uuid_record", uuid+" start "+h.path("rec.wav")+" stereo")
			h.ok("selftest", uuid+" attach "+tc.how)
			h.until("replaced frames", func() bool { return h.count(uuid).replaced >= 20 })
			h.ok("uuid_record", uuid+" stop "+h.path("rec.wav"))
			s := h.samples("rec.wav")
			if last := s[len(s)-1]; last != tc.hears {
				t.Errorf("the recording ends with %d, want %d", last, tc.hears)
			}
			h.stop()
		})
	}
}

func TestAParkedCallGetsNoWriteUntilSomebodyWrites(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("in=counter out=" + h.path("out.wav"))
	h.ok("selftest", uuid+" attach rx42")
	h.awaitFrames(uuid, 10)
	if c := h.count(uuid); c.replaced != 0 {
		t.Errorf("%d WRITE_REPLACE callbacks while nobody writes", c.replaced)
	}
	h.ok("selftest", uuid+" pace 10")
	if c := h.count(uuid); c.replaced != 10 {
		t.Errorf("%d WRITE_REPLACE callbacks for 10 frames", c.replaced)
	}
	h.hangup(uuid)
	if s := h.samples("out.wav"); len(s) != 1600 || s[0] != 42 || s[1599] != 42 {
		t.Errorf("%d samples went out, want 1600 of 42", len(s))
	}
	h.stop()
}

func TestWritesOfAnotherLengthOrRateAreFittedToTheChannel(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("rate=8000 ptime=20 out=" + h.path("out.wav"))
	h.ok("selftest", uuid+" attach x5")
	h.ok("selftest", uuid+" pace 6 10 8000")
	h.ok("selftest", uuid+" pace 5 20 16000")
	if got := h.stats(uuid).Emitted; got < 7 || got > 8 {
		t.Errorf("%d frames of 20 ms out of 6 of 10 ms and 5 of 20 ms", got)
	}
	h.stop()
}

func TestHoldStopsReadingAndLosesWrites(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("in=counter writer=zeros")
	h.ok("selftest", uuid+" attach rwn")
	h.awaitFrames(uuid, 5)
	h.ok("uuid_hold", uuid)
	h.until("held frames", func() bool { s := h.stats(uuid); return s.Held >= 5 && s.WriteHeld >= 5 })
	before := h.count(uuid).frames
	held := h.stats(uuid).Held
	h.until("more held frames", func() bool { return h.stats(uuid).Held >= held+5 })
	if after := h.count(uuid).frames; after != before {
		t.Errorf("%d frames read on hold", after-before)
	}
	h.ok("uuid_hold", "off "+uuid)
	h.awaitFrames(uuid, before+5)
	h.stop()
}

func TestPausedBugsAreSkippedUnlessTheyAskNotToBe(t *testing.T) {
	t.Parallel()
	h := start(t)
	plain, stubborn := h.originate("in=counter"), h.originate("in=counter")
	h.ok("selftest", plain+" attach r")
	h.ok("selftest", stubborn+" attach rn")
	h.awaitFrames(plain, 3)
	h.ok("host_pause_bugs", plain+" on")
	h.ok("host_pause_bugs", stubborn+" on")
	before := h.count(plain).frames
	h.awaitFrames(stubborn, h.count(stubborn).frames+10)
	if after := h.count(plain).frames; after > before+1 {
		t.Errorf("%d frames while paused", after-before)
	}
	h.stop()
}

func TestReinviteChangesRatePtimeAndChannels(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("rate=8000 ptime=20 in=tone:500 out=" + h.path("out.wav") + " writer=tone:600")
	h.ok("selftest", uuid+" attach r")
	h.awaitFrames(uuid, 3)
	for _, to := range []struct{ rate, ptime, channels int }{{16000, 20, 1}, {48000, 10, 2}, {8000, 30, 1}} {
		h.ok("reneg", fmt.Sprintf("%s %d %d %d", uuid, to.rate, to.ptime, to.channels))
		n := h.count(uuid).frames
		c := h.awaitFrames(uuid, n+3)
		if c.rate != to.rate || c.channels != to.channels || c.bytes != to.rate*to.ptime/1000*2*to.channels {
			t.Errorf("after %+v: %+v", to, c)
		}
	}
	h.hangup(uuid)
	for _, name := range []string{"out.wav", "out-2.wav", "out-3.wav", "out-4.wav"} {
		if len(h.samples(name)) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	h.stop()
}

func TestBridgeCarriesBothDirections(t *testing.T) {
	t.Parallel()
	h := start(t)
	a := h.originate("rate=8000 in=counter out=" + h.path("a.wav"))
	b := h.originate("rate=16000 ptime=40 in=tone:440 out=" + h.path("b.wav"))
	h.ok("uuid_bridge", a+" "+b)
	h.ok("selftest", a+" attach rws")
	h.until("frames both ways", func() bool { return h.stats(a).Emitted > 30 && h.stats(b).Emitted > 15 })
	h.ok("uuid_kill", a)
	h.gone(a)
	h.gone(b) // the other leg of a bridge goes too
	loud := 0
	for _, v := range h.samples("a.wav") {
		if v > 8000 {
			loud++
		}
	}
	if loud == 0 {
		t.Error("the tone of the other leg did not arrive")
	}
	h.stop()
}

func TestTwoWritersCollideSilently(t *testing.T) {
	t.Parallel()
	h := start(t)
	uuid := h.originate("in=counter writer=zeros writer_thread=1 out=" + h.path("out.wav"))
	h.ok("selftest", uuid+" attach x9")
	h.ok("selftest", uuid+" pace 20")
	s := h.stats(uuid)
	if s.WrittenModule != 20 || s.WrittenHost == 0 || s.Emitted+s.WriteCollisions < s.WrittenModule+s.WrittenHost-1 {
		t.Errorf("stats %+v", s)
	}
	h.stop()
}

func TestAFileIsPlayedToItsEnd(t *testing.T) {
	t.Parallel()
	h := start(t)
	// a recording of the host is the file: 16 kHz, played on an 8 kHz call
	src := h.originate("rate=16000 in=zeros out=" + h.path("tone.wav") + " writer=tone:1000")
	h.until("half a second", func() bool { return h.stats(src).Emitted >= 25 })
	h.hangup(src)
	want := len(h.samples("tone.wav")) / 2
	uuid := h.originate("rate=8000 out=" + h.path("out.wav") + " heard=" + h.path("heard.wav"))
	h.ok("host_play", uuid+" "+h.path("tone.wav"))
	h.until("the end of the file", func() bool {
		b, err := os.ReadFile(filepath.Join(h.dir, "host.log"))
		return err == nil && len(b) > 0 && h.stats(uuid).Emitted >= want/160
	})
	h.hangup(uuid)
	if got := len(h.samples("out.wav")); got < want-160 || got > want+320 {
		t.Errorf("%d samples out, want %d", got, want)
	}
	if r := h.api("host_originate", "in="+h.path("none.wav")); !strings.HasPrefix(r, "-ERR") {
		t.Errorf("a missing file: %q", r)
	}
	h.stop()
}
