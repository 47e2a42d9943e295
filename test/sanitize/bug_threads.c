/*
 * The media callbacks of mod/bug.c with everything that runs beside them, at full speed: one thread reads the caller's
 * leg, one writes to the channel, and the main thread is the pump, which empties the capture ring, fills and clears the
 * playout ring, and sleeps on the doorbell. Streams are made, closed and freed while both media threads are at work.
 *
 * There is no Go in it and no FreeSWITCH: the few functions that the callbacks ask of FreeSWITCH are below. It is built
 * under ThreadSanitizer, under AddressSanitizer with UBSan, and plain for valgrind.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "shim.h"

#include "../ring/check.h"

enum {
	FRAME = 160,    /* samples */
	FRAMES = 1500,  /* of each stream, on each leg */
	CAPTURE = 8192, /* bytes; a fifth of a second, so that it is full at times */
	PLAYOUT = 1024, /* samples */
	CALLEE = 2048,
	PATIENCE_MS = 20000, /* longer than any scheduler keeps a thread waiting */
};

/* ---- what FreeSWITCH would be ---- */

struct switch_core_session {
	uint32_t rate;
};

/* One bug, as one call of its callback sees it. FreeSWITCH has one bug for both; what is written here by one media
 * thread is not seen by the other there, for each has its own lock. */
struct switch_media_bug {
	switch_core_session_t *session;
	/* READ */
	uint32_t waiting; /* frames */
	uint32_t said;    /* frames handed out */
	/* WRITE_REPLACE */
	switch_frame_t *in, *out;
};

switch_core_session_t *switch_core_media_bug_get_session(switch_media_bug_t *bug)
{
	return bug->session;
}

static switch_status_t impl_of(switch_core_session_t *session, switch_codec_implementation_t *impl)
{
	memset(impl, 0, sizeof(*impl));
	impl->samples_per_second = impl->actual_samples_per_second = session->rate;
	impl->number_of_channels = 1;
	impl->microseconds_per_packet = 20000;
	impl->samples_per_packet = FRAME;
	impl->decoded_bytes_per_packet = FRAME * sizeof(int16_t);
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_core_session_get_read_impl(switch_core_session_t *session, switch_codec_implementation_t *impl)
{
	return impl_of(session, impl);
}

switch_status_t switch_core_session_get_write_impl(switch_core_session_t *session, switch_codec_implementation_t *impl)
{
	return impl_of(session, impl);
}

void switch_core_media_bug_inuse(switch_media_bug_t *bug, switch_size_t *readp, switch_size_t *writep)
{
	*readp = bug->waiting * FRAME * sizeof(int16_t);
	*writep = 0;
}

/* Numbers as samples, from 1 to 30,000 and again: never silence, and never FreeSWITCH's fill. The caller says its
 * frame's number in every sample, the server's audio counts its samples. */
enum { ROUND = 30000 };

static int16_t spoken(uint64_t n)
{
	return (int16_t)(n % ROUND + 1);
}

switch_status_t switch_core_media_bug_read(switch_media_bug_t *bug, switch_frame_t *frame, switch_bool_t fill)
{
	int16_t *samples = frame->data;

	CHECK(fill == SWITCH_FALSE, "read with fill on");
	CHECK(frame->buflen >= FRAME * sizeof(int16_t), "no room for a frame");
	if (!bug->waiting) return SWITCH_STATUS_FALSE;
	bug->waiting--;
	for (uint32_t i = 0; i < FRAME; i++) samples[i] = spoken(bug->said);
	bug->said++;
	frame->datalen = FRAME * sizeof(int16_t);
	return SWITCH_STATUS_SUCCESS;
}

void switch_core_media_bug_flush(switch_media_bug_t *bug)
{
	CHECK(!bug->waiting, "frames are flushed");
}

switch_frame_t *switch_core_media_bug_get_write_replace_frame(switch_media_bug_t *bug)
{
	return bug->in;
}

void switch_core_media_bug_set_write_replace_frame(switch_media_bug_t *bug, switch_frame_t *frame)
{
	bug->out = frame;
}

void as_bug_memory(switch_media_bug_t *bug)
{
	(void)bug;
}

/* The pacer is a thread of the module's own; none of the threads here is. */
bool as_pacer_wrote(as_stream_t *s)
{
	(void)s;
	return false;
}

/* ---- the threads ---- */

typedef struct call {
	as_stream_t *stream;
	switch_core_session_t session;
	_Atomic uint32_t over;    /* media threads that have done their frames */
	uint64_t heard;           /* samples that the writing side got of us */
	_Atomic uint64_t cleared; /* samples of which clears told, once they had dropped them */
} call_t;

static void *reading(void *arg)
{
	call_t *c = arg;
	switch_media_bug_t bug = {.session = &c->session};
	uint64_t s = 88172645463325252ull;

	while (bug.said < FRAMES) {
		bug.waiting = 1 + rnd(&s) % 2;
		if (bug.said + bug.waiting > FRAMES) bug.waiting = FRAMES - bug.said;
		as_bug_callback(&bug, c->stream, SWITCH_ABC_TYPE_READ);
		CHECK(!bug.waiting, "frames were left in the bug's buffer");
		if (!(rnd(&s) % 4)) sched_yield();
	}
	atomic_fetch_add_explicit(&c->over, 1, memory_order_release);
	return NULL;
}

static void *writing(void *arg)
{
	call_t *c = arg;
	switch_media_bug_t bug = {.session = &c->session};
	int16_t samples[SWITCH_RECOMMENDED_BUFFER_SIZE / sizeof(int16_t)];
	switch_frame_t frame;
	uint64_t s = 362436069, skipped = 0;
	uint32_t next = 0;

	for (uint32_t k = 0; k < FRAMES; k++) {
		bool silence = false;

		for (uint32_t i = 0; i < FRAME; i++) samples[i] = (int16_t)-spoken(k);
		memset(&frame, 0, sizeof(frame));
		frame.data = samples;
		frame.datalen = FRAME * sizeof(int16_t);
		frame.buflen = sizeof(samples);
		bug.in = &frame;
		bug.out = NULL;
		as_bug_callback(&bug, c->stream, SWITCH_ABC_TYPE_WRITE_REPLACE);
		for (uint32_t i = 0; i < FRAME; i++)
			CHECK(samples[i] == (int16_t)-spoken(k), "somebody else's frame was written to");
		if (bug.out) {
			const int16_t *out = bug.out->data;

			CHECK(out[0] > 0, "a frame that begins with %d", out[0]);
			/* only what clears dropped is skipped; the last of them may have dropped a ring of it, and not told yet */
			skipped += ((uint32_t)(out[0] - 1) + ROUND - next) % ROUND;
			CHECK(skipped <= atomic_load(&c->cleared) + PLAYOUT, "%llu samples were skipped, %llu cleared",
				  (unsigned long long)skipped, (unsigned long long)atomic_load(&c->cleared));
			next = (uint32_t)(out[0] - 1);
			for (uint32_t i = 0; i < FRAME; i++) {
				silence = silence || out[i] == 0; /* the ring ran dry in this frame */
				if (silence) {
					CHECK(out[i] == 0, "sound behind the end");
					continue;
				}
				CHECK(out[i] == spoken(next), "sample %u is %d, want %d", i, out[i], spoken(next));
				next = (next + 1) % ROUND;
				c->heard++;
			}
		}
		if (!(rnd(&s) % 4)) sched_yield();
	}
	atomic_fetch_add_explicit(&c->over, 1, memory_order_release);
	return NULL;
}

/* What Go's pump does with one stream. */
typedef struct pump {
	call_t *call;
	as_media_t *media;
	uint32_t expect;      /* the next frame's number */
	uint64_t got, missed; /* frames */
	uint64_t put;         /* samples */
	uint64_t seed;
} pump_t;

static void drain(pump_t *p, uint32_t legs)
{
	const as_frame_hdr_t *h;

	while ((h = as_ring_peek(p->media->capture))) {
		const int16_t *samples = (const int16_t *)(const void *)(h + 1);

		CHECK(h->seq >= p->expect, "frame %u after %u", h->seq, p->expect);
		CHECK(h->legs == legs && h->channels == legs && h->bytes == FRAME * legs * sizeof(int16_t) && h->rate == 8000,
			  "frame %u: %u legs, %u channels, %u bytes, %u Hz", h->seq, h->legs, h->channels, h->bytes, h->rate);
		for (uint32_t i = 0; i < FRAME; i++) {
			CHECK(samples[i * legs] == spoken(h->seq), "frame %u sample %u is %d", h->seq, i, samples[i * legs]);
			if (legs == 2) CHECK(samples[i * 2 + 1] <= 0, "the callee says %d", samples[i * 2 + 1]);
		}
		p->missed += h->seq - p->expect;
		p->expect = h->seq + 1;
		p->got++;
		as_ring_release(p->media->capture, h);
	}
}

static void feed(pump_t *p)
{
	as_playout_t *ring = p->media->playout;
	int16_t samples[PLAYOUT];
	uint32_t n = rnd(&p->seed) % 400, space = as_playout_space(ring);

	if (n > space) n = space;
	for (uint32_t i = 0; i < n; i++) samples[i] = spoken(p->put + i);
	as_playout_put(ring, samples, n);
	p->put += n;
	atomic_store(&ring->wanted, 1);
	atomic_store(&ring->wake_at, p->put - n / 2);
	if (!(rnd(&p->seed) % 16)) {
		uint64_t at;

		atomic_fetch_add(&p->call->cleared, as_playout_clear(ring, &at));
	}
}

static bool pending(const pump_t *p)
{
	return atomic_load(&p->media->capture->head) != atomic_load(&p->media->capture->tail) ||
		   atomic_load(&p->media->closed);
}

static void one_call(uint32_t legs, uint64_t seed)
{
	call_t c = {.session = {.rate = 8000}};
	as_stream_t *s = as_stream_new("a call", CAPTURE, legs == 2 ? CALLEE : 0, PLAYOUT, 8000);
	pump_t p = {.call = &c, .seed = seed};
	as_doorbell_t *bell = as_doorbell();
	switch_media_bug_t closing = {.session = &c.session};
	pthread_t reader, writer;
	bool closed = false;
	uint64_t id, dropped, cleared;

	CHECK(s && bell, "no stream or no doorbell");
	s->legs = legs;
	atomic_store(&s->media.playout->mode, AS_PLAYOUT_REPLACE);
	atomic_store(&s->read_rate, 8000);
	c.stream = s;
	p.media = &s->media;
	id = s->media.id;
	CHECK(!pthread_create(&reader, NULL, reading, &c) && !pthread_create(&writer, NULL, writing, &c), "no thread");
	for (;;) {
		struct pollfd wait = {.fd = bell->fd, .events = POLLIN};
		uint64_t count;

		drain(&p, legs);
		feed(&p);
		if (atomic_load(&p.media->closed)) break;
		if (!closed && atomic_load_explicit(&c.over, memory_order_acquire) == 2) {
			/* FreeSWITCH removes a bug when no callback of it runs any more */
			pthread_join(reader, NULL);
			pthread_join(writer, NULL);
			as_bug_callback(&closing, s, SWITCH_ABC_TYPE_CLOSE);
			closed = true;
		}
		atomic_store(&bell->armed, 1);
		if (pending(&p)) {
			atomic_store(&bell->armed, 0);
			continue;
		}
		if (atomic_load_explicit(&c.over, memory_order_acquire) == 2) continue;
		/* the writing side rings only for wake_at, so a short sleep is right once the reading side is done */
		if (poll(&wait, 1, atomic_load_explicit(&c.over, memory_order_acquire) ? 1 : PATIENCE_MS) == 0)
			CHECK(atomic_load_explicit(&c.over, memory_order_acquire) || !pending(&p), "a wake-up was lost");
		if (read(bell->fd, &count, sizeof(count)) < 0) CHECK(errno == EAGAIN, "eventfd: %s", strerror(errno));
	}
	dropped = atomic_load(&p.media->capture->dropped);
	p.missed += FRAMES - p.expect;
	CHECK(p.got + p.missed == FRAMES && p.missed == dropped, "%llu frames came, %llu are missing, %llu were counted",
		  (unsigned long long)p.got, (unsigned long long)p.missed, (unsigned long long)dropped);
	cleared = atomic_load(&c.cleared);
	CHECK(c.heard + cleared <= p.put && p.put - c.heard - cleared <= PLAYOUT,
		  "%llu samples put, %llu heard, %llu cleared", (unsigned long long)p.put, (unsigned long long)c.heard,
		  (unsigned long long)cleared);
	as_stream_unref(
		s); /* Go's reference; nobody in FreeSWITCH holds our frame here, which as_media_release waits for */
	CHECK(!as_stream_ref(id), "the stream is still there");
}

/* What the callee says while the caller's leg stands still is kept up to a ring's length, and then up to what is not
 * too old once the caller goes on. Each frame of which something is lost is counted once. */
static void still(void)
{
	switch_core_session_t session = {.rate = 8000};
	switch_media_bug_t bug = {.session = &session};
	as_stream_t *s = as_stream_new("a call", CAPTURE, CALLEE, 0, 8000);
	int16_t samples[FRAME];
	switch_frame_t frame = {.data = samples, .datalen = sizeof(samples), .buflen = sizeof(samples)};
	enum { WRITTEN = 20, KEPT = CALLEE / FRAME, AFTERWARDS = (CALLEE - 2 * FRAME + FRAME - 1) / FRAME };

	CHECK(s, "no stream");
	s->legs = 2;
	atomic_store(&s->read_rate, 8000);
	for (uint32_t i = 0; i < FRAME; i++) samples[i] = 1;
	bug.in = &frame;
	for (uint32_t k = 0; k < WRITTEN; k++) as_bug_callback(&bug, s, SWITCH_ABC_TYPE_WRITE_REPLACE);
	CHECK(atomic_load(&s->media.callee_lost) == WRITTEN - KEPT, "%llu frames are counted as lost",
		  (unsigned long long)atomic_load(&s->media.callee_lost));
	bug.waiting = 1;
	as_bug_callback(&bug, s, SWITCH_ABC_TYPE_READ);
	CHECK(atomic_load(&s->media.callee_lost) == WRITTEN - KEPT + AFTERWARDS,
		  "%llu frames are counted as lost in the end", (unsigned long long)atomic_load(&s->media.callee_lost));
	atomic_store(&s->read_rate, 16000); /* two rates cannot be paired */
	as_bug_callback(&bug, s, SWITCH_ABC_TYPE_WRITE_REPLACE);
	CHECK(atomic_load(&s->media.callee_lost) == WRITTEN - KEPT + AFTERWARDS + 1,
		  "a frame of another rate is not counted");
	as_bug_callback(&bug, s, SWITCH_ABC_TYPE_CLOSE);
	as_stream_unref(s); /* Go's */
}

int main(int argc, char **argv)
{
	double end = seconds() + (argc > 1 ? atof(argv[1]) : 1.0);
	uint32_t calls = 0;

	still();
	do {
		one_call(1 + calls % 2, 88172645463325252ull + calls);
		calls++;
	} while (calls < 2 || seconds() < end);
	CHECK(as_stream_count() == 0, "%u streams are left", as_stream_count());
	printf("bug_threads: ok, %u streams of %u frames\n", calls, (unsigned)FRAMES);
	return 0;
}
