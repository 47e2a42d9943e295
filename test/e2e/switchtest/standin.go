// The stand-in host as a Switch: a child process that loads the module and runs calls in real time (test/host). One call
// of it is in standincall.go.

package switchtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/esl"
)

// StandInOptions say how it is started.
type StandInOptions struct {
	Program string   // path of fshost
	Module  string   // path of mod_audio_stream.so
	Dir     string   // folder for its files and logs; made anew
	Args    []string // further arguments, e.g. --threads-fifo
	Config  map[string]string
}

// StandIn is a running stand-in host.
type StandIn struct {
	options StandInOptions
	proc    *process
	socket  *eventSocket

	mu       sync.Mutex
	counters map[string]string // WAV files made for sources, by what is in them

	closing  sync.Once
	closeErr error
}

var listening = regexp.MustCompile(`fshost: listening on (\S+)`)

// StartStandIn starts the host and returns once it takes commands.
func StartStandIn(ctx context.Context, o StandInOptions) (*StandIn, error) {
	if err := os.RemoveAll(o.Dir); err != nil {
		return nil, err
	}
	for _, name := range []string{"tmp", "sound"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	h := &StandIn{options: o, counters: map[string]string{}}
	if err := writeStandInConfig(h.configFile(), o.Config); err != nil {
		return nil, err
	}
	args := append([]string{"--module", o.Module, "--conf", h.configFile(), "--port", "0", "--log", h.LogFile(), "--tmp", h.TempDir()}, o.Args...)
	var err error
	if h.proc, err = startProcess(h.output(), nil, o.Program, args...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	addr, err := h.address(ctx)
	if err == nil {
		h.socket, err = openEventSocket(ctx, addr, h.proc.done)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the stand-in host did not come up: %w; its output: %s", err, tail(h.output(), 2000)), h.Close())
	}
	return h, nil
}

func (h *StandIn) configFile() string { return filepath.Join(h.options.Dir, "audio_stream.conf.xml") }
func (h *StandIn) output() string     { return filepath.Join(h.options.Dir, "output.log") }

// address waits for the line that says where the event socket is.
func (h *StandIn) address(ctx context.Context) (string, error) {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		b, err := os.ReadFile(h.output())
		if err != nil {
			return "", err
		}
		if m := listening.FindSubmatch(b); m != nil && bytes.Contains(b, []byte("\n")) {
			return string(m[1]), nil
		}
		select {
		case <-poll.C:
		case <-h.proc.done:
			return "", errors.New("it ended at start")
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// writeStandInConfig writes audio_stream.conf.xml.
func writeStandInConfig(path string, settings map[string]string) error {
	var b bytes.Buffer
	b.WriteString("<configuration name=\"audio_stream.conf\">\n  <settings>\n")
	for _, s := range sortedSettings(settings) {
		b.WriteString("    <param name=\"")
		_ = xml.EscapeText(&b, []byte(s.Name)) // a buffer takes everything
		b.WriteString("\" value=\"")
		_ = xml.EscapeText(&b, []byte(s.Value))
		b.WriteString("\"/>\n")
	}
	b.WriteString("  </settings>\n</configuration>\n")
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// Name is "host".
func (*StandIn) Name() string { return "host" }

// API runs one API command.
func (h *StandIn) API(ctx context.Context, command string) (string, error) {
	return h.socket.API(ctx, command)
}

// Dial makes another connection for commands.
func (h *StandIn) Dial(ctx context.Context) (*esl.Conn, error) { return h.socket.Dial(ctx) }

// Events is the log of events.
func (h *StandIn) Events() *EventLog { return h.socket.log }

// SetConfig rewrites the XML and lets the host read it.
func (h *StandIn) SetConfig(ctx context.Context, settings map[string]string) error {
	if err := writeStandInConfig(h.configFile(), settings); err != nil {
		return err
	}
	reply, err := h.API(ctx, "reloadxml")
	if err == nil && !strings.HasPrefix(reply, "+OK") {
		err = fmt.Errorf("reloadxml: %s", reply)
	}
	return err
}

// Pid is the process id.
func (h *StandIn) Pid() int { return h.proc.pid() }

// TempDir is the host's --tmp.
func (h *StandIn) TempDir() string { return filepath.Join(h.options.Dir, "tmp") }

// LogFile is the host's --log.
func (h *StandIn) LogFile() string { return filepath.Join(h.options.Dir, "fshost.log") }

// Exited is closed when the host has ended.
func (h *StandIn) Exited() <-chan struct{} { return h.proc.done }

// ExitError says how it ended.
func (h *StandIn) ExitError() error { return h.proc.exitError() }

// Close ends the host, which checks its accounts: locks held, objects leaked, threads left.
func (h *StandIn) Close() error {
	h.closing.Do(func() {
		h.closeErr = h.proc.stop(30 * time.Second)
		if h.socket != nil {
			h.socket.Close()
		}
	})
	return h.closeErr
}

// sourceSpec gives the host's name for a source, writing a file where it has none for it.
func (h *StandIn) sourceSpec(s Source, rate int) (string, error) {
	if s == nil {
		return "silence", nil
	}
	switch spec := s.Spec(); spec {
	case "nobody":
		return "silence", nil
	case "silence":
		return "zeros", nil
	case "counter": // the host's own counts through zero; ours is a loop of one round
		return h.wav("loop:", "counter", Count(1, counterLast), rate)
	case "":
		given, ok := s.(*Samples)
		if !ok {
			return "", fmt.Errorf("source %T has no name for the stand-in host", s)
		}
		return h.wav("", fmt.Sprintf("samples-%p", given), given.PCM, rate)
	default:
		if tone, ok := s.(*Tone); ok {
			// A second of a whole number of periods, so that the loop has no click.
			return h.wav("loop:", fmt.Sprintf("tone-%g-%g", tone.Hz, tone.Amplitude), agent.SineWave(tone.Hz, rate, rate, tone.Amplitude), rate)
		}
		return spec, nil
	}
}

// wav writes samples to a file once and names it.
func (h *StandIn) wav(prefix, name string, samples []int16, rate int) (string, error) {
	key := fmt.Sprintf("%s-%d", name, rate)
	h.mu.Lock()
	defer h.mu.Unlock()
	if path, ok := h.counters[key]; ok {
		return prefix + path, nil
	}
	path := filepath.Join(h.options.Dir, "sound", key+".wav")
	if err := agent.WriteWAV(path, samples, rate, 1); err != nil {
		return "", err
	}
	h.counters[key] = path
	return prefix + path, nil
}

// readGrowing reads the samples of a WAV file that is still being written; its header may be behind.
func readGrowing(path string) ([]int16, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const header = 44
	if _, err := f.Seek(header, io.SeekStart); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(bufio.NewReader(f))
	return agent.Samples(b), err
}
