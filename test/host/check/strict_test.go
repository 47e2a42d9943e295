package check

import (
	"strings"
	"testing"
)

// Each rule is broken by the selftest module; the host must end with its one line.
func TestStrictRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rule string
		call bool   // needs a call
		then string // another step: "kill", "shutdown", or a second rule
		args []string
		want string
	}{
		{rule: "unlock_twice", call: true, want: "rwunlock without locate"},
		{rule: "unlock_elsewhere", call: true, want: "rwunlock without locate"},
		{rule: "unlocated_use", call: true, want: "used by a thread that has not located it"},
		{rule: "write_unlocated", call: true, want: "used by a thread that has not located it"},
		{rule: "write_dead_codec", call: true, want: "codec is not initialised"},
		{rule: "keep_lock", call: true, then: "kill", want: "read-locked for more than 5 s by bad.c:"},
		{rule: "keep_session", call: true, then: "late_session", want: "was destroyed"},
		{rule: "keep_bug", call: true, then: "late_bug", want: "the session of this media bug (selftest) was destroyed"},
		{rule: "bug_after_close", call: true, want: "used after CLOSE"},
		{rule: "replace_outside", call: true, want: "outside of a WRITE_REPLACE callback"},
		{rule: "small_stereo", call: true, want: "FreeSWITCH writes 640 there without a check"},
		{rule: "endless_read", call: true, want: "in one callback: with fill off it never says that nothing is left"},
		{rule: "remove_inside", call: true, want: "inside a media bug callback"},
		{rule: "remove_late", call: true, want: "the call's own thread removes its bugs"},
		{rule: "event_leak", then: "shutdown", want: "1 event leaked at exit, the oldest from bad.c:"},
		{rule: "event_twice", want: "is no live event"},
		{rule: "event_fire_null", want: "*event is NULL"},
		{rule: "event_unreserved", want: "which is not reserved"},
		{rule: "subclass_twice", want: "reserved twice"},
		{rule: "subclass_unreserved", want: "freed without being reserved"},
		{rule: "subclass_left", then: "shutdown", want: "1 event subclasses still reserved"},
		{rule: "binding_left", then: "unload", want: "1 event bindings left by shutdown()"},
		{rule: "unbind_inside", want: "inside an event callback: FreeSWITCH would deadlock"},
		{rule: "unbind_stranger", want: "is not bound"},
		{rule: "codec_leak", then: "shutdown", want: "1 codec leaked at exit"},
		{rule: "codec_twice", want: "was freed already"},
		{rule: "codec_init_twice", want: "initialised twice"},
		{rule: "resampler_leak", then: "shutdown", want: "1 resampler leaked at exit, the oldest from bad.c:"},
		{rule: "resampler_late", want: "was destroyed"},
		{rule: "xml_leak", then: "shutdown", want: "1 xml tree leaked at exit"},
		{rule: "xml_twice", want: "is no open XML root"},
		{rule: "null_session", want: "session is NULL"},
		{rule: "keep_bug", call: true, then: "unload", want: "1 media bugs left on calls by shutdown()"},
		{rule: "realtime_thread", args: []string{"--threads-fifo"}, then: "shutdown", want: "real-time policy"},
	} {
		t.Run(tc.rule+" "+tc.then, func(t *testing.T) {
			t.Parallel()
			h := start(t, tc.args...)
			if tc.args != nil && strings.Contains(h.api("host_leaks", ""), `"fifo":false`) {
				t.Skip("SCHED_FIFO is refused on this machine")
			}
			uuid := ""
			if tc.call {
				uuid = h.originate("in=counter writer=zeros")
			}
			_, _ = h.send("selftest_bad", strings.TrimSpace(tc.rule+" "+uuid))
			switch tc.then {
			case "":
			case "kill":
				_, _ = h.send("uuid_kill", uuid)
			case "unload":
				_, _ = h.send("unload", "mod_selftest")
			case "shutdown":
				_, _ = h.send("fsctl", "shutdown")
			default:
				h.hangup(uuid)
				_, _ = h.send("selftest_bad", tc.then)
			}
			if err := h.wait(); err == nil {
				t.Fatal("the host ended as if nothing were wrong")
			}
			if got := h.stderr.String(); !strings.HasPrefix(got, "fshost: STRICT: ") || !strings.Contains(got, tc.want) {
				t.Errorf("the host said %q, want %q", got, tc.want)
			}
		})
	}
}
