/*
 * The streams' memory and the slots that ids point to. An id is a slot's number and its generation, so that one kept
 * too long finds nothing instead of somebody else's stream.
 */
#include <sys/mman.h>

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

/*
 * A stream's memory is one mapping of its own. What every frame touches is in front, side by side; behind it lies what
 * most streams touch little of or nothing: the capture ring beyond its first frames, the samples of the other rings,
 * room for a packet of any size. Pages that are never touched cost nothing, and all goes back to the system with the
 * stream.
 */
typedef struct {
	size_t uuid, playout, callee, capture, playout_data, callee_data, out_samples, end;
} layout_t;

static uint32_t round_up_pow2(uint32_t n)
{
	uint32_t p = 1;

	while (p < n) p <<= 1;
	return p;
}

static void stream_free(as_stream_t *s)
{
	munmap(s, s->mapped);
}

/* Takes room for one of the parts. */
static size_t room(layout_t *l, size_t bytes)
{
	size_t at = (l->end + AS_CACHE_LINE - 1) & ~(size_t)(AS_CACHE_LINE - 1);

	l->end = at + bytes;
	return at;
}

static as_playout_t *playout_at(as_stream_t *s, size_t header, size_t data, uint32_t samples, uint32_t rate)
{
	as_playout_t *p = (as_playout_t *)(void *)((uint8_t *)s + header);

	as_playout_init(p, samples, rate);
	p->data_at = (uint32_t)(data - header);
	return p;
}

/* A stream with two references: the bug's and Go's. callee_samples and playout_samples 0: without that ring. NULL: no
 * memory or no slot. */
as_stream_t *as_stream_new(const char *uuid, uint32_t capture_bytes, uint32_t callee_samples, uint32_t playout_samples,
						   uint32_t write_rate)
{
	uint32_t i, ring_bytes = round_up_pow2(capture_bytes), play = round_up_pow2(playout_samples),
				callee = round_up_pow2(callee_samples);
	layout_t l = {.end = sizeof(as_stream_t)};
	as_stream_t *s;

	l.uuid = room(&l, strlen(uuid) + 1);
	if (playout_samples) l.playout = room(&l, sizeof(as_playout_t));
	if (callee_samples) l.callee = room(&l, sizeof(as_playout_t));
	l.capture = room(&l, sizeof(as_ring_t) + ring_bytes);
	if (callee_samples) l.callee_data = room(&l, callee * sizeof(int16_t));
	if (playout_samples) l.playout_data = room(&l, play * sizeof(int16_t));
	if (playout_samples) l.out_samples = room(&l, SWITCH_RECOMMENDED_BUFFER_SIZE);
	s = mmap(NULL, l.end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* zeros */
	if (s == MAP_FAILED) return NULL;
	s->mapped = l.end;
	atomic_init(&s->refs, 2);
	s->uuid = strcpy((char *)s + l.uuid, uuid);
	s->media.capture = (as_ring_t *)(void *)((uint8_t *)s + l.capture);
	as_ring_init(s->media.capture, ring_bytes);
	if (callee_samples) s->callee = playout_at(s, l.callee, l.callee_data, callee, write_rate);
	if (playout_samples) {
		s->media.playout = playout_at(s, l.playout, l.playout_data, play, write_rate);
		s->out_samples = (int16_t *)(void *)((uint8_t *)s + l.out_samples);
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
