/* What the ring tests share: a check that ends the program with the place, memory for a ring, a small random generator.
 */
#ifndef AS_TEST_RING_CHECK_H
#define AS_TEST_RING_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "spsc_ring.h"

#define CHECK(ok, ...)                                                                                                 \
	do {                                                                                                               \
		if (!(ok)) {                                                                                                   \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #ok);                                                   \
			fprintf(stderr, __VA_ARGS__);                                                                              \
			fprintf(stderr, "\n");                                                                                     \
			exit(1);                                                                                                   \
		}                                                                                                              \
	} while (0)

static inline as_ring_t *new_ring(uint32_t size)
{
	as_ring_t *r = aligned_alloc(AS_CACHE_LINE, sizeof(*r) + (size < AS_CACHE_LINE ? AS_CACHE_LINE : size));

	CHECK(r, "out of memory");
	as_ring_init(r, size);
	return r;
}

static inline as_playout_t *new_playout(uint32_t samples)
{
	size_t bytes =
		(sizeof(as_playout_t) + samples * sizeof(int16_t) + AS_CACHE_LINE - 1) & ~(size_t)(AS_CACHE_LINE - 1);
	as_playout_t *p = aligned_alloc(AS_CACHE_LINE, bytes);

	CHECK(p, "out of memory");
	as_playout_init(p, samples, 8000);
	return p;
}

/* xorshift64: the tests shall do the same in every run */
static inline uint32_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

static inline double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#endif
