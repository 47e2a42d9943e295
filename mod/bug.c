/*
 * The media bug: what runs on FreeSWITCH's media threads, once per frame and call.
 *
 * Nothing here enters Go, allocates, logs, or waits for a lock that is ours. A frame costs one copy into or out of a
 * ring; the only system call is the doorbell's, and only while the pump sleeps.
 */
#include "shim.h"

/* The callee's samples wait for the caller's frames. More than this many frames of them are too old: the oldest go,
 * down to the second number. */
#define CALLEE_FRAMES_MAX 5
#define CALLEE_FRAMES_KEEP 2

/* For what needs a packet's room on the stack: inlined, it would have every callback reach that far down, and every
 * call's thread keep the pages it reached. */
#define NOT_INLINE __attribute__((noinline))

/* FreeSWITCH stands 0xFF bytes in for audio that is not there (CNG frames, PLC's break), which is the sample -1. A
 * frame of nothing else is silence, and silence is zeros on the wire. */
static bool is_fill(const int16_t *samples, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (samples[i] != -1) return false;
	}
	return true;
}

static void lose_callee(as_stream_t *s)
{
	atomic_fetch_add_explicit(&s->media.callee_lost, 1, memory_order_relaxed);
}

/*
 * The callee's n samples for one frame of the caller's; zeros where there are none. The two legs run on two threads, so
 * samples are taken once more than a frame is there and from then on until none is left: one frame of the callee's leg
 * is always in reserve against the threads' jitter.
 */
static void take_callee(as_stream_t *s, int16_t *out, uint32_t n)
{
	uint64_t have = atomic_load_explicit(&s->callee->tail, memory_order_acquire) -
					atomic_load_explicit(&s->callee->head, memory_order_relaxed);
	uint32_t took = 0;

	if (n && have > (uint64_t)CALLEE_FRAMES_MAX * n) {
		for (; have > (uint64_t)CALLEE_FRAMES_KEEP * n; lose_callee(s)) have -= as_playout_take(s->callee, out, n);
	}
	if (!s->callee_on && have)
		s->callee_on = have > n || ++s->callee_wait > 1; /* the last of it is not kept for ever */
	if (s->callee_on) {
		took = as_playout_take(s->callee, out, n);
		s->callee_on = took == n;
		s->callee_wait = 0;
	}
	memset(out + took, 0, (n - took) * sizeof(*out));
}

/* WRITE_REPLACE: keeps what is written to the channel for the caller's next frames. A stereo codec's channels are
 * averaged. */
NOT_INLINE static void keep_callee(as_stream_t *s, const int16_t *samples, uint32_t n, uint32_t channels)
{
	int16_t own[SWITCH_RECOMMENDED_BUFFER_SIZE / sizeof(int16_t)];
	uint32_t room = as_playout_space(s->callee);

	if (n > room) { /* the caller's leg stands still: on hold, or its application does not read */
		n = room;
		lose_callee(s);
	}
	if (is_fill(samples, n * channels)) {
		memset(own, 0, n * sizeof(*own));
		samples = own;
	} else if (channels > 1) {
		for (uint32_t i = 0; i < n; i++) {
			int32_t sum = 0;

			for (uint32_t c = 0; c < channels; c++) sum += samples[i * channels + c];
			own[i] = (int16_t)(sum / (int32_t)channels);
		}
		samples = own;
	}
	as_playout_put(s->callee, samples, n);
}

/* Writes both legs side by side behind the header, caller first in each pair. Returns the samples written. */
static uint32_t pair(as_stream_t *s, const int16_t *caller, uint32_t n, uint32_t channels, int16_t *out)
{
	/* the callee's go to the end of the room first, and are moved forward from there, never past the one being written
	 */
	int16_t *callee = out + n;

	take_callee(s, callee, n);
	for (uint32_t i = 0; i < n; i++) {
		int32_t sum = 0;
		int16_t right = callee[i];

		for (uint32_t c = 0; c < channels; c++) sum += caller[i * channels + c];
		out[2 * i] = (int16_t)(sum / (int32_t)channels);
		out[2 * i + 1] = right;
	}
	return 2 * n;
}

/* READ: takes one frame out of the bug. False: there is none. */
static bool read_bug(switch_media_bug_t *bug, void *into, switch_frame_t *frame)
{
	int16_t *samples = into;
	uint32_t n;

	memset(frame, 0, sizeof(*frame));
	frame->data = into;
	frame->buflen = SWITCH_RECOMMENDED_BUFFER_SIZE; /* a packet of room is there; it is checked against a packet */
	if (switch_core_media_bug_read(bug, frame, SWITCH_FALSE) != SWITCH_STATUS_SUCCESS || !frame->datalen) return false;
	n = frame->datalen / (uint32_t)sizeof(int16_t);
	if (is_fill(samples, n)) memset(samples, 0, n * sizeof(*samples));
	return true;
}

/* READ: a frame that does not go into the ring as it is: of two legs, or unwanted (h is NULL). Returns the samples
 * behind the header, -1 when the bug has no frame. */
NOT_INLINE static int64_t read_aside(as_stream_t *s, switch_media_bug_t *bug, as_frame_hdr_t *h, uint32_t channels)
{
	int16_t own[SWITCH_RECOMMENDED_BUFFER_SIZE / sizeof(int16_t)];
	switch_frame_t frame;
	uint32_t n;

	if (!read_bug(bug, own, &frame)) return -1;
	n = frame.datalen / (uint32_t)sizeof(int16_t) / channels;
	if (h) return pair(s, own, n, channels, (int16_t *)(void *)(h + 1));
	if (s->legs == 2) take_callee(s, own, n); /* its time has passed, too */
	return 0;
}

/* READ, under the bug's read_mutex. */
static void capture(as_stream_t *s, switch_media_bug_t *bug)
{
	as_ring_t *ring = s->media.capture;
	switch_core_session_t *session = switch_core_media_bug_get_session(bug);
	switch_codec_implementation_t impl;
	bool mute = atomic_load_explicit(&s->media.mute, memory_order_relaxed);
	switch_size_t caller = 0, none = 0;
	bool news = false;
	uint32_t channels;

	as_ring_expect(ring);
	memset(&impl, 0, sizeof(impl));
	switch_core_session_get_read_impl(session, &impl);
	if (!impl.decoded_bytes_per_packet || impl.decoded_bytes_per_packet > SWITCH_RECOMMENDED_BUFFER_SIZE) return;
	channels = impl.number_of_channels ? impl.number_of_channels : 1;
	atomic_store_explicit(&s->read_rate, impl.actual_samples_per_second, memory_order_relaxed);

	/* As many frames as there are, counted once: FreeSWITCH writes to the buffer under the lock that it calls us under.
	 * Reading with fill off would hand out fill bytes for ever once the buffer is empty. */
	switch_core_media_bug_inuse(bug, &caller, &none);
	for (; caller >= impl.decoded_bytes_per_packet; caller -= impl.decoded_bytes_per_packet) {
		switch_frame_t frame;
		as_frame_hdr_t *h = NULL;
		int64_t n;

		if (!mute) h = as_ring_reserve(ring, impl.decoded_bytes_per_packet * s->legs);
		if (h && s->legs == 1)
			n = read_bug(bug, h + 1, &frame) ? (int64_t)(frame.datalen / sizeof(int16_t)) : -1;
		else
			n = read_aside(s, bug, h, channels);
		if (n < 0) break;
		if (!h) {
			if (!mute) as_ring_drop(ring);
			continue;
		}
		h->mono_ns = as_now_ns();
		h->rate = impl.actual_samples_per_second;
		h->bytes = (uint32_t)n * (uint32_t)sizeof(int16_t);
		h->channels = (uint16_t)(s->legs == 2 ? 2 : channels);
		h->legs = (uint16_t)s->legs;
		as_ring_commit(ring, h);
		news = true;
	}
	/* FreeSWITCH fills the buffer from one end to the other; flushed while it is empty, it begins at the start again,
	 * and the rest of its memory is never touched (bug_memory.c) */
	if (!caller) switch_core_media_bug_flush(bug);
	if (news) as_doorbell_ring();
}

static int16_t add_saturated(int16_t a, int16_t b)
{
	int32_t sum = (int32_t)a + b;

	return (int16_t)(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
}

/* The frame that is handed on: out holds `took` samples of the server's audio, mono, and gets n of all channels, over
 * or instead of what was written to the channel. */
static void overlay(int16_t *out, uint32_t took, const int16_t *src, uint32_t n, uint32_t channels, bool replace)
{
	memset(out + took, 0, (n - took) * sizeof(*out));
	if (channels == 1) {
		for (uint32_t i = 0; !replace && i < n; i++) out[i] = add_saturated(src[i], out[i]);
		return;
	}
	/* from the end, so that no sample is written over before it has been spread */
	for (uint32_t i = n; i-- > 0;) {
		int16_t v = out[i];

		for (uint32_t c = 0; c < channels; c++) {
			uint32_t k = i * channels + c;

			out[k] = replace ? v : add_saturated(src[k], v);
		}
	}
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
	uint64_t now;

	if (!in || !in->data || !in->datalen || in->datalen > SWITCH_RECOMMENDED_BUFFER_SIZE) return;
	now = as_now_ns();
	if (!as_pacer_wrote(s)) atomic_store_explicit(&s->media.foreign_write_ns, now, memory_order_relaxed);

	memset(&impl, 0, sizeof(impl));
	switch_core_session_get_write_impl(switch_core_media_bug_get_session(bug), &impl);
	channels = impl.number_of_channels ? impl.number_of_channels : 1;
	total = in->datalen / sizeof(int16_t);
	n = total / channels;
	/* Before the server's audio is in it. Two legs of two rates cannot be paired; that is a moment in a re-INVITE. */
	if (s->callee && atomic_load_explicit(&s->read_rate, memory_order_relaxed) == impl.actual_samples_per_second)
		keep_callee(s, in->data, n, channels);
	else if (s->callee)
		lose_callee(s);
	if (!p) return;
	if (impl.actual_samples_per_second) /* Go resamples to what it reads here; a re-INVITE may change it */
		atomic_store_explicit(&p->rate, impl.actual_samples_per_second, memory_order_relaxed);
	atomic_store_explicit(&p->taken_ns, now, memory_order_relaxed);
	atomic_store_explicit(&p->frame, n, memory_order_relaxed);
	/* acquire: pairs with Go's store, behind which it has taken back what was made for another rate */
	if (atomic_load_explicit(&p->made_for, memory_order_acquire) !=
		atomic_load_explicit(&p->rate, memory_order_relaxed)) {
		as_doorbell_ring();
		return;
	}

	wanted = atomic_load_explicit(&p->wanted, memory_order_relaxed);
	replace = atomic_load_explicit(&p->mode, memory_order_relaxed) == AS_PLAYOUT_REPLACE;
	/* The last frame handed out is not needed any more: its writer held codec_write_mutex until it was through. */
	took = as_playout_take(p, s->out_samples, n);

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
		overlay(s->out_samples, took, src, n, channels, replace);
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
	case SWITCH_ABC_TYPE_INIT:
		as_bug_memory(bug);
		break;
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
