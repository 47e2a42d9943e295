package main

/*
#include "audio_stream.h"
// The layouts that ring.go, media.go and doorbell.go assume, as C sees them.
enum {
	off_ring_tail = offsetof(as_ring_t, tail), off_ring_dropped = offsetof(as_ring_t, dropped),
	off_ring_base = offsetof(as_ring_t, base),
	off_ring_head = offsetof(as_ring_t, head), off_ring_size = offsetof(as_ring_t, size), off_ring_data = offsetof(as_ring_t, data),
	off_play_tail = offsetof(as_playout_t, tail), off_play_wake_at = offsetof(as_playout_t, wake_at),
	off_play_paused = offsetof(as_playout_t, paused), off_play_wanted = offsetof(as_playout_t, wanted),
	off_play_head = offsetof(as_playout_t, head), off_play_done = offsetof(as_playout_t, done),
	off_play_underruns = offsetof(as_playout_t, underruns), off_play_rate = offsetof(as_playout_t, rate),
	off_play_made_for = offsetof(as_playout_t, made_for),
	off_play_taken_ns = offsetof(as_playout_t, taken_ns), off_play_frame = offsetof(as_playout_t, frame),
	off_play_size = offsetof(as_playout_t, size), off_play_data_at = offsetof(as_playout_t, data_at), size_play = sizeof(as_playout_t),
	off_media_id = offsetof(as_media_t, id), off_media_capture = offsetof(as_media_t, capture),
	off_media_playout = offsetof(as_media_t, playout), off_media_closed = offsetof(as_media_t, closed),
	off_media_mute = offsetof(as_media_t, mute), off_media_dtmf = offsetof(as_media_t, dtmf),
	off_media_dtmf_lost = offsetof(as_media_t, dtmf_lost), off_media_callee_lost = offsetof(as_media_t, callee_lost),
	dtmf_slots = sizeof(((as_media_t *)0)->dtmf) / sizeof(uint32_t),
	off_bell_armed = offsetof(as_doorbell_t, armed), off_bell_fd = offsetof(as_doorbell_t, fd),
	size_frame_hdr = sizeof(as_frame_hdr_t), off_hdr_legs = offsetof(as_frame_hdr_t, legs),
};
*/
import "C"

import "unsafe"

// A difference between C's and Go's description of the same memory does not compile: the array's length would be negative.
type (
	_ [-(int(unsafe.Offsetof(captureRing{}.dropped)) ^ C.off_ring_dropped)]byte
	_ [-(int(unsafe.Offsetof(captureRing{}.base)) ^ C.off_ring_base)]byte
	_ [-(int(unsafe.Offsetof(captureRing{}.head)) ^ C.off_ring_head)]byte
	_ [-(int(unsafe.Offsetof(captureRing{}.size)) ^ C.off_ring_size)]byte
	_ [-(int(unsafe.Sizeof(captureRing{})) ^ C.off_ring_data)]byte
	_ [-(int(unsafe.Sizeof(frameHdr{})) ^ C.size_frame_hdr)]byte
	_ [-(int(unsafe.Offsetof(frameHdr{}.legs)) ^ C.off_hdr_legs)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.wakeAt)) ^ C.off_play_wake_at)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.paused)) ^ C.off_play_paused)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.wanted)) ^ C.off_play_wanted)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.head)) ^ C.off_play_head)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.done)) ^ C.off_play_done)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.underruns)) ^ C.off_play_underruns)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.rate)) ^ C.off_play_rate)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.madeFor)) ^ C.off_play_made_for)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.takenNS)) ^ C.off_play_taken_ns)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.frame)) ^ C.off_play_frame)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.size)) ^ C.off_play_size)]byte
	_ [-(int(unsafe.Offsetof(playoutRing{}.dataAt)) ^ C.off_play_data_at)]byte
	_ [-(int(unsafe.Sizeof(playoutRing{})) ^ C.size_play)]byte
	_ [-(int(unsafe.Offsetof(mediaBlock{}.capture)) ^ C.off_media_capture)]byte
	_ [-(int(unsafe.Offsetof(mediaBlock{}.playout)) ^ C.off_media_playout)]byte
	_ [-(int(unsafe.Offsetof(mediaBlock{}.closed)) ^ C.off_media_closed)]byte
	_ [-(int(unsafe.Offsetof(mediaBlock{}.mute)) ^ C.off_media_mute)]byte
	_ [-(int(unsafe.Offsetof(mediaBlock{}.dtmf)) ^ C.off_media_dtmf)]byte
	_ [-(int(unsafe.Offsetof(mediaBlock{}.dtmfLost)) ^ C.off_media_dtmf_lost)]byte
	_ [-(int(unsafe.Offsetof(mediaBlock{}.calleeLost)) ^ C.off_media_callee_lost)]byte
	_ [-(dtmfSlots ^ C.dtmf_slots)]byte
	_ [-(int(unsafe.Offsetof(bellBlock{}.fd)) ^ C.off_bell_fd)]byte
)
