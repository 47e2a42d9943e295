package pump

import (
	"testing"
	"time"

	"mod_audio_stream/goside/hosttest"
)

// asked tells how long the pump wants to wait, each time, and lets it.
type asked struct {
	*hosttest.Doorbell
	limits chan time.Duration
}

func (a asked) Wait(limit time.Duration) error {
	a.limits <- limit
	return a.Doorbell.Wait(limit)
}

// The runtime is not told of short waits, so a pump whose streams are on hold must not go on with them: it would keep a
// processor for itself, and the runtime's monitor awake.
func TestThePumpSleepsSoundlyOnlyWhileNothingComes(t *testing.T) {
	bell := asked{hosttest.NewDoorbell(), make(chan time.Duration)}
	p := Start(bell, 0, ignore)
	ended := make(chan struct{})
	defer func() {
		go func() { defer close(ended); p.Stop() }()
		for {
			select {
			case <-bell.limits:
			case <-ended:
				return
			}
		}
	}()
	next := func(what string, want time.Duration) {
		t.Helper()
		select {
		case limit := <-bell.limits:
			if limit != want {
				t.Errorf("%s: it waits for %v, not %v", what, limit, want)
			}
		case <-time.After(patience):
			t.Fatalf("%s: it does not wait", what)
		}
	}
	next("no streams", 0)
	f := newFake(bell.Doorbell)
	p.Add(f)
	next("a stream is there", attentive)
	next("nothing came", 0)
	f.push()
	next("a frame came", attentive)
	f.active.Store(true)
	f.push()
	next("playback runs", activeTick)
	next("and no frame comes", activeTick)
	f.active.Store(false)
	next("playback is over", attentive)
	next("nothing came again", 0)
}
