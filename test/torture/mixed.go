package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
	"mod_audio_stream/test/esl"
)

// Mixed churn: so many calls a second, each with a stream or two to a server of some kind, ended in some way. For an hour
// it shows whether memory stays flat. Its calls have no caller: FreeSWITCH's null endpoint, or the stand-in's own media, so
// that the driver needs little of the machine.

// linger is how long a server keeps a connection: longer than a call lasts, and not to the end of an hour, for which there
// are not enough descriptors.
const linger = 5 * time.Second

// brief is a server that lets go of each connection when it has done with it, or has had it for that long.
func brief(handle func(p *peer)) func(p *peer) {
	return func(p *peer) {
		ctx, cancel := context.WithTimeout(p.ctx, linger)
		defer cancel()
		defer p.Close()
		p.ctx = ctx
		handle(p)
	}
}

// desks is how many commands are under way at once.
const desks = 12

type mixed struct {
	*round
	bare    bool // no streams: what the switch needs for the calls themselves
	conns   chan *esl.Conn
	urls    []string
	ca      string // of the TLS server
	calls   atomic.Int64
	streams atomic.Int64
	open    atomic.Int64 // calls that are under way
	most    atomic.Int64
	late    atomic.Int64 // calls that could not be begun in time: the driver or the switch is too slow
}

func newMixed(r *round) *mixed {
	m := &mixed{round: r, conns: make(chan *esl.Conn, desks)}
	for range desks {
		conn, err := r.sw.Dial(r.ctx)
		r.check("event socket", err)
		context.AfterFunc(r.ctx, conn.Close)
		m.conns <- conn
	}
	a, err := switchtest.NewAuthority(r.o.dir)
	r.check("authority", err)
	m.ca = a.CAFile
	secure, err := a.Server(false, "127.0.0.1")
	r.check("certificate", err)
	secure.MinVersion = tls.VersionTLS12
	m.urls = []string{
		r.agent(agent.Config{Forget: true, Mode: agent.Echo{}}).URL("/"),
		r.agent(agent.Config{Forget: true, Mode: agent.Echo{}}).URL("/"),
		r.agent(agent.Config{Forget: true, Mode: agent.Echo{}, TLS: secure}).URL("/"),
		r.agent(agent.Config{Silent: true}).URL("/"),
		r.server(brief(httpStatus(503))),
		"ws://127.0.0.1:1/", // nobody listens there
		r.server(brief(after(func(p *peer) { // lost again and again
			p.pass(time.Duration(rand.IntN(300)) * time.Millisecond)
			p.reset()
		}))),
		r.server(brief(after(func(p *peer) { // closes in order
			p.pass(time.Duration(rand.IntN(300)) * time.Millisecond)
			p.write(frame(true, 0, 8, "\x03\xe8"))
			p.hold()
		}))),
		r.server(brief(func(p *peer) { // never reads
			if p.upgrade() {
				p.hold()
			}
		})),
	}
	return m
}

// api runs a command on whichever connection is free.
func (m *mixed) api(line string) (string, error) {
	var conn *esl.Conn
	select {
	case conn = <-m.conns:
	case <-m.ctx.Done():
		return "", m.ctx.Err()
	}
	defer func() { m.conns <- conn }()
	reply, err := conn.API(m.ctx, line)
	return strings.TrimSuffix(reply, "\n"), err
}

// call makes one call, lives it, and ends it.
func (m *mixed) call(rng *rand.Rand) error {
	id := uuid.NewString()
	line := "host_originate uuid=" + id + " codec=L16 state=answered in=zeros var:STREAM_TLS_CA_FILE=" + m.ca
	if m.sw.Name() == "freeswitch" {
		line = "originate {origination_uuid=" + id + ",STREAM_TLS_CA_FILE=" + m.ca + "}null/x &park()"
	}
	reply, err := m.api(line)
	if err != nil || !strings.HasPrefix(reply, "+OK") {
		return fmt.Errorf("originate: %q, %w", reply, err)
	}
	m.calls.Add(1)
	defer func() { _, _ = m.api("uuid_kill " + id) }() // whatever came in between
	on := func(command string, reasons ...string) error {
		reply, err := m.api("uuid_audio_stream " + id + " " + command)
		if err := replied(reply, err, reasons...); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		return nil
	}
	if m.bare {
		m.wait(time.Duration(rng.IntN(1000)) * time.Millisecond)
		return m.kill(id)
	}
	names := []string{"name=default ", "name=b "}[:1+rng.IntN(2)]
	for _, name := range names {
		kind := []string{"mono", "mixed 16k", "stereo metadata", "mono 24k {}"}[rng.IntN(4)]
		if err := on(name + "start " + m.urls[rng.IntN(len(m.urls))] + " " + kind); err != nil {
			return err
		}
		m.streams.Add(1)
	}
	// A stream may be over when a command comes.
	over := []string{"no stream", "no channel", "being closed", "too much text"}
	m.wait(time.Duration(rng.IntN(700)) * time.Millisecond)
	for range rng.IntN(3) {
		command := []string{"send_text hello", "pause", "resume", "clear", "pause_play"}[rng.IntN(5)]
		if err := on(names[rng.IntN(len(names))]+command, over...); err != nil {
			return err
		}
		m.wait(time.Duration(rng.IntN(200)) * time.Millisecond)
	}
	switch rng.IntN(4) {
	case 0: // stopped, and the call goes on for a moment
		for _, name := range names {
			if err := on(name+"stop", over...); err != nil {
				return err
			}
		}
		m.wait(time.Duration(rng.IntN(200)) * time.Millisecond)
	case 1:
		if err := on(names[0]+"graceful-shutdown bye", over...); err != nil {
			return err
		}
		m.wait(time.Duration(rng.IntN(300)) * time.Millisecond)
	case 2: // hung up just behind the stop
		if err := on(names[0]+"stop bye", over...); err != nil {
			return err
		}
	default: // hung up as it is
	}
	if err := m.kill(id); err != nil {
		return err
	}
	return m.finals(id)
}

func (m *mixed) kill(id string) error {
	if reply, err := m.api("uuid_kill " + id); err != nil || !strings.HasPrefix(reply, "+OK") {
		return fmt.Errorf("uuid_kill: %q, %w", reply, err)
	}
	return nil
}

// finals wants at most one last event of each stream.
func (m *mixed) finals(id string) error {
	n := map[string]int{}
	for _, ev := range m.sw.Events().Module(id, "") {
		if strings.HasSuffix(ev.Subclass, "::disconnect") || strings.HasSuffix(ev.Subclass, "::error") {
			n[ev.Stream]++
		}
	}
	for name, n := range n {
		if n > 1 {
			return fmt.Errorf("%s of %s had %d last events", name, id, n)
		}
	}
	return nil
}

func (m *mixed) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-m.ctx.Done():
	}
}

// run keeps the rate for as long as asked, and waits for the calls that are under way.
func (m *mixed) run(rate int, length time.Duration) {
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	end := time.After(length)
	for n := uint64(0); ; n++ {
		select {
		case <-tick.C:
		case <-end:
			wg.Wait()
			return
		case <-m.sw.Exited():
			wg.Wait()
			m.fatalf("the switch ended after %d calls", m.calls.Load())
		case <-m.ctx.Done():
			wg.Wait()
			m.fatalf("out of time")
		}
		if m.open.Load() > 20*int64(rate) {
			m.late.Add(1)
			continue
		}
		m.most.Store(max(m.most.Load(), m.open.Add(1)))
		wg.Go(func() {
			defer m.open.Add(-1)
			if err := m.call(rand.New(rand.NewPCG(n, 7))); err != nil && m.ctx.Err() == nil {
				m.errorf("call %d: %v", n, err)
			}
		})
	}
}

// mixedChurn is the case; bare is the same calls without streams, to compare with. What it may use is in flat.go.
func mixedChurn(bare bool) func(r *round) {
	return func(r *round) { r.mixedChurn(bare) }
}

func (r *round) mixedChurn(bare bool) {
	m := newMixed(r)
	m.bare = bare
	if r.o.churn >= longEnough && r.sw.Name() == "freeswitch" {
		r.api("fsctl loglevel warning") // its log grows by half a GiB an hour otherwise
	}
	log := r.startLog()
	began := time.Now()
	m.run(r.o.rate, r.o.churn)
	took := time.Since(began)
	report := log.end()
	fmt.Printf("    mixed churn: %d calls and %d streams in %s, %.1f calls a second, at most %d at once\n", m.calls.Load(), m.streams.Load(),
		took.Round(time.Second), float64(m.calls.Load())/r.o.churn.Seconds(), m.most.Load())
	fmt.Print(report.String())
	if late := m.late.Load(); late > 0 {
		r.errorf("%d calls were not begun: switch and driver cannot keep up with %d calls a second", late, r.o.rate)
	}
	for _, fault := range report.faults() {
		r.errorf("%s", fault)
	}
}
