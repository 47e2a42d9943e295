package main

/*
#include "audio_stream.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"mod_audio_stream/goside/host"
)

// resampler is host.Resampler over FreeSWITCH's. One goroutine at a time.
type resampler struct {
	r        *C.as_resampler_t
	channels int
}

func (switchHost) NewResampler(from, to, channels int) (host.Resampler, error) {
	r := C.as_resampler_create(C.uint32_t(from), C.uint32_t(to), C.uint32_t(channels))
	if r == nil {
		return nil, fmt.Errorf("no resampler from %d to %d Hz for %d channels", from, to, channels)
	}
	return &resampler{r, channels}, nil
}

// Process implements host.Resampler. The result is C's memory and is overwritten by the next call.
func (r *resampler) Process(in []int16) []int16 {
	if len(in) < r.channels {
		return nil
	}
	var out *C.int16_t
	n := C.as_resampler_process(r.r, (*C.int16_t)(unsafe.SliceData(in)), C.uint32_t(len(in)/r.channels), &out)
	return unsafe.Slice((*int16)(out), int(n)*r.channels)
}

// Close implements host.Resampler.
func (r *resampler) Close() {
	C.as_resampler_destroy(r.r)
	r.r = nil
}
