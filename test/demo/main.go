// Demo makes one call and shows what the module is for: a caller who talks, an agent at the other end of a WebSocket that
// says everything back, and both at the same time. It runs in FreeSWITCH if there is one, else in the stand-in host, and
// writes what the caller heard to a WAV file.
//
//	make demo
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mod_audio_stream/goside/agent"
	"mod_audio_stream/test/e2e/switchtest"
)

const (
	rate   = 16000 // Hz, of the call and of the stream
	spoken = "Hello. This call is streamed to a WebSocket server while I talk. The server sends every frame back at once, and " +
		"so I hear myself a moment later, without stopping. Nothing waits for anything else: that is what full duplex means. Goodbye."
	metadata = `{"demo":true,"says":"every frame back"}`
)

func main() {
	build := flag.String("build", "build", "build folder")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	err := run(ctx, *build)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, build string) (err error) {
	dir := filepath.Join(build, "demo")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	voice, err := speak(ctx, filepath.Join(dir, "spoken.wav"))
	if err != nil {
		return err
	}
	server, err := agent.Start(agent.Config{Mode: agent.Echo{}, Forget: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	fmt.Printf("agent     listens on %s and says every frame back\n", server.URL("/"))

	sw, err := start(ctx, build, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sw.Close()) }()

	call, err := sw.Originate(ctx, switchtest.CallSpec{Rate: rate, Source: &switchtest.Samples{PCM: voice}})
	if err != nil {
		return err
	}
	fmt.Printf("call      %s, %d Hz, parked; the caller talks for %d s\n", call.UUID(), rate, len(voice)/rate)
	command := fmt.Sprintf("uuid_audio_stream %s start %s mono 16k %s", call.UUID(), server.URL("/call"), metadata)
	reply, err := sw.API(ctx, command)
	if err != nil {
		return err
	}
	fmt.Printf("          %s\n          %s\n", command, strings.TrimSpace(reply))
	if !strings.HasPrefix(reply, "+OK") {
		return errors.New("the stream did not start")
	}
	conn, err := server.Accept(ctx)
	if err != nil {
		return fmt.Errorf("the module did not connect: %w", err)
	}
	if err := watch(ctx, sw, call, len(voice)); err != nil {
		return err
	}
	roundTrip := measure(call, voice)
	text, err := sw.API(ctx, "uuid_audio_stream "+call.UUID()+" stats")
	if err != nil {
		return err
	}
	if _, err := sw.API(ctx, "uuid_audio_stream "+call.UUID()+" stop thanks"); err != nil {
		return err
	}
	select {
	case <-conn.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	heard := call.Heard()
	if err := call.Hangup(ctx); err != nil {
		return err
	}
	path := filepath.Join(dir, "heard.wav")
	if err := agent.WriteWAV(path, heard, rate, 1); err != nil {
		return err
	}
	return report(text, conn.Counts(), roundTrip, path, filepath.Join(dir, "spoken.wav"))
}

// start prefers a real FreeSWITCH and says which switch it is.
func start(ctx context.Context, build, dir string) (switchtest.Switch, error) {
	module, err := filepath.Abs(filepath.Join(build, "mod_audio_stream.so"))
	if err != nil {
		return nil, err
	}
	prefix, err := switchtest.FindFreeSWITCH()
	if err == nil {
		fmt.Printf("switch    FreeSWITCH in %s, on ports of its own\n", prefix)
		return switchtest.StartFreeSWITCH(ctx, switchtest.FreeSWITCHOptions{Module: module, Dir: filepath.Join(dir, "freeswitch")})
	}
	fmt.Println("switch    no FreeSWITCH here, so the call is made in the stand-in host (test/host)")
	return switchtest.StartStandIn(ctx, switchtest.StandInOptions{Program: filepath.Join(build, "test", "fshost"), Module: module,
		Dir: filepath.Join(dir, "host")})
}

// speak makes the caller's voice with espeak-ng and brings it to the call's rate.
func speak(ctx context.Context, path string) ([]int16, error) {
	out, err := exec.CommandContext(ctx, "espeak-ng", "-v", "en", "-s", "165", "-w", path, spoken).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("espeak-ng: %w %s (apt-get install espeak-ng)", err, out)
	}
	samples, from, channels, err := agent.ReadWAV(path)
	if err != nil || channels != 1 {
		return nil, fmt.Errorf("%s: %d channels, %w", path, channels, err)
	}
	voice := make([]int16, len(samples)*rate/from)
	for i := range voice { // linear: good enough for a synthetic voice
		at := float64(i) * float64(from) / rate
		k := min(int(at), len(samples)-2)
		part := at - float64(k)
		voice[i] = int16(float64(samples[k])*(1-part) + float64(samples[k+1])*part)
	}
	return voice, nil
}

// watch shows progress until the caller has said everything and heard the last of it.
func watch(ctx context.Context, sw switchtest.Switch, call switchtest.Call, samples int) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-sw.Exited():
			return fmt.Errorf("the switch ended in the middle of the call: %w (log: %s)", errors.Join(sw.ExitError()), sw.LogFile())
		case <-call.Done():
			return errors.New("the call ended by itself")
		case <-ctx.Done():
			return ctx.Err()
		}
		said, heard := call.Said(), len(call.Heard())
		fmt.Printf("\r          said %5.1f s of %.1f s, heard %5.1f s ", seconds(said), seconds(samples), seconds(heard))
		if said > samples+rate {
			fmt.Println()
			return nil
		}
	}
}

func seconds(samples int) float64 { return float64(samples) / rate }

// measure finds what was said a moment ago in what is being heard, and returns how long it was on its way; 0 if it is not
// found, since nothing but the same samples counts.
func measure(call switchtest.Call, voice []int16) time.Duration {
	said, heard := call.Said(), call.Heard()
	const length = rate / 4
	at := max(0, len(voice)-3*rate) // a piece that has come back for certain
	piece := voice[at : at+length]
	found := switchtest.Index(heard, piece)
	if found < 0 {
		return 0
	}
	return time.Duration(float64((said-at)-(len(heard)-found)) / rate * float64(time.Second))
}

func report(stats string, c agent.Counts, roundTrip time.Duration, heard, said string) error {
	var s struct {
		FramesCaptured, FramesSent uint64
		FramesDropped              map[string]uint64
		CaptureLatencyMS           struct{ P50, P99 float64 }
		PlaybackPlayedMS           int64
		Underruns                  uint64
	}
	if err := json.Unmarshal([]byte(stats), &s); err != nil {
		return fmt.Errorf("stats: %w: %s", err, stats)
	}
	var dropped uint64
	for _, n := range s.FramesDropped {
		dropped += n
	}
	fmt.Printf("out       %d frames of 20 ms captured, %d sent, %d reached the agent, %d lost\n", s.FramesCaptured, s.FramesSent,
		c.ReceivedFrames, dropped)
	fmt.Printf("          media thread to socket: median %.2f ms, 99 %% within %.2f ms\n", s.CaptureLatencyMS.P50, s.CaptureLatencyMS.P99)
	fmt.Printf("back      %d frames sent by the agent while the caller talked on, %.1f s heard, %d gaps\n", c.SentFrames,
		float64(s.PlaybackPlayedMS)/1000, s.Underruns)
	if roundTrip > 0 {
		fmt.Printf("          round trip, caller to caller: %d ms, and what was heard is what was said, sample by sample\n", roundTrip.Milliseconds())
	} else {
		fmt.Println("          what was said was not found sample by sample in what was heard: listen to it")
	}
	fmt.Printf("listen    %s (what the caller heard), %s (what the caller said)\n", heard, said)
	if dropped > 0 || s.FramesSent == 0 || c.ReceivedFrames == 0 {
		return errors.New("audio was lost")
	}
	return nil
}
