package stats

import "time"

// Report is one stream's figures as users see them, in the order in which they are written.
type Report struct {
	UUID             string  `json:"uuid"`
	Stream           string  `json:"stream"`
	UptimeMS         int64   `json:"uptimeMs"`
	State            string  `json:"state"`
	URL              string  `json:"url"`
	FramesCaptured   uint64  `json:"framesCaptured"`
	FramesSent       uint64  `json:"framesSent"`
	FramesDropped    Dropped `json:"framesDropped"`
	BytesSent        uint64  `json:"bytesSent"`
	BytesReceived    uint64  `json:"bytesReceived"`
	SendQueueMS      int64   `json:"sendQueueMs"`
	CaptureLatencyMS Latency `json:"captureLatencyMs"`
	PlaybackQueuedMS int64   `json:"playbackQueuedMs"`
	PlaybackPlayedMS int64   `json:"playbackPlayedMs"`
	ShortenedMS      int64   `json:"playbackShortenedMs"` // against a fast clock, or a delay
	StretchedMS      int64   `json:"playbackStretchedMs"` // against a slow clock
	UnplayedMS       int64   `json:"playbackUnplayedMs"`  // no resampler for it, or playback is off
	Underruns        uint64  `json:"underruns"`
	Overflows        uint64  `json:"overflows"`
	Clears           uint64  `json:"clears"`
	Marks            uint64  `json:"marks"`
	Reconnects       uint64  `json:"reconnects"`
	PingRTTMS        float64 `json:"pingRttMs"`
	BadMessages      uint64  `json:"badMessages"`
	TextsDropped     uint64  `json:"textsDropped"`  // texts, digits and marks that the server did not get
	EventsDropped    uint64  `json:"eventsDropped"` // events of the server's messages, which came too fast
}

// Dropped counts audio frames that did not reach the server, by reason.
type Dropped struct {
	RingFull      uint64 `json:"ringFull"`      // captured frames: the Go side did not keep up
	ConnectBuffer uint64 `json:"connectBuffer"` // wire frames: not connected for too long
	SendQueue     uint64 `json:"sendQueue"`     // wire frames: the server did not read
	Convert       uint64 `json:"convert"`       // captured frames: no resampler
	Callee        uint64 `json:"callee"`        // the callee's frames, or some of them: the caller's leg stood still
}

// Add sums another stream's figures up into this one.
func (d *Dropped) Add(o *Dropped) {
	d.RingFull += o.RingFull
	d.ConnectBuffer += o.ConnectBuffer
	d.SendQueue += o.SendQueue
	d.Convert += o.Convert
	d.Callee += o.Callee
}

// Latency is a distribution in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Add sums another stream's figures up into this one; latencies are merged through histograms by the caller.
func (r *Report) Add(o *Report) {
	r.FramesCaptured += o.FramesCaptured
	r.FramesSent += o.FramesSent
	r.FramesDropped.Add(&o.FramesDropped)
	r.BytesSent += o.BytesSent
	r.BytesReceived += o.BytesReceived
	r.SendQueueMS += o.SendQueueMS
	r.PlaybackQueuedMS += o.PlaybackQueuedMS
	r.PlaybackPlayedMS += o.PlaybackPlayedMS
	r.ShortenedMS += o.ShortenedMS
	r.StretchedMS += o.StretchedMS
	r.UnplayedMS += o.UnplayedMS
	r.Underruns += o.Underruns
	r.Overflows += o.Overflows
	r.Clears += o.Clears
	r.Marks += o.Marks
	r.Reconnects += o.Reconnects
	r.BadMessages += o.BadMessages
	r.TextsDropped += o.TextsDropped
	r.EventsDropped += o.EventsDropped
}

// MS is a duration in milliseconds, to the microsecond.
func MS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Latency words a histogram's quantiles.
func (h *Histogram) Latency() Latency {
	q := h.Quantiles()
	return Latency{P50: MS(q.P50), P99: MS(q.P99), Max: MS(q.Max)}
}
