package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Every whole microsecond's bucket ends at or behind it, by no more than 12.5 %, and buckets are in order.
func TestBucketsHoldTheirBounds(t *testing.T) {
	check := func(us uint64) {
		t.Helper()
		b := bucket(us)
		top := uint64(upper(b) / time.Microsecond)
		if top < us || float64(top-us) > 0.125*float64(us) {
			t.Fatalf("%d µs is in bucket %d, which ends at %d µs", us, b, top)
		}
		if b > 0 && uint64(upper(b-1)/time.Microsecond) >= us {
			t.Fatalf("%d µs is in bucket %d, but would fit the one before", us, b)
		}
	}
	for us := range uint64(1 << 16) {
		check(us)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		check(rng.Uint64N(uint64(time.Hour / time.Microsecond)))
	}
	for b := 1; b < buckets; b++ {
		if upper(b) <= upper(b-1) {
			t.Errorf("bucket %d ends at %v, the one before at %v", b, upper(b), upper(b-1))
		}
		if bucket(uint64(upper(b)/time.Microsecond)) != b {
			t.Errorf("the upper bound of bucket %d is not in it", b)
		}
	}
	if bucket(math.MaxUint64) != buckets-1 {
		t.Error("what is too long is not in the last bucket")
	}
}

func TestQuantilesAreRightToTheBucket(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 3, 10, 99, 100, 101, 5000} {
		var h Histogram
		all := make([]time.Duration, n)
		for i := range all {
			all[i] = time.Duration(math.Exp(rng.Float64()*16)) * time.Microsecond
			h.Add(all[i])
		}
		slices.Sort(all)
		q := h.Quantiles()
		if q.Count != uint64(n) || q.Max != all[n-1] {
			t.Errorf("%d: count %d, max %v; want max %v", n, q.Count, q.Max, all[n-1])
		}
		for _, c := range []struct {
			name      string
			got, want time.Duration
		}{{"p50", q.P50, all[(n+1)/2-1]}, {"p99", q.P99, all[int(math.Ceil(float64(n)*0.99))-1]}} {
			if c.got < c.want || float64(c.got) > 1.125*float64(c.want) {
				t.Errorf("%d: %s is %v, want %v to 12.5 %% more", n, c.name, c.got, c.want)
			}
		}
	}
}

func TestNoQuantileIsBeyondTheMaximum(t *testing.T) {
	var h Histogram
	for range 100 {
		h.Add(1000 * time.Microsecond) // its bucket ends at 1023
	}
	q := h.Quantiles()
	if q.P50 != time.Millisecond || q.P99 != time.Millisecond || q.Max != time.Millisecond {
		t.Errorf("got %+v", q)
	}
}

func TestEmptyAndOddDurations(t *testing.T) {
	var h Histogram
	if q := h.Quantiles(); q != (Quantiles{}) {
		t.Errorf("an empty histogram says %+v", q)
	}
	h.Add(-time.Second) // a clock that was read too early
	if q := h.Quantiles(); q.Count != 1 || q.P50 != 0 || q.Max != 0 {
		t.Errorf("a negative duration gives %+v", q)
	}
	h.Add(100 * time.Hour)
	if q := h.Quantiles(); q.Max != 100*time.Hour || q.P99 > q.Max || q.P99 < time.Hour {
		t.Errorf("a very long duration gives %+v", q)
	}
}

func TestMergedHistogramsAreOne(t *testing.T) {
	var parts [4]Histogram
	var whole, merged Histogram
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 4000 {
		d := time.Duration(rng.Int64N(int64(time.Second)))
		parts[i%4].Add(d)
		whole.Add(d)
	}
	for i := range parts {
		merged.Merge(&parts[i])
	}
	if merged.Quantiles() != whole.Quantiles() {
		t.Errorf("merged %+v, whole %+v", merged.Quantiles(), whole.Quantiles())
	}
}

func TestAddFromManyGoroutines(t *testing.T) {
	var h Histogram
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				h.Add(time.Duration(g*2000+i) * time.Microsecond)
				if i%500 == 0 {
					h.Quantiles()
				}
			}
		})
	}
	wg.Wait()
	if q := h.Quantiles(); q.Count != 16000 || q.Max != 15999*time.Microsecond {
		t.Errorf("count %d, max %v", q.Count, q.Max)
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Add(time.Millisecond) }); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
}

// The names and their order are the contract with users.
func TestReportIsWrittenWithTheNamesThatUsersKnow(t *testing.T) {
	text, err := json.Marshal(Report{
		UUID: "u", Stream: "s", UptimeMS: 1, State: "streaming", URL: "ws://h/", FramesCaptured: 2, FramesSent: 3,
		FramesDropped: Dropped{4, 5, 6, 7, 21}, BytesSent: 8, BytesReceived: 9, SendQueueMS: 10,
		CaptureLatencyMS: Latency{0.5, 1.25, 2}, PlaybackQueuedMS: 11, PlaybackPlayedMS: 12, ShortenedMS: 19, StretchedMS: 20, UnplayedMS: 24,
		Underruns: 13, Overflows: 14,
		Clears: 15, Marks: 16, Reconnects: 17, PingRTTMS: 1.5, BadMessages: 18, TextsDropped: 22, EventsDropped: 23,
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"uuid":"u","stream":"s","uptimeMs":1,"state":"streaming","url":"ws://h/","framesCaptured":2,"framesSent":3,` +
		`"framesDropped":{"ringFull":4,"connectBuffer":5,"sendQueue":6,"convert":7,"callee":21},"bytesSent":8,"bytesReceived":9,"sendQueueMs":10,` +
		`"captureLatencyMs":{"p50":0.5,"p99":1.25,"max":2},"playbackQueuedMs":11,"playbackPlayedMs":12,"playbackShortenedMs":19,"playbackStretchedMs":20,"playbackUnplayedMs":24,"underruns":13,"overflows":14,` +
		`"clears":15,"marks":16,"reconnects":17,"pingRttMs":1.5,"badMessages":18,"textsDropped":22,"eventsDropped":23}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestAddSumsEveryFigureThatHasASum(t *testing.T) {
	noSum := map[string]bool{"UptimeMS": true, "CaptureLatencyMS": true, "PingRTTMS": true}
	var one Report
	fill(reflect.ValueOf(&one).Elem())
	var sum Report
	sum.Add(&one)
	sum.Add(&one)
	checkTwice(t, "", reflect.ValueOf(sum), reflect.ValueOf(one), noSum)
}

func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Uint64:
			f.SetUint(uint64(i + 1))
		case reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Float64:
			f.SetFloat(float64(i + 1))
		case reflect.Struct:
			fill(f)
		}
	}
}

func checkTwice(t *testing.T, path string, sum, one reflect.Value, noSum map[string]bool) {
	for i := range sum.NumField() {
		name := sum.Type().Field(i).Name
		if noSum[name] {
			continue
		}
		switch s, o := sum.Field(i), one.Field(i); s.Kind() {
		case reflect.Uint64:
			if s.Uint() != 2*o.Uint() {
				t.Errorf("%s%s is %d after adding %d twice", path, name, s.Uint(), o.Uint())
			}
		case reflect.Int64:
			if s.Int() != 2*o.Int() {
				t.Errorf("%s%s is %d after adding %d twice", path, name, s.Int(), o.Int())
			}
		case reflect.Struct:
			checkTwice(t, path+name+".", s, o, noSum)
		}
	}
}

func TestMillisecondsHaveMicroseconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 1500 * time.Nanosecond: "0.001", 1234567 * time.Nanosecond: "1.234", 2 * time.Second: "2000", time.Hour: "3600000",
	} {
		text, err := json.Marshal(MS(d))
		if err != nil || string(text) != want {
			t.Errorf("%v is written %s (%v), want %s", d, text, err, want)
		}
	}
	var h Histogram
	h.Add(1500 * time.Microsecond)
	if l := h.Latency(); l != (Latency{1.5, 1.5, 1.5}) {
		t.Errorf("got %+v", l)
	}
}

func TestRuntimeQuantiles(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		name   string
		counts []uint64
		bounds []float64
		want   string
	}{
		{"empty", []uint64{0, 0}, []float64{0, 1, 2}, "0s 0s 0s 0"},
		{"one", []uint64{0, 1, 0}, []float64{0, 0.001, 0.002, 0.003}, "2ms 2ms 2ms 1"},
		{"half and half", []uint64{50, 50}, []float64{0, 0.001, 0.002}, "1ms 2ms 2ms 100"},
		{"one in a hundred is beyond p99", []uint64{99, 0, 1}, []float64{0, 0.001, 0.002, 0.005}, "1ms 1ms 5ms 100"},
		{"an open end counts from its start", []uint64{1, 9}, []float64{0, 0.001, inf}, "1ms 1ms 1ms 10"},
		{"an open start", []uint64{5, 5}, []float64{math.Inf(-1), 0, 0.001}, "0s 1ms 1ms 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := RuntimeQuantiles(&metrics.Float64Histogram{Counts: tt.counts, Buckets: tt.bounds})
			if got := strings.TrimSpace(fmt.Sprintln(q.P50, q.P99, q.Max, q.Count)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
