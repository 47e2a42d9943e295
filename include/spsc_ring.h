/*
 * The two rings that a media thread shares with Go. Nothing but the rings lives here: no FreeSWITCH, no allocation.
 *
 *   capture ring   media thread writes, Go's pump reads: whole frames, each behind a header, never wrapped in the
 *                  middle, so that the reader borrows them in place
 *   playout ring   Go writes, the media thread reads: samples, counted by positions that only grow
 *
 * Both are one block of plain memory whose offsets Go knows too (bridge/ring.go asserts the same sizes). Each side
 * owns its own cache line; a field is written by the side that the comment names, by nobody else.
 *
 * Neither side ever waits. A full capture ring drops the new frame and counts it; an empty playout ring is silence.
 */
#ifndef AS_SPSC_RING_H
#define AS_SPSC_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define AS_CACHE_LINE 64

/* ---- capture ring ---- */

/* One captured frame's header; its samples follow: L16 in host order, `channels` interleaved. */
typedef struct as_frame_hdr {
	uint64_t mono_ns;  /* CLOCK_MONOTONIC at the READ callback */
	uint32_t seq;      /* frame number, from 0; a gap is a frame dropped because the ring was full */
	uint32_t rate;     /* Hz */
	uint32_t bytes;    /* of samples behind this header; AS_FRAME_SKIP: nothing here, go on at the ring's start */
	uint16_t channels; /* interleaved channels in the samples */
	uint16_t legs;     /* 1: the caller's leg alone; 2: samples of caller and callee alternate, channels/2 each */
} as_frame_hdr_t;

#define AS_FRAME_SKIP UINT32_MAX

_Static_assert(sizeof(as_frame_hdr_t) == 24, "Go reads this header by offset");

typedef struct as_ring {
	/* written by the media thread */
	_Alignas(AS_CACHE_LINE) _Atomic uint64_t tail; /* bytes ever written */
	_Atomic uint64_t dropped;                      /* frames that found the ring full */
	uint32_t seq;                                  /* the next frame's number; the media thread's own */
	uint32_t anew;                                 /* 1: the frame reserved last begins at the start; its own, too */
	_Atomic uint64_t base;                         /* all below it has been read: the reader goes on here */
	/* written by Go */
	_Alignas(AS_CACHE_LINE) _Atomic uint64_t head; /* bytes ever read */
	/* never changes */
	_Alignas(AS_CACHE_LINE) uint32_t size; /* of data, bytes; a power of two */
	uint32_t reserved;
	_Alignas(AS_CACHE_LINE) uint8_t data[];
} as_ring_t;

_Static_assert(offsetof(as_ring_t, base) == 24 && offsetof(as_ring_t, head) == 64 && offsetof(as_ring_t, size) == 128 &&
				   offsetof(as_ring_t, data) == 192,
			   "Go maps the ring by these offsets");

static inline uint32_t as_ring_align(uint32_t bytes)
{
	return (bytes + 7u) & ~7u; /* headers stay aligned for their 64-bit field */
}

static inline void as_ring_init(as_ring_t *r, uint32_t size)
{
	memset(r, 0, sizeof(*r));
	r->size = size;
}

/* Media thread. Has what as_ring_reserve is about to touch fetched: after a frame's time it is in the reader's cache,
 * or in none. A ring whose reader keeps up is written at its start. */
static inline void as_ring_expect(as_ring_t *r)
{
	__builtin_prefetch(&r->tail, 1);
	__builtin_prefetch(&r->head, 0);
	__builtin_prefetch(&r->size, 0);
	for (uint32_t i = 0; i < 6; i++) __builtin_prefetch(r->data + i * AS_CACHE_LINE, 1); /* 20 ms of 8 kHz */
}

/*
 * Media thread. Room for one frame of up to max_bytes, header in front, or NULL when the ring is full (the caller then
 * counts it with as_ring_drop). Nothing is visible to the reader before as_ring_commit; not committing costs nothing.
 * Header and frame together must be at most half the ring: a larger one can find even an empty ring full, for ever,
 * when the place to write at is in its middle.
 */
static inline as_frame_hdr_t *as_ring_reserve(as_ring_t *r, uint32_t max_bytes)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	/* acquire: the reader has finished with the bytes it gives back before it moves head */
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	uint64_t base = atomic_load_explicit(&r->base, memory_order_relaxed);
	uint32_t need = (uint32_t)sizeof(as_frame_hdr_t) + as_ring_align(max_bytes);
	uint32_t at = (uint32_t)(tail & (r->size - 1));
	uint32_t to_end = r->size - at;

	/* An empty ring is begun anew, so that a reader who keeps up has the same few hundred bytes used again and again,
	 * and the rest is memory that nobody ever touches. */
	r->anew = head == tail && at != 0;
	if (r->anew) return need <= r->size ? (as_frame_hdr_t *)(void *)r->data : NULL;
	if (head < base) head = base; /* the reader has not looked since, and there is nothing for it below */
	if (need > to_end) {          /* a frame is never split: skip to the start */
		if (tail + to_end + need - head > r->size) return NULL;
		if (to_end >= sizeof(as_frame_hdr_t)) ((as_frame_hdr_t *)(void *)(r->data + at))->bytes = AS_FRAME_SKIP;
		/* the skip is published together with the frame by as_ring_commit */
		return (as_frame_hdr_t *)(void *)r->data;
	}
	if (tail + need - head > r->size) return NULL;
	return (as_frame_hdr_t *)(void *)(r->data + at);
}

/* Media thread. Publishes the frame reserved last, whose header the caller has filled in (all but seq). */
static inline void as_ring_commit(as_ring_t *r, as_frame_hdr_t *h)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t at = (uint32_t)(tail & (r->size - 1));

	if ((uint8_t *)h == r->data && at != 0) tail += r->size - at;
	if (r->anew) atomic_store_explicit(&r->base, tail, memory_order_relaxed);
	h->seq = r->seq++;
	/* release: header, samples and base are there before the reader sees the new tail */
	atomic_store_explicit(&r->tail, tail + sizeof(*h) + as_ring_align(h->bytes), memory_order_release);
}

/* Media thread. Counts a frame that found no room; its number is skipped, so that the reader sees the gap. */
static inline void as_ring_drop(as_ring_t *r)
{
	r->seq++;
	atomic_fetch_add_explicit(&r->dropped, 1, memory_order_relaxed);
}

/*
 * Reader. The oldest frame, borrowed until as_ring_release, or NULL when there is none. This is the twin of
 * bridge/ring.go, here for the C tests.
 */
static inline const as_frame_hdr_t *as_ring_peek(as_ring_t *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	/* acquire: pairs with the release in commit, so header and samples are whole */
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint64_t base;

	if (head == tail) return NULL;
	/* Behind tail, and only while something is there: it cannot move before that has been read. */
	base = atomic_load_explicit(&r->base, memory_order_relaxed);
	if (head < base) {
		head = base;
		/* as_ring_release goes on from here; the writer knows already that nothing below is needed */
		atomic_store_explicit(&r->head, head, memory_order_relaxed);
	}
	while (head != tail) {
		uint32_t at = (uint32_t)(head & (r->size - 1));
		const as_frame_hdr_t *h = (const as_frame_hdr_t *)(const void *)(r->data + at);

		if (r->size - at >= sizeof(*h) && h->bytes != AS_FRAME_SKIP) return h;
		head += r->size - at;
		/* release: the skipped bytes are free for the writer */
		atomic_store_explicit(&r->head, head, memory_order_release);
	}
	return NULL;
}

static inline void as_ring_release(as_ring_t *r, const as_frame_hdr_t *h)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	/* release: we are done reading before the writer may overwrite */
	atomic_store_explicit(&r->head, head + sizeof(*h) + as_ring_align(h->bytes), memory_order_release);
}

/* ---- playout ring ---- */

/*
 * Samples are mono L16 at `rate`. Positions count samples since the ring was made and never go back, so a mark or a
 * clear is a position, and no sample value means anything.
 *
 *   tail   written by Go: samples ever queued
 *   head   samples ever consumed. The media thread moves it by what it played, Go moves it to tail to clear; both
 *          with compare-and-swap, so that a clear is exact to the sample and takes effect at once: the media thread
 *          that was copying meanwhile finds head moved and throws its copy away.
 *   done   written by the media thread: it reads nothing below this position any more. Go's free space counts
 *          from done, not from head, so that a clear never lets Go overwrite samples being copied.
 */
typedef struct as_playout {
	/* written by Go */
	_Alignas(AS_CACHE_LINE) _Atomic uint64_t tail;
	_Atomic uint64_t wake_at; /* ring the doorbell once head has reached this; UINT64_MAX: never */
	_Atomic uint32_t paused;  /* 1: play nothing, keep everything */
	_Atomic uint32_t mode;    /* AS_PLAYOUT_MIX or AS_PLAYOUT_REPLACE */
	_Atomic uint32_t wanted;  /* 1: there is something to play (here or still in Go's queue): the pacer keeps writing */
	_Atomic uint32_t made_for; /* Hz that the samples here were made for; none is taken while the channel has another */
	/* written by the media thread; head by both */
	_Alignas(AS_CACHE_LINE) _Atomic uint64_t head;
	_Atomic uint64_t done;
	_Atomic uint64_t underruns; /* times the ring ran dry while `wanted` */
	_Atomic uint32_t rate;      /* Hz of the channel's write side, as last seen */
	_Atomic uint32_t dry;       /* 1: the last callback found too little while wanted */
	_Atomic uint64_t taken_ns;  /* CLOCK_MONOTONIC of the last callback */
	_Atomic uint32_t frame;     /* samples that it wanted */
	/* never changes */
	_Alignas(AS_CACHE_LINE) uint32_t size; /* samples; a power of two */
	uint32_t data_at;                      /* bytes from here to the samples; as_playout_init: right behind */
} as_playout_t;

_Static_assert(offsetof(as_playout_t, head) == 64 && offsetof(as_playout_t, size) == 128 &&
				   offsetof(as_playout_t, data_at) == 132 && sizeof(as_playout_t) == 192,
			   "Go maps the ring by these offsets");

static inline int16_t *as_playout_data(as_playout_t *p)
{
	return (int16_t *)(void *)((uint8_t *)p + p->data_at);
}

enum { AS_PLAYOUT_MIX = 0, AS_PLAYOUT_REPLACE = 1 };

static inline void as_playout_init(as_playout_t *p, uint32_t size, uint32_t rate)
{
	memset(p, 0, sizeof(*p));
	p->size = size;
	p->data_at = sizeof(*p);
	atomic_store_explicit(&p->wake_at, UINT64_MAX, memory_order_relaxed);
	atomic_store_explicit(&p->rate, rate, memory_order_relaxed);
	atomic_store_explicit(&p->made_for, rate, memory_order_relaxed);
}

/* Go's side, in C for the tests. Samples that fit now. */
static inline uint32_t as_playout_space(as_playout_t *p)
{
	uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
	/* acquire: the media thread has finished reading below done */
	return p->size - (uint32_t)(tail - atomic_load_explicit(&p->done, memory_order_acquire));
}

/* Go's side, in C for the tests. n must not exceed as_playout_space. */
static inline void as_playout_put(as_playout_t *p, const int16_t *src, uint32_t n)
{
	uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);

	for (uint32_t i = 0; i < n; i++) as_playout_data(p)[(tail + i) & (p->size - 1)] = src[i];
	/* release: the samples are there before the media thread sees the new tail */
	atomic_store_explicit(&p->tail, tail + n, memory_order_release);
}

/* Go's side, in C for the tests. Drops all that is queued; *at is the position it was cut at. Returns samples dropped.
 */
static inline uint64_t as_playout_clear(as_playout_t *p, uint64_t *at)
{
	uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&p->head, memory_order_acquire);

	while (head < tail &&
		   !atomic_compare_exchange_weak_explicit(&p->head, &head, tail, memory_order_acq_rel, memory_order_acquire)) {
	}
	*at = head;
	return head < tail ? tail - head : 0;
}

/*
 * Media thread. Takes up to n samples into out and returns how many it took. Fewer than n means that the ring ran dry
 * (or is paused, or was cleared in the middle of the copy, in which case it is 0 and out is to be ignored).
 */
static inline uint32_t as_playout_take(as_playout_t *p, int16_t *out, uint32_t n)
{
	uint64_t head = atomic_load_explicit(&p->head, memory_order_acquire);
	uint64_t tail, expect = head;
	uint32_t have, at, first;

	/* We read from head on, so nothing below it is ours. Release: earlier copies are finished. A clear may have moved
	 * head since; then done is behind it, which only costs space. */
	atomic_store_explicit(&p->done, head, memory_order_release);
	if (atomic_load_explicit(&p->paused, memory_order_relaxed)) return 0;
	/* acquire: pairs with the release in put */
	tail = atomic_load_explicit(&p->tail, memory_order_acquire);
	have = tail > head ? (uint32_t)(tail - head) : 0;
	if (have > n) have = n;
	if (!have) return 0;
	at = (uint32_t)(head & (p->size - 1));
	first = p->size - at < have ? p->size - at : have;
	memcpy(out, as_playout_data(p) + at, first * sizeof(*out));
	memcpy(out + first, as_playout_data(p), (have - first) * sizeof(*out));
	/* acq_rel: the copy is finished before head moves; a clear that came first makes this fail and the copy void */
	if (!atomic_compare_exchange_strong_explicit(&p->head, &expect, head + have, memory_order_acq_rel,
												 memory_order_acquire)) {
		atomic_store_explicit(&p->done, expect, memory_order_release);
		return 0;
	}
	atomic_store_explicit(&p->done, head + have, memory_order_release);
	return have;
}

#endif /* AS_SPSC_RING_H */
