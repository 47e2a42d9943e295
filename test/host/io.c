/*
 * The read and the write path of a session: which frames reach the media bugs, in what order and under which locks.
 * Follows switch_core_session_read_frame (switch_core_io.c) and switch_core_session_write_frame (switch_core_media.c).
 */
#include "host.h"

/* ---- read ---- */

static void feed_read(switch_core_session_t *s, const switch_frame_t *frame)
{
	int prune = 0;

	pthread_rwlock_rdlock(&s->bug_rwlock);
	for (switch_media_bug_t *bp = atomic_load(&s->bugs); bp; bp = bp->next) {
		switch_bool_t ok = SWITCH_TRUE;

		if (bug_skip(s, bp)) continue;
		if (atomic_load(&bp->flags) & HOST_SMBF_PRUNE) {
			prune++;
			continue;
		}
		if (atomic_load(&bp->ready) && (bp->flags & SMBF_READ_STREAM)) {
			pthread_mutex_lock(&bp->read_mutex);
			buffer_write(&bp->raw_read, frame->data, frame->datalen);
			ok = bug_call(bp, SWITCH_ABC_TYPE_READ);
			pthread_mutex_unlock(&bp->read_mutex);
		}
		if (ok == SWITCH_FALSE) {
			atomic_fetch_or(&bp->flags, HOST_SMBF_PRUNE);
			prune++;
		}
	}
	pthread_rwlock_unlock(&s->bug_rwlock);
	if (prune) bug_prune(s);
}

static void feed_ping(switch_core_session_t *s)
{
	int prune = 0;

	pthread_rwlock_rdlock(&s->bug_rwlock);
	for (switch_media_bug_t *bp = atomic_load(&s->bugs); bp; bp = bp->next) {
		if (bug_skip(s, bp) || !atomic_load(&bp->ready) || !(bp->flags & HOST_SMBF_READ_PING)) continue;
		pthread_mutex_lock(&bp->read_mutex);
		if (bug_call(bp, HOST_ABC_READ_PING) == SWITCH_FALSE) {
			atomic_fetch_or(&bp->flags, HOST_SMBF_PRUNE);
			prune++;
		}
		pthread_mutex_unlock(&bp->read_mutex);
	}
	pthread_rwlock_unlock(&s->bug_rwlock);
	if (prune) bug_prune(s);
}

static bool partner_has_bugs(switch_core_session_t *s)
{
	switch_core_session_t *other;
	char uuid[HOST_UUID_SIZE];
	bool yes = false;

	pthread_mutex_lock(&s->media_mutex);
	memcpy(uuid, s->partner, sizeof(uuid));
	pthread_mutex_unlock(&s->media_mutex);
	if (uuid[0] && (other = switch_core_session_perform_locate(uuid, HOST_HERE))) {
		yes = atomic_load(&other->bugs) != NULL;
		switch_core_session_rwunlock(other);
	}
	return yes;
}

void io_read(switch_core_session_t *s, switch_frame_t **frame)
{
	const switch_codec_implementation_t *impl = s->read_codec.implementation;
	switch_frame_t *f = &s->raw_read_frame;
	bool audio;

	*frame = NULL;
	pthread_mutex_lock(&s->media_mutex);
	audio = source_read(s->source, f->data, impl->samples_per_packet, impl->actual_samples_per_second,
						impl->number_of_channels);
	pthread_mutex_unlock(&s->media_mutex);
	if (channel_flag(&s->channel, CF_HOLD)) { /* what the caller sends meanwhile is never read */
		atomic_fetch_add_explicit(&s->n.held, 1, memory_order_relaxed);
		return;
	}
	atomic_fetch_add_explicit(audio ? &s->n.read_audio : &s->n.read_cng, 1, memory_order_relaxed);
	pthread_mutex_lock(&s->codec_read_mutex);
	pthread_mutex_lock(&s->read_codec.mutex->m);
	f->codec = &s->read_codec;
	f->datalen = impl->decoded_bytes_per_packet;
	f->samples = impl->samples_per_packet;
	f->rate = impl->actual_samples_per_second;
	f->channels = impl->number_of_channels;
	f->flags = audio ? HOST_SFF_RAW_RTP : HOST_SFF_CNG;
	f->packet = audio ? s->raw_read_packet : NULL;
	f->packetlen = audio ? HOST_RTP_HEADER + f->datalen : 0;
	f->timestamp = audio ? s->timer.samplecount : 0;
	if (audio) {
		memcpy(s->raw_read_packet + HOST_RTP_HEADER, f->data, f->datalen);
	} else {
		memset(f->data, 255, f->datalen); /* comfort noise reaches the bugs as bytes of 0xFF */
	}
	if (atomic_load(&s->bugs)) {
		if (audio) { /* each decoded frame takes the write lock twice: it waits for a callback of the write side */
			pthread_rwlock_wrlock(&s->bug_rwlock);
			pthread_rwlock_unlock(&s->bug_rwlock);
			pthread_rwlock_wrlock(&s->bug_rwlock);
			pthread_rwlock_unlock(&s->bug_rwlock);
		}
		feed_read(s, f);
		feed_ping(s);
	} else if (!audio && partner_has_bugs(s)) {
		f->flags = 0; /* the 0xFF frame goes on to the other leg as if it were audio */
	}
	pthread_mutex_unlock(&s->read_codec.mutex->m);
	pthread_mutex_unlock(&s->codec_read_mutex);
	*frame = f;
}

/* ---- write ---- */

/* The next tick of the write timer, a grid of the session's own frames. One that was not used for a while begins anew,
 * so that it does not return several times at once. Guarded by codec_write_mutex. */
static void wait_write_tick(switch_core_session_t *s)
{
	uint64_t packet = (uint64_t)s->write_impl.microseconds_per_packet * 1000u, now = now_ns();
	uint64_t base = atomic_load(&s->tick_ns), tick;

	if (!base || base > now) base = now;
	tick = base + (now - base) / packet * packet;
	if (s->write_tick_ns + packet < tick) s->write_tick_ns = tick;
	s->write_tick_ns += packet;
	sleep_until_ns(s->write_tick_ns);
}

/* What the RTP layer sends of a frame (switch_rtp_write_frame): of one flagged as a packet the packet it came in, not
 * its samples; one without a timestamp when the write timer ticks next, and until then the writer keeps its locks. */
static void emit(switch_core_session_t *s, const switch_frame_t *frame)
{
	const uint8_t *data = frame->data;
	uint32_t bytes = frame->datalen;

	if (frame->flags & HOST_SFF_RAW_RTP) {
		STRICT(frame->packet && frame->packetlen > HOST_RTP_HEADER,
			   "a frame flagged as a packet has %u bytes of packet at %p", frame->packetlen, frame->packet);
		data = (const uint8_t *)frame->packet + HOST_RTP_HEADER;
		bytes = frame->packetlen - HOST_RTP_HEADER;
	} else if (!frame->timestamp) {
		wait_write_tick(s);
	}
	sink_write(s, data, bytes);
	atomic_fetch_add_explicit(&s->n.emitted, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->n.emitted_samples, bytes / 2 / s->write_impl.number_of_channels,
							  memory_order_relaxed);
}

/* Every bug in order: the write buffer gets the frame before this bug replaces it, the next bug gets the replacement.
 */
static switch_frame_t *feed_write(switch_core_session_t *s, switch_frame_t *frame, bool *do_bugs)
{
	int prune = 0;

	pthread_rwlock_rdlock(&s->bug_rwlock);
	for (switch_media_bug_t *bp = atomic_load(&s->bugs); bp; bp = bp->next) {
		switch_bool_t ok = SWITCH_TRUE;

		if (!atomic_load(&bp->ready) || bug_skip(s, bp)) continue;
		if (atomic_load(&bp->flags) & HOST_SMBF_PRUNE) {
			prune++;
			continue;
		}
		if (bp->flags & SMBF_WRITE_STREAM) {
			pthread_mutex_lock(&bp->write_mutex);
			buffer_write(&bp->raw_write, frame->data, frame->datalen);
			pthread_mutex_unlock(&bp->write_mutex);
			ok = bug_call(bp, SWITCH_ABC_TYPE_WRITE);
		}
		if (bp->flags & SMBF_WRITE_REPLACE) {
			*do_bugs = false;
			bp->replace_in = frame;
			bp->replace_out = frame;
			ok = bug_call(bp, SWITCH_ABC_TYPE_WRITE_REPLACE);
			if (ok == SWITCH_TRUE) frame = bp->replace_out;
			bp->replace_in = NULL;
			STRICT(frame->data && frame->datalen <= HOST_FRAME_BYTES && frame->datalen % 2 == 0,
				   "WRITE_REPLACE left a frame of %u bytes at %p", frame->datalen, frame->data);
		}
		if (ok == SWITCH_FALSE) {
			atomic_fetch_or(&bp->flags, HOST_SMBF_PRUNE);
			prune++;
		}
	}
	pthread_rwlock_unlock(&s->bug_rwlock);
	if (prune) bug_prune(s);
	return frame;
}

/* Decoding into the session's write side. L16 of the same rate is used in place, all else is copied. */
static switch_frame_t *decode(switch_core_session_t *s, switch_frame_t *frame, bool resample)
{
	const switch_codec_implementation_t *from = frame->codec->implementation;
	switch_frame_t *raw = &s->raw_write_frame;
	uint32_t samples;

	if (codec_is_l16(from) && !resample && from->number_of_channels == s->write_impl.number_of_channels) {
		if (s->write_resampler) switch_resample_destroy(&s->write_resampler);
		return frame;
	}
	samples = frame->datalen / 2 / from->number_of_channels;
	memcpy(raw->data, frame->data, frame->datalen);
	if (from->number_of_channels != s->write_impl.number_of_channels) {
		int16_t *d = raw->data;

		STRICT((size_t)samples * 2 * s->write_impl.number_of_channels <= HOST_FRAME_BYTES, "frame too long to remix");
		if (from->number_of_channels == 2) {
			for (uint32_t i = 0; i < samples; i++) d[i] = (int16_t)((d[2 * i] + d[2 * i + 1]) / 2);
		} else {
			for (uint32_t i = samples; i-- > 0;) d[2 * i + 1] = d[2 * i] = d[i];
		}
	}
	raw->codec = &s->write_codec;
	raw->datalen = samples * 2 * s->write_impl.number_of_channels;
	raw->samples = samples;
	raw->channels = s->write_impl.number_of_channels;
	raw->rate = from->actual_samples_per_second;
	raw->timestamp = frame->timestamp;
	raw->flags = 0;
	return raw;
}

static switch_frame_t *resample(switch_core_session_t *s, switch_frame_t *frame, uint32_t from)
{
	switch_audio_resampler_t *r;
	uint32_t channels = s->write_impl.number_of_channels;

	pthread_mutex_lock(&s->resample_mutex);
	if (s->write_resampler && s->write_resampler->from_rate != (int)from) switch_resample_destroy(&s->write_resampler);
	if (!s->write_resampler) {
		host_log(SWITCH_LOG_NOTICE, s->uuid, "Activating write resampler");
		switch_resample_perform_create(&s->write_resampler, from, s->write_impl.actual_samples_per_second,
									   s->write_impl.decoded_bytes_per_packet, SWITCH_RESAMPLE_QUALITY, channels,
									   HOST_HERE);
	}
	r = s->write_resampler;
	switch_resample_process(r, frame->data, frame->datalen / 2 / channels);
	STRICT((size_t)r->to_len * 2 * channels <= HOST_FRAME_BYTES, "frame too long to resample");
	memcpy(frame->data, r->to, (size_t)r->to_len * 2 * channels);
	frame->samples = r->to_len;
	frame->datalen = r->to_len * 2 * channels;
	frame->rate = (uint32_t)r->to_rate;
	pthread_mutex_unlock(&s->resample_mutex);
	return frame;
}

/* Frames of another length than the channel's go through a queue and leave in the channel's own length. */
static void write_rechunked(switch_core_session_t *s, const switch_frame_t *frame)
{
	uint32_t bytes = s->write_impl.decoded_bytes_per_packet;

	if (!s->raw_write_engaged) {
		host_log(SWITCH_LOG_DEBUG, s->uuid, "Engaging Write Buffer at %u bytes to accommodate %u->%u", bytes,
				 frame->datalen, bytes);
		s->raw_write_engaged = true;
		bug_flush_all(s);
	}
	buffer_write(&s->raw_write_buffer, frame->data, frame->datalen);
	while (s->raw_write_buffer.used >= bytes) {
		switch_frame_t cut = {.data = s->raw_write_buffer.data, .datalen = bytes}; /* and no timestamp any more */

		emit(s, &cut);
		buffer_toss(&s->raw_write_buffer, bytes);
	}
}

/* One frame of the channel's own length, through the channel's encoder: L16 leaves the frame as it is, flags and all,
 * and the core writes into it, whoever's it is. */
static void write_encoded(switch_core_session_t *s, switch_frame_t *frame, const switch_frame_t *original)
{
	uint32_t bytes = s->write_impl.decoded_bytes_per_packet;
	switch_frame_t encoded;
	uint8_t padded[HOST_FRAME_BYTES];

	if (codec_is_l16(s->write_codec.implementation)) {
		frame->samples = frame->datalen / 2 / s->write_impl.number_of_channels;
		frame->timestamp = original->timestamp;
		frame->m = original->m;
		frame->seq = original->seq;
	}
	encoded = *frame;

	if (frame->datalen < bytes) {
		memset(padded, 255, bytes);
		memcpy(padded, frame->data, frame->datalen);
		encoded.data = padded;
		encoded.datalen = bytes;
	}
	if (!codec_is_l16(s->write_codec.implementation)) encoded.flags = 0;
	encoded.timestamp = original->timestamp;
	if (!codec_is_l16(s->write_codec.implementation) &&
		original->codec->implementation->samples_per_packet != s->write_impl.samples_per_packet)
		encoded.timestamp = 0;
	emit(s, &encoded);
}

static void write_locked(switch_core_session_t *s, switch_frame_t *frame)
{
	const switch_codec_implementation_t *from = frame->codec->implementation;
	bool need_codec = false, ptime_mismatch = false, do_resample, do_bugs = false;
	switch_frame_t *out = frame;

	if (from != s->write_codec.implementation) {
		ptime_mismatch = from->codec_id == s->write_impl.codec_id ||
						 from->microseconds_per_packet != s->write_impl.microseconds_per_packet;
		need_codec = true;
	}
	if (atomic_load(&s->bugs) && !need_codec) do_bugs = need_codec = true;
	do_resample = from->actual_samples_per_second != s->write_impl.actual_samples_per_second;
	if (!need_codec) {
		emit(s, frame);
		return;
	}
	out = decode(s, frame, do_resample);
	if (do_resample) out = resample(s, out, from->actual_samples_per_second);
	if (atomic_load(&s->bugs)) out = feed_write(s, out, &do_bugs);
	if (do_bugs) {
		emit(s, frame);
		return;
	}
	if (!ptime_mismatch && out->codec && codec_ready(out->codec) &&
		out->codec->implementation->decoded_bytes_per_packet == s->write_impl.decoded_bytes_per_packet) {
		write_encoded(s, out, frame);
		return;
	}
	write_rechunked(s, out);
}

switch_status_t io_write(switch_core_session_t *s, switch_frame_t *frame)
{
	if (atomic_load(&s->channel.state) >= CS_HANGUP) return SWITCH_STATUS_FALSE;
	/* somebody else is writing: the frame is lost and the writer hears that all is well */
	if (pthread_mutex_trylock(&s->codec_write_mutex) != 0) {
		atomic_fetch_add_explicit(&s->n.write_collisions, 1, memory_order_relaxed);
		return SWITCH_STATUS_SUCCESS;
	}
	pthread_mutex_unlock(&s->codec_write_mutex);
	if (frame->flags & HOST_SFF_CNG) return SWITCH_STATUS_SUCCESS;
	if (channel_flag(&s->channel, CF_HOLD)) {
		atomic_fetch_add_explicit(&s->n.write_held, 1, memory_order_relaxed);
		return SWITCH_STATUS_SUCCESS;
	}
	pthread_mutex_lock(&s->codec_write_mutex);
	if (!frame->codec || !frame->codec->implementation) {
		pthread_mutex_unlock(&s->codec_write_mutex);
		host_log(SWITCH_LOG_ERROR, s->uuid, "%s has received a bad frame with no codec!", s->channel.name);
		switch_channel_perform_hangup(&s->channel, HOST_HERE, (switch_call_cause_t)HOST_CAUSE_DESTINATION_OUT_OF_ORDER);
		return SWITCH_STATUS_FALSE;
	}
	if (!channel_ready(&s->channel, true)) {
		pthread_mutex_unlock(&s->codec_write_mutex);
		atomic_fetch_add_explicit(&s->n.write_refused, 1, memory_order_relaxed);
		return SWITCH_STATUS_FALSE;
	}
	pthread_mutex_lock(&s->write_codec.mutex->m);
	pthread_mutex_lock(&frame->codec->mutex->m);
	write_locked(s, frame);
	pthread_mutex_unlock(&frame->codec->mutex->m);
	pthread_mutex_unlock(&s->write_codec.mutex->m);
	pthread_mutex_unlock(&s->codec_write_mutex);
	return SWITCH_STATUS_SUCCESS;
}

void switch_core_session_lock_codec_write(switch_core_session_t *session)
{
	session_check(session, __func__);
	pthread_mutex_lock(&session->codec_write_mutex);
}

void switch_core_session_unlock_codec_write(switch_core_session_t *session)
{
	session_check(session, __func__);
	pthread_mutex_unlock(&session->codec_write_mutex);
}

switch_status_t switch_core_session_write_frame(switch_core_session_t *session, switch_frame_t *frame,
												switch_io_flag_t flags, int stream_id)
{
	STRICT(!tls_in_bug_callback, "write_frame inside a media bug callback");
	session_check(session, __func__);
	STRICT_PTR(frame);
	STRICT(flags == SWITCH_IO_FLAG_NONE && stream_id == 0, "%s: flags %u, stream %d", __func__, flags, stream_id);
	STRICT(!frame->codec || acct_known(ACCT_CODEC, frame->codec), "%s: the frame's codec is not initialised", __func__);
	STRICT(frame->datalen == 0 || frame->data, "%s: %u bytes at NULL", __func__, frame->datalen);
	STRICT(frame->datalen <= HOST_FRAME_BYTES, "%s: %u bytes in one frame", __func__, frame->datalen);
	STRICT(frame->buflen == 0 || frame->buflen >= frame->datalen, "%s: datalen %u is more than buflen %u", __func__,
		   frame->datalen, frame->buflen);
	atomic_fetch_add_explicit(&session->n.written_module, 1, memory_order_relaxed);
	return io_write(session, frame);
}
