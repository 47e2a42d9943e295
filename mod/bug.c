/*
 * The media bug: what runs on FreeSWITCH's media threads, once per frame and call.
 *
 * Nothing here enters Go, allocates, logs, or waits for a lock that is ours. A frame costs one copy into or out of a
 * ring; the only system call is the doorbell's, and only while the pump sleeps.
 */
#include "shim.h"

/* Callbacks in a row that find a caller frame but half a callee frame, until the bug's buffers are emptied. FreeSWITCH
 * waits for the other half for ever, and it never comes when the callee's writer stopped in the middle of a frame. */
#define STUCK_CALLBACKS 4

/* FreeSWITCH stands 0xFF bytes in for audio that is not there (CNG frames, PLC's break), which is the sample -1. A
 * frame of nothing else is silence, and silence is zeros on the wire. */
static void clean_fill(int16_t *samples, uint32_t n, uint32_t step)
{
	for (uint32_t i = 0; i < n; i += step) {
		if (samples[i] != -1) return;
	}
	for (uint32_t i = 0; i < n; i += step) samples[i] = 0;
}

/* READ, under the bug's read_mutex. */
static void capture(as_stream_t *s, switch_media_bug_t *bug)
{
	as_ring_t *ring = s->media.capture;
	switch_core_session_t *session = switch_core_media_bug_get_session(bug);
	switch_codec_implementation_t impl;
	bool mute = atomic_load_explicit(&s->media.mute, memory_order_relaxed);
	bool news = false;

	memset(&impl, 0, sizeof(impl));
	switch_core_session_get_read_impl(session, &impl);
	if (!impl.decoded_bytes_per_packet || impl.decoded_bytes_per_packet > SWITCH_RECOMMENDED_BUFFER_SIZE) return;

	for (;;) {
		switch_size_t caller = 0, callee = 0;
		switch_frame_t frame;
		as_frame_hdr_t *h = NULL;
		int16_t *samples;
		uint32_t n;

		/* The caller's leg is the clock: one frame out for each of its frames in. Without this look, reading with fill
		 * off would also hand out callee frames on their own, at double speed. */
		switch_core_media_bug_inuse(bug, &caller, &callee);
		if (caller < impl.decoded_bytes_per_packet) break;

		if (!mute) h = as_ring_reserve(ring, impl.decoded_bytes_per_packet * s->legs);
		memset(&frame, 0, sizeof(frame));
		frame.data = h ? (uint8_t *)(h + 1) : s->spare;
		frame.buflen = SWITCH_RECOMMENDED_BUFFER_SIZE; /* twice the packet is there; it is checked against one packet */
		/* Fill off: with fill on nothing is returned while either leg is silent, and the stream would stall. */
		if (switch_core_media_bug_read(bug, &frame, SWITCH_FALSE) != SWITCH_STATUS_SUCCESS || !frame.datalen) {
			if (++s->stuck >= STUCK_CALLBACKS) {
				switch_core_media_bug_flush(bug);
				s->stuck = 0;
				if (!mute) as_ring_drop(ring);
			}
			break;
		}
		s->stuck = 0;
		if (mute) continue;
		if (!h) {
			as_ring_drop(ring);
			continue;
		}
		samples = frame.data;
		n = frame.datalen / sizeof(int16_t);
		if (s->legs == 1) {
			clean_fill(samples, n, 1);
		} else {
			clean_fill(samples, n, 2);
			clean_fill(samples + 1, n - 1, 2);
		}
		h->mono_ns = as_now_ns();
		h->rate = impl.actual_samples_per_second;
		h->bytes = frame.datalen;
		h->channels = (uint16_t)(impl.number_of_channels * s->legs);
		h->legs = (uint16_t)s->legs;
		as_ring_commit(ring, h);
		news = true;
	}
	if (news) as_doorbell_ring();
}

static int16_t add_saturated(int16_t a, int16_t b)
{
	int32_t sum = (int32_t)a + b;

	return (int16_t)(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
}

/* WRITE_REPLACE, under the session's codec_write_mutex. The frame holds decoded samples at the channel's rate. */
static void play(as_stream_t *s, switch_media_bug_t *bug)
{
	as_playout_t *p = s->media.playout;
	switch_frame_t *in = switch_core_media_bug_get_write_replace_frame(bug);
	switch_codec_implementation_t impl;
	uint32_t channels, n, total, took;
	bool wanted, replace;
	const int16_t *src;

	if (!p || !in || !in->data || !in->datalen || in->datalen > SWITCH_RECOMMENDED_BUFFER_SIZE) return;
	if (!as_pacer_wrote(s)) atomic_store_explicit(&s->media.foreign_write_ns, as_now_ns(), memory_order_relaxed);

	memset(&impl, 0, sizeof(impl));
	switch_core_session_get_write_impl(switch_core_media_bug_get_session(bug), &impl);
	channels = impl.number_of_channels ? impl.number_of_channels : 1;
	if (impl.actual_samples_per_second) /* Go resamples to what it reads here; a re-INVITE may change it */
		atomic_store_explicit(&p->rate, impl.actual_samples_per_second, memory_order_relaxed);

	total = in->datalen / sizeof(int16_t);
	n = total / channels;
	wanted = atomic_load_explicit(&p->wanted, memory_order_relaxed);
	replace = atomic_load_explicit(&p->mode, memory_order_relaxed) == AS_PLAYOUT_REPLACE;
	took = as_playout_take(p, s->taken, n);

	if (took < n && wanted && !atomic_load_explicit(&p->paused, memory_order_relaxed)) {
		if (!atomic_exchange_explicit(&p->dry, 1, memory_order_relaxed))
			atomic_fetch_add_explicit(&p->underruns, 1, memory_order_relaxed);
	} else if (took == n) {
		atomic_store_explicit(&p->dry, 0, memory_order_relaxed);
	}

	if (took) {
		/* A copy, since the frame may be somebody's buffer that is written to more than one channel. The room behind
		 * the samples is there because the core pads short frames in place. */
		src = in->data;
		s->out = *in;
		/* Not the packet it came in, and no longer flagged as one: the RTP layer would send that instead (a bridge
		 * between two legs of one codec passes packets through). */
		s->out.packet = NULL;
		s->out.packetlen = 0;
		s->out.flags = 0;
		s->out.data = s->out_samples;
		s->out.buflen = SWITCH_RECOMMENDED_BUFFER_SIZE;
		for (uint32_t i = 0; i < n; i++) {
			int16_t v = i < took ? s->taken[i] : 0;

			for (uint32_t c = 0; c < channels; c++) {
				uint32_t k = i * channels + c;

				s->out_samples[k] = replace ? v : add_saturated(src[k], v);
			}
		}
		for (uint32_t k = n * channels; k < total; k++) s->out_samples[k] = src[k];
		switch_core_media_bug_set_write_replace_frame(bug, &s->out);
	}

	/* Positions that Go waits for: a mark, or room to put more. */
	if (atomic_load_explicit(&p->head, memory_order_relaxed) >=
		atomic_load_explicit(&p->wake_at, memory_order_acquire)) {
		atomic_store_explicit(&p->wake_at, UINT64_MAX, memory_order_relaxed);
		as_doorbell_ring();
	}
}

switch_bool_t as_bug_callback(switch_media_bug_t *bug, void *user_data, switch_abc_type_t type)
{
	as_stream_t *s = user_data;

	switch (type) {
	case SWITCH_ABC_TYPE_READ:
		capture(s, bug);
		break;
	case SWITCH_ABC_TYPE_WRITE_REPLACE:
		play(s, bug);
		break;
	case SWITCH_ABC_TYPE_CLOSE:
		/* The last call for this bug: stop, hang-up or unload. Go sees the flag, drains the ring and lets go. */
		atomic_store_explicit(&s->media.closed, 1, memory_order_release);
		as_doorbell_ring();
		as_stream_unref(s);
		break;
	default:
		break;
	}
	return SWITCH_TRUE;
}
