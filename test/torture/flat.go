package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What the switch's process uses while churn goes on, as a series: in a CSV, and judged for flatness.

const (
	sampleEvery = 5 * time.Second
	// Slopes are judged when the series is this long behind the warm-up; shorter ones show nothing.
	longEnough = 10 * time.Minute
	// Before that the pools of allocator, runtime and FreeSWITCH fill: a fifth of the time, at most this.
	warmUp = 5 * time.Minute
	// steepest is the bound of flatness. A leak of one byte for each of an hour's 72,000 calls is 70 KiB; of a ring, a
	// socket or a goroutine more than 100 MiB.
	steepest = 8 << 20 // bytes an hour
	// moreThreads is how many threads a series may end with above its warm-up: FreeSWITCH's pool and Go's come and go with load.
	moreThreads = 12
)

// sample is one moment.
type sample struct {
	at                                          time.Duration
	rss, goHeap                                 int64
	threads, files, goroutines, streams, media  int
	sessions, eventsPending, started, temporary int
}

// series takes samples until it is ended.
type series struct {
	r       *round
	began   time.Time
	file    *os.File
	out     *csv.Writer
	stop    chan struct{}
	running sync.WaitGroup

	samples []sample
	failed  error
}

func (r *round) startLog() *series {
	name := filepath.Join(r.o.dir, strings.NewReplacer(" ", "-", ",", "").Replace(r.name)+"-"+r.sw.Name()+".csv")
	f, err := os.Create(name)
	r.check("csv", err)
	s := &series{r: r, began: time.Now(), file: f, out: csv.NewWriter(f), stop: make(chan struct{})}
	_ = s.out.Write(strings.Split("seconds,rss,threads,fds,goroutines,go_heap,streams,media_held,sessions,events_pending,streams_started,temp_files", ","))
	s.running.Go(func() {
		tick := time.NewTicker(min(sampleEvery, max(r.o.churn/10, 100*time.Millisecond)))
		defer tick.Stop()
		for {
			s.take()
			select {
			case <-tick.C:
			case <-s.stop:
				return
			}
		}
	})
	return s
}

func (s *series) take() {
	ctx, cancel := context.WithTimeout(s.r.ctx, 20*time.Second)
	defer cancel()
	u, err := measure(ctx, s.r.sw)
	if err != nil {
		s.failed = err
		return
	}
	x := sample{at: time.Since(s.began), rss: resident(s.r.sw.Pid()), goHeap: u.goHeap, threads: u.threads, files: u.files,
		goroutines: u.goroutines, streams: u.streams, media: u.media, sessions: u.sessions, eventsPending: u.pending,
		started: u.streamsStarted, temporary: u.temporary}
	s.samples = append(s.samples, x)
	row := []string{strconv.FormatFloat(x.at.Seconds(), 'f', 1, 64)}
	for _, n := range []int64{x.rss, int64(x.threads), int64(x.files), int64(x.goroutines), x.goHeap, int64(x.streams), int64(x.media),
		int64(x.sessions), int64(x.eventsPending), int64(x.started), int64(x.temporary)} {
		row = append(row, strconv.FormatInt(n, 10))
	}
	_ = s.out.Write(row)
	s.out.Flush()
}

// end stops the series and reports.
func (s *series) end() *flatness {
	close(s.stop)
	s.running.Wait()
	err := s.out.Error()
	if err == nil {
		err = s.failed
	}
	if e := s.file.Close(); err == nil {
		err = e
	}
	return &flatness{file: s.file.Name(), samples: s.samples, err: err}
}

// flatness is what a series shows.
type flatness struct {
	file    string
	samples []sample
	err     error
}

// behind gives the samples behind the warm-up.
func (f *flatness) behind() []sample {
	if len(f.samples) == 0 {
		return nil
	}
	from := min(f.samples[len(f.samples)-1].at/5, warmUp)
	for i, s := range f.samples {
		if s.at >= from {
			return f.samples[i:]
		}
	}
	return nil
}

// slope is the least-squares slope of a figure, per hour.
func slope(samples []sample, figure func(sample) int64) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, s := range samples {
		x, y := s.at.Hours(), float64(figure(s))
		n++
		sx += x
		sy += y
		sxx += x * x
		sxy += x * y
	}
	if d := n*sxx - sx*sx; d > 0 {
		return (n*sxy - sx*sy) / d
	}
	return 0
}

func rssOf(s sample) int64  { return s.rss }
func heapOf(s sample) int64 { return s.goHeap }

func (f *flatness) String() string {
	b := f.behind()
	if len(b) < 2 {
		return "    no samples\n"
	}
	first, last := b[0], b[len(b)-1]
	slopes := "too short for a slope"
	if last.at-first.at >= 2*time.Minute {
		slopes = fmt.Sprintf("slope %+.0f KiB an hour, that of the Go heap %+.0f", slope(b, rssOf)/1024, slope(b, heapOf)/1024)
	}
	line := func(what string, of func(sample) int) string {
		most := 0
		for _, s := range b {
			most = max(most, of(s))
		}
		return fmt.Sprintf("%s first %d, last %d, most %d", what, of(first), of(last), most)
	}
	const mib = 1 << 20
	return fmt.Sprintf("    memory behind a warm-up of %s, over %s: RSS first %.1f, last %.1f MiB; %s\n    %s; %s; %s; %s\n    %s\n",
		first.at.Round(time.Second), (last.at - first.at).Round(time.Second), float64(first.rss)/mib, float64(last.rss)/mib, slopes,
		line("threads", func(s sample) int { return s.threads }), line("descriptors", func(s sample) int { return s.files }),
		line("goroutines", func(s sample) int { return s.goroutines }), line("rings", func(s sample) int { return s.media }), f.file)
}

// faults judges: only a series that is long enough has a slope worth the name.
func (f *flatness) faults() (out []string) {
	if f.err != nil {
		out = append(out, f.err.Error())
	}
	b := f.behind()
	if len(b) < 2 {
		return append(out, "there are no samples to judge")
	}
	first, last := b[0], b[len(b)-1]
	if n := last.threads - first.threads; n > moreThreads {
		out = append(out, fmt.Sprintf("%d threads more at the end than behind the warm-up, the bound is %d", n, moreThreads))
	}
	if last.at-first.at < longEnough {
		return out
	}
	if s := slope(b, rssOf); s > steepest {
		out = append(out, fmt.Sprintf("the process grows by %.0f KiB an hour, the bound is %d", s/1024, steepest>>10))
	}
	if s := slope(b, heapOf); s > steepest {
		out = append(out, fmt.Sprintf("the Go heap grows by %.0f KiB an hour, the bound is %d", s/1024, steepest>>10))
	}
	return out
}
