// Package results is what a run of the benchmark leaves behind: figures of every phase of every round, as they were read.
// What is made of them is the report's.
package results

import (
	"encoding/json"
	"os"
)

// File is one run.
type File struct {
	Machine Machine
	Rounds  int
	Phase   float64 // s, of each measurement
	Command string  // that repeats it
	Runs    []Run
	Clears  []Clear `json:",omitempty"`
	Floor   []Floor `json:",omitempty"`

	Callbacks []Callbacks `json:",omitempty"`
	Capacity  []Step      `json:",omitempty"`
}

// Step is one of the numbers of calls at which the search for the most that are carried stopped to look.
type Step struct {
	Calls        int
	Frames, Lost uint64  // captured, as the server saw them
	Dropped      uint64  // by the module
	Busy         float64 // percent of the machine
	P99          float64 // ms, inside the module
	Without      float64 // percent of the machine that the same calls took without streams
	Why          string  `json:",omitempty"` // it is too many
}

// Callbacks is how long the media callbacks took on the stand-in host while the Go side was in a state.
type Callbacks struct {
	State             string
	Calls             int
	Read, Write, Late Times
	Nothing           Times   // a microsecond in which the media thread does nothing, behind each callback
	GCs               float64 // per second
	Processor         float64 // percent of one, that the host took
}

// Times is a distribution as the stand-in host words it, ns.
type Times struct {
	Count uint64 `json:"count"`
	P50   uint64 `json:"p50Ns"`
	P99   uint64 `json:"p99Ns"`
	P999  uint64 `json:"p999Ns"`
	Max   uint64 `json:"maxNs"`
}

// Machine says on what.
type Machine struct {
	CPU, Kernel, OS  string
	Cores            int
	MemoryMB         int
	Go, FreeSWITCH   string
	Commit           string
	Date             string
	StealShare       float64 // of all CPU time, by the hypervisor, while it ran
	OtherLoadAtBegin float64 // 1 minute load average before the first phase
	ModuleSize       int64
}

// Run is one phase of one round.
type Run struct {
	Switch string // freeswitch, host
	Module string // ours, or a peer's name
	Calls  int
	Round  int
	Phase  string

	CPU         float64 // ms of the switch's process per call and second
	Voluntary   float64 // context switches per call and second
	Involuntary float64
	Threads     int
	RSS         int64 // bytes, of the process

	Capture Direction
	Play    Direction
	Load    float64 // percent of one processor, that callers and server took
	Inside  *Module `json:",omitempty"`
	Late    int     // times the load was more than 5 ms late
	Failed  string  `json:",omitempty"`
}

// Direction is what came through in one direction. Latencies are ms; NaN has no place in JSON, so absent is 0 frames.
type Direction struct {
	Frames, Lost, Repeated, Silent, Other uint64
	P50, P99, Max                         float64
}

// Module is what our own module says of itself.
type Module struct {
	Goroutines, GCs        int
	HeapKB                 int
	CaptureP50, CaptureP99 float64 // ms, media thread to socket
	CaptureMax             float64
	Underruns, Dropped     uint64 // of a phase: in the time measured
	GCPauseP99             float64
	// Before it, while the phase's streams began: all of them within a second or two.
	UnderrunsBefore, DroppedBefore uint64
}

// Clear is the time from the server's clear to the last sound at the caller, ms.
type Clear struct {
	Switch, Module string
	Calls, N       int
	P50, P99, Max  float64
	Failed         int // not silent in time
}

// Floor is the bare send loop: ms of CPU per stream and second.
type Floor struct {
	Streams, Round int
	WindowMS       int // 0: frame by frame
	CPU            float64
	Switches       float64
}

// Write puts the file to path.
func (f *File) Write(path string) error {
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Read gets it back.
func Read(path string) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := new(File)
	return f, json.Unmarshal(b, f)
}
