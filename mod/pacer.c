/*
 * The pacer: one thread that writes silence to channels that nobody else writes to, so that WRITE_REPLACE runs and the
 * server's audio is heard. It writes only while there is something to play, on the channel's own ptime, and stays quiet
 * while anybody else writes (a bridge, playback, conference).
 *
 * It holds a session only while it writes one frame, so that a hang-up never waits for it.
 */
#include <errno.h>
#include <signal.h>

#include "shim.h"

#define GRID_NS 5000000        /* due times are rounded to this, so that many channels share one wake-up */
#define FOREIGN_FRAMES_X2 5    /* somebody else writes if his last frame is younger than 2.5 of the channel's frames */
#define RESYNC_FRAMES 3        /* later than this is not caught up with a burst, but skipped */
#define DEFAULT_PTIME_US 20000 /* where the channel does not say */
#define STALL_NS 1000000       /* a write that took longer than this has waited for the channel's own tick */

/* guards list, stopping and poked; never held while calling out */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake;
static pthread_t thread;
static bool running, stopping, poked;
static as_stream_t *list; /* added under lock; walked and cut by the pacer alone */

static int64_t next_due; /* of the channel being written to; pacer thread only */

/* WRITE_REPLACE runs for every stream of a channel, on whatever thread wrote the frame. When that is the pacer, all of
 * them have been served by this one frame, and are due together. */
bool as_pacer_wrote(as_stream_t *s)
{
	if (!running || !pthread_equal(pthread_self(), thread)) return false;
	s->pacer_due_ns = next_due;
	return true;
}

/* The L16 codecs that silence frames are labelled with, one for each kind of channel. L16 has no state, and one thread
 * uses them: all channels of a kind share one, for a codec of FreeSWITCH brings a memory pool of 8 KiB. */
typedef struct kind {
	struct kind *next;
	switch_codec_t codec;
	uint32_t rate, channels, ptime_us;
	uint32_t frame_bytes;
} kind_t;

static kind_t *kinds; /* pacer thread only; freed when it ends */

static void free_kinds(void)
{
	kind_t *k;

	while ((k = kinds)) {
		kinds = k->next;
		switch_core_codec_destroy(&k->codec);
		free(k);
	}
}

/* NULL where there is nothing to write with. */
static kind_t *kind_of(const switch_codec_implementation_t *impl)
{
	uint32_t rate = impl->actual_samples_per_second;
	uint32_t ptime = impl->microseconds_per_packet > 0 ? (uint32_t)impl->microseconds_per_packet : DEFAULT_PTIME_US;
	uint32_t channels = impl->number_of_channels ? impl->number_of_channels : 1;
	uint32_t bytes = (uint32_t)((uint64_t)rate * ptime / 1000000) * channels * (uint32_t)sizeof(int16_t);
	kind_t *k;

	if (!bytes || bytes > SWITCH_RECOMMENDED_BUFFER_SIZE) return NULL;
	for (k = kinds; k; k = k->next) {
		if (k->rate == rate && k->channels == channels && k->ptime_us == ptime) return k;
	}
	if (!(k = calloc(1, sizeof(*k)))) return NULL;
	/* no pool given: the codec makes its own and destroy frees it */
	if (switch_core_codec_init(&k->codec, "L16", NULL, NULL, rate, (int)(ptime / 1000), (int)channels,
							   SWITCH_CODEC_FLAG_ENCODE | SWITCH_CODEC_FLAG_DECODE, NULL,
							   NULL) != SWITCH_STATUS_SUCCESS) {
		free(k);
		return NULL;
	}
	k->rate = rate;
	k->channels = channels;
	k->ptime_us = ptime;
	k->frame_bytes = bytes;
	k->next = kinds;
	return kinds = k;
}

/*
 * The frame's RTP timestamp. It must not be 0: FreeSWITCH's RTP layer takes that as "use the clock" and then waits for
 * the clock's next tick, up to a whole frame, while it holds the channel's write side. So the frame says what that
 * clock would: the count of the channel's media timer, which the reading thread keeps, or our own where there is none.
 */
static uint32_t timestamp(as_stream_t *s, switch_core_session_t *session, uint32_t samples)
{
	const switch_timer_t *clock = switch_core_media_get_timer(session, SWITCH_MEDIA_TYPE_AUDIO);
	uint32_t step = clock && clock->samples ? clock->samples : samples; /* G.722 counts at half its sampling rate */
	uint32_t ts = s->pacer_ts + step;

	if (clock) {
		int32_t off = (int32_t)(ts - clock->samplecount);

		/* after a pause, or where others have written meanwhile */
		if (off > (int32_t)(2 * step) || off < -(int32_t)(2 * step)) ts = clock->samplecount;
	}
	return s->pacer_ts = ts ? ts : step;
}

static void write_silence(as_stream_t *s)
{
	static int16_t
		silence[SWITCH_RECOMMENDED_BUFFER_SIZE / sizeof(int16_t)]; /* the pacer's own; zeros again each time */
	switch_core_session_t *session = switch_core_session_locate(s->uuid);
	switch_codec_implementation_t impl;
	switch_frame_t frame;
	kind_t *kind;

	if (!session) return;
	memset(&impl, 0, sizeof(impl));
	switch_core_session_get_write_impl(session, &impl);
	if (switch_channel_media_ready(switch_core_session_get_channel(session)) && (kind = kind_of(&impl))) {
		memset(&frame, 0, sizeof(frame));
		memset(silence, 0, kind->frame_bytes);
		frame.codec = &kind->codec;
		frame.data = silence;
		frame.buflen = sizeof(silence);
		frame.datalen = kind->frame_bytes;
		frame.samples = kind->frame_bytes / (uint32_t)sizeof(int16_t) / kind->channels;
		frame.rate = kind->rate;
		frame.channels = kind->channels;
		s->pacer_ptime_us = kind->ptime_us;
		frame.timestamp = timestamp(s, session, frame.samples);
		switch_core_session_write_frame(session, &frame, SWITCH_IO_FLAG_NONE, 0);
	}
	switch_core_session_rwunlock(session);
}

/* Serves one stream and returns when it is due next, 0 when it has nothing to play. */
static int64_t serve(as_stream_t *s, int64_t now)
{
	int64_t ptime = (int64_t)(s->pacer_ptime_us ? s->pacer_ptime_us : DEFAULT_PTIME_US) * 1000;
	int64_t foreign = (int64_t)atomic_load_explicit(&s->media.foreign_write_ns, memory_order_relaxed);

	/* acquire: pairs with Go's store, after which the samples are there */
	if (!atomic_load_explicit(&s->media.playout->wanted, memory_order_acquire)) return s->pacer_due_ns = 0;
	if (!s->pacer_due_ns) s->pacer_due_ns = now;
	if (s->pacer_due_ns > now) return s->pacer_due_ns;
	if (foreign && now - foreign < ptime * FOREIGN_FRAMES_X2 / 2) {
		s->pacer_due_ns = (now / GRID_NS + 1) * GRID_NS; /* look again soon: he may stop at any frame */
		return s->pacer_due_ns;
	}
	next_due = s->pacer_due_ns + ptime;
	if (now - next_due > RESYNC_FRAMES * ptime) next_due = now + ptime;
	write_silence(s);
	/* Where it waited all the same (a codec that makes FreeSWITCH drop the timestamp), the tick was just now: go on
	 * behind it, so that the next frame finds it passed and holds up nobody. */
	if ((int64_t)as_now_ns() - now > STALL_NS) next_due = (int64_t)as_now_ns() + ptime;
	return s->pacer_due_ns = next_due;
}

static void remove_closed(void)
{
	as_stream_t *gone = NULL, *s;

	pthread_mutex_lock(&lock);
	for (as_stream_t **at = &list; (s = *at);) {
		if (stopping || atomic_load_explicit(&s->media.closed, memory_order_acquire)) {
			*at = s->pacer_next;
			s->pacer_next = gone;
			gone = s;
		} else {
			at = &s->pacer_next;
		}
	}
	pthread_mutex_unlock(&lock);
	while ((s = gone)) {
		gone = s->pacer_next;
		as_stream_unref(s);
	}
}

static void *run(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "audio_pacer"); /* to tell it from FreeSWITCH's own in top and in a debugger */
	for (;;) {
		int64_t next = 0;
		struct timespec until;
		as_stream_t *s;
		bool end;

		remove_closed();
		pthread_mutex_lock(&lock);
		poked = false;
		s = list; /* new streams go in front; those behind stay where they are */
		end = stopping;
		pthread_mutex_unlock(&lock);
		if (end) break;

		for (; s; s = s->pacer_next) {
			int64_t due = serve(s, (int64_t)as_now_ns());

			if (due && (!next || due < next)) next = due;
		}

		pthread_mutex_lock(&lock);
		if (next) {
			int64_t at = (next + GRID_NS - 1) / GRID_NS * GRID_NS;

			until.tv_sec = at / 1000000000;
			until.tv_nsec = at % 1000000000;
			while (!stopping && !poked && pthread_cond_timedwait(&wake, &lock, &until) != ETIMEDOUT) {
			}
		} else {
			while (!stopping && !poked) pthread_cond_wait(&wake, &lock);
		}
		pthread_mutex_unlock(&lock);
	}
	free_kinds();
	return NULL;
}

bool as_pacer_start(void)
{
	pthread_condattr_t monotonic;
	sigset_t all, before;
	int failed;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	stopping = poked = false;
	/* The scheduling policy is inherited on purpose: this is a media thread. Signals are for FreeSWITCH's own threads.
	 */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	running = !failed;
	return running;
}

void as_pacer_stop(void)
{
	if (!running) return;
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	running = false;
	pthread_cond_destroy(&wake);
}

static void poke(void)
{
	pthread_mutex_lock(&lock);
	poked = true;
	if (running) pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

void as_pacer_wake(void)
{
	poke();
}

void as_pacer_add(as_stream_t *s)
{
	/* Listen first: whether anybody writes here is not known yet. */
	atomic_store_explicit(&s->media.foreign_write_ns, as_now_ns(), memory_order_relaxed);
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed); /* the caller holds one, so it cannot be the last */
	pthread_mutex_lock(&lock);
	s->pacer_next = list;
	list = s;
	pthread_mutex_unlock(&lock);
}
