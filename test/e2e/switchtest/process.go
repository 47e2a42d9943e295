// Child processes: started in the foreground with their output in a file, ended by their pid, never by name.

package switchtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one child.
type process struct {
	cmd    *exec.Cmd
	output *os.File
	done   chan struct{}

	mu  sync.Mutex
	err error
}

// startProcess runs a program with stdout and stderr in the file at path. The child is killed should the test process
// die before it.
func startProcess(path string, env []string, program string, args ...string) (*process, error) {
	out, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(program, args...), output: out, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error, 1)
	// Pdeathsig goes by the thread that forked: the thread must live as long as the child, so the goroutine that
	// waits keeps it.
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = p.cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		_ = out.Close()
		close(p.done)
	}()
	if err := <-started; err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("cannot start %s: %w", program, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// exitError says how the process ended; nil for status 0 and while it runs.
func (p *process) exitError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// waitExit waits up to d; false when the process still runs.
func (p *process) waitExit(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}

// stop asks with SIGTERM, waits up to grace, then kills. The error says when it had to be killed or ended badly.
func (p *process) stop(grace time.Duration) error {
	if !p.exited() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if !p.waitExit(grace) {
			_ = p.cmd.Process.Signal(syscall.SIGABRT) // a core, if the system keeps them, shows where it hung
			if !p.waitExit(2 * time.Second) {
				_ = p.cmd.Process.Kill()
				<-p.done
			}
			return fmt.Errorf("%s (pid %d) did not end within %s of SIGTERM and was killed; its output: %s",
				p.cmd.Path, p.pid(), grace, p.output.Name())
		}
	}
	if err := p.exitError(); err != nil {
		return fmt.Errorf("%s ended with %w; its output ends: %s", p.cmd.Path, err, tail(p.output.Name(), 1500))
	}
	return nil
}

// tail is the end of a file, for messages.
func tail(path string, limit int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(b) > limit {
		b = b[len(b)-limit:]
	}
	return strings.TrimSpace(string(b))
}

// freePort finds a port nobody listens on now, over UDP and TCP, for a program that cannot pick its own. It lies below the
// ephemeral ones, of which any connection may take one until that program is up, and below those for RTP.
func freePort() (int, error) {
	var err error
	for range 100 {
		if port := 6000 + rand.IntN(6000); free(port, &err) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port: %w", err)
}

func free(port int, err *error) bool {
	l, e := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if e != nil {
		*err = e
		return false
	}
	defer l.Close()
	c, e := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if e != nil {
		*err = e
		return false
	}
	_ = c.Close()
	return true
}
