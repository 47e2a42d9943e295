// Cases: the playback queue: clear, marks, pause, and their events.

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

// clearCases are the ways to drop the queue.
func clearCases() []testcase {
	var out []testcase
	for _, how := range []string{"clear", "break", "stop_play", `{"type":"clear"}`, `{"type":"killAudio"}`} {
		out = append(out, testcase{name: "cleared by " + strings.Trim(how, "{}"), run: func(e *env) {
			s := e.agent(agent.Config{})
			c := e.call()
			conn := e.start(c, s, "mono")
			e.check("send", conn.SendBinary(agent.Bytes(switchtest.Count(1, 32000)))) // 4 s
			e.check("mark", conn.SendText(mark("behind it")))
			e.heard(c, 4000)
			after := switchtest.Count(20001, 4000)
			if strings.HasPrefix(how, "{") {
				e.check("clear", conn.SendText(how))
			} else {
				e.ok(c, how)
			}
			e.check("send", conn.SendBinary(agent.Bytes(after)))
			e.waitMark(conn, "behind it", "cleared")
			if ev := e.eventStatus(c, "mark", "cleared", 1); ev.Name != "behind it" || ev.PlayedMs < 400 || ev.PlayedMs > 3000 {
				e.Errorf("mark event %+v", ev)
			}
			cleared := e.eventStatus(c, "playback", "cleared", 1)
			if cleared.PlayedMs < 400 || cleared.PlayedMs > 3000 {
				e.Errorf("cleared event %+v", cleared)
			}
			// What came after the clear is heard, whole; what came before ended early.
			e.check("the audio after the clear", c.WaitHeard(e.ctx, func(all []int16) bool { return switchtest.Index(all, after) >= 0 }))
			all := c.Heard()
			before := nonZero(all[:switchtest.Index(all, after)])
			if before > 24000 {
				e.Errorf("%d samples of the cleared audio were heard", before)
			}
			if n := e.number(e.stats(c, ""), "clears"); n != 1 {
				e.Errorf("stats: %v clears", n)
			}
		}})
	}
	return out
}

// mark is the server's message.
func mark(name string) string {
	b, _ := json.Marshal(map[string]any{"type": "mark", "data": map[string]string{"name": name}}) // strings always marshal
	return string(b)
}

// waitMark waits for the module's answer to a mark and returns its playedMs.
func (e *env) waitMark(conn *agent.Conn, name, status string) int {
	e.Helper()
	type answer struct {
		Type string     `json:"type"`
		Data statusBody `json:"data"`
	}
	var got answer
	err := conn.Wait(e.ctx, func(all []agent.Frame) bool {
		for _, text := range texts(all) {
			var a answer
			if json.Unmarshal([]byte(text), &a) == nil && a.Type == "mark" && a.Data.Name == name {
				got = a
				return true
			}
		}
		return false
	})
	e.check("mark "+name, err)
	if got.Data.Status != status {
		e.Errorf("mark %s has status %q, expected %q", name, got.Data.Status, status)
	}
	return got.Data.PlayedMs
}

var queueCases = slices.Concat(clearCases(), []testcase{
	{name: "marks are answered when what was before them has been played", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		began := time.Now()
		for i := range 3 {
			e.check("send", conn.SendBinary(agent.Bytes(switchtest.Count(1+i*8000, 8000))))
			e.check("mark", conn.SendText(mark(fmt.Sprintf("second %d", i+1))))
		}
		for i := range 3 {
			name := fmt.Sprintf("second %d", i+1)
			played := e.waitMark(conn, name, "played")
			if want := 1000 * (i + 1); math.Abs(float64(played-want)) > 25 {
				e.Errorf("%s: playedMs %d, expected %d", name, played, want)
			}
			if d, want := time.Since(began), time.Duration(i+1)*time.Second; d < want-50*time.Millisecond || d > want+600*time.Millisecond {
				e.Errorf("%s: answered after %s", name, d)
			}
			ev := e.eventStatus(c, "mark", "played", i+1)
			if ev.Name != name {
				e.Errorf("mark event %d is %+v", i, ev)
			}
		}
		want := `{"type":"mark","data":{"name":"second 1","status":"played","playedMs":`
		if got := texts(conn.Frames())[0]; !strings.HasPrefix(got, want) {
			e.Errorf("answer %s", got)
		}
		if n := e.number(e.stats(c, ""), "marks"); n != 3 {
			e.Errorf("stats: %v marks", n)
		}
	}},
	{name: "a mark with nothing before it is answered at once", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.check("mark", conn.SendText(mark(`odd "name" \ ü`)))
		if played := e.waitMark(conn, `odd "name" \ ü`, "played"); played != 0 {
			e.Errorf("playedMs %d", played)
		}
	}},
	{name: "pause_play holds playback, resume_play goes on where it was", run: func(e *env) { pausePlay(e, "pause_play", "resume_play") }},
	{name: "the server's pause and resume do the same", run: func(e *env) { pausePlay(e, `{"type":"pause"}`, `{"type":"resume"}`) }},
	{name: "playback events: started, stopped, started again", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		for i := range 2 {
			e.check("send", conn.SendBinary(agent.Bytes(switchtest.Count(1, 4000))))
			e.eventStatus(c, "playback", "started", i+1)
			ev := e.eventStatus(c, "playback", "stopped", i+1)
			if ev.QueuedMs != 0 || ev.PlayedMs%500 != 0 {
				e.Errorf("stopped event %d: %+v", i, ev)
			}
		}
		for _, ev := range e.sw.Events().All(switchtest.Filter{UUID: c.UUID(), Subclass: "playback"}) {
			var keys map[string]any
			e.check(ev.Body, json.Unmarshal([]byte(ev.Body), &keys))
			if len(keys) != 3 {
				e.Errorf("playback event %s", ev.Body)
			}
		}
	}},
	{name: "clear with nothing queued is no error", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.ok(c, "clear")
		sent := switchtest.Count(1, 4000)
		e.check("send", conn.SendBinary(agent.Bytes(sent)))
		e.heardExactly("heard", c, sent)
	}},
	{name: "clear takes effect within a few frames", run: func(e *env) {
		s := e.agent(agent.Config{})
		c := e.call()
		conn := e.start(c, s, "mono")
		e.check("send", conn.SendBinary(agent.Bytes(switchtest.Count(1, 32000))))
		e.heard(c, 4000)
		e.ok(c, "clear")
		at := len(c.Heard())
		e.eventStatus(c, "playback", "cleared", 1)
		e.pass(1500 * time.Millisecond)
		// What was on its way to the caller: the frame being played, the network, and on the stand-in the recording.
		if n := nonZero(c.Heard()[at:]); n > 8000*3/10 && e.sw.Name() == "freeswitch" {
			e.Errorf("%d samples were heard after the clear", n)
		}
		played := nonZero(c.Heard())
		if ev := e.eventStatus(c, "playback", "cleared", 1); math.Abs(float64(ev.PlayedMs*8-played)) > 8*41 {
			e.Errorf("cleared event says %d ms were played, the caller heard %d ms", ev.PlayedMs, played/8)
		}
	}},
})

func pausePlay(e *env, pause, resume string) {
	s := e.agent(agent.Config{})
	c := e.call()
	conn := e.start(c, s, "mono")
	do := func(how string) {
		if strings.HasPrefix(how, "{") {
			e.check("send", conn.SendText(how))
			return
		}
		e.ok(c, how)
	}
	sent := switchtest.Count(1, 16000)
	e.check("send", conn.SendBinary(agent.Bytes(sent)))
	e.heard(c, 4000)
	do(pause)
	paused := e.eventStatus(c, "playback", "paused", 1)
	if paused.QueuedMs < 300 || paused.QueuedMs > 1600 || math.Abs(float64(paused.PlayedMs+paused.QueuedMs-2000)) > 60 {
		e.Errorf("paused event %+v: 2000 ms were sent", paused)
	}
	e.pass(300 * time.Millisecond)
	held := nonZero(c.Heard())
	n := countBinary(conn.Frames())
	e.waitAudio(conn, n+40) // capture goes on
	if now := nonZero(c.Heard()); now > held+8000*11/10 || e.sw.Name() == "freeswitch" && now != held {
		e.Errorf("%d samples were heard while paused", now-held)
	}
	do(resume)
	e.eventStatus(c, "playback", "resumed", 1)
	got := e.heard(c, len(sent))
	r := switchtest.CheckCounter(got)
	if !r.Whole() || r.Samples != len(sent) || r.Gaps > 1 {
		e.Errorf("heard: %s; expected all %d samples, with one gap at most", r, len(sent))
	}
}
