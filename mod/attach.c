/*
 * Putting a media bug on a channel and taking it off again. Each function locates the session, acts, and unlocks it at
 * its one exit.
 */
#include <stdio.h>

#include "shim.h"

#define MAX_PTIME_MS 120 /* FreeSWITCH's longest packet (SWITCH_MAX_INTERVAL); a ring holds at least two of them */

#define CALLEE_MS 240 /* of what is written to the channel, kept until the caller's next frame is read */

static void say(as_text_t *why, const char *text)
{
	why->ptr = strdup(text);
	why->len = why->ptr ? strlen(why->ptr) : 0;
}

static uint32_t bytes_of_ms(uint32_t rate, uint32_t channels, uint32_t ms)
{
	return (uint32_t)((uint64_t)rate * ms / 1000) * channels * (uint32_t)sizeof(int16_t);
}

as_status_t as_attach(const char *uuid, const as_attach_t *want, as_attached_t *got, as_text_t *why)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);
	switch_codec_implementation_t read_impl, write_impl;
	switch_media_bug_flag_t flags = SMBF_READ_STREAM | SMBF_NO_PAUSE | SMBF_FIRST;
	switch_channel_t *channel;
	as_status_t status;
	as_stream_t *s = NULL;
	uint32_t channels, capture_ms, capture_bytes, playout = 0;

	memset(got, 0, sizeof(*got));
	memset(why, 0, sizeof(*why));
	if (!session) return AS_GONE;
	channel = switch_core_session_get_channel(session);

	if (as_channel_watch(session) != SWITCH_STATUS_SUCCESS) {
		say(why, "out of memory");
		status = AS_NO_MEMORY;
		goto done;
	}
	if (switch_channel_down_nosig(channel)) {
		say(why, "the channel is hung up");
		status = AS_GONE;
		goto done;
	}
	if (switch_channel_test_flag(channel, CF_PROXY_MODE)) {
		say(why, "the channel is in bypass-media mode, so its audio does not pass through FreeSWITCH "
				 "(unset bypass_media, or run uuid_media first)");
		status = AS_NO_MEDIA;
		goto done;
	}
	if (switch_channel_test_flag(channel, CF_PROXY_MEDIA)) {
		say(why, "the channel is in proxy-media mode, so its audio is not decoded (unset proxy_media)");
		status = AS_NO_MEDIA;
		goto done;
	}
	if (want->answer
			? switch_channel_answer(channel) != SWITCH_STATUS_SUCCESS
			: (!switch_channel_media_ready(channel) && switch_channel_pre_answer(channel) != SWITCH_STATUS_SUCCESS)) {
		say(why, want->answer ? "the channel could not be answered"
							  : "the channel has no media yet and could not be pre-answered (answer it first)");
		status = AS_NO_MEDIA;
		goto done;
	}

	memset(&read_impl, 0, sizeof(read_impl));
	memset(&write_impl, 0, sizeof(write_impl));
	switch_core_session_get_read_impl(session, &read_impl);
	switch_core_session_get_write_impl(session, &write_impl);
	if (!read_impl.actual_samples_per_second) {
		say(why, "the channel has no audio codec");
		status = AS_NO_MEDIA;
		goto done;
	}
	if (!write_impl.actual_samples_per_second) write_impl = read_impl;
	channels = read_impl.number_of_channels ? read_impl.number_of_channels : 1;

	capture_ms = want->capture_ms < 2 * MAX_PTIME_MS ? 2 * MAX_PTIME_MS : want->capture_ms;
	/* with a header for every 10 ms, the shortest packet */
	capture_bytes = bytes_of_ms(read_impl.actual_samples_per_second, channels * want->legs, capture_ms) +
					capture_ms / 10 * (uint32_t)sizeof(as_frame_hdr_t);
	if (want->playback)
		playout = bytes_of_ms(write_impl.actual_samples_per_second, 1, want->playout_ms) / sizeof(int16_t);
	if (!(s = as_stream_new(uuid, capture_bytes,
							want->legs == 2 ? bytes_of_ms(write_impl.actual_samples_per_second, 1, CALLEE_MS) /
												  (uint32_t)sizeof(int16_t)
											: 0,
							playout, write_impl.actual_samples_per_second))) {
		say(why, "out of memory, or too many streams");
		status = AS_NO_MEMORY;
		goto done;
	}
	s->legs = want->legs;
	if (playout && want->replace)
		atomic_store_explicit(&s->media.playout->mode, AS_PLAYOUT_REPLACE, memory_order_relaxed);

	/* The callee's leg is what is written to the channel, and it is taken where it is written, in WRITE_REPLACE:
	 * FreeSWITCH's own pairing of the two legs (SMBF_WRITE_STREAM) waits for whole frames of both, or stands 0xFF bytes
	 * in, and throws a frame away when the two threads are out of step. */
	if (want->playback || want->legs == 2) flags |= SMBF_WRITE_REPLACE;
	if (switch_core_media_bug_add(session, AS_BUG_NAME, NULL, as_bug_callback, s, 0, flags, &s->bug) !=
		SWITCH_STATUS_SUCCESS) {
		say(why, "FreeSWITCH could not attach a media bug to the channel");
		status = AS_NO_MEDIA;
		as_stream_unref(s); /* the bug's */
		as_stream_unref(s); /* the caller's */
		goto done;
	}
	if (want->playback) as_pacer_add(s);
	if (want->dtmf) as_channel_want_digits(session, s->media.id);

	got->media = &s->media;
	got->read_rate = read_impl.actual_samples_per_second;
	got->write_rate = write_impl.actual_samples_per_second;
	got->ptime_ms = read_impl.microseconds_per_packet > 0 ? (uint32_t)read_impl.microseconds_per_packet / 1000 : 20;
	got->answered = switch_channel_test_flag(channel, CF_ANSWERED) ? 1 : 0;
	status = AS_OK;

done:
	switch_core_session_rwunlock(session);
	return status;
}

/*
 * Waits for whoever is writing to the channel. WRITE_REPLACE hands our frame out, and FreeSWITCH goes on with it behind
 * the bugs' lock: it encodes it, or for L16 writes into it, and sends it, which can take until the clock's next tick.
 * All of that is under codec_write_mutex. So once that could be had behind the bug's removal, nobody has our frame any
 * more.
 */
static void outwait_writer(const as_stream_t *s)
{
	/* force: also one that is hanging up. One that cannot be had is being destroyed, and nobody writes to it. */
	switch_core_session_t *session = switch_core_session_force_locate(s->uuid);

	if (!session) return;
	switch_core_session_lock_codec_write(session);
	switch_core_session_unlock_codec_write(session);
	switch_core_session_rwunlock(session);
}

void as_media_release(uint64_t id)
{
	as_stream_t *s = as_stream_ref(id);

	if (!s) return;
	/* Go lets go only when the bug has been closed. The memory outlives this, since Go's reference is given back here.
	 */
	if (s->out_samples) outwait_writer(s);
	as_stream_unref(s); /* the one just taken */
	as_stream_unref(s); /* Go's */
}

as_status_t as_detach(uint64_t id)
{
	as_stream_t *s = as_stream_ref(id);
	switch_core_session_t *session;
	as_status_t status = AS_GONE;

	if (!s) return AS_GONE;
	if ((session = switch_core_session_locate(s->uuid))) {
		if (as_channel_remove_bug(session, s) == SWITCH_STATUS_SUCCESS) status = AS_OK;
		switch_core_session_rwunlock(session);
	}
	as_pacer_wake(); /* it drops its reference */
	as_stream_unref(s);
	return status;
}
