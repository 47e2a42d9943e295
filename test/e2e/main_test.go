// Package e2e runs the module as its users do: calls on a switch, WebSocket servers at the other end. Every case runs on
// the stand-in host and, where one is installed, on a real FreeSWITCH.
//
//	go test ./test/e2e                                  everything that can run here
//	go test ./test/e2e -run 'TestE2E/freeswitch/mark'   some cases on one backend
//	E2E_LONG=1 go test ./test/e2e -run Long -timeout 10m   20 calls for 60 s
//
// AUDIO_STREAM_SO and FSHOST name the module and the stand-in host (defaults: build/mod_audio_stream.so and
// build/test/fshost), E2E_BACKENDS the backends (host,freeswitch). Logs are left in build/test/e2e.
//
// This file holds the frame: paths, backends, the run of the table and the summary.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mod_audio_stream/test/e2e/switchtest"
)

// testcase is one row of the table.
type testcase struct {
	name string
	run  func(e *env)
	// alone keeps other cases away: it looks at, or changes, what belongs to the whole module.
	alone bool
	// own gives the case a switch of its own, for it ends or unloads the shared one.
	own bool
	// config holds XML settings for an own switch.
	config map[string]string
	// only names the one backend that can show it; why says the reason.
	only, why string
	// limit bounds the case; 0: caseLimit.
	limit time.Duration
}

const caseLimit = 45 * time.Second

// backend starts one kind of switch.
type backend struct {
	name  string
	start func(ctx context.Context, o startOptions) (switchtest.Switch, error)
	skip  func() string // why it cannot run here; "" when it can
}

type startOptions struct {
	dir    string
	config map[string]string
}

var paths struct{ module, fshost, logs string }

var summary struct {
	sync.Mutex
	lines []string
}

func note(format string, args ...any) {
	summary.Lock()
	defer summary.Unlock()
	summary.lines = append(summary.lines, fmt.Sprintf(format, args...))
}

func TestMain(m *testing.M) {
	code := setUp()
	if code == 0 {
		code = m.Run()
	}
	for _, line := range summary.lines {
		fmt.Println("e2e:", line)
	}
	os.Exit(code)
}

func setUp() int {
	wd, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := filepath.Join(wd, "..", "..", "build")
	pick := func(variable, fallback string) string {
		if v := os.Getenv(variable); v != "" {
			if abs, err := filepath.Abs(v); err == nil {
				return abs
			}
			return v
		}
		return fallback
	}
	paths.module = pick("AUDIO_STREAM_SO", filepath.Join(build, "mod_audio_stream.so"))
	paths.fshost = pick("FSHOST", filepath.Join(build, "test", "fshost"))
	paths.logs = filepath.Join(build, "test", "e2e")
	if !claim(paths.logs) { // another run is at work there
		paths.logs = fmt.Sprintf("%s-%d", paths.logs, os.Getpid())
		note("another run uses build/test/e2e; the logs of this one are in %s", paths.logs)
	}
	if _, err := os.Stat(paths.module); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: no module at %s: run make first, or set AUDIO_STREAM_SO\n", paths.module)
		return 1
	}
	if err := os.MkdirAll(paths.logs, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return 0
}

// claim locks the folder of logs for this process; the lock ends with it.
func claim(dir string) bool {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return true // setUp says so
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return true
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return false
	}
	lockFile = f // kept open: closing it gives the lock back
	return true
}

var lockFile *os.File

func backends() []backend {
	return []backend{
		{
			name: "host",
			start: func(ctx context.Context, o startOptions) (switchtest.Switch, error) {
				return switchtest.StartStandIn(ctx, switchtest.StandInOptions{
					Program: paths.fshost, Module: paths.module, Dir: o.dir, Config: o.config})
			},
			skip: func() string {
				if _, err := os.Stat(paths.fshost); err != nil {
					return fmt.Sprintf("no stand-in host at %s: run make test, or set FSHOST", paths.fshost)
				}
				return ""
			},
		},
		{
			name: "freeswitch",
			start: func(ctx context.Context, o startOptions) (switchtest.Switch, error) {
				return switchtest.StartFreeSWITCH(ctx, switchtest.FreeSWITCHOptions{
					Module: paths.module, Dir: o.dir, Config: o.config})
			},
			skip: func() string {
				if _, err := switchtest.FindFreeSWITCH(); err != nil {
					return err.Error()
				}
				return ""
			},
		},
	}
}

// wanted gives the backends that can run, noting the others once.
var wanted = sync.OnceValue(func() []backend {
	var out []backend
	chosen := strings.Split(os.Getenv("E2E_BACKENDS"), ",")
	for _, b := range backends() {
		if os.Getenv("E2E_BACKENDS") != "" && !slices.Contains(chosen, b.name) {
			note("%s: skipped, E2E_BACKENDS is %q", b.name, os.Getenv("E2E_BACKENDS"))
			continue
		}
		if why := b.skip(); why != "" {
			note("%s: skipped, %s", b.name, why)
			continue
		}
		out = append(out, b)
	}
	return out
})

// table joins the cases of all files.
func table() []testcase {
	return slices.Concat(startCases, commandCases, captureCases, rateCases, eventCases, playbackCases, fileCases, queueCases,
		handshakeCases, tlsCases, controlCases, reconnectCases, configCases, moduleCases, lifeCases, driftCases, recordCases(), whereCases, exactCases, spectrumCases, matrixCases, bargeCases, secretCases)
}

func TestE2E(t *testing.T) {
	available := wanted()
	if len(available) == 0 {
		t.Fatal("no backend can run; see the summary")
	}
	for _, b := range available {
		t.Run(b.name, func(t *testing.T) { runTable(t, b) })
	}
}

// runTable starts the shared switch and runs every case on it, or on one of its own.
func runTable(t *testing.T, b backend) {
	var passed, failed, skipped int
	var failures []string
	var mu sync.Mutex
	shared := startSwitch(t, b, "shared", startOptions{})
	t.Cleanup(func() {
		note("%s: %d passed, %d failed, %d skipped%s", b.name, passed, failed, skipped, strings.Join(failures, ""))
	})
	for _, c := range table() {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case t.Failed():
					failed++
					failures = append(failures, "\n       failed: "+b.name+"/"+c.name)
				case t.Skipped():
					skipped++
				default:
					passed++
				}
			})
			if c.only != "" && c.only != b.name {
				t.Skipf("only on %s: %s", c.only, c.why)
			}
			sw := shared
			switch {
			case c.own:
				sw = startSwitch(t, b, c.name, startOptions{config: c.config})
			case !c.alone:
				t.Parallel()
			}
			runCase(t, sw, c)
		})
	}
}

func runCase(t *testing.T, sw switchtest.Switch, c testcase) {
	limit := c.limit
	if limit == 0 {
		limit = caseLimit
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	e := &env{T: t, ctx: ctx, sw: sw, mayEnd: c.own}
	t.Cleanup(e.collect)
	select {
	case <-sw.Exited():
		t.Fatalf("%s has ended before this case: %v; see %s", sw.Name(), sw.ExitError(), sw.LogFile())
	default:
	}
	c.run(e)
}

// startSwitch starts a backend and has it closed, and its end checked, when the test is over.
func startSwitch(t *testing.T, b backend, name string, o startOptions) switchtest.Switch {
	t.Helper()
	o.dir = filepath.Join(paths.logs, b.name, name)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	sw, err := b.start(ctx, o)
	if errors.Is(err, switchtest.ErrNoFreeSWITCH) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("cannot start %s: %v", b.name, err)
	}
	t.Cleanup(func() {
		if err := sw.Close(); err != nil {
			t.Errorf("%s did not end well: %v", b.name, err)
		}
	})
	return sw
}
