// Command torture does to the module what servers, callers and operators do to it, and worse, and wants no call to notice.
// It runs on the stand-in host or on a real FreeSWITCH and prints a table: case, runs, survived, leaks, worst pause of
// media.
//
//	go run ./test/torture                              every case on the stand-in host, bounded: about three minutes
//	go run ./test/torture -backend freeswitch          the same on FreeSWITCH
//	go run ./test/torture -full                        the long form: each case many times, long stalls, minutes of each churn
//	go run ./test/torture -only 'masked|churn'         some cases, by a regular expression
//	go run ./test/torture -backend freeswitch -only '^mixed churn$' -churn 60m -rate 20
//	                                                   an hour of calls at a steady rate: does memory stay flat?
//
// All along, a call that has nothing to do with it, the witness, streams both ways. What is asserted of every case: the
// right last event, once; the victim's call goes on, another stream on it gets every sample, and its caller hears that
// stream's server without a pause; so does the witness's; the switch's memory stays within the case's bound; and
// afterwards goroutines, threads, file descriptors, temporary files, streams, their rings, events and sessions are back to
// what they were.
//
// Pauses are bounded by 300 ms and three times what a thread of this program had to wait for the machine, which the table
// shows: on a machine that is busy with something else, everything is late.
//
//	main.go      flags, the run of the table
//	torture.go   one case on one victim: what it works with and what is checked behind it
//	round.go     what a case works with
//	witness.go   the witness, and how pauses are measured
//	stall.go     how long the machine itself stood still
//	usage.go     what the switch's process uses
//	mixed.go     calls at a steady rate; flat.go what the process uses meanwhile, as a series and its slope
//	position.go  where in the caller's speech a message is from: what is missing, and how late it is
//	server.go    servers that misbehave before or after the handshake
//	*_cases.go   the cases
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"mod_audio_stream/test/e2e/switchtest"
)

type options struct {
	backend, module, fshost, dir string
	full                         bool
	only                         *regexp.Regexp
	churn                        time.Duration // of each kind of churn
	rate                         int           // calls a second of mixed churn
	pause                        time.Duration // the longest that media of others may stand still
}

func main() {
	var o options
	var only string
	flag.StringVar(&o.backend, "backend", "host", "host or freeswitch")
	flag.StringVar(&o.module, "module", "build/mod_audio_stream.so", "the module")
	flag.StringVar(&o.fshost, "fshost", "build/test/fshost", "the stand-in host")
	flag.StringVar(&o.dir, "dir", "build/test/torture", "folder for logs; made anew")
	flag.BoolVar(&o.full, "full", false, "the long form")
	flag.StringVar(&only, "only", "", "regular expression of the cases to run")
	flag.DurationVar(&o.churn, "churn", 0, "how long each kind of churn lasts (4s; with -full 5m)")
	flag.IntVar(&o.rate, "rate", 20, "calls a second of mixed churn")
	flag.DurationVar(&o.pause, "pause", 300*time.Millisecond, "longest pause in the media of others")
	flag.Parse()
	if o.churn == 0 {
		if o.churn = 4 * time.Second; o.full {
			o.churn = 5 * time.Minute
		}
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		fmt.Fprintln(os.Stderr, "torture: -only:", err)
		os.Exit(2)
	}
	for _, path := range []*string{&o.module, &o.fshost, &o.dir} {
		if *path, err = filepath.Abs(*path); err != nil {
			fmt.Fprintln(os.Stderr, "torture:", err)
			os.Exit(2)
		}
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	failed, err := run(ctx, o)
	if errors.Is(err, switchtest.ErrNoFreeSWITCH) {
		fmt.Println("torture: skipped:", err)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// start starts a switch of the kind asked for. program takes the place of the stand-in host's.
func (o options) start(ctx context.Context, name, program string, config map[string]string) (switchtest.Switch, error) {
	dir := filepath.Join(o.dir, name)
	if o.backend == "freeswitch" {
		sw, err := switchtest.StartFreeSWITCH(ctx, switchtest.FreeSWITCHOptions{Module: o.module, Dir: dir, Config: config})
		if err != nil {
			return nil, err // and not a nil of that type
		}
		return sw, nil
	}
	if program == "" {
		program = o.fshost
	}
	sw, err := switchtest.StartStandIn(ctx, switchtest.StandInOptions{Program: program, Module: o.module, Dir: dir, Config: config})
	if err != nil {
		return nil, err
	}
	return sw, nil
}

func run(ctx context.Context, o options) (failed bool, err error) {
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return true, err
	}
	table := &table{}
	// A switch for each kind: the longer one runs, the longer the driver looks through what it has fired.
	for _, group := range []struct {
		name  string
		cases []scenario
	}{
		{"handshake", handshakeCases()}, {"connection", connectionCases()}, {"messages", messageCases()},
		{"tls", tlsCases()}, {"reconnect", reconnectCases()}, {"backpressure", backpressureCases()}, {"churn", churnCases()},
	} {
		cases := o.pick(group.cases)
		if len(cases) == 0 {
			continue
		}
		t, err := begin(ctx, o, group.name)
		if err != nil {
			return true, err
		}
		for _, s := range cases {
			table.add(t.runScenario(ctx, s))
		}
		table.add(t.end(ctx))
	}
	for _, s := range o.pick(slices.Concat(processCases(), operatorCases(), manyCases())) {
		table.add(runOwn(ctx, o, s))
	}
	return table.failed(), nil
}

// pick gives the cases that are wanted and can be shown here.
func (o options) pick(cases []scenario) (out []scenario) {
	for _, s := range cases {
		if o.only.MatchString(s.name) && (s.only == "" || s.only == o.backend) {
			out = append(out, s)
		}
	}
	return out
}

// row is one line of the table.
type row struct {
	name           string
	runs, survived int
	leaks          string
	ear, server    time.Duration // worst pause of the witness
	machine        time.Duration // longest that a thread of the driver was kept waiting
	rss            int64         // most that the process grew by, bytes
	faults         []string
}

type table struct{ rows []row }

func (t *table) add(r row) {
	if len(t.rows) == 0 {
		fmt.Printf("%-62s %5s %8s %9s %11s %10s %9s  %s\n", "case", "runs", "survived", "ear", "server", "machine", "memory", "leaks")
	}
	t.rows = append(t.rows, r)
	if r.leaks == "" {
		r.leaks = "none"
	}
	fmt.Printf("%-62s %5d %8d %6d ms %8d ms %7d ms %5.1f MiB  %s\n", r.name, r.runs, r.survived, r.ear.Milliseconds(), r.server.Milliseconds(),
		r.machine.Milliseconds(), float64(r.rss)/(1<<20), r.leaks)
	for i, f := range r.faults {
		if i == 10 {
			fmt.Printf("    … and %d more\n", len(r.faults)-i)
			break
		}
		fmt.Println("    " + f)
	}
}

func (t *table) failed() bool {
	runs, bad := 0, 0
	for _, r := range t.rows {
		runs += r.runs
		if len(r.faults) > 0 || r.leaks != "" || r.survived < r.runs {
			bad++
		}
	}
	fmt.Printf("torture: %d cases, %d runs, %d cases with faults\n", len(t.rows), runs, bad)
	return bad > 0 || len(t.rows) == 0
}
