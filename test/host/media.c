/*
 * The threads of a call: one session thread per call on an absolute clock that reads, writes and runs applications, and
 * on request a second one that writes.
 */
#include "host.h"

#include <time.h>

enum { LATE_RESET_MS = 1000 };

/* FreeSWITCH has one timer thread for all calls, which looks once a millisecond whose frame is due: frames of many
 * calls come in the same instant, and a machine with a thousand of them has a thousand timer interrupts a second, not
 * 50,000. */
#define GRID_NS 1000000

/* Where a clock begins. */
static uint64_t on_grid(uint64_t ns)
{
	return (ns + GRID_NS - 1) / GRID_NS * GRID_NS;
}

/* ---- codec of the channel ---- */

static void swap(switch_codec_t *codec, const switch_codec_implementation_t *impl)
{
	if (!codec->mutex) {
		codec_init_host(codec, impl);
		return;
	}
	pthread_mutex_lock(&codec->mutex->m);
	codec->implementation = impl;
	pthread_mutex_unlock(&codec->mutex->m);
}

void media_set_codec(switch_core_session_t *s, const char *name, uint32_t rate, uint32_t ptime, uint32_t channels)
{
	const switch_codec_implementation_t *impl = codec_implementation(name, rate, (int)ptime, (int)channels);

	STRICT(impl, "no codec %s %u Hz %u ms %u channels", name, rate, ptime, channels);
	pthread_mutex_lock(&s->codec_read_mutex);
	pthread_mutex_lock(&s->codec_write_mutex);
	swap(&s->read_codec, impl); /* before the resampler's lock, as a write takes the two */
	swap(&s->write_codec, impl);
	pthread_mutex_lock(&s->resample_mutex);
	pthread_mutex_lock(&s->impl_mutex);
	s->read_impl = s->write_impl = *impl;
	pthread_mutex_unlock(&s->impl_mutex);
	if (s->write_resampler) switch_resample_destroy(&s->write_resampler);
	buffer_toss(&s->raw_write_buffer, SIZE_MAX);
	s->raw_write_engaged = false;
	s->write_tick_ns = 0;
	pthread_mutex_lock(&s->media_mutex);
	sink_open(s);
	pthread_mutex_unlock(&s->media_mutex);
	pthread_mutex_unlock(&s->resample_mutex);
	pthread_mutex_unlock(&s->codec_write_mutex);
	pthread_mutex_unlock(&s->codec_read_mutex);
}

/* ---- what is written to the channel, as files ---- */

static wav_writer_t *part(const char *path, unsigned n, uint32_t rate, uint32_t channels)
{
	char name[4200];
	const char *dot;

	if (!path) return NULL;
	dot = strrchr(path, '.');
	if (n == 0) {
		snprintf(name, sizeof(name), "%s", path);
	} else { /* a WAV has one rate: after a re-INVITE a new file goes on */
		snprintf(name, sizeof(name), "%.*s-%u%s", (int)(dot ? dot - path : (long)strlen(path)), path, n + 1,
				 dot ? dot : "");
	}
	return wav_create(name, rate, channels);
}

void sink_close(switch_core_session_t *s)
{
	pthread_mutex_lock(&s->media_mutex);
	if (s->out) wav_close(s->out);
	if (s->heard) wav_close(s->heard);
	s->out = s->heard = NULL;
	pthread_mutex_unlock(&s->media_mutex);
}

void sink_open(switch_core_session_t *s)
{
	sink_close(s);
	s->out = part(s->out_path, s->sink_part, s->write_impl.actual_samples_per_second, s->write_impl.number_of_channels);
	s->heard =
		part(s->heard_path, s->sink_part, s->write_impl.actual_samples_per_second, s->write_impl.number_of_channels);
	s->sink_part++;
	s->heard_next_ns = 0;
}

static void note_time(switch_core_session_t *s, uint32_t samples)
{
	struct timespec ts;
	uint64_t entry[2];

	clock_gettime(CLOCK_REALTIME, &ts);
	s->times_samples += samples;
	entry[0] = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	entry[1] = s->times_samples;
	fwrite(entry, sizeof(entry), 1, s->times);
	fflush(s->times);
}

void sink_write(switch_core_session_t *s, const void *data, uint32_t bytes)
{
	pthread_mutex_lock(&s->media_mutex);
	if (s->out) wav_write(s->out, data, bytes / 2);
	if (s->times) note_time(s, bytes / 2 / s->write_impl.number_of_channels);
	if (s->heard) {
		static const int16_t silence[480 * 2];
		uint64_t now = now_ns(), packet = (uint64_t)s->write_impl.microseconds_per_packet * 1000u;
		uint32_t rate = s->write_impl.actual_samples_per_second, channels = s->write_impl.number_of_channels;

		/* a telephone plays silence while nothing comes; two packets of slack are its jitter buffer */
		if (!s->heard_next_ns) s->heard_next_ns = now;
		if (now > s->heard_next_ns + 2 * packet) {
			uint64_t gap = (now - s->heard_next_ns) * rate / 1000000000u * channels;

			s->heard_next_ns = now;
			while (gap) {
				size_t n = gap < 960 ? (size_t)gap : 960;

				wav_write(s->heard, silence, n);
				gap -= n;
			}
		}
		wav_write(s->heard, data, bytes / 2);
		s->heard_next_ns += (uint64_t)(bytes / 2 / channels) * 1000000000u / rate;
	}
	pthread_mutex_unlock(&s->media_mutex);
}

/* ---- writing ---- */

bool media_set_writer(switch_core_session_t *s, const char *spec, char *why, size_t why_len)
{
	host_source_t *src = spec ? source_open(spec, why, why_len) : NULL, *old;

	if (spec && !src) return false;
	pthread_mutex_lock(&s->media_mutex);
	old = s->writer;
	s->writer = src;
	atomic_store(&s->writing, src && !s->has_writer_thread);
	pthread_mutex_unlock(&s->media_mutex);
	source_close(old);
	return true;
}

/* One frame of L16 at the channel's rate and length. */
static void write_samples(switch_core_session_t *s, switch_codec_t *codec, int16_t *buf, uint32_t timestamp)
{
	const switch_codec_implementation_t *impl = codec->implementation;
	switch_frame_t frame = {.codec = codec, .data = buf, .buflen = HOST_FRAME_BYTES, .timestamp = timestamp};

	frame.datalen = impl->decoded_bytes_per_packet;
	frame.samples = impl->samples_per_packet;
	frame.rate = impl->actual_samples_per_second;
	frame.channels = impl->number_of_channels;
	atomic_fetch_add_explicit(&s->n.written_host, 1, memory_order_relaxed);
	io_write(s, &frame);
}

/* One frame of the writer source. The playback application's have no timestamp, and wait in the RTP layer for the next
 * tick; those of a second thread have one. */
static void write_own(switch_core_session_t *s, switch_codec_t *codec, int16_t *buf, uint32_t timestamp)
{
	const switch_codec_implementation_t *impl = codec->implementation;
	bool audio = false, ended = false;

	pthread_mutex_lock(&s->media_mutex);
	if (s->writer) {
		audio = source_read(s->writer, buf, impl->samples_per_packet, impl->actual_samples_per_second,
							impl->number_of_channels);
		ended = source_ended(s->writer);
	}
	pthread_mutex_unlock(&s->media_mutex);
	if (audio) write_samples(s, codec, buf, timestamp);
	if (ended) media_set_writer(s, NULL, NULL, 0);
}

/* The L16 codec of a writer follows the channel through re-INVITEs. */
static void follow(switch_core_session_t *s, switch_codec_t *codec)
{
	switch_codec_implementation_t impl;
	const switch_codec_implementation_t *want;

	pthread_mutex_lock(&s->impl_mutex);
	impl = s->write_impl;
	pthread_mutex_unlock(&s->impl_mutex);
	want = codec_implementation("L16", impl.actual_samples_per_second, impl.microseconds_per_packet / 1000,
								impl.number_of_channels);
	if (codec->mutex && codec->implementation == want) return;
	if (codec->mutex) codec_done_host(codec);
	codec_init_host(codec, want);
}

static void *writer_main(void *arg)
{
	switch_core_session_t *s = arg;
	_Alignas(16) int16_t buf[HOST_FRAME_BYTES / 2];
	switch_codec_t codec = {0};
	uint64_t next = on_grid(now_ns());
	uint32_t timestamp = 0;

	tls_own(s);
	while (!atomic_load(&s->writer_stop)) {
		follow(s, &codec);
		next += (uint64_t)codec.implementation->microseconds_per_packet * 1000u;
		sleep_until_ns(next);
		timestamp += codec.implementation->samples_per_packet;
		if (!channel_ready(&s->channel, true)) continue;
		write_own(s, &codec, buf, timestamp);
	}
	if (codec.mutex) codec_done_host(&codec);
	tls_own(NULL);
	thread_leave();
	return NULL;
}

/* ---- the session thread ---- */

static void run_message(switch_core_session_t *s, host_msg_t *m)
{
	char why[256];
	bool ok = true;

	switch (m->kind) {
	case MSG_APP:
		event_channel(&s->channel, "CHANNEL_EXECUTE");
		ok = module_app(s, m->a, m->b) || host_app(s, m->a, m->b);
		if (!ok) host_log(SWITCH_LOG_ERROR, s->uuid, "Invalid Application %s", m->a);
		event_channel(&s->channel, "CHANNEL_EXECUTE_COMPLETE");
		break;
	case MSG_RENEG:
		media_set_codec(s, m->a ? m->a : "RAW", m->rate, m->ptime, m->channels);
		break;
	case MSG_PLAY:
		ok = media_set_writer(s, m->a, why, sizeof(why));
		if (!ok) host_log(SWITCH_LOG_ERROR, s->uuid, "%s", why);
		break;
	case MSG_TRANSFER: /* the dialplan of the host: hangup, tone, anything else parks */
		room_leave(s);
		media_unbridge(s);
		media_set_writer(s, strcmp(m->a, "tone") == 0 ? "tone:400" : NULL, why, sizeof(why));
		if (strcmp(m->a, "hangup") == 0)
			switch_channel_perform_hangup(&s->channel, HOST_HERE, SWITCH_CAUSE_NORMAL_CLEARING);
		break;
	}
	atomic_store(&m->done, ok ? 1 : 2);
}

static void run_messages(switch_core_session_t *s)
{
	for (;;) {
		host_msg_t *m;

		pthread_mutex_lock(&s->media_mutex);
		m = s->msgs;
		if (m) s->msgs = m->next;
		pthread_mutex_unlock(&s->media_mutex);
		if (!m) return;
		if (atomic_load(&s->channel.state) < CS_HANGUP) {
			run_message(s, m);
		} else {
			atomic_store(&m->done, 2);
		}
		msg_unref(m);
	}
}

/* What was read goes to the other leg, written by this leg's thread. */
static void to_partner(switch_core_session_t *s, switch_frame_t *frame)
{
	switch_core_session_t *other;
	char uuid[HOST_UUID_SIZE], park[8] = "";

	pthread_mutex_lock(&s->media_mutex);
	memcpy(uuid, s->partner, sizeof(uuid));
	pthread_mutex_unlock(&s->media_mutex);
	if (!uuid[0]) return;
	other = switch_core_session_perform_locate(uuid, HOST_HERE);
	if (!other) { /* the other leg hung up */
		pthread_mutex_lock(&s->media_mutex);
		s->partner[0] = '\0';
		pthread_mutex_unlock(&s->media_mutex);
		channel_set_flag(&s->channel, HOST_CF_BRIDGED, false);
		event_channel(&s->channel, "CHANNEL_UNBRIDGE");
		if (!channel_var(&s->channel, "park_after_bridge", park, sizeof(park)) || strcmp(park, "true") != 0)
			switch_channel_perform_hangup(&s->channel, HOST_HERE, SWITCH_CAUSE_NORMAL_CLEARING);
		return;
	}
	if (frame && channel_ready(&other->channel, true)) {
		atomic_fetch_add_explicit(&other->n.written_host, 1, memory_order_relaxed);
		io_write(other, frame);
	}
	switch_core_session_rwunlock(other);
}

static void tick(switch_core_session_t *s, switch_codec_t *codec, int16_t *buf)
{
	switch_frame_t *frame;

	io_read(s, &frame);
	to_partner(s, frame);
	if (atomic_load(&s->in_room)) {
		follow(s, codec);
		if (frame) room_say(s, frame);
		room_hear(s, buf, codec->implementation->samples_per_packet * codec->implementation->number_of_channels);
		write_samples(s, codec, buf, 0);
	} else if (atomic_load(&s->writing)) {
		follow(s, codec);
		write_own(s, codec, buf, 0);
	}
}

static void note_lateness(switch_core_session_t *s, uint64_t late, uint64_t packet)
{
	stats_late(late);
	if (late > atomic_load_explicit(&s->n.max_late_ns, memory_order_relaxed))
		atomic_store_explicit(&s->n.max_late_ns, late, memory_order_relaxed);
	if (late > packet) atomic_fetch_add_explicit(&s->n.late, 1, memory_order_relaxed);
}

static void end_of_call(switch_core_session_t *s)
{
	uint64_t began = now_ns();

	/* as FreeSWITCH: the state's hooks, the bugs, the reports, then waiting for whoever still holds the session */
	hooks_state(s);
	bug_remove_all(s);
	s->held_up_ns = now_ns() - began;
	room_leave(s);
	if (s->has_writer_thread) {
		atomic_store(&s->writer_stop, true);
		pthread_join(s->writer_thread, NULL);
	}
	run_messages(s);
	switch_channel_set_variable_var_check(&s->channel, "hangup_cause", cause_name(atomic_load(&s->channel.cause)),
										  SWITCH_FALSE);
	event_channel(&s->channel, "CHANNEL_HANGUP_COMPLETE");
	host_log(SWITCH_LOG_NOTICE, s->uuid, "Session %lu (%s) Ended", s->id, s->channel.name);
	atomic_store(&s->channel.state, CS_DESTROY);
	session_destroy(s);
}

/* Other threads read the count while it is written, in FreeSWITCH too. */
static void count_tick(switch_core_session_t *s)
{
	const switch_codec_implementation_t *impl = s->read_codec.implementation;

	s->timer.interval = impl->microseconds_per_packet / 1000;
	s->timer.samples = impl->samples_per_packet;
	s->timer.tick++;
	__atomic_store_n(&s->timer.samplecount, s->timer.samplecount + impl->samples_per_packet, __ATOMIC_RELAXED);
}

switch_timer_t *switch_core_media_get_timer(switch_core_session_t *session, switch_media_type_t mtype)
{
	session_check(session, __func__);
	return mtype == SWITCH_MEDIA_TYPE_AUDIO ? &session->timer : NULL;
}

static void *session_main(void *arg)
{
	switch_core_session_t *s = arg;
	_Alignas(16) int16_t buf[HOST_FRAME_BYTES / 2];
	switch_codec_t codec = {0};
	uint64_t next = on_grid(now_ns());

	tls_own(s);
	while (atomic_load(&s->channel.state) < CS_HANGUP) {
		uint64_t packet, now;

		run_messages(s);
		if (atomic_load(&s->channel.state) >= CS_HANGUP) break;
		packet = (uint64_t)s->read_codec.implementation->microseconds_per_packet * 1000u;
		next += packet;
		now = now_ns();
		if (now > next + LATE_RESET_MS * 1000000ull)
			next = on_grid(now); /* an application held the thread up: packets are gone */
		sleep_until_ns(next);
		now = now_ns();
		atomic_store(&s->tick_ns, next);
		note_lateness(s, now - next, packet);
		atomic_fetch_add_explicit(&s->n.ticks, 1, memory_order_relaxed);
		count_tick(s);
		if (channel_ready(&s->channel, true) && !channel_flag(&s->channel, CF_PROXY_MEDIA)) tick(s, &codec, buf);
	}
	if (codec.mutex) codec_done_host(&codec);
	end_of_call(s);
	tls_own(NULL);
	thread_leave();
	return NULL;
}

void media_start(switch_core_session_t *s)
{
	/* the writer first: the session thread is the one that ends everything */
	if (s->has_writer_thread) s->writer_thread = thread_start("host_writer", true, writer_main, s);
	s->thread = thread_start("host_media", true, session_main, s);
	pthread_detach(s->thread);
}
