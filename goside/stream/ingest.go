package stream

import (
	"errors"
	"io"
	"sync"
	"time"

	"mod_audio_stream/goside/audiofile"
	"mod_audio_stream/goside/capture"
	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/fault"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/playback"
	"mod_audio_stream/goside/worker"
)

// Files are decoded while they are played: this far ahead of what the caller hears, in pieces of this size.
const (
	decodeAhead = 2 * time.Second
	decodePiece = 4096 // samples
)

// maxBehind is how many bytes of messages wait behind a file that is being played. They keep their order; what exceeds it
// is refused like any other overflow. Each counts for what keeping it costs, too: a server can send single bytes.
const (
	maxBehind  = 16 << 20
	behindCost = 256
)

// ingest takes what the server sends to be played to the player, in order. Audio and marks go straight through, unless a
// file is being decoded before them: that takes as long as it is heard, on a goroutine of its own, so that neither the
// reader nor a clear ever waits for it.
type ingest struct {
	s *Stream

	mu      sync.Mutex
	behind  []func()      // what follows the file being decoded, in order
	marks   []string      // of them the marks, for a clear
	bytes   int           // that they keep alive
	waits   time.Duration // how long the audio among them plays, files not counted
	file    chan struct{}
	closed  bool
	running sync.WaitGroup
}

var errBehind = errors.New("too much audio waits behind the file being played")

// play queues audio.
func (in *ingest) play(audio []byte, format playback.Format, rate, channels int) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.file == nil {
		return in.s.player.Play(audio, format, rate, channels)
	}
	cost := len(audio) + behindCost
	if in.bytes+cost > maxBehind {
		return errors.Join(playback.ErrOverflow, errBehind)
	}
	own := append([]byte(nil), audio...)
	plays := format.Duration(len(own), rate, channels)
	in.bytes += cost
	in.waits += plays
	in.behind = append(in.behind, func() {
		in.bytes -= cost
		in.waits -= plays
		in.s.played(in.s.player.Play(own, format, rate, channels))
	})
	return nil
}

// mark queues a mark.
func (in *ingest) mark(name string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.file == nil {
		return in.s.player.Mark(name)
	}
	if len(in.marks) >= playback.MaxMarks {
		return playback.ErrMarks
	}
	in.marks = append(in.marks, name)
	in.behind = append(in.behind, func() {
		in.marks = in.marks[1:]
		if err := in.s.player.Mark(name); err != nil {
			in.s.bad(err)
		}
	})
	return nil
}

// playFile queues a file; data is the caller's to give away.
func (in *ingest) playFile(kind string, data []byte) error {
	f, err := audiofile.Open(kind, data)
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.closed:
		return playback.ErrClosed
	case in.file == nil:
		in.start(f)
	case in.bytes+len(data)+behindCost > maxBehind:
		return errors.Join(playback.ErrOverflow, errBehind)
	default:
		cost := len(data) + behindCost
		in.bytes += cost
		in.behind = append(in.behind, func() {
			in.bytes -= cost
			in.start(f)
		})
	}
	return nil
}

// clear drops the file, what waits behind it, and what is queued.
func (in *ingest) clear() {
	in.mu.Lock()
	defer in.mu.Unlock()
	waits := in.waits
	in.drop()
	in.s.player.Clear(waits)
	in.answerMarks()
}

func (in *ingest) drop() {
	if in.file != nil {
		close(in.file)
		in.file = nil
	}
	in.behind, in.bytes, in.waits = nil, 0, 0
}

// answerMarks tells of the marks that never got to the player, behind those that did.
func (in *ingest) answerMarks() {
	played := in.s.player.Snapshot().Played
	for _, name := range in.marks {
		observer{in.s}.Mark(name, events.Cleared, played)
	}
	in.marks = nil
}

// idle reports that nothing is played and nothing waits.
func (in *ingest) idle() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.file == nil && in.s.player.Idle()
}

// close drops everything, ends the player, and waits for the decoder.
func (in *ingest) close() {
	in.mu.Lock()
	in.closed = true
	in.drop()
	in.s.player.Close()
	in.answerMarks()
	in.mu.Unlock()
	in.running.Wait()
}

// start decodes one file, with mu held.
func (in *ingest) start(f *audiofile.File) {
	cancel := make(chan struct{})
	in.file = cancel
	in.running.Go(func() {
		defer in.s.guard("playing a file")
		fault.At("file")
		in.decode(f, cancel)
		in.next(cancel)
	})
}

func (in *ingest) decode(f *audiofile.File, cancel <-chan struct{}) {
	piece := make([]int16, decodePiece)
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		n, err := f.Read(piece)
		if n > 0 && !in.feed(piece[:n], f, cancel) {
			return
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				in.s.bad(err)
			}
			return
		}
		ahead := in.s.player.Snapshot().Queued
		if ahead <= decodeAhead {
			continue
		}
		wait.Reset(ahead - decodeAhead/2)
		select {
		case <-wait.C:
		case <-cancel:
			return
		}
	}
}

// feed gives one piece to the player unless the file was cleared meanwhile.
func (in *ingest) feed(pcm []int16, f *audiofile.File, cancel <-chan struct{}) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-cancel:
		return false
	default:
	}
	in.s.played(in.s.player.Play(capture.Bytes(pcm), playback.L16, f.Rate, f.Channels))
	return true
}

// next goes on with what waited behind the file, up to the next file.
func (in *ingest) next(cancel chan struct{}) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.file != cancel { // cleared; another file may be playing already
		return
	}
	in.file = nil
	for len(in.behind) > 0 && in.file == nil {
		do := in.behind[0]
		in.behind = in.behind[1:]
		do()
	}
	if in.file == nil {
		in.s.signalIdle()
	}
}

// played looks at the outcome of a Play.
func (s *Stream) played(err error) {
	switch {
	case errors.Is(err, playback.ErrOverflow):
		// One event for one overflow: a server that goes on sending fills the log and the event queue otherwise.
		if !s.overflowing.Swap(true) {
			s.log(host.LevelWarning, "%s: %v", s.url, err)
			s.post(events.SubclassError, events.ErrorBody(events.PlaybackOverflow, err.Error()), worker.Answer)
		}
	case err == nil:
		s.overflowing.Store(false)
	}
}
