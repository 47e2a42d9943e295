// Package check tests the stand-in host from outside, over its event socket and with a module made for the purpose
// (../selftest). Starting the host and speaking to it lives here; what is tested is in the other files.
package check

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mod_audio_stream/test/esl"
)

// slack is how long anything may take on a loaded machine before it counts as not happening.
const slack = 20 * time.Second

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// host is one running fshost with one connection to it.
type host struct {
	t      *testing.T
	cmd    *exec.Cmd
	conn   *esl.Conn
	addr   string
	dir    string
	stderr output
	stdout output
	outEnd chan struct{}
	exited chan error

	mu     sync.Mutex
	events []*esl.Event
	news   chan struct{}
	ended  bool
}

// output collects what the host prints, for several goroutines.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func binaries(t *testing.T) (hostBin, module string) {
	t.Helper()
	hostBin, module = os.Getenv("FSHOST"), os.Getenv("SELFTEST")
	if hostBin == "" || module == "" {
		t.Skip("run through `make test-host`, which builds the host and sets FSHOST and SELFTEST")
	}
	return hostBin, module
}

func start(t *testing.T, args ...string) *host {
	t.Helper()
	hostBin, module := binaries(t)
	h := &host{t: t, dir: t.TempDir(), exited: make(chan error, 1), outEnd: make(chan struct{}), news: make(chan struct{}, 1)}
	conf := filepath.Join(h.dir, "audio_stream.conf.xml")
	if err := os.WriteFile(conf, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	h.cmd = exec.Command(hostBin, append([]string{"--module", module, "--conf", conf, "--tmp", h.dir,
		"--log", filepath.Join(h.dir, "host.log")}, args...)...)
	h.cmd.Stderr = &h.stderr
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for h.addr == "" && lines.Scan() {
		h.addr = strings.TrimPrefix(lines.Text(), "fshost: listening on ")
	}
	go func() {
		defer close(h.outEnd)
		for lines.Scan() {
			fmt.Fprintln(&h.stdout, lines.Text())
		}
	}()
	go func() { <-h.outEnd; h.exited <- h.cmd.Wait() }()
	t.Cleanup(h.kill)
	if h.addr == "" {
		t.Fatalf("the host did not come up: %s", h.stderr.String())
	}
	h.conn = h.dial()
	return h
}

const settings = `<?xml version="1.0"?>
<!-- a comment with <tags> in it -->
<configuration name="audio_stream.conf" description="test">
  <settings>
    <param name="STREAM_BUFFER_SIZE" value="20"/>
    <!-- <param name="hidden" value="1"/> -->
    <param name="STREAM_EXTRA_HEADERS" value="{&quot;a&quot;:&quot;b &lt;&amp;&gt; &#xE9;&quot;}"/>
  </settings>
</configuration>
`

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), slack)
	t.Cleanup(cancel)
	return ctx
}

func (h *host) dial() *esl.Conn {
	h.t.Helper()
	conn, err := esl.Dial(within(h.t), h.addr, "ClueCon", h.onEvent)
	if err != nil {
		h.t.Fatal(err)
	}
	return conn
}

func (h *host) onEvent(e *esl.Event) {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// await returns the first event for which ok holds.
func (h *host) await(what string, ok func(*esl.Event) bool) *esl.Event {
	h.t.Helper()
	deadline := time.After(slack)
	for {
		h.mu.Lock()
		for _, e := range h.events {
			if ok(e) {
				h.mu.Unlock()
				return e
			}
		}
		h.mu.Unlock()
		select {
		case <-h.news:
		case <-deadline:
			h.t.Fatalf("no event: %s", what)
		}
	}
}

// send runs one API command and returns its reply, or an error when the host has gone.
func (h *host) send(cmd, args string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), slack)
	defer cancel()
	return h.conn.API(ctx, strings.TrimSpace(cmd+" "+args))
}

func (h *host) api(cmd, args string) string {
	h.t.Helper()
	r, err := h.send(cmd, args)
	if err != nil {
		h.t.Fatalf("api %s %s: %v\n%s", cmd, args, err, h.stderr.String())
	}
	return r
}

func (h *host) ok(cmd, args string) string {
	h.t.Helper()
	r := h.api(cmd, args)
	if !strings.HasPrefix(r, "+OK") {
		h.t.Fatalf("api %s %s: %q", cmd, args, r)
	}
	return strings.TrimSpace(strings.TrimPrefix(r, "+OK"))
}

func (h *host) originate(args string) string {
	h.t.Helper()
	return h.ok("host_originate", args)
}

func (h *host) listen(events string) {
	h.t.Helper()
	if err := h.conn.Listen(within(h.t), strings.Fields(events)...); err != nil {
		h.t.Fatal(err)
	}
}

// path names a file in the test's own folder.
func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// until polls a condition that only another process can change.
func (h *host) until(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(slack); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	h.t.Fatalf("never happened: %s", what)
}

type count struct {
	frames, bytes, replaced, rate, channels int
}

func (h *host) count(uuid string) (c count) {
	h.t.Helper()
	var rd, wr int
	r := h.api("selftest", uuid+" count")
	if _, err := fmt.Sscanf(r, "frames=%d bytes=%d rate=%d channels=%d replaced=%d inuse=%d/%d", &c.frames, &c.bytes,
		&c.rate, &c.channels, &c.replaced, &rd, &wr); err != nil {
		h.t.Fatalf("count: %q: %v", r, err)
	}
	return c
}

func (h *host) awaitFrames(uuid string, n int) count {
	h.t.Helper()
	var c count
	h.until(fmt.Sprintf("%d frames", n), func() bool { c = h.count(uuid); return c.frames >= n })
	return c
}

type sessionStats struct {
	Ticks, Late, ReadAudio, ReadCng, Held, WrittenHost, WrittenModule, WriteCollisions, WriteHeld, Emitted int
	DtmfSent                                                                                               string
}

func (h *host) stats(uuid string) (s sessionStats) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.api("host_stats", uuid)), &s); err != nil {
		h.t.Fatal(err)
	}
	return s
}

// samples reads 16-bit samples of a raw dump, or of a WAV file behind its header of 44 bytes.
func (h *host) samples(name string) []int16 {
	h.t.Helper()
	b, err := os.ReadFile(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	if strings.HasSuffix(name, ".wav") {
		b = b[44:]
	}
	s := make([]int16, len(b)/2)
	for i := range s {
		s[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return s
}

func (h *host) hangup(uuid string) {
	h.t.Helper()
	h.ok("uuid_kill", uuid)
	h.gone(uuid)
}

// gone waits until a session is destroyed: its files are whole then.
func (h *host) gone(uuid string) {
	h.t.Helper()
	h.until("end of the call", func() bool { return strings.HasPrefix(h.api("host_stats", uuid), "-ERR") })
}

// stop ends the host and insists on clean accounting.
func (h *host) stop() string {
	h.t.Helper()
	h.ok("fsctl", "shutdown")
	if err := h.wait(); err != nil {
		h.t.Fatalf("the host ended with %v\n%s", err, h.stderr.String())
	}
	if !strings.Contains(h.stdout.String(), "accounting clean") {
		h.t.Fatalf("no summary: %q", h.stdout.String())
	}
	return h.stdout.String()
}

func (h *host) wait() error {
	h.t.Helper()
	select {
	case err := <-h.exited:
		h.ended = true
		return err
	case <-time.After(slack):
		h.t.Fatalf("the host did not end\n%s", h.stderr.String())
		return nil
	}
}

func (h *host) kill() {
	if h.conn != nil {
		h.conn.Close()
	}
	if h.ended {
		return
	}
	_ = h.cmd.Process.Kill()
	<-h.exited
}
