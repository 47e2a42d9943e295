package stats

// Status is the module's figures: the sum over its streams, and what the Go side itself uses.
type Status struct {
	Version        string  `json:"version"`
	UptimeMS       int64   `json:"uptimeMs"`
	Streams        int     `json:"streams"`
	StreamsStarted uint64  `json:"streamsStarted"`
	StreamsFailed  uint64  `json:"streamsFailed"`
	MediaHeld      int     `json:"mediaHeld"` // streams whose rings are in memory
	EventsPending  int     `json:"eventsPending"`
	EventsDropped  uint64  `json:"eventsDropped"`
	Goroutines     int     `json:"goroutines"`
	GOMAXPROCS     int     `json:"gomaxprocs"`
	GoHeapBytes    uint64  `json:"goHeapBytes"`
	GCCount        uint64  `json:"gcCount"`
	GCPauses       Latency `json:"gcPausesMs"`
	Lost           Lost    `json:"dropped"`
	Sum            Sum     `json:"sum"` // of the running streams
}

// Sum is a report without what has no sum.
type Sum struct {
	Report
	UUID     any `json:"uuid,omitempty"`
	Stream   any `json:"stream,omitempty"`
	UptimeMS any `json:"uptimeMs,omitempty"`
	State    any `json:"state,omitempty"`
	URL      any `json:"url,omitempty"`
	PingRTT  any `json:"pingRttMs,omitempty"`
}

// Lost is what was dropped since the module was loaded, by streams that have ended as well: drops are looked for afterwards.
type Lost struct {
	Frames      Dropped `json:"frames"`
	Texts       uint64  `json:"texts"`
	Events      uint64  `json:"events"`
	BadMessages uint64  `json:"badMessages"`
	Overflows   uint64  `json:"overflows"`
	UnplayedMS  int64   `json:"unplayedMs"`
}

// LostOf is what a report says of it.
func LostOf(r *Report) Lost {
	return Lost{Frames: r.FramesDropped, Texts: r.TextsDropped, Events: r.EventsDropped, BadMessages: r.BadMessages,
		Overflows: r.Overflows, UnplayedMS: r.UnplayedMS}
}

// Add sums another one up into this one.
func (l *Lost) Add(o Lost) {
	l.Frames.Add(&o.Frames)
	l.Texts += o.Texts
	l.Events += o.Events
	l.BadMessages += o.BadMessages
	l.Overflows += o.Overflows
	l.UnplayedMS += o.UnplayedMS
}
