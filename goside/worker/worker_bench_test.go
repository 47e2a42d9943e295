package worker

import "testing"

// One event from its posting to its end on a worker.
func BenchmarkHandOver(b *testing.B) {
	q := New(1, nil)
	b.Cleanup(func() { q.Stop(patience) })
	l := q.Lane()
	done := make(chan struct{}, 1)
	e := Event{Do: func() { done <- struct{}{} }, Rank: Life} // of what a server causes, the pace would be measured
	b.ReportAllocs()
	for b.Loop() {
		l.Post(e)
		<-done
	}
}

// Events of many streams, posted faster than they are handled.
func BenchmarkPost(b *testing.B) {
	q := New(2, nil)
	b.Cleanup(func() { q.Stop(patience) })
	const lanes = 64
	var all [lanes]*Lane
	for i := range all {
		all[i] = q.Lane()
	}
	handled := make(chan struct{}, MaxQueued)
	e := Event{Do: func() { handled <- struct{}{} }, Rank: Life}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		all[i%lanes].Post(e)
		if i++; i >= lanes {
			<-handled
		}
	}
}
