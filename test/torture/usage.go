package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"mod_audio_stream/test/e2e/switchtest"
)

// usage is what the switch's process uses at one moment.
type usage struct {
	threads, files, temporary     int
	goroutines, streams, pending  int
	sessions, media               int
	eventsDropped, streamsStarted int
	goHeap                        int64
}

// measure reads it from /proc, the temporary folder, and the switch itself.
func measure(ctx context.Context, sw switchtest.Switch) (u usage, err error) {
	count := func(dir string) int {
		entries, e := os.ReadDir(dir)
		if e != nil && err == nil {
			err = e
		}
		return len(entries)
	}
	proc := fmt.Sprintf("/proc/%d/", sw.Pid())
	u.threads, u.files, u.temporary = count(proc+"task"), count(proc+"fd"), count(sw.TempDir())
	reply, e := sw.API(ctx, "audio_stream status json")
	if e != nil {
		return u, e
	}
	var status struct {
		Streams        int   `json:"streams"`
		StreamsStarted int   `json:"streamsStarted"`
		MediaHeld      int   `json:"mediaHeld"`
		Goroutines     int   `json:"goroutines"`
		EventsPending  int   `json:"eventsPending"`
		EventsDropped  int   `json:"eventsDropped"`
		GoHeapBytes    int64 `json:"goHeapBytes"`
	}
	if e := json.Unmarshal([]byte(reply), &status); e != nil {
		return u, fmt.Errorf("audio_stream status json: %w in %q", e, reply)
	}
	u.goroutines, u.streams, u.pending = status.Goroutines, status.Streams, status.EventsPending
	u.eventsDropped, u.streamsStarted, u.media = status.EventsDropped, status.StreamsStarted, status.MediaHeld
	u.goHeap = status.GoHeapBytes
	if reply, e = sw.API(ctx, "show channels count"); e != nil {
		return u, e
	}
	number, _, _ := strings.Cut(strings.TrimSpace(reply), " ")
	if u.sessions, e = strconv.Atoi(number); e != nil {
		return u, fmt.Errorf("show channels count: %q", reply)
	}
	return u, err
}

// More threads than this are a leak: the Go runtime keeps the threads it ever needed at once, and FreeSWITCH has a pool.
const threadSlack = 6

// above lists what is more than at the baseline.
func (u usage) above(base usage) (out []string) {
	add := func(what string, now, then, slack int) {
		if now > then+slack {
			out = append(out, fmt.Sprintf("%d %s", now-then, what))
		}
	}
	add("threads", u.threads, base.threads, threadSlack)
	add("file descriptors", u.files, base.files, 0)
	add("temporary files", u.temporary, base.temporary, 0)
	add("goroutines", u.goroutines, base.goroutines, 0)
	add("streams", u.streams, base.streams, 0)
	add("rings", u.media, base.media, 0)
	add("events pending", u.pending, base.pending, 0)
	add("sessions", u.sessions, base.sessions, 0)
	return out
}

// settle waits for everything to be back at the baseline, and says what is not.
func settle(ctx context.Context, sw switchtest.Switch, base usage) string {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		u, err := measure(ctx, sw)
		left := u.above(base)
		if err == nil && len(left) == 0 {
			return ""
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			if err != nil {
				return err.Error()
			}
			return strings.Join(left, ", ")
		}
	}
}

// resident is a process's resident memory, bytes; 0 when there is none to read.
func resident(pid int) int64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// watchMemory samples the resident memory of a process; the function it returns stops it and gives the most that it grew by.
func watchMemory(pid int) (grown func() int64) {
	read := func() int64 { return resident(pid) }
	base := read()
	most := base
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, read())
			case <-stop:
				return
			}
		}
	})
	return func() int64 {
		close(stop)
		wg.Wait()
		return max(most, read()) - base
	}
}
