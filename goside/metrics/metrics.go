// Package metrics is the Prometheus page of the module: the figures of `audio_stream status`, under an address of its own.
// It is off unless metrics-listen names one.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog" //nolint:depguard // it is how net/http is given a logger that is ours
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mod_audio_stream/goside/fault"
	"mod_audio_stream/goside/stats"
)

// figure is one metric and where it is found.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*stats.Status) float64
}

func gauge(name, help string, value func(*stats.Status) float64) figure {
	return figure{prometheus.NewDesc("audio_stream_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(*stats.Status) float64) figure {
	return figure{prometheus.NewDesc("audio_stream_"+name+"_total", help, nil, nil), prometheus.CounterValue, value}
}

// Sums over the running streams are gauges: a stream that ends takes its share with it.
var figures = []figure{
	gauge("streams", "Streams running now.", func(s *stats.Status) float64 { return float64(s.Streams) }),
	counter("streams_started", "Streams started since load.", func(s *stats.Status) float64 { return float64(s.StreamsStarted) }),
	counter("streams_refused", "Starts that were refused since load.", func(s *stats.Status) float64 { return float64(s.StreamsFailed) }),
	counter("events_dropped", "Events dropped since load.", func(s *stats.Status) float64 { return float64(s.EventsDropped) }),
	gauge("events_pending", "Events waiting for a worker.", func(s *stats.Status) float64 { return float64(s.EventsPending) }),
	gauge("frames_captured", "Frames captured by the running streams.", func(s *stats.Status) float64 { return float64(s.Sum.FramesCaptured) }),
	gauge("frames_sent", "Frames sent by the running streams.", func(s *stats.Status) float64 { return float64(s.Sum.FramesSent) }),
	gauge("bytes_sent", "Bytes sent by the running streams.", func(s *stats.Status) float64 { return float64(s.Sum.BytesSent) }),
	gauge("bytes_received", "Bytes received by the running streams.", func(s *stats.Status) float64 { return float64(s.Sum.BytesReceived) }),
	gauge("playback_queued_seconds", "Audio queued for playback.", func(s *stats.Status) float64 { return float64(s.Sum.PlaybackQueuedMS) / 1000 }),
	gauge("playback_underruns", "Gaps in playback of the running streams.", func(s *stats.Status) float64 { return float64(s.Sum.Underruns) }),
	gauge("playback_shortened_seconds", "Audio taken out of playback against fast clocks and delays.", func(s *stats.Status) float64 { return float64(s.Sum.ShortenedMS) / 1000 }),
	gauge("playback_stretched_seconds", "Audio put into playback against slow clocks.", func(s *stats.Status) float64 { return float64(s.Sum.StretchedMS) / 1000 }),
	counter("bad_messages", "Server messages that could not be used, since load.", func(s *stats.Status) float64 { return float64(s.Lost.BadMessages) }),
	counter("texts_dropped", "Texts, digits and marks that did not reach the server, since load.", func(s *stats.Status) float64 { return float64(s.Lost.Texts) }),
	counter("playback_overflows", "Messages that found the playback queue full, since load.", func(s *stats.Status) float64 { return float64(s.Lost.Overflows) }),
	counter("playback_unplayed_seconds", "Audio from the server that the caller does not get: no resampler for it, or playback is off. Since load.", func(s *stats.Status) float64 { return float64(s.Lost.UnplayedMS) / 1000 }),
	gauge("reconnects", "Reconnects of the running streams.", func(s *stats.Status) float64 { return float64(s.Sum.Reconnects) }),
	gauge("capture_latency_p50_seconds", "Media thread to socket write, median.", func(s *stats.Status) float64 { return s.Sum.CaptureLatencyMS.P50 / 1000 }),
	gauge("capture_latency_p99_seconds", "Media thread to socket write, 99th percentile.", func(s *stats.Status) float64 { return s.Sum.CaptureLatencyMS.P99 / 1000 }),
	gauge("goroutines", "Goroutines of the module.", func(s *stats.Status) float64 { return float64(s.Goroutines) }),
	gauge("go_heap_bytes", "Go heap in use.", func(s *stats.Status) float64 { return float64(s.GoHeapBytes) }),
}

var dropped = prometheus.NewDesc("audio_stream_frames_dropped_total", "Frames that did not reach the server, since load.",
	[]string{"reason"}, nil)

type collector struct{ read func() stats.Status }

// broken is the metric that makes a scrape fail with a reason.
var broken = prometheus.NewDesc("audio_stream_broken", "The figures could not be read.", nil, nil)

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range figures {
		ch <- f.desc
	}
	ch <- dropped
}

// Collect implements prometheus.Collector. It runs on a goroutine of the library, which recovers nothing.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	defer func() {
		if r := recover(); r != nil {
			ch <- prometheus.NewInvalidMetric(broken, fmt.Errorf("internal error: %v\n%s", r, debug.Stack()))
		}
	}()
	fault.At("metrics-collect")
	st := c.read()
	for _, f := range figures {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(&st))
	}
	d := st.Lost.Frames
	for reason, n := range map[string]uint64{"ring_full": d.RingFull, "connect_buffer": d.ConnectBuffer,
		"send_queue": d.SendQueue, "convert": d.Convert, "callee": d.Callee} {
		ch <- prometheus.MustNewConstMetric(dropped, prometheus.CounterValue, float64(n), reason)
	}
}

// Server serves the page.
type Server struct {
	http  *http.Server
	addr  string
	ended chan struct{}
}

// reporter hands what the HTTP library has to say to the module's log: its own way is the switch's stderr.
type reporter func(error)

// Write implements io.Writer.
func (r reporter) Write(line []byte) (int, error) {
	r(errors.New(strings.TrimSpace(string(line))))
	return len(line), nil
}

// Println implements promhttp.Logger.
func (r reporter) Println(v ...any) { r(errors.New(strings.TrimSpace(fmt.Sprintln(v...)))) }

// Listen serves the page at http://addr/metrics until Close. read is called for every scrape, on a goroutine of its own;
// failed is told what goes wrong.
func Listen(addr string, read func() stats.Status, failed func(error)) (*Server, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(collector{read}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: reporter(failed)}))
	s := &Server{addr: l.Addr().String(), ended: make(chan struct{}), http: &http.Server{Handler: mux,
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(reporter(failed), nil), slog.LevelWarn), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute}}
	go func() {
		defer close(s.ended)
		defer func() {
			if r := recover(); r != nil {
				_ = l.Close()
				failed(fmt.Errorf("internal error: %v\n%s", r, debug.Stack()))
			}
		}()
		fault.At("metrics-serve")
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed(err)
		}
	}()
	return s, nil
}

// Addr is the host:port that is listened on.
func (s *Server) Addr() string { return s.addr }

// Close ends the server: scrapes that run get a second.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.ended
}
