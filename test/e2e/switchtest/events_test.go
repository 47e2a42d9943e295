package switchtest

import (
	"context"
	"testing"
	"time"
)

func TestEventsAreInTheOrderTheyWereFired(t *testing.T) {
	l := newEventLog()
	for _, n := range []uint64{2, 1, 4, 3} {
		l.add(Event{Name: "CUSTOM", Subclass: modulePrefix + "json", UUID: []string{"a", "b"}[n%2], Sequence: n, At: time.Now()})
	}
	for i, e := range l.All(Filter{}) {
		if e.Sequence != uint64(i+1) {
			t.Errorf("event %d has number %d", i, e.Sequence)
		}
	}
	if got := l.Module("a", ""); len(got) != 2 || got[0].Sequence != 2 || got[1].Sequence != 4 {
		t.Errorf("the events of one call are %v", got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if e, err := l.Wait(ctx, Filter{UUID: "b", Subclass: "json"}, 2); err != nil || e.Sequence != 3 {
		t.Errorf("the second event of the other is %v, %v", e, err)
	}
}

func TestEndedCallsAreForgotten(t *testing.T) {
	began := time.Unix(1000, 0)
	for _, forgets := range []bool{false, true} {
		l := newEventLog()
		if forgets {
			l.ForgetEnded(time.Minute)
		}
		add := func(uuid, name string, after time.Duration) {
			l.add(Event{Name: name, UUID: uuid, At: began.Add(after)})
		}
		add("ended", "CHANNEL_CREATE", 0)
		add("up", "CHANNEL_CREATE", 0)
		add("ended", "CHANNEL_HANGUP_COMPLETE", time.Second)
		add("up", "CUSTOM", 50*time.Second)
		if n := len(l.All(Filter{UUID: "ended"})); n != 2 {
			t.Errorf("%d events of a call that has just ended", n)
		}
		add("up", "CUSTOM", 2*time.Minute)
		if n, want := len(l.All(Filter{UUID: "ended"})), map[bool]int{false: 2, true: 0}[forgets]; n != want {
			t.Errorf("forgets is %v: %d events of a call that ended long ago, want %d", forgets, n, want)
		}
		if n := len(l.All(Filter{UUID: "up"})); n != 3 {
			t.Errorf("%d events of a call that is up", n)
		}
	}
}
