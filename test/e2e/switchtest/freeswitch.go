// The real FreeSWITCH as a Switch: found on the machine, started as a child with a configuration of its own in a
// temporary folder, called over SIP.

package switchtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mod_audio_stream/test/esl"
)

// ErrNoFreeSWITCH says that there is none on this machine.
var ErrNoFreeSWITCH = errors.New("no FreeSWITCH found: neither FREESWITCH_PREFIX, nor pkg-config freeswitch, nor /usr/local/freeswitch names one")

// FreeSWITCHOptions say how it is started.
type FreeSWITCHOptions struct {
	Module string   // path of mod_audio_stream.so
	Dir    string   // folder for its files and logs; made anew
	NoLoad bool     // the module is not loaded at start; the harness' own tests need none
	Args   []string // further arguments, e.g. -np
	Env    []string // further environment
	Config map[string]string
}

// FreeSWITCH is a running FreeSWITCH.
type FreeSWITCH struct {
	prefix  string
	options FreeSWITCHOptions
	conf    freeswitchConf
	proc    *process
	socket  *eventSocket
	sip     *userAgent

	closing  sync.Once
	closeErr error
}

// bootTimeout is how long FreeSWITCH may take to answer on its event socket; it takes two seconds on an idle machine.
const bootTimeout = 60 * time.Second

// FindFreeSWITCH gives the installation prefix.
func FindFreeSWITCH() (string, error) {
	candidates := []string{os.Getenv("FREESWITCH_PREFIX")}
	if candidates[0] == "" {
		if out, err := exec.Command("pkg-config", "--variable=prefix", "freeswitch").Output(); err == nil {
			candidates = append(candidates, strings.TrimSpace(string(out)))
		}
		candidates = append(candidates, "/usr/local/freeswitch")
	}
	for _, prefix := range candidates {
		if prefix == "" {
			continue
		}
		if info, err := os.Stat(filepath.Join(prefix, "bin", "freeswitch")); err == nil && info.Mode()&0o111 != 0 {
			return prefix, nil
		}
	}
	return "", ErrNoFreeSWITCH
}

// modulesDir is where the installation keeps its modules.
func modulesDir(prefix string) (string, error) {
	candidates := []string{filepath.Join(prefix, "mod"), filepath.Join(prefix, "lib", "freeswitch", "mod")}
	if out, err := exec.Command("pkg-config", "--variable=modulesdir", "freeswitch").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(out)))
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, "mod_sofia.so")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no mod_sofia.so in %s: the FreeSWITCH at %s cannot take SIP calls", strings.Join(candidates, ", "), prefix)
}

// StartFreeSWITCH starts FreeSWITCH and returns once it takes commands. ErrNoFreeSWITCH when there is none.
func StartFreeSWITCH(ctx context.Context, o FreeSWITCHOptions) (*FreeSWITCH, error) {
	prefix, err := FindFreeSWITCH()
	if err != nil {
		return nil, err
	}
	f := &FreeSWITCH{prefix: prefix, options: o}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	d := func(name string) string { return filepath.Join(o.Dir, name) }
	args := []string{"-nf", "-nc", "-nonat", "-conf", d("conf"), "-log", d("log"), "-db", d("db"), "-run", d("run"),
		"-mod", d("mod"), "-temp", d("tmp"), "-storage", d("storage"), "-recordings", d("recordings"), "-cache", d("cache"),
		"-certs", d("certs"), "-htdocs", d("htdocs"), "-scripts", d("scripts"), "-grammar", d("grammar"), "-sounds", d("sounds")}
	f.proc, err = startProcess(d("output.log"), o.Env, filepath.Join(prefix, "bin", "freeswitch"), append(args, o.Args...)...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	if err := f.await(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("FreeSWITCH did not come up: %w; its log ends: %s", err, tail(f.LogFile(), 2000)), f.Close())
	}
	return f, nil
}

// prepare makes the folders, the configuration and the module folder.
func (f *FreeSWITCH) prepare() error {
	o := f.options
	if err := os.RemoveAll(o.Dir); err != nil {
		return err
	}
	for _, name := range []string{"conf", "log", "db", "run", "mod", "tmp", "storage", "recordings", "cache", "certs", "htdocs", "scripts", "grammar", "sounds"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, name), 0o755); err != nil {
			return err
		}
	}
	from, err := modulesDir(f.prefix)
	if err != nil {
		return err
	}
	modules := []string{"mod_logfile", "mod_commands", "mod_dptools", "mod_dialplan_xml", "mod_event_socket", "mod_loopback",
		"mod_sndfile", "mod_tone_stream", "mod_native_file", "mod_sofia"}
	for _, name := range []string{"mod_conference", "mod_local_stream", "mod_tts_commandline"} { // cases that want one that is missing are skipped
		if _, err := os.Stat(filepath.Join(from, name+".so")); err == nil {
			modules = append(modules, name)
		}
	}
	for _, name := range modules {
		if err := os.Symlink(filepath.Join(from, name+".so"), filepath.Join(o.Dir, "mod", name+".so")); err != nil {
			return err
		}
	}
	so, err := filepath.Abs(o.Module)
	if err != nil {
		return err
	}
	if err := os.Symlink(so, filepath.Join(o.Dir, "mod", "mod_audio_stream.so")); err != nil {
		return err
	}
	if !o.NoLoad {
		modules = append(modules, "mod_audio_stream")
	}
	f.conf = freeswitchConf{Password: eventSocketPassword, Modules: modules, LogDir: filepath.Join(o.Dir, "log"), Settings: sortedSettings(o.Config)}
	if f.conf.EventPort, err = freePort(); err != nil {
		return err
	}
	for f.conf.SIPPort == 0 || f.conf.SIPPort == f.conf.EventPort {
		if f.conf.SIPPort, err = freePort(); err != nil {
			return err
		}
	}
	// Several FreeSWITCHes may run at a time; each takes another window of RTP ports, below the ephemeral ones.
	f.conf.RTPStart = 12000 + 1000*((os.Getpid()+f.conf.SIPPort)%20)
	f.conf.RTPEnd = f.conf.RTPStart + 998
	return f.conf.write(filepath.Join(o.Dir, "conf", "freeswitch.xml"))
}

// await connects and waits until the modules and the SIP profile are up.
func (f *FreeSWITCH) await(ctx context.Context) error {
	var err error
	f.socket, err = openEventSocket(ctx, fmt.Sprintf("127.0.0.1:%d", f.conf.EventPort), f.proc.done)
	if err != nil {
		return err
	}
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		status, err := f.API(ctx, "sofia status profile e2e")
		if err != nil {
			return err
		}
		ready, err := f.API(ctx, "status")
		if err != nil {
			return err
		}
		if strings.Contains(status, "CALLS-IN") && strings.Contains(ready, "is ready") {
			break
		}
		select {
		case <-poll.C:
		case <-f.proc.done:
			return errors.New("it ended while starting")
		case <-ctx.Done():
			return fmt.Errorf("the SIP profile is not up: %w", ctx.Err())
		}
	}
	f.sip, err = newUserAgent(f.conf.SIPPort)
	return err
}

// Name is "freeswitch".
func (*FreeSWITCH) Name() string { return "freeswitch" }

// Prefix is the folder FreeSWITCH is installed in.
func (f *FreeSWITCH) Prefix() string { return f.prefix }

// API runs one API command.
func (f *FreeSWITCH) API(ctx context.Context, command string) (string, error) {
	return f.socket.API(ctx, command)
}

// Dial makes another connection for commands.
func (f *FreeSWITCH) Dial(ctx context.Context) (*esl.Conn, error) { return f.socket.Dial(ctx) }

// CLI runs one command through fs_cli and returns what it printed.
func (f *FreeSWITCH) CLI(ctx context.Context, line string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(f.prefix, "bin", "fs_cli"), "-H", "127.0.0.1",
		"-P", fmt.Sprint(f.conf.EventPort), "-p", eventSocketPassword, "-x", line)
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("fs_cli -x %q: %w", line, err)
	}
	return string(out), nil
}

// Events is the log of events.
func (f *FreeSWITCH) Events() *EventLog { return f.socket.log }

// SetConfig rewrites the XML and lets FreeSWITCH read it.
func (f *FreeSWITCH) SetConfig(ctx context.Context, settings map[string]string) error {
	f.conf.Settings = sortedSettings(settings)
	if err := f.conf.write(filepath.Join(f.options.Dir, "conf", "freeswitch.xml")); err != nil {
		return err
	}
	reply, err := f.API(ctx, "reloadxml")
	if err == nil && !strings.HasPrefix(reply, "+OK") {
		err = fmt.Errorf("reloadxml: %s", reply)
	}
	return err
}

// Pid is the process id.
func (f *FreeSWITCH) Pid() int { return f.proc.pid() }

// TempDir is FreeSWITCH's temp_dir.
func (f *FreeSWITCH) TempDir() string { return filepath.Join(f.options.Dir, "tmp") }

// LogFile is freeswitch.log.
func (f *FreeSWITCH) LogFile() string { return filepath.Join(f.options.Dir, "log", "freeswitch.log") }

// Exited is closed when FreeSWITCH has ended.
func (f *FreeSWITCH) Exited() <-chan struct{} { return f.proc.done }

// ExitError says how it ended.
func (f *FreeSWITCH) ExitError() error { return f.proc.exitError() }

// Close shuts FreeSWITCH down.
func (f *FreeSWITCH) Close() error {
	f.closing.Do(func() {
		if f.sip != nil {
			f.sip.close()
		}
		if f.socket != nil && !f.proc.exited() {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			_, _ = f.API(ctx, "fsctl shutdown") // the reply may be lost with the connection
			cancel()
			f.proc.waitExit(20 * time.Second)
		}
		if f.socket != nil {
			f.socket.Close()
		}
		f.closeErr = f.proc.stop(15 * time.Second)
	})
	return f.closeErr
}
