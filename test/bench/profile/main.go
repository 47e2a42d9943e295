// Command profile sums up recordings of `macro -profile`: what share of the switch's time goes into which part of the
// module. It reads stacks with `perf script` and gives each sample to the first part that it is in.
//
//	go run ./test/bench/profile build/bench/profile/*.perf
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// part is one line of the table. A sample belongs to it when its thread has the name, if one is given, and a frame of its
// stack holds one of the words.
type part struct {
	name   string
	thread string
	words  []string
}

// parts in order: the first that fits takes the sample.
var parts = []part{
	{name: "garbage collection", words: []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.gcStart", "runtime.gcAssist", "runtime.bgscavenge", "runtime.gcDrain"}},
	{name: "sysmon", words: []string{"runtime.sysmon"}},
	{name: "media: doorbell", words: []string{"as_doorbell_ring"}},
	{name: "media: READ and WRITE_REPLACE", words: []string{"as_bug_callback"}},
	{name: "pacer: write_frame of FreeSWITCH", thread: "audio_pacer", words: []string{"switch_core_session_write_frame"}},
	{name: "pacer: its own", thread: "audio_pacer", words: []string{""}},
	{name: "pump: write to the socket", words: []string{"netpoll.(*Conn).TryWrite", "wsclient.(*Conn).send"}},
	{name: "pump: read from the socket", words: []string{"netpoll.(*Conn).tryRead"}},
	{name: "pump: which sockets have something", words: []string{"netpoll.(*Poller).handle", "netpoll.(*Poller).Poll", "netpoll.(*Poller).Wait"}},
	{name: "pump: player", words: []string{"playback.(*Player).Serve"}},
	{name: "pump: encoding, statistics", words: []string{"stream.(*pumpSide).send"}},
	{name: "pump: rings, framer, rest", words: []string{"pump.(*Pump).run"}},
	{name: "receiver: player", words: []string{"playback.(*Player).Play"}},
	{name: "receiver: frames, messages, rest", words: []string{"stream.(*Stream).receive"}},
	{name: "TLS", words: []string{"crypto/tls"}},
	{name: "Go scheduler: network poller", words: []string{"runtime.netpoll"}},
	{name: "Go scheduler: threads put to sleep and woken", words: []string{"runtime.stopm", "runtime.startm", "runtime.wakep", "runtime.futex"}},
	{name: "Go scheduler: rest", words: []string{"runtime.schedule", "runtime.mcall", "runtime.mstart", "runtime.findRunnable", "runtime."}},
	{name: "Go, other", words: []string{"mod_audio_stream/", "goexit"}},
	{name: "media bug of FreeSWITCH", words: []string{"switch_core_media_bug_", "switch_core_session_get_read_impl"}},
	{name: "FreeSWITCH: RTP write", words: []string{"rtp_common_write", "switch_rtp_write_frame"}},
	{name: "FreeSWITCH: write_frame", words: []string{"switch_core_session_write_frame"}},
	{name: "FreeSWITCH: read_frame", words: []string{"switch_core_session_read_frame", "switch_ivr_park"}},
	{name: "FreeSWITCH: timer thread", words: []string{"softtimer_runtime", "timer_next"}},
	{name: "FreeSWITCH: rest", words: []string{""}},
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: profile <recording>...")
		os.Exit(2)
	}
	for _, path := range os.Args[1:] {
		if err := sum(path); err != nil {
			fmt.Fprintln(os.Stderr, "profile:", err)
			os.Exit(1)
		}
	}
}

func sum(path string) error {
	cmd := exec.Command("perf", "script", "-i", path, "-F", "comm,ip,sym")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	counts := make([]int, len(parts))
	total := 0
	var thread string
	var stack strings.Builder
	take := func() {
		if thread == "" {
			return
		}
		total++
		counts[find(thread, stack.String())]++
		thread = ""
		stack.Reset()
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
			take()
		case !strings.HasPrefix(line, "\t"):
			thread = strings.TrimSpace(line)
		default:
			stack.WriteString(line)
			stack.WriteByte('\n')
		}
	}
	take()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("perf script: %w", err)
	}
	fmt.Printf("\n%s: %d samples\n", path, total)
	for i, p := range parts {
		if counts[i] > 0 {
			fmt.Printf("  %5.1f %%  %s\n", 100*float64(counts[i])/float64(total), p.name)
		}
	}
	return nil
}

func find(thread, stack string) int {
	for i, p := range parts {
		if p.thread != "" && p.thread != thread {
			continue
		}
		for _, w := range p.words {
			if strings.Contains(stack, w) {
				return i
			}
		}
	}
	return len(parts) - 1
}
