package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/bench/callload"
	"mod_audio_stream/test/bench/steps"
	"mod_audio_stream/test/bench/wsload"
	"mod_audio_stream/test/e2e/switchtest"
)

// module is what is measured: ours or a peer.
type module struct {
	name    string // in the report
	path    string
	command string // uuid_audio_stream or uuid_audio_fork; found out when empty
	start   string // template of the start command's arguments
}

const ours = "mod_audio_stream"

// defaultStart is what all modules with these commands understand.
const defaultStart = "start {url} mono {rate}"

// site is a switch with calls on it.
type site struct {
	sw    switchtest.Switch
	mod   module
	kind  string // freeswitch, loopback, host
	rtp   *callload.Caller
	uuids []string
	calls []*callload.Call // of the caller's side; none on the stand-in
}

// open starts a switch with the module and puts n calls on it.
func open(ctx context.Context, o *options, kind string, m module, n int, hostArgs ...string) (*site, error) {
	s := &site{mod: m, kind: kind}
	dir := filepath.Join(o.dir, "switch")
	var err error
	if kind == "host" {
		// The media threads in real time, as FreeSWITCH's are.
		s.sw, err = start(switchtest.StartStandIn(ctx, switchtest.StandInOptions{Program: o.fshost, Module: m.path, Dir: dir,
			Args: append([]string{"--threads-fifo"}, hostArgs...), Config: o.config}))
	} else {
		s.sw, err = start(switchtest.StartFreeSWITCH(ctx, switchtest.FreeSWITCHOptions{Module: m.path, Dir: dir, NoLoad: true, Config: o.config}))
	}
	if err != nil {
		return nil, err
	}
	err = s.load(ctx, dir)
	if err == nil {
		switch kind {
		case "host":
			err = s.standInCalls(ctx, dir, n)
		case "loopback":
			err = s.loopbackCalls(ctx, dir, n)
		default:
			err = s.sipCalls(ctx, n)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// start keeps a nil of a concrete type from becoming a Switch that is not nil.
func start[T switchtest.Switch](sw T, err error) (switchtest.Switch, error) {
	if err != nil {
		return nil, err
	}
	return sw, nil
}

// load loads the module under its own file's name and finds its command.
func (s *site) load(ctx context.Context, dir string) error {
	if s.kind != "host" {
		name := strings.TrimSuffix(filepath.Base(s.mod.path), ".so")
		link := filepath.Join(dir, "mod", name+".so")
		if _, err := os.Lstat(link); err != nil {
			if err := os.Symlink(s.mod.path, link); err != nil {
				return err
			}
		}
		if err := s.expect(ctx, "load "+name, "+OK"); err != nil {
			return err
		}
	}
	if s.mod.command != "" {
		return nil
	}
	for _, c := range []string{"uuid_audio_stream", "uuid_audio_fork"} {
		usage, err := s.sw.API(ctx, c) // `show api` asks a table that is filled in later
		if err != nil {
			return err
		}
		if !strings.Contains(usage, "not found") {
			s.mod.command = c
			return nil
		}
	}
	return fmt.Errorf("%s has neither uuid_audio_stream nor uuid_audio_fork", s.mod.path)
}

// expect runs an API command that must answer so; the reply of load has lines before it.
func (s *site) expect(ctx context.Context, command, want string) error {
	reply, err := s.sw.API(ctx, command)
	if err == nil && !strings.Contains(reply, want) {
		err = errors.New(strings.TrimSpace(reply))
	}
	if err != nil {
		return fmt.Errorf("%.120s: %w", command, err)
	}
	return nil
}

// loopbackCalls makes calls inside FreeSWITCH: one leg is parked, the other plays the steps to it.
func (s *site) loopbackCalls(ctx context.Context, dir string, n int) error {
	file, err := filepath.Abs(filepath.Join(dir, "steps.wav")) // a relative one would be looked for among FreeSWITCH's sounds
	if err != nil {
		return err
	}
	// FreeSWITCH loses a frame where it opens the file again; that is to be rare
	if err := agent.WriteWAV(file, slices.Repeat(steps.Samples(8000), 60), 8000, 1); err != nil {
		return err
	}
	for range n {
		id := uuid.NewString()
		line := fmt.Sprintf("originate {origination_uuid=%s,loopback_bowout=false,loopback_bowout_on_execute=false}loopback/app=endless_playback:%s &park()", id, file)
		if err := s.expect(ctx, line, "+OK "+id); err != nil {
			return err
		}
		s.uuids = append(s.uuids, id)
	}
	return nil
}

// standInCalls makes calls whose caller sends the steps in a loop.
func (s *site) standInCalls(ctx context.Context, dir string, n int) error {
	file := filepath.Join(dir, "sound", "steps.wav")
	if err := agent.WriteWAV(file, steps.Samples(8000), 8000, 1); err != nil {
		return err
	}
	for range n {
		id := uuid.NewString()
		line := fmt.Sprintf("host_originate uuid=%s rate=8000 ptime=20 state=answered in=%s var:STREAM_TLS_CA_FILE=NONE", id, url.QueryEscape("loop:"+file))
		if err := s.expect(ctx, line, "+OK "+id); err != nil {
			return err
		}
		s.uuids = append(s.uuids, id)
	}
	return nil
}

var profileURL = regexp.MustCompile(`sip:[^@\s]+@127\.0\.0\.1:(\d+)`)

// sipCalls makes calls over SIP, parked.
func (s *site) sipCalls(ctx context.Context, n int) error {
	status, err := s.sw.API(ctx, "sofia status profile e2e")
	if err != nil {
		return err
	}
	at := profileURL.FindStringSubmatch(status)
	if at == nil {
		return fmt.Errorf("no SIP port in %q", status)
	}
	port, err := strconv.Atoi(at[1])
	if err != nil {
		return err
	}
	if s.rtp, err = callload.New(port); err != nil {
		return err
	}
	for range n {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		id := uuid.NewString()
		call, err := s.rtp.Call(ctx, id, "answered")
		if err == nil {
			err = s.expect(ctx, "uuid_setvar "+id+" STREAM_TLS_CA_FILE NONE", "+OK")
		}
		cancel()
		if err != nil {
			return err
		}
		s.uuids, s.calls = append(s.uuids, id), append(s.calls, call)
	}
	return nil
}

// speakSilence makes the parked calls send silence, or nothing, from now on.
func (s *site) speakSilence(ctx context.Context, on bool) error {
	value := ""
	if on {
		value = " -1" // zeros rather than comfort noise
	}
	for _, id := range s.uuids {
		if err := s.expect(ctx, "uuid_setvar "+id+" send_silence_when_idle"+value, "+OK"); err != nil {
			return err
		}
		if err := s.expect(ctx, "uuid_transfer "+id+" answered", "+OK"); err != nil { // park reads the variable when it begins
			return err
		}
	}
	return nil
}

// startStreams starts a stream on every call.
func (s *site) startStreams(ctx context.Context, address func(i int) string, rate int) error {
	for i, id := range s.uuids {
		args := strings.NewReplacer("{url}", address(i), "{rate}", fmt.Sprint(rate)).Replace(s.mod.start)
		if err := s.expect(ctx, s.mod.command+" "+id+" "+args, "+OK"); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) stopStreams(ctx context.Context) error { return s.everyStream(ctx, "stop") }

func (s *site) pauseStreams(ctx context.Context) error { return s.everyStream(ctx, "pause") }

func (s *site) everyStream(ctx context.Context, command string) error {
	for _, id := range s.uuids {
		if err := s.expect(ctx, s.mod.command+" "+id+" "+command, "+OK"); err != nil {
			return err
		}
	}
	return nil
}

// tidy takes away what a phase that failed has left: streams that never connected, and connections of both servers.
func (s *site) tidy(ctx context.Context, o *options) error {
	for _, id := range s.uuids {
		if _, err := s.sw.API(ctx, s.mod.command+" "+id+" stop"); err != nil { // there may be nothing to stop
			return err
		}
	}
	for _, server := range o.servers {
		server.Play(wsload.Listen)
		if err := server.WaitCount(0, 5*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// close ends the switch, and its calls with it.
func (s *site) close() error {
	err := s.sw.Close()
	if s.rtp != nil {
		s.rtp.Close()
	}
	return err
}
