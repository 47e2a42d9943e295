// Command audio-agent is a sample WebSocket server for mod_audio_stream: it echoes, records, plays a WAV or a tone. It
// holds the flags and the signals only; what it does is in package agent.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mod_audio_stream/goside/agent"
)

const usage = `Usage: audio-agent [flags]

A WebSocket server that a call can be streamed to:
    uuid_audio_stream <uuid> start ws://127.0.0.1:8080/ mono 8000

Modes:
  echo     every binary frame straight back
  record   each connection to <dir>/call-<n>.wav
  play     a WAV file (-wav), in 20 ms frames or, with -burst, all at once
  tone     a sine wave (-hz), without end

Flags:
`

type options struct {
	listen, mode, wav, dir string
	rate, channels         int
	hz                     float64
	asJSON, burst, loop    bool
	cert, key              string
}

func main() {
	var o options
	fs := flag.NewFlagSet("audio-agent", flag.ExitOnError)
	fs.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`host:port` to listen on; port 0 picks a free one")
	fs.StringVar(&o.mode, "mode", "echo", "echo, record, play or tone")
	fs.IntVar(&o.rate, "rate", 8000, "sample rate of the stream, `Hz`")
	fs.IntVar(&o.channels, "channels", 1, "channels of the stream: 1, or 2 for stereo")
	fs.StringVar(&o.wav, "wav", "", "16 bit PCM `file` for -mode play")
	fs.StringVar(&o.dir, "dir", ".", "`folder` for -mode record; with any other mode, recordings are made too when it is given")
	fs.Float64Var(&o.hz, "hz", 440, "frequency for -mode tone")
	fs.BoolVar(&o.asJSON, "json", false, "send audio as streamAudio messages instead of binary frames")
	fs.BoolVar(&o.burst, "burst", false, "with -mode play: the whole file in one message")
	fs.BoolVar(&o.loop, "loop", false, "with -mode play: start over at the end")
	fs.StringVar(&o.cert, "cert", "", "certificate `file` (PEM) for wss://")
	fs.StringVar(&o.key, "key", "", "its key `file`")
	fs.Usage = func() {
		_, _ = fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	_ = fs.Parse(os.Args[1:]) // ExitOnError
	dirGiven := false
	fs.Visit(func(f *flag.Flag) { dirGiven = dirGiven || f.Name == "dir" })

	logger := log.New(os.Stdout, "audio-agent: ", log.LstdFlags|log.Lmicroseconds|log.Lmsgprefix)
	if err := run(o, dirGiven, logger); err != nil {
		logger.Print(err)
		os.Exit(1)
	}
}

// run serves until SIGINT or SIGTERM.
func run(o options, dirGiven bool, logger *log.Logger) error {
	line := func(s string) { logger.Print(s) }
	mode, err := o.behaviour(dirGiven, line)
	if err != nil {
		return err
	}
	cfg := agent.Config{Listen: o.listen, Mode: mode, Forget: true, Log: line}
	if cfg.TLS, err = loadTLS(o.cert, o.key); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	server, err := agent.Start(cfg)
	if err != nil {
		return err
	}
	logger.Printf("listening on %s, mode %s, %d Hz", server.URL("/"), o.mode, o.rate)
	got := <-stop
	signal.Stop(stop)
	logger.Printf("%s: closing %d connections", got, server.Open())
	return server.Shutdown(3 * time.Second)
}

func (o options) behaviour(dirGiven bool, line func(string)) (agent.Mode, error) {
	if o.channels != 1 && o.channels != 2 {
		return nil, fmt.Errorf("-channels is 1 or 2, not %d", o.channels)
	}
	if o.rate < 8000 || o.rate > 48000 {
		return nil, fmt.Errorf("-rate is between 8000 and 48000 Hz, not %d", o.rate)
	}
	record := &agent.Record{Dir: o.dir, Rate: o.rate, Channels: o.channels, Log: line}
	var mode agent.Mode
	switch o.mode {
	case "record":
		return record, nil
	case "echo":
		mode = agent.Echo{Channels: o.channels, JSON: o.asJSON, Rate: o.rate}
	case "play":
		if o.wav == "" {
			return nil, errors.New("-mode play needs -wav <file>")
		}
		samples, rate, channels, err := agent.ReadWAV(o.wav)
		if err != nil {
			return nil, err
		}
		if channels != 1 || (rate != o.rate && !o.asJSON) {
			return nil, fmt.Errorf("%s is %d Hz with %d channels; it must be mono and %d Hz (-rate), or, with -json, mono of any rate",
				o.wav, rate, channels, o.rate)
		}
		mode = agent.Play{Samples: samples, Rate: rate, Burst: o.burst, JSON: o.asJSON, Loop: o.loop}
	case "tone":
		// One second of a whole number of periods, so that the loop has no click.
		hz := float64(int(o.hz + 0.5))
		mode = agent.Play{Samples: agent.SineWave(hz, o.rate, o.rate, 8000), Rate: o.rate, JSON: o.asJSON, Loop: true}
	default:
		return nil, fmt.Errorf("unknown -mode %q; it is echo, record, play or tone", o.mode)
	}
	if dirGiven {
		mode = agent.Join{record, mode}
	}
	return mode, nil
}
