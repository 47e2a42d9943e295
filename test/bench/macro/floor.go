package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/results"
)

// sendLoops runs the bare send loop in windows and frame by frame with as many streams as there are calls.
func (o *options) sendLoops(ctx context.Context, file *results.File, n, round int) error {
	for _, window := range []int{5, 0} {
		server := o.servers[false]
		cmd := exec.CommandContext(ctx, o.floor, fmt.Sprint(server.Port()), fmt.Sprint(n), fmt.Sprint(window))
		var problems strings.Builder
		cmd.Stderr = &problems
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("the bare send loop: %w", err)
		}
		end := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() } // it runs until it is killed
		if err := server.WaitCount(n, 10*time.Second); err != nil {
			end()
			return fmt.Errorf("the bare send loop: %w %s", err, problems.String())
		}
		pause(ctx, o.settle/2)
		before, err := measure.Process(cmd.Process.Pid)
		pause(ctx, o.measure)
		after, err2 := measure.Process(cmd.Process.Pid)
		end()
		if err == nil {
			err = err2
		}
		if err != nil {
			return err
		}
		if err := server.WaitCount(0, 10*time.Second); err != nil {
			return err
		}
		per := float64(after.At-before.At) / 1e9 * float64(n)
		f := results.Floor{Streams: n, Round: round, WindowMS: window, CPU: float64(after.CPU-before.CPU) / 1e6 / per,
			Switches: float64(after.Voluntary+after.Involuntary-before.Voluntary-before.Involuntary) / per}
		file.Floor = append(file.Floor, f)
		say("send loop  %4d streams, window %d ms: %.3f ms/s, %.1f switches", n, window, f.CPU, f.Switches)
	}
	return nil
}
