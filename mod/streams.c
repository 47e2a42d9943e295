/*
 * The streams' memory and the slots that ids point to. An id is a slot's number and its generation, so that one kept
 * too long finds nothing instead of somebody else's stream.
 */
#include "shim.h"

#define SLOTS 16384 /* streams at once; a slot costs 16 bytes */

static struct slot {
	as_stream_t *stream; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
} slots[SLOTS];

/* guards slots, and refs going up; never held while calling out */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t used;
static uint32_t fresh;      /* slots from here on were never used */
static uint32_t first_free; /* 1 + the first slot given back; 0: none */

static uint32_t round_up_pow2(uint32_t n)
{
	uint32_t p = 1;

	while (p < n) p <<= 1;
	return p;
}

static void stream_free(as_stream_t *s)
{
	free(s->media.capture);
	free(s->media.playout);
	free(s->callee);
	free(s->out_samples);
	free(s->uuid);
	free(s);
}

static void *aligned(size_t bytes)
{
	return aligned_alloc(AS_CACHE_LINE, (bytes + AS_CACHE_LINE - 1) & ~(size_t)(AS_CACHE_LINE - 1));
}

/* A stream with two references: the bug's and Go's. callee_samples and playout_samples 0: without that ring. NULL: no
 * memory or no slot. */
as_stream_t *as_stream_new(const char *uuid, uint32_t capture_bytes, uint32_t callee_samples, uint32_t playout_samples,
						   uint32_t write_rate)
{
	as_stream_t *s = aligned(sizeof(*s));
	uint32_t i, ring_bytes = round_up_pow2(capture_bytes), play = round_up_pow2(playout_samples),
				callee = round_up_pow2(callee_samples);

	if (!s) return NULL;
	memset(s, 0, sizeof(*s));
	atomic_init(&s->refs, 2);
	s->uuid = strdup(uuid);
	s->media.capture = aligned(sizeof(as_ring_t) + ring_bytes);
	if (!s->uuid || !s->media.capture) goto fail;
	as_ring_init(s->media.capture, ring_bytes);
	if (callee_samples) {
		s->callee = aligned(sizeof(as_playout_t) + callee * sizeof(int16_t));
		if (!s->callee) goto fail;
		as_playout_init(s->callee, callee, write_rate);
	}
	if (playout_samples) {
		s->media.playout = aligned(sizeof(as_playout_t) + play * sizeof(int16_t));
		s->out_samples = malloc(SWITCH_RECOMMENDED_BUFFER_SIZE);
		if (!s->media.playout || !s->out_samples) goto fail;
		as_playout_init(s->media.playout, play, write_rate);
	}

	pthread_mutex_lock(&lock);
	if (first_free) {
		i = first_free - 1;
		first_free = slots[i].next_free;
	} else if (fresh < SLOTS) {
		i = fresh++;
	} else {
		pthread_mutex_unlock(&lock);
		goto fail;
	}
	slots[i].stream = s;
	slots[i].generation++;
	used++;
	s->media.id = (uint64_t)slots[i].generation << 32 | i;
	pthread_mutex_unlock(&lock);
	return s;

fail:
	stream_free(s);
	return NULL;
}

as_stream_t *as_stream_ref(uint64_t id)
{
	uint32_t i = (uint32_t)id;
	as_stream_t *s = NULL;

	if (i >= SLOTS) return NULL;
	pthread_mutex_lock(&lock);
	if (slots[i].stream && slots[i].generation == (uint32_t)(id >> 32)) {
		s = slots[i].stream;
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&lock);
	return s;
}

void as_stream_unref(as_stream_t *s)
{
	uint32_t i = (uint32_t)s->media.id;

	/* The common case, without the lock: somebody else still holds one. */
	uint32_t refs = atomic_load_explicit(&s->refs, memory_order_relaxed);
	while (refs > 1) {
		/* release: what we did with the stream happens before the last holder frees it */
		if (atomic_compare_exchange_weak_explicit(&s->refs, &refs, refs - 1, memory_order_release,
												  memory_order_relaxed))
			return;
	}
	pthread_mutex_lock(&lock); /* as_stream_ref may be about to find it */
	/* acquire: see all that the other holders did */
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
		pthread_mutex_unlock(&lock);
		return;
	}
	slots[i].stream = NULL;
	slots[i].next_free = first_free;
	first_free = i + 1;
	used--;
	pthread_mutex_unlock(&lock);
	stream_free(s);
}

uint32_t as_stream_count(void)
{
	uint32_t n;

	pthread_mutex_lock(&lock);
	n = used;
	pthread_mutex_unlock(&lock);
	return n;
}
