// Package stats counts what streams do and words it as JSON. Counting costs an atomic add; nothing here blocks.
package stats

import (
	"math"
	"math/bits"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Stream holds one stream's counters. Every field may be changed and read by any goroutine.
type Stream struct {
	FramesCaptured atomic.Uint64 // frames taken from the capture ring
	FramesSent     atomic.Uint64 // binary frames handed to the kernel
	BytesSent      atomic.Uint64 // on the wire, headers included
	BytesReceived  atomic.Uint64
	LostConnect    atomic.Uint64 // wire frames dropped because the connection took too long (STREAM_CONNECT_BUFFER_MS)
	LostSend       atomic.Uint64 // wire frames dropped because the server did not read
	LostConvert    atomic.Uint64 // captured frames lost for want of a resampler
	LostTexts      atomic.Uint64 // texts for the server that it did not get
	Unplayed       atomic.Int64  // ns of audio that the server sent although playback is off
	Reconnects     atomic.Uint64
	BadMessages    atomic.Uint64
	Latency        Histogram // media thread to socket write
}

// Histogram counts durations in 8 steps per power of two, from 1 µs to about an hour, so a percentile is right to 12.5 %.
type Histogram struct {
	max     atomic.Int64
	buckets [buckets]atomic.Uint32
}

const (
	steps   = 8
	buckets = 32 * steps
)

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	us := uint64(max(d, 0)) / 1000
	h.buckets[bucket(us)].Add(1)
	for {
		old := h.max.Load()
		if int64(d) <= old || h.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

func bucket(us uint64) int {
	if us < steps {
		return int(us)
	}
	exp := bits.Len64(us) - 4 // us >> exp is 8 to 15
	return min(exp*steps+int(us>>exp), buckets-1)
}

// upper is the longest duration that falls into a bucket.
func upper(b int) time.Duration {
	if b < steps*2 {
		return time.Duration(b) * time.Microsecond
	}
	exp := b/steps - 1
	return time.Duration(uint64(b-exp*steps+1)<<exp-1) * time.Microsecond
}

// Quantiles are a histogram's figures.
type Quantiles struct {
	P50, P99, Max time.Duration
	Count         uint64
}

// Quantiles reads the figures. Adds that run meanwhile may or may not be in them.
func (h *Histogram) Quantiles() Quantiles {
	var counts [buckets]uint32
	var total uint64
	for i := range counts {
		counts[i] = h.buckets[i].Load()
		total += uint64(counts[i])
	}
	q := Quantiles{Max: time.Duration(h.max.Load()), Count: total}
	at := func(part uint64) time.Duration {
		var sum uint64
		for i, n := range counts {
			if sum += uint64(n); sum >= part && n > 0 {
				return min(upper(i), q.Max)
			}
		}
		return 0
	}
	if total > 0 {
		q.P50, q.P99 = at((total+1)/2), at((total*99+99)/100)
	}
	return q
}

// Merge adds another histogram's counts to this one.
func (h *Histogram) Merge(other *Histogram) {
	for i := range h.buckets {
		if n := other.buckets[i].Load(); n > 0 {
			h.buckets[i].Add(n)
		}
	}
	if m := other.max.Load(); m > h.max.Load() {
		h.max.Store(m)
	}
}

// RuntimeQuantiles reads a histogram of runtime/metrics in seconds.
func RuntimeQuantiles(h *metrics.Float64Histogram) Quantiles {
	var q Quantiles
	for _, n := range h.Counts {
		q.Count += n
	}
	if q.Count == 0 {
		return q
	}
	var sum uint64
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		top := h.Buckets[i+1]
		if math.IsInf(top, 1) {
			top = h.Buckets[i]
		}
		d := time.Duration(top * float64(time.Second))
		before := sum
		sum += n
		if half := (q.Count + 1) / 2; before < half && sum >= half {
			q.P50 = d
		}
		if most := (q.Count*99 + 99) / 100; before < most && sum >= most {
			q.P99 = d
		}
		q.Max = d
	}
	return q
}
