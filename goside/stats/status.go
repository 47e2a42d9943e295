package stats

// Status is the module's figures: the sum over its streams, and what the Go side itself uses.
type Status struct {
	Version        string  `json:"version"`
	UptimeMS       int64   `json:"uptimeMs"`
	Streams        int     `json:"streams"`
	StreamsStarted uint64  `json:"streamsStarted"`
	StreamsFailed  uint64  `json:"streamsFailed"`
	EventsPending  int     `json:"eventsPending"`
	EventsDropped  uint64  `json:"eventsDropped"`
	Goroutines     int     `json:"goroutines"`
	GOMAXPROCS     int     `json:"gomaxprocs"`
	GoHeapBytes    uint64  `json:"goHeapBytes"`
	GCCount        uint64  `json:"gcCount"`
	GCPauses       Latency `json:"gcPausesMs"`
	Sum            Sum     `json:"sum"`
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
