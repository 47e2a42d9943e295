// Tests of the harness itself on a real FreeSWITCH without the module: what the cases of the suite rely on.

package switchtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// startBare starts FreeSWITCH without the module; the test is skipped where there is none.
func startBare(t *testing.T) (context.Context, *FreeSWITCH) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	f, err := StartFreeSWITCH(ctx, FreeSWITCHOptions{Module: "not-loaded.so", Dir: t.TempDir(), NoLoad: true})
	if errors.Is(err, ErrNoFreeSWITCH) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return ctx, f
}

func TestCallsAreExactBothWays(t *testing.T) {
	ctx, f := startBare(t)
	for _, spec := range []CallSpec{{}, {Rate: 16000}, {Rate: 48000}, {Ptime: 10}, {Ptime: 30}, {Ptime: 40, Rate: 16000}} {
		t.Run(fmt.Sprintf("%d Hz, %d ms", spec.Rate, spec.Ptime), func(t *testing.T) {
			spec.Source = &Counter{}
			c, err := f.Originate(ctx, spec)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.DTMF(ctx, '5', 100*time.Millisecond); err != nil {
				t.Error(err)
			}
			if e, err := f.Events().Wait(ctx, Filter{UUID: c.UUID(), Name: "DTMF"}, 1); err != nil || e.Header("DTMF-Digit") != "5" {
				t.Errorf("DTMF event %q, %v", e.Header("DTMF-Digit"), err)
			}
			if err := c.Execute(ctx, "echo", ""); err != nil {
				t.Fatal(err)
			}
			if err := c.WaitHeard(ctx, func(s []int16) bool { return len(s) >= c.Rate() }); err != nil {
				t.Fatal(err)
			}
			if r := CheckCounter(c.Heard()); !r.WholeBut(c.Missed(ctx)*c.Rate()*c.Ptime()/1000) || r.Samples < c.Rate()*9/10 {
				t.Errorf("echo: %s, %d packets missed", r, c.Missed(ctx))
			}
			if err := c.Hangup(ctx); err != nil {
				t.Error(err)
			}
			if _, err := f.Events().Wait(ctx, Filter{UUID: c.UUID(), Name: "CHANNEL_HANGUP_COMPLETE"}, 1); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCallStates(t *testing.T) {
	ctx, f := startBare(t)
	for _, tc := range []struct {
		name string
		spec CallSpec
	}{
		{"early", CallSpec{State: Early}}, {"ringing", CallSpec{State: Ringing}}, {"PCMU", CallSpec{Codec: "PCMU", Source: Silence{}}},
		{"variables", CallSpec{Vars: map[string]string{"odd": `a 'b' "c" \d {"e": "\"f\""}`}}},
		{"playback", CallSpec{Playback: "tone_stream://%(10000,0,400)"}},
		{"bridge", CallSpec{Source: &Counter{}, BridgeTo: &Counter{}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := f.Originate(ctx, tc.spec)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range tc.spec.Vars {
				if got, err := f.API(ctx, "uuid_getvar "+c.UUID()+" "+name); err != nil || strings.TrimSpace(got) != want {
					t.Errorf("%s is %q, %v; expected %q", name, got, err, want)
				}
			}
			if tc.spec.Playback != "" {
				if err := c.WaitHeard(ctx, func(s []int16) bool { return len(s) > 8000 }); err != nil {
					t.Fatal(err)
				}
				if l := Level(c.Heard()[4000:8000], 8000, 400); l < 5000 {
					t.Errorf("level %.0f", l)
				}
			}
			if tc.spec.BridgeTo != nil {
				for i, leg := range []Call{c, c.Other()} {
					if err := leg.WaitHeard(ctx, func(s []int16) bool { return len(s) > 8000 }); err != nil {
						t.Fatal(err)
					}
					if r := CheckCounter(leg.Heard()[1600:]); !r.WholeBut((c.Missed(ctx) + c.Other().Missed(ctx)) * 160) {
						t.Errorf("leg %d heard %s", i, r)
					}
				}
			}
			if err := c.Hangup(ctx); err != nil {
				t.Error(err)
			}
			if _, err := f.Events().Wait(ctx, Filter{UUID: c.UUID(), Name: "CHANNEL_HANGUP_COMPLETE"}, 1); err != nil {
				t.Error(err)
			}
		})
	}
	if out, err := f.CLI(ctx, "status"); err != nil || !strings.Contains(out, "is ready") {
		t.Errorf("fs_cli: %q, %v", out, err)
	}
}
