package worker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second // for what must happen

// recv waits for a value, or fails the test.
func recv[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
	var none T
	return none
}

func start(t *testing.T, workers int) *Queue {
	q := New(workers, func(r any, _ []byte) { t.Errorf("an event panicked: %v", r) })
	q.pace.burst = 1 << 20 // what is paced has a test of its own
	t.Cleanup(func() { q.Stop(patience) })
	return q
}

// held posts an event that runs until release is called, and waits for it to run.
func held(t *testing.T, l *Lane) (release func()) {
	running, gate := make(chan struct{}), make(chan struct{})
	l.Post(Event{Do: func() { close(running); <-gate }, Rank: Life})
	recv(t, running, "the first event")
	return sync.OnceFunc(func() { close(gate) })
}

func TestEventsOfOneLaneRunInOrderAndNeverTwoAtOnce(t *testing.T) {
	const lanes, events = 8, 500
	q := start(t, 4)
	var done sync.WaitGroup
	for range lanes {
		l := q.Lane()
		var running atomic.Int32
		next := 0 // not atomic: the race detector watches that no two events of a lane overlap
		done.Add(events)
		go func() {
			for i := range events {
				l.Post(Event{Do: func() {
					defer done.Done()
					if running.Add(1) != 1 {
						t.Error("two events of one lane at once")
					}
					if i != next {
						t.Errorf("event %d ran as number %d", i, next)
					}
					next++
					running.Add(-1)
				}, Rank: Life})
			}
		}()
	}
	done.Wait()
}

func TestAServersFloodIsPacedAndTheStreamsLifeIsNot(t *testing.T) {
	q := New(2, func(r any, _ []byte) { t.Errorf("an event panicked: %v", r) })
	t.Cleanup(func() { q.Stop(patience) })
	q.pace = pace{burst: 20, perSecond: 200}
	for _, tt := range []struct {
		rank        Rank
		flood, size int
	}{
		{Chatter, 61, 0}, {Answer, 61, 0}, // 40 beyond the burst, and the last one
		{Chatter, 7, 9 * pacedBytes}, // six that count as ten each
	} {
		l, began, done := q.Lane(), time.Now(), make(chan time.Duration, 1)
		for range tt.flood - 1 {
			l.Post(Event{Do: func() {}, Rank: tt.rank, Size: tt.size})
		}
		l.Post(Event{Do: func() { done <- time.Since(began) }, Rank: tt.rank, Size: tt.size})
		other := make(chan struct{})
		q.Lane().Post(Event{Do: func() { close(other) }, Rank: tt.rank})
		recv(t, other, "another lane's event, while the first one rests")
		if took := recv(t, done, "the end of the flood"); took < 150*time.Millisecond { // 200, when timers are exact
			t.Errorf("%+v took %s", tt, took)
		}
	}
	// as many of its own life wait for nothing: at that pace they would take longer than the test may
	l, done := q.Lane(), make(chan struct{})
	for range 200 * int(patience/time.Second) {
		l.Post(Event{Do: func() {}, Rank: Life})
	}
	l.Post(Event{Do: func() { close(done) }, Rank: Life})
	recv(t, done, "the last event of a life")
}

func TestStopDoesNotWaitForThePace(t *testing.T) {
	q := New(1, func(r any, _ []byte) { t.Errorf("an event panicked: %v", r) })
	q.pace = pace{burst: 1, perSecond: 1}
	l, ran := q.Lane(), 0
	for range 1000 { // they would take a quarter of an hour
		l.Post(Event{Do: func() { ran++ }})
	}
	if !q.Stop(patience) || ran != 1000 || q.Dropped() != 0 {
		t.Errorf("%d of 1000 events ran, %d were dropped", ran, q.Dropped())
	}
}

func TestLanesRunInParallel(t *testing.T) {
	q := start(t, 3)
	// Each of the three ends only when all three run.
	var together sync.WaitGroup
	together.Add(3)
	ended := make(chan struct{}, 3)
	for range 3 {
		q.Lane().Post(Event{Do: func() { together.Done(); together.Wait(); ended <- struct{}{} }})
	}
	for range 3 {
		recv(t, ended, "three lanes at once")
	}
}

func TestABusyLaneTakesTurnsWithTheOthers(t *testing.T) {
	q := start(t, 1)
	chatty, quiet := q.Lane(), q.Lane()
	release := held(t, chatty)
	before := 0 // one worker, so nothing runs at once
	waited := make(chan int, 1)
	for range 1000 {
		chatty.Post(Event{Do: func() { before++ }})
	}
	quiet.Post(Event{Do: func() { waited <- before }})
	release()
	if n := recv(t, waited, "the quiet lane's event"); n > 1 {
		t.Errorf("the quiet lane came after %d events of the chatty one", n)
	}
}

func TestAFullLaneDropsWhatTheServerCausesKeepsItsOwnLifeAndCounts(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name    string
		rank    Rank
		size    int
		takes   int
		answers int // that are taken behind it
	}{
		{"chatter by number", Chatter, 0, MaxQueued, (moreAnswers - 1) * MaxQueued},
		{"chatter by bytes", Chatter, mib, MaxQueuedBytes / mib, (moreBytes - 1) * MaxQueuedBytes / mib},
		// a server can ask without end for what is answered: marks, clears
		{"answers by number", Answer, 0, moreAnswers * MaxQueued, 0},
		{"answers by bytes", Answer, mib, moreBytes * MaxQueuedBytes / mib, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := start(t, 1)
			l, other := q.Lane(), q.Lane()
			release := held(t, l)
			defer release()
			ran := 0
			taken := 0
			for range tt.takes + 10 {
				if l.Post(Event{Do: func() { ran++ }, Size: tt.size, Rank: tt.rank}) {
					taken++
				}
			}
			if taken != tt.takes || l.Dropped() != 10 || q.Dropped() != 10 {
				t.Errorf("%d taken, %d and %d dropped; want %d, 10 and 10", taken, l.Dropped(), q.Dropped(), tt.takes)
			}
			answers := 0
			for l.Post(Event{Do: func() { ran++ }, Size: tt.size, Rank: Answer}) {
				answers++
			}
			if answers != tt.answers || l.Dropped() != 11 {
				t.Errorf("%d answers were taken behind it, %d dropped; want %d and 11", answers, l.Dropped(), tt.answers)
			}
			done := make(chan struct{})
			if !l.Post(Event{Do: func() { close(done) }, Size: tt.size, Rank: Life}) {
				t.Error("a full lane refused an event that must be told")
			}
			if !other.Post(Event{Do: func() {}, Size: tt.size}) || other.Dropped() != 0 {
				t.Error("one lane's chatter filled another")
			}
			if n := q.Pending(); n != tt.takes+tt.answers+3 {
				t.Errorf("%d pending, want %d", n, tt.takes+tt.answers+3)
			}
			release()
			recv(t, done, "the last event")
			if ran != tt.takes+tt.answers {
				t.Errorf("%d events ran, want %d", ran, tt.takes+tt.answers)
			}
			// Empty again, it takes again.
			if !l.Post(Event{Do: func() {}, Size: tt.size}) {
				t.Error("a lane that was emptied refused an event")
			}
		})
	}
}

func TestAPanicInAnEventIsToldAndTheWorkerGoesOn(t *testing.T) {
	told := make(chan string, 1)
	q := New(1, func(r any, stack []byte) {
		if len(stack) == 0 {
			t.Error("no stack")
		}
		told <- fmt.Sprint(r)
	})
	l := q.Lane()
	l.Post(Event{Do: func() { panic("boom") }})
	after := make(chan struct{})
	l.Post(Event{Do: func() { close(after) }})
	if r := recv(t, told, "the report"); r != "boom" {
		t.Errorf("told %q", r)
	}
	recv(t, after, "the event behind the panic")
	if !q.Stop(patience) {
		t.Error("a worker did not end")
	}
	if q.Pending() != 0 || q.Dropped() != 0 {
		t.Errorf("%d pending, %d dropped", q.Pending(), q.Dropped())
	}
}

func TestAPanicWithNobodyToTellIsSwallowed(t *testing.T) {
	q := New(1, nil)
	l := q.Lane()
	l.Post(Event{Do: func() { panic("boom") }})
	after := make(chan struct{})
	l.Post(Event{Do: func() { close(after) }})
	recv(t, after, "the event behind the panic")
	q.Stop(patience)
}

func TestStopRunsWhatIsQueuedAndTakesNothingNew(t *testing.T) {
	q := New(2, nil)
	var ran atomic.Int32
	lanes := []*Lane{q.Lane(), q.Lane(), q.Lane()}
	for i := range 300 {
		lanes[i%3].Post(Event{Do: func() { ran.Add(1) }})
	}
	if !q.Stop(patience) {
		t.Fatal("the workers did not end")
	}
	if ran.Load() != 300 || q.Dropped() != 0 || q.Pending() != 0 {
		t.Errorf("%d ran, %d dropped, %d pending", ran.Load(), q.Dropped(), q.Pending())
	}
	if lanes[0].Post(Event{Do: func() { t.Error("it ran after Stop") }, Rank: Life}) {
		t.Error("an event was taken after Stop")
	}
	if q.Dropped() != 1 || lanes[0].Dropped() != 1 {
		t.Error("the event that was refused is not counted")
	}
}

func TestStopAtItsDeadlineCountsWhatIsLeftAndNotWhatRuns(t *testing.T) {
	q := New(1, nil)
	l := q.Lane()
	release := held(t, l)
	for range 7 {
		l.Post(Event{Do: func() { t.Error("an event was begun after the deadline") }})
	}
	result := make(chan bool)
	go func() { result <- q.Stop(50 * time.Millisecond) }()
	if recv(t, result, "the end of Stop") {
		t.Error("Stop says that every worker has ended, but one is in the middle of an event")
	}
	if q.Dropped() != 7 {
		t.Errorf("%d dropped, want the 7 that were not begun", q.Dropped())
	}
	release() // the worker ends by itself; goleak sees to it
}

func TestStopWaitsForTheEventThatRuns(t *testing.T) {
	q := New(1, nil)
	l := q.Lane()
	running, gate := make(chan struct{}), make(chan struct{})
	finished := false
	l.Post(Event{Do: func() { close(running); <-gate; finished = true }})
	recv(t, running, "the event")
	result := make(chan bool)
	go func() { result <- q.Stop(patience) }()
	close(gate)
	if !recv(t, result, "the end of Stop") || !finished {
		t.Error("Stop returned before the event had ended")
	}
}

// A lane that always has something waiting must not keep what it has done.
func TestALaneThatNeverRunsEmptyDoesNotGrow(t *testing.T) {
	q := start(t, 1)
	busy := []*Lane{q.Lane(), q.Lane(), q.Lane()}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const rounds = 20_000
	left := make(chan struct{}, len(busy))
	look := func(l *Lane) {
		q.mu.Lock()
		defer q.mu.Unlock()
		if n := cap(q.ready); n > 1024 {
			t.Errorf("the list of ready lanes has grown to %d", n)
		}
		if n := cap(l.events); n > 1024 {
			t.Errorf("a lane's list has grown to %d", n)
		}
	}
	for _, l := range busy {
		n := 0
		var again func()
		again = func() { // two are always queued: the lane never runs empty
			if n++; n > rounds || ctx.Err() != nil {
				if n == rounds+1 {
					look(l)
					left <- struct{}{}
				}
				return
			}
			l.Post(Event{Do: again, Rank: Life})
		}
		for range 3 {
			l.Post(Event{Do: again, Rank: Life})
		}
	}
	for range busy {
		recv(t, left, "the last round")
	}
}

func TestPostAllocatesNothingInSteadyState(t *testing.T) {
	q := start(t, 1)
	l := q.Lane()
	done := make(chan struct{}, 1)
	e := Event{Do: func() { done <- struct{}{} }}
	n := testing.AllocsPerRun(1000, func() {
		l.Post(e)
		<-done
	})
	if n > 0 {
		t.Errorf("%.1f allocations per event", n)
	}
}
