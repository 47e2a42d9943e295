// Command macro measures what the module costs and how late it is, from outside: calls on a FreeSWITCH, or on the stand-in
// host, with and without streams, against a WebSocket server on the same machine.
//
//	go run ./test/bench/macro                              everything; figures go to build/bench/macro.json
//	go run ./test/bench/macro -switches freeswitch -sip 50 -phases 'parked,capture,duplex'
//	go run ./test/bench/macro -peer other=/path/mod_other.so
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/wsload"
	"mod_audio_stream/test/e2e/switchtest"
)

// options are the command line's.
type options struct {
	modules         []module
	fshost, dir     string
	out             string
	switches        []string
	sip, host       []int
	loopback        []int
	phases          []string
	rounds          int
	measure, settle time.Duration
	clears          int
	capacity        time.Duration
	floor           string
	states          string // of the Go side
	profiles        string
	config          map[string]string

	servers map[bool]*wsload.Server // by whether with TLS
	cannot  map[string]bool         // by module and phase: what a peer has failed in
}

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*options, error) {
	o := &options{config: map[string]string{}, cannot: map[string]bool{}}
	f := flag.NewFlagSet("macro", flag.ContinueOnError)
	build := f.String("build", "build", "folder with mod_audio_stream.so, test/fshost and bench/sendloop; results and logs go to bench in it")
	path := f.String("module", "", "our module; default <build>/mod_audio_stream.so")
	f.StringVar(&o.out, "out", "", "where the figures go; default <build>/bench/macro.json")
	switches := f.String("switches", "freeswitch,loopback,host", "what calls run on: freeswitch over SIP, loopback inside it, host; without a FreeSWITCH on the machine it is left out")
	sip := f.String("sip", "50,200", "numbers of SIP calls on FreeSWITCH")
	loopback := f.String("loopback", "50", "numbers of loopback calls on FreeSWITCH")
	host := f.String("host", "1,50,200,500,1000", "numbers of calls on the stand-in host")
	only := f.String("phases", "", "names of phases, separated by commas; default all (but for SIP calls: parked, capture, duplex)")
	f.IntVar(&o.rounds, "rounds", 5, "rounds; the modules take turns in each")
	f.DurationVar(&o.measure, "measure", 1200*time.Millisecond, "length of each measurement")
	f.DurationVar(&o.settle, "settle", 500*time.Millisecond, "wait before each measurement")
	f.IntVar(&o.clears, "clears", 100, "barge-ins to measure; 0: none")
	f.DurationVar(&o.capacity, "capacity", time.Minute, "longest search for how many loopback calls with a stream FreeSWITCH carries; 0: none")
	floor := f.Bool("floor", true, "run the bare send loop beside it")
	f.StringVar(&o.states, "callbacks", "all", "states of the Go side in which the media callbacks are timed on the stand-in host, separated by commas; none")
	f.StringVar(&o.profiles, "profile", "", "folder for profiles of the switch (perf record) in every phase of the first round")
	f.Func("set", "name=value: a setting of audio_stream.conf.xml; may be repeated", func(v string) error {
		name, value, ok := strings.Cut(v, "=")
		o.config[name] = value
		return need(ok, "name=value")
	})
	f.Func("peer", "name=/path/mod_x.so: another module with uuid_audio_stream or uuid_audio_fork; may be repeated", func(v string) error {
		name, path, ok := strings.Cut(v, "=")
		o.modules = append(o.modules, module{name: name, path: path, start: defaultStart})
		return need(ok, "name=path")
	})
	f.Func("peer-start", "name=arguments: a peer's start command, with {url} and {rate}, after the uuid", func(v string) error {
		name, args, ok := strings.Cut(v, "=")
		for i := range o.modules {
			if o.modules[i].name == name {
				o.modules[i].start = args
			}
		}
		return need(ok, "name=arguments")
	})
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if *path == "" {
		*path = filepath.Join(*build, "mod_audio_stream.so")
	}
	o.modules = append([]module{{name: ours, path: *path, command: "uuid_audio_stream", start: defaultStart}}, o.modules...)
	for i := range o.modules {
		if _, err := os.Stat(o.modules[i].path); err != nil {
			return nil, err
		}
		var err error
		if o.modules[i].path, err = filepath.Abs(o.modules[i].path); err != nil {
			return nil, err
		}
	}
	o.fshost = filepath.Join(*build, "test", "fshost")
	o.dir = filepath.Join(*build, "bench")
	if *floor {
		o.floor = filepath.Join(o.dir, "sendloop")
	}
	if o.out == "" {
		o.out = filepath.Join(o.dir, "macro.json")
	}
	if *only != "" {
		o.phases = strings.Split(*only, ",")
	}
	o.switches = strings.Split(*switches, ",")
	for _, kind := range o.switches {
		if !slices.Contains([]string{"freeswitch", "loopback", "host"}, kind) {
			return nil, fmt.Errorf("no kind of switch: %q", kind)
		}
	}
	for _, name := range o.phases {
		if !slices.ContainsFunc(phases, func(p phase) bool { return p.name == name }) {
			return nil, fmt.Errorf("no phase: %q", name)
		}
	}
	var err error
	o.sip, err = numbers(*sip)
	if err == nil {
		o.host, err = numbers(*host)
	}
	if err == nil {
		o.loopback, err = numbers(*loopback)
	}
	return o, err
}

func need(ok bool, form string) error {
	if !ok {
		return errors.New("expected " + form)
	}
	return nil
}

func numbers(list string) ([]int, error) {
	var all []int
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of calls", s)
		}
		all = append(all, n)
	}
	return all, nil
}

func run(o *options) error {
	debug.SetGCPercent(400) // fewer interruptions of the load
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	conf, err := certificate(o.dir)
	if err != nil {
		return err
	}
	o.servers = map[bool]*wsload.Server{}
	for _, c := range []*tls.Config{nil, conf} {
		s, err := wsload.Start(c)
		if err != nil {
			return err
		}
		defer s.Close()
		o.servers[c != nil] = s
	}
	file := describe(o)
	stolen, began := measure.Steal(), time.Now()
	err = o.all(ctx, file)
	file.Machine.StealShare = float64(measure.Steal()-stolen) / float64(time.Since(began)) / float64(file.Machine.Cores)
	return errors.Join(err, file.Write(o.out))
}

func certificate(dir string) (*tls.Config, error) {
	dir = filepath.Join(dir, "tls")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	ca, err := switchtest.NewAuthority(dir)
	if err != nil {
		return nil, err
	}
	return ca.Server(false, "127.0.0.1")
}
