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

/* FreeSWITCH stands 0xFF bytes in for audio that is not there (CNG frames, PLC's break), which is the sample -1. A
 * frame of nothing else is silence, and silence is zeros on the wire. */
static bool is_fill(const int16_t *samples, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (samples[i] != -1) return false;
	}
	return true;
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
		while (have > (uint64_t)CALLEE_FRAMES_KEEP * n) have -= as_playout_take(s->callee, out, n);
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
static void keep_callee(as_stream_t *s, const int16_t *samples, uint32_t n, uint32_t channels)
{
	uint32_t room = as_playout_space(s->callee);

	if (n > room) n = room; /* the caller's leg stands still: on hold, or its application does not read */
	if (is_fill(samples, n * channels)) {
		memset(s->taken, 0, n * sizeof(*s->taken));
		samples = s->taken;
	} else if (channels > 1) {
		for (uint32_t i = 0; i < n; i++) {
			int32_t sum = 0;

			for (uint32_t c = 0; c < channels; c++) sum += samples[i * channels + c];
			s->taken[i] = (int16_t)(sum / (int32_t)channels);
		}
		samples = s->taken;
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

/* READ, under the bug's read_mutex. */
static void capture(as_stream_t *s, switch_media_bug_t *bug)
{
	as_ring_t *ring = s->media.capture;
	switch_core_session_t *session = switch_core_media_bug_get_session(bug);
	switch_codec_implementation_t impl;
	bool mute = atomic_load_explicit(&s->media.mute, memory_order_relaxed);
	bool news = false;
	uint32_t channels;

	memset(&impl, 0, sizeof(impl));
	switch_core_session_get_read_impl(session, &impl);
	if (!impl.decoded_bytes_per_packet || impl.decoded_bytes_per_packet > SWITCH_RECOMMENDED_BUFFER_SIZE) return;
	channels = impl.number_of_channels ? impl.number_of_channels : 1;
	atomic_store_explicit(&s->read_rate, impl.actual_samples_per_second, memory_order_relaxed);

	for (;;) {
		switch_size_t caller = 0, none = 0;
		switch_frame_t frame;
		as_frame_hdr_t *h = NULL;
		uint32_t n;

		/* reading with fill off would hand out fill bytes for ever once the buffer is empty */
		switch_core_media_bug_inuse(bug, &caller, &none);
		if (caller < impl.decoded_bytes_per_packet) break;

		if (!mute) h = as_ring_reserve(ring, impl.decoded_bytes_per_packet * s->legs);
		memset(&frame, 0, sizeof(frame));
		/* one leg goes straight into the ring, two are put together there */
		frame.data = h && s->legs == 1 ? (uint8_t *)(h + 1) : s->spare;
		frame.buflen = SWITCH_RECOMMENDED_BUFFER_SIZE; /* a packet of room is there; it is checked against a packet */
		if (switch_core_media_bug_read(bug, &frame, SWITCH_FALSE) != SWITCH_STATUS_SUCCESS || !frame.datalen) break;
		n = frame.datalen / (uint32_t)sizeof(int16_t);
		if (is_fill(frame.data, n)) memset(frame.data, 0, n * sizeof(int16_t));
		if (!h) {
			if (s->legs == 2) take_callee(s, (int16_t *)(void *)s->spare, n / channels); /* its time has passed, too */
			if (!mute) as_ring_drop(ring);
			continue;
		}
		if (s->legs == 2) n = pair(s, frame.data, n / channels, channels, (int16_t *)(void *)(h + 1));
		h->mono_ns = as_now_ns();
		h->rate = impl.actual_samples_per_second;
		h->bytes = n * (uint32_t)sizeof(int16_t);
		h->channels = (uint16_t)(s->legs == 2 ? 2 : channels);
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
