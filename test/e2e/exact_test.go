// Cases: the queue to the sample: what is mixed, when a mark is answered, what a clear takes and leaves, what does not
// fit.

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// constant is n times one sample.
func constant(v int16, n int) []int16 { return slices.Repeat([]int16{v}, n) }

// markAnswers waits for n answers to marks and returns them in the order of arrival, with their times.
func (e *env) markAnswers(conn *agent.Conn, n int) (answers []statusBody, at []time.Time) {
	e.Helper()
	parse := func(all []agent.Frame) {
		answers, at = nil, nil
		for _, f := range all {
			var m struct {
				Type string     `json:"type"`
				Data statusBody `json:"data"`
			}
			if f.IsText() && json.Unmarshal(f.Data, &m) == nil && m.Type == "mark" {
				answers, at = append(answers, m.Data), append(at, f.At)
			}
		}
	}
	err := conn.Wait(e.ctx, func(all []agent.Frame) bool {
		return slices.IndexFunc(all, func(f agent.Frame) bool { return f.IsText() }) >= 0 && countTexts(all) >= n
	})
	parse(conn.Frames())
	if err != nil {
		last := statusBody{}
		if len(answers) > 0 {
			last = answers[len(answers)-1]
		}
		e.Fatalf("%d of %d marks were answered, the last is %+v: %v", len(answers), n, last, err)
	}
	return answers, at
}

func countTexts(all []agent.Frame) int {
	n := 0
	for _, f := range all {
		if f.IsText() {
			n++
		}
	}
	return n
}

// saturationCases: the sum of two loud sources stops at the ends of the range.
func saturationCases() []testcase {
	const loud = 30000
	var out []testcase
	for _, sign := range []int16{1, -1} {
		limit := int16(32767)
		if sign < 0 {
			limit = -32768
		}
		out = append(out, testcase{name: fmt.Sprintf("mixing %d with %[1]d gives %d", sign*loud, limit), run: func(e *env) {
			s := e.agent(agent.Config{})
			file := e.soundFile("loud", constant(sign*loud, 48000), 8000)
			c := e.originate(switchtest.CallSpec{Source: switchtest.Silence{}, Playback: file})
			e.check("the file", c.WaitHeard(e.ctx, func(all []int16) bool { return nonZero(all) > 1600 }))
			conn := e.start(c, s, "mono")
			e.check("send", conn.SendBinary(agent.Bytes(constant(sign*loud, 8000))))
			e.eventStatus(c, "playback", "started", 1)
			e.eventStatus(c, "playback", "stopped", 1)
			limited := 0
			for i, v := range c.Heard() {
				switch v {
				case limit:
					limited++
				case 0, sign * loud:
				default:
					e.Fatalf("sample %d is %d: neither the file, nor the sum at its limit", i, v)
				}
			}
			if limited < 8000-2*160 || limited > 8000 {
				e.Errorf("%d samples at the limit, 8000 were mixed", limited)
			}
		}})
	}
	return out
}

var exactCases = slices.Concat(saturationCases(), []testcase{
	{name: "twelve hundred pending marks, any name, in order and exact", limit: time.Minute, run: func(e *env) {
		const n, between = 1200, 21 // 2.625 ms each, 3.15 s in all
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono 8000")
		odd := []string{"ü und 漢字", `a "quoted" \ name`, strings.Repeat("long ", 51), "{}", "0", "null", " blank ", "same", "same"}
		name := func(i int) string {
			if i < len(odd) {
				return odd[i]
			}
			return fmt.Sprintf("m%d", i)
		}
		// Any sample values: no one of them may stand for a mark.
		random := rand.New(rand.NewPCG(1, 2))
		special := []int16{0, -1, 1, 32767, -32768}
		var wire bytes.Buffer
		for i := range n {
			piece := make([]int16, between)
			for k := range piece {
				if piece[k] = int16(random.Uint32()); k < len(special) {
					piece[k] = special[k]
				}
			}
			wire.Write(agent.BinaryFrame(agent.Bytes(piece)))
			wire.Write(agent.TextFrame(mark(name(i))))
		}
		e.check("send", conn.SendRaw(wire.Bytes()))
		e.eventStatus(c, "playback", "started", 1)
		e.ok(c, "pause_play")
		e.eventStatus(c, "playback", "paused", 1)
		e.pass(200 * time.Millisecond)
		e.ok(c, "resume_play")
		answers, _ := e.markAnswers(conn, n)
		for i, a := range answers {
			if want := (i + 1) * between / 8; a.Name != name(i) || a.Status != "played" || a.PlayedMs != want {
				e.Fatalf("answer %d is %.80q %s at %d ms, expected %.80q played at %d ms", i, a.Name, a.Status, a.PlayedMs, name(i), want)
			}
		}
		e.nthEvent(c, "", "mark", n)
		for i, ev := range e.sw.Events().All(switchtest.Filter{UUID: c.UUID(), Subclass: "mark"}) {
			var body statusBody
			e.check("mark event "+ev.Body, json.Unmarshal([]byte(ev.Body), &body))
			if body.Name != name(i) || body.PlayedMs != (i+1)*between/8 {
				e.Fatalf("mark event %d: %s", i, ev.Body)
			}
		}
		if got := e.number(e.stats(c, ""), "marks"); got != n {
			e.Errorf("stats: %v marks", got)
		}
	}},
	{name: "a mark is answered within a frame of being played", run: func(e *env) {
		const n, between = 60, 297 // 37.125 ms: at any place in a frame
		s := e.agent(agent.Config{})
		c := e.originate(switchtest.CallSpec{Source: &switchtest.Counter{}, Timed: true})
		conn := e.start(c, s, "mono 8000")
		for i := range n {
			e.check("send", conn.SendBinary(agent.Bytes(switchtest.Count(1+i*between, between))))
			e.check("mark", conn.SendText(mark(fmt.Sprint(i))))
		}
		answers, at := e.markAnswers(conn, n)
		e.heardExactly("heard", c, switchtest.Count(1, n*between))
		heard, packets := c.Heard(), c.Packets()
		first := slices.IndexFunc(heard, func(v int16) bool { return v != 0 })
		var off []time.Duration
		for i := range answers {
			played, ok := packetAt(packets, first+(i+1)*between-1)
			if !ok {
				e.Fatalf("no packet with the last sample before mark %d", i)
			}
			off = append(off, at[i].Sub(played).Abs())
		}
		sort.Slice(off, func(i, k int) bool { return off[i] < off[k] })
		note("%s: a mark's answer comes within %s (p50) and %s (max of %d) of the packet with the last sample before it", e.sw.Name(),
			off[n/2].Round(100*time.Microsecond), off[n-1].Round(100*time.Microsecond), n)
		// A machine short of CPU wakes the readers of the sockets late; nine in ten show what the module does.
		if off[n/2] > 20*time.Millisecond || off[n*9/10] > 40*time.Millisecond {
			e.Errorf("answers are off by %s (p50) and %s (p90), a frame is 20 ms", off[n/2], off[n*9/10])
		}
	}},
	{name: "a mark with nothing queued is answered at once", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono 8000")
		began := time.Now()
		e.check("mark", conn.SendText(mark("empty")))
		if played := e.waitMark(conn, "empty", "played"); played != 0 {
			e.Errorf("playedMs %d before anything was played", played)
		}
		if d := time.Since(began); d > time.Second {
			e.Errorf("answered after %s", d)
		}
	}},
	{name: "an overflow, error 13, holds up neither mark nor clear behind it", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.callWith(vars("STREAM_PLAYBACK_MAX_MS", "2000"))
		conn := e.start(c, s, "mono 8000")
		// In one go: 1.9 s that fit, 20 s that do not, a mark, a clear, a mark, audio that fits again.
		after := switchtest.Count(20001, 4000)
		began := time.Now()
		e.check("send", conn.SendRaw(slices.Concat(agent.BinaryFrame(agent.Bytes(switchtest.Count(1, 15200))),
			agent.BinaryFrame(make([]byte, 20*16000)), agent.TextFrame(mark("before")), agent.TextFrame(`{"type":"clear"}`),
			agent.TextFrame(mark("behind")), agent.BinaryFrame(agent.Bytes(after)), agent.TextFrame(mark("end")))))
		e.waitMark(conn, "before", "cleared")
		if d := time.Since(began); d > 700*time.Millisecond {
			e.Errorf("the clear behind an overflow took %s", d)
		}
		e.waitMark(conn, "behind", "played")
		e.errorEvent(c, 13)
		e.waitMark(conn, "end", "played")
		e.check("the audio behind the clear", c.WaitHeard(e.ctx, func(all []int16) bool { return switchtest.Index(all, after) >= 0 }))
		// And without a clear: a mark behind what was refused stands where the accepted audio ends.
		before := int(e.number(e.stats(c, ""), "playbackPlayedMs"))
		e.check("send", conn.SendRaw(slices.Concat(agent.BinaryFrame(agent.Bytes(switchtest.Count(1, 8000))),
			agent.BinaryFrame(make([]byte, 20*16000)), agent.TextFrame(mark("accepted")))))
		played := e.waitMark(conn, "accepted", "played") - before
		if played < 1000 || played > 2040 {
			e.Errorf("the mark behind the refused audio stands at %d ms, of 1000 that fit and 2000 that may be queued", played)
		}
	}},
	{name: "a clear takes all before it and nothing behind it", limit: time.Minute, run: atomicClears},
	{name: "every clear has its event, with playedMs and droppedMs", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono 8000")
		e.ok(c, "clear")
		if ev := e.cleared(c, 1); ev.PlayedMs != 0 || *ev.DroppedMs != 0 {
			e.Errorf("nothing was queued: %+v, dropped %d", ev, *ev.DroppedMs)
		}
		e.check("send", conn.SendBinary(agent.Bytes(switchtest.Count(1, 16000))))
		e.heard(c, 3200)
		e.check("clear", conn.SendText(`{"type":"clear"}`))
		ev := e.cleared(c, 2)
		if sum := ev.PlayedMs + *ev.DroppedMs; sum < 1999 || sum > 2001 || ev.PlayedMs < 400 || ev.QueuedMs != 0 {
			e.Errorf("%+v, dropped %d: 2000 ms were sent", ev, *ev.DroppedMs)
		}
		e.check("clear", conn.SendText(`{"type":"killAudio"}`))
		if again := e.cleared(c, 3); again.PlayedMs != ev.PlayedMs || *again.DroppedMs != 0 {
			e.Errorf("the clear with nothing queued: %+v, dropped %d", again, *again.DroppedMs)
		}
	}},
	{name: "uuid_break clears all streams of the channel", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		var conns []*agent.Conn
		for _, name := range []string{"one", "two"} {
			e.ok(c, "name="+name+" start "+s.URL("/"+name)+" mono")
			conns = append(conns, e.accept(s))
		}
		for round, line := range []string{"uuid_break %s", "uuid_break %s all"} {
			for _, conn := range conns {
				e.check("send", conn.SendBinary(agent.Bytes(constant(1000, 40000)))) // 5 s
				e.check("mark", conn.SendText(mark(fmt.Sprint("round ", round))))
			}
			at := len(c.Heard())
			e.check("both are heard", c.WaitHeard(e.ctx, func(all []int16) bool {
				return len(all) > at+1600 && all[len(all)-1] == 2000
			}))
			if reply := e.api(line, c.UUID()); !strings.HasPrefix(reply, "+OK") {
				e.Fatalf(line+": %q", c.UUID(), reply)
			}
			for i, conn := range conns {
				e.waitMark(conn, fmt.Sprint("round ", round), "cleared")
				name := []string{"one", "two"}[i]
				ev, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Stream: name, Subclass: "playback",
					Body: func(b string) bool { return strings.Contains(b, `"status":"cleared"`) }}, round+1)
				e.check("cleared event", err)
				var body clearedBody
				e.check(ev.Body, json.Unmarshal([]byte(ev.Body), &body))
				if body.DroppedMs == nil || *body.DroppedMs < 1000 || *body.DroppedMs > 5000 {
					e.Errorf("stream %s: %s", name, ev.Body)
				}
			}
		}
		// The streams go on.
		heard := len(c.Heard())
		sent := switchtest.Count(1, 4000)
		e.check("send", conns[0].SendBinary(agent.Bytes(sent)))
		// Two packets may be lost on a busy machine; what matters here is that the queue is played.
		e.check("heard", c.WaitHeard(e.ctx, func(all []int16) bool { return nonZero(all[heard:]) >= len(sent)-2*160 }))
	}},
})

// clearedBody is the body of a playback event with status cleared.
type clearedBody struct {
	statusBody
	DroppedMs *int `json:"droppedMs"`
}

// cleared waits for the n-th cleared event; it must say how much was dropped.
func (e *env) cleared(c switchtest.Call, n int) clearedBody {
	e.Helper()
	ev, err := e.sw.Events().Wait(e.ctx, switchtest.Filter{UUID: c.UUID(), Subclass: "playback", Body: func(b string) bool {
		return strings.Contains(b, `"status":"cleared"`)
	}}, n)
	e.check("cleared event", err)
	var body clearedBody
	e.check(ev.Body, json.Unmarshal([]byte(ev.Body), &body))
	if body.DroppedMs == nil {
		e.Fatalf("no droppedMs in %s", ev.Body)
	}
	return body
}

// packetAt gives the arrival of the packet that holds the i-th sample heard.
func packetAt(packets []switchtest.Packet, i int) (time.Time, bool) {
	for _, p := range packets {
		if i < p.Samples {
			return p.At, true
		}
		i -= p.Samples
	}
	return time.Time{}, false
}

// atomicClears sends, in one segment, a clear and the audio that belongs to the next answer, again and again: each of
// those is heard from its first sample to its last, with nothing of the one before in it.
func atomicClears(e *env) {
	const rounds, length = 25, 1600 // 200 ms
	s := e.agent(agent.Config{})
	c := e.call()
	conn := e.start(c, s, "mono 8000")
	for i := range rounds {
		old, next := constant(-1000-int16(i), 32000), constant(1000+int16(i), length)
		heard := len(c.Heard())
		e.check("send", conn.SendBinary(agent.Bytes(old)))
		e.check("the old audio", c.WaitHeard(e.ctx, func(all []int16) bool { return len(all) > heard && all[len(all)-1] == old[0] }))
		e.check("send", conn.SendRaw(slices.Concat(agent.TextFrame(`{"type":"clear"}`), agent.BinaryFrame(agent.Bytes(next)), agent.TextFrame(mark(fmt.Sprint(i))))))
		e.waitMark(conn, fmt.Sprint(i), "played")
		e.check("the new audio", c.WaitHeard(e.ctx, func(all []int16) bool {
			return len(all) > heard && countOf(all[heard:], next[0]) >= length
		}))
		part := c.Heard()[heard:]
		first := slices.Index(part, next[0])
		// On a busy machine the end of a message may come a frame late; a gap is no loss.
		if n := countOf(part, next[0]); n != length {
			e.Fatalf("round %d: of %d samples behind the clear %d were heard: %s", i, length, n, runs(part))
		}
		if slices.Contains(part[first:], old[0]) {
			e.Fatalf("round %d: audio from before the clear was heard behind it: %s", i, runs(part))
		}
	}
}

// runs describes samples as lengths of equal values.
func runs(samples []int16) string {
	var out []string
	for i := 0; i < len(samples); {
		k := i
		for k < len(samples) && samples[k] == samples[i] {
			k++
		}
		out = append(out, fmt.Sprintf("%d×%d", k-i, samples[i]))
		i = k
	}
	return strings.Join(out, " ")
}

func countOf(samples []int16, v int16) int {
	n := 0
	for _, s := range samples {
		if s == v {
			n++
		}
	}
	return n
}
