// Package hosttest is a telephone switch in memory, for unit tests of everything that needs a host.Host: sessions that
// a test makes and ends, rings that it fills and empties as media threads do, and a record of all that was asked of it. Nothing
// here knows FreeSWITCH; the module itself does not import it.
//
//	host.go       the switch: its sessions and its faults
//	record.go     what was asked of it
//	media.go      one media bug
//	ring.go       the rings' memory
//	doorbell.go   the doorbell
//	resampler.go  a resampler
package hosttest

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"mod_audio_stream/goside/host"
)

// Names of the methods, for Host.On.
const (
	Variables    = "Variables"
	SetVariable  = "SetVariable"
	Attach       = "Attach"
	Detach       = "Detach" // Media's, for the media of this host; an error is not passed on
	FireEvent    = "FireEvent"
	Hangup       = "Hangup"
	Transfer     = "Transfer"
	SendDTMF     = "SendDTMF"
	NewResample  = "NewResampler"
	ReadConfig   = "Config"
	framePtimeMS = 20
)

// Host is host.Host in memory. Its methods may be called from any goroutine.
type Host struct {
	Bell *Doorbell

	resamplers atomic.Int64
	news       news

	mu       sync.Mutex
	sessions map[string]*Session
	medias   []*Media
	events   []Event
	lines    []Line
	calls    []Call
	config   map[string]string
	hooks    map[string]func(uuid string) error
	onEvent  func(Event)
	temp     string
}

var _ host.Host = (*Host)(nil)

// New makes a switch without sessions whose folder for temporary files is temp.
func New(temp string) *Host {
	return &Host{Bell: NewDoorbell(), sessions: map[string]*Session{}, hooks: map[string]func(string) error{}, temp: temp}
}

// Session is one channel. Its fields are set before it is used.
type Session struct {
	UUID      string
	ReadRate  int // Hz; 0: 8000
	WriteRate int // Hz; 0: ReadRate
	PtimeMS   int // 0: 20
	Answered  bool

	host   *Host
	vars   map[string]string // under host.mu, as all below
	medias []*Media
	wants  []host.Attach
}

// Add makes a session. vars are its channel variables.
func (h *Host) Add(s Session, vars map[string]string) *Session {
	if s.ReadRate == 0 {
		s.ReadRate = 8000
	}
	if s.WriteRate == 0 {
		s.WriteRate = s.ReadRate
	}
	if s.PtimeMS == 0 {
		s.PtimeMS = framePtimeMS
	}
	s.host, s.vars = h, maps.Clone(vars)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s.UUID] = &s
	return &s
}

// Hangup closes the session's media bugs, as a call does that ends; the session is still found, for its last events.
func (s *Session) Hangup() {
	for _, m := range s.Medias() {
		m.Close()
	}
}

// End takes the session away and hangs up: whoever hears of the hang-up finds it gone.
func (s *Session) End() {
	s.host.mu.Lock()
	delete(s.host.sessions, s.UUID)
	s.host.mu.Unlock()
	s.Hangup()
}

// Medias are the media bugs attached so far, the closed ones too, in order.
func (s *Session) Medias() []*Media {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	return append([]*Media(nil), s.medias...)
}

// Media is the bug attached last, nil when there was none.
func (s *Session) Media() *Media {
	all := s.Medias()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// Wants is what was asked of Attach, in order.
func (s *Session) Wants() []host.Attach {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	return append([]host.Attach(nil), s.wants...)
}

// Variable is a channel variable's value.
func (s *Session) Variable(name string) string {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	return s.vars[name]
}

// On has a method call do first. What do returns is the method's error, if it has one; it may also panic or block. nil
// takes it off.
func (h *Host) On(method string, do func(uuid string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hooks[method] = do
}

// OnEvent has every event that was fired given to do, in the goroutine that fired it.
func (h *Host) OnEvent(do func(Event)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onEvent = do
}

// SetConfig sets what Config returns.
func (h *Host) SetConfig(params map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config = maps.Clone(params)
}

func (h *Host) hook(method, uuid string) error {
	h.mu.Lock()
	do := h.hooks[method]
	h.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(uuid)
}

// Variables implements host.Host.
func (h *Host) Variables(uuid string, names []string) (map[string]string, error) {
	if err := h.hook(Variables, uuid); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[uuid]
	if s == nil {
		return nil, host.ErrGone
	}
	vars := map[string]string{}
	for _, name := range names {
		if v, set := s.vars[name]; set {
			vars[name] = v
		}
	}
	return vars, nil
}

// SetVariable implements host.Host.
func (h *Host) SetVariable(uuid, name, value string) error {
	if err := h.hook(SetVariable, uuid); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[uuid]
	if s == nil {
		return host.ErrGone
	}
	if s.vars == nil {
		s.vars = map[string]string{}
	}
	s.vars[name] = value
	return nil
}

// Attach implements host.Host.
func (h *Host) Attach(uuid string, want host.Attach) (host.Attached, error) {
	if err := h.hook(Attach, uuid); err != nil {
		return host.Attached{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[uuid]
	if s == nil {
		return host.Attached{}, host.ErrGone
	}
	playout := 0
	if want.Playback {
		playout = s.WriteRate * want.PlayoutMS / 1000
	}
	frames := int(want.Capture / (time.Duration(s.PtimeMS) * time.Millisecond))
	m := NewMedia(uint64(len(h.medias)+1), h.Bell, frames, playout, s.WriteRate)
	m.OnDetach = func() { _ = h.hook(Detach, uuid) }
	h.medias = append(h.medias, m)
	s.medias = append(s.medias, m)
	s.wants = append(s.wants, want)
	s.Answered = s.Answered || want.Answer
	return host.Attached{Media: m, ReadRate: s.ReadRate, WriteRate: s.WriteRate, PtimeMS: s.PtimeMS, Answered: s.Answered}, nil
}

// FireEvent implements host.Host.
func (h *Host) FireEvent(uuid, stream, subclass, body string) error {
	if err := h.hook(FireEvent, uuid); err != nil {
		return err
	}
	h.mu.Lock()
	if h.sessions[uuid] == nil {
		h.mu.Unlock()
		return host.ErrGone
	}
	e := Event{uuid, stream, subclass, body}
	h.events = append(h.events, e)
	do := h.onEvent
	h.mu.Unlock()
	h.news.changed()
	if do != nil {
		do(e)
	}
	return nil
}

func (h *Host) asked(what, uuid string, args ...string) error {
	if err := h.hook(what, uuid); err != nil {
		return err
	}
	h.mu.Lock()
	s := h.sessions[uuid]
	if s != nil {
		h.calls = append(h.calls, Call{what, uuid, args})
	}
	h.mu.Unlock()
	h.news.changed()
	if s == nil {
		return host.ErrGone
	}
	return nil
}

// Hangup implements host.Host: the call's media bugs are closed.
func (h *Host) Hangup(uuid, cause string) error {
	if err := h.asked(Hangup, uuid, cause); err != nil {
		return err
	}
	h.mu.Lock()
	s := h.sessions[uuid]
	h.mu.Unlock()
	if s != nil {
		s.Hangup()
	}
	return nil
}

// Transfer implements host.Host.
func (h *Host) Transfer(uuid, extension, dialplan, context string) error {
	return h.asked(Transfer, uuid, extension, dialplan, context)
}

// SendDTMF implements host.Host.
func (h *Host) SendDTMF(uuid, digits string) error { return h.asked(SendDTMF, uuid, digits) }

// Log implements host.Host.
func (h *Host) Log(level host.Level, uuid, text string) {
	h.mu.Lock()
	h.lines = append(h.lines, Line{level, uuid, text})
	h.mu.Unlock()
	h.news.changed()
}

// Config implements host.Host.
func (h *Host) Config() (map[string]string, error) {
	if err := h.hook(ReadConfig, ""); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.config), nil
}

// TempDir implements host.Host.
func (h *Host) TempDir() string { return h.temp }

// MediaHeld implements host.Host.
func (h *Host) MediaHeld() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.medias {
		if m.Frees() == 0 {
			n++
		}
	}
	return n
}

// Version implements host.Host.
func (h *Host) Version() string { return "1.10.12" }

// NewResampler implements host.Host.
func (h *Host) NewResampler(from, to, channels int) (host.Resampler, error) {
	if err := h.hook(NewResample, ""); err != nil {
		return nil, err
	}
	h.resamplers.Add(1)
	r := NewResampler(from, to, channels)
	r.open = &h.resamplers
	return r, nil
}
