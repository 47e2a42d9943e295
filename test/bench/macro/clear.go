package main

import (
	"context"
	"slices"
	"time"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/results"
	"mod_audio_stream/test/bench/steps"
	"mod_audio_stream/test/bench/wsload"
)

// Barge-in: so much is queued, so much of it is heard, then the server sends clear and waits. On all calls within a second, one
// after the other, as callers do who know nothing of each other.
const (
	clearQueued = 2 * time.Second
	clearHeard  = 400 * time.Millisecond
	clearSpread = time.Second
	clearWait   = 400 * time.Millisecond
)

// clears measures barge-ins on all calls: from the server's clear to the end of the last packet with sound at the
// caller.
func (s *site) clears(ctx context.Context, o *options) (results.Clear, error) {
	c := results.Clear{Switch: s.kind, Module: s.mod.name, Calls: len(s.uuids)}
	server := o.servers[false]
	server.Play(wsload.Listen)
	if err := s.startStreams(ctx, func(i int) string { return server.URL(i, 8000) }, 8000); err != nil {
		return c, err
	}
	if err := server.WaitCount(len(s.uuids), 30*time.Second); err != nil {
		return c, err
	}
	var ms []float64
	for len(ms)+c.Failed < o.clears && ctx.Err() == nil {
		conns := server.Conns()
		for _, conn := range conns {
			conn.Send(int(clearQueued / (steps.FrameMS * time.Millisecond)))
		}
		pause(ctx, clearHeard)
		at := map[int]int64{}
		for i, conn := range conns {
			at[i] = conn.Text(`{"type":"clear"}`)
			pause(ctx, clearSpread/time.Duration(len(conns)))
		}
		pause(ctx, clearWait)
		for i, sent := range at {
			// the last sample of a packet that is played as it comes
			late := float64(s.calls[i].LastSound()-sent)/1e6 + steps.FrameMS
			if time.Duration(measure.Now()-s.calls[i].LastSound()) < clearWait/4 {
				c.Failed++
				continue
			}
			ms = append(ms, max(late, 0))
		}
	}
	slices.Sort(ms)
	c.N = len(ms)
	if c.N > 0 {
		c.P50, c.P99, c.Max = measure.Quantile(ms, 0.5), measure.Quantile(ms, 0.99), ms[len(ms)-1]
	}
	if err := s.stopStreams(ctx); err != nil {
		return c, err
	}
	return c, server.WaitCount(0, 30*time.Second)
}
