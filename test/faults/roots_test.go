package faults

import (
	"slices"
	"testing"
)

// elsewhere are the places whose panic a call cannot bring about, since nothing that a call does lasts so long: they are
// in the unit tests of their packages, with the same tag.
var elsewhere = []string{"part", "unload-deadline", "worker-deadline", "socket-deadline"}

// A goroutine without a recover ends the switch and every call in it with its first panic. Each must have one, must have a
// place where a test can make it panic, and must be among those that are made to.
func TestEveryGoroutineAndExportRecoversAndIsMadeToPanic(t *testing.T) {
	all, err := moduleRoots("../..")
	if err != nil {
		t.Fatal(err)
	}
	tried := slices.Clone(elsewhere)
	for _, c := range cases {
		tried = append(tried, c.place)
	}
	seen := map[string]bool{}
	for _, r := range all {
		switch {
		case !r.recovers:
			t.Errorf("%s: no deferred function of it recovers", r.where)
		case r.place == "":
			t.Errorf("%s: it has no fault.At", r.where)
		case !slices.Contains(tried, r.place):
			t.Errorf("%s: nothing makes it panic at %q", r.where, r.place)
		}
		seen[r.place] = true
	}
	for _, place := range tried {
		if !seen[place] {
			t.Errorf("there is no place %q any more", place)
		}
	}
	if len(all) < 20 {
		t.Errorf("only %d roots were found", len(all))
	}
}
