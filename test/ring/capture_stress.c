/* The capture ring with a writer and a reader at full speed: no frame torn, none twice, none out of order, every gap a
 * drop. */
#include "check.h"

#include <pthread.h>
#include <sched.h>

enum { ENOUGH = 2000 }; /* on a loaded machine it runs until as many have passed */

static double run_s = 1.0;
static as_ring_t *ring;
static _Atomic int stop;

static uint8_t value(uint32_t seq, uint32_t i)
{
	return (uint8_t)(seq * 131 + i * 7);
}

static void *writer(void *arg)
{
	uint64_t s = 2463534242u;

	(void)arg;
	while (!atomic_load(&stop)) {
		uint32_t max = rnd(&s) % 400, n = max ? rnd(&s) % (max + 1) & ~1u : 0;
		as_frame_hdr_t *h = as_ring_reserve(ring, max);
		uint8_t *d;

		if (!h) {
			as_ring_drop(ring);
			if (rnd(&s) % 8 == 0) sched_yield();
			continue;
		}
		h->mono_ns = (uint64_t)ring->seq * 3;
		h->bytes = n;
		h->rate = ring->seq ^ 0x5A5A5A5Au;
		h->channels = h->legs = 1;
		d = (uint8_t *)(h + 1);
		for (uint32_t i = 0; i < n; i++) d[i] = value(ring->seq, i);
		as_ring_commit(ring, h);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint32_t next = 0;
	uint64_t frames = 0, gaps = 0;
	double end;
	pthread_t t;
	bool last = false;

	if (argc > 1) run_s = atof(argv[1]);
	ring = new_ring(4096);
	end = seconds() + run_s;
	pthread_create(&t, NULL, writer, NULL);
	for (;;) {
		const as_frame_hdr_t *h = as_ring_peek(ring);

		if (!h) {
			if (last) break;
			if (seconds() > end && frames > ENOUGH) {
				atomic_store(&stop, 1);
				pthread_join(t, NULL);
				last = true;
			}
			continue;
		}
		CHECK(h->seq >= next, "seq %u after %u", h->seq, next);
		gaps += h->seq - next;
		next = h->seq + 1;
		CHECK(h->mono_ns == (uint64_t)h->seq * 3 && h->rate == (h->seq ^ 0x5A5A5A5Au), "header of frame %u is torn",
			  h->seq);
		for (uint32_t i = 0; i < h->bytes; i++)
			CHECK(((const uint8_t *)(h + 1))[i] == value(h->seq, i), "frame %u byte %u of %u is torn", h->seq, i,
				  h->bytes);
		as_ring_release(ring, h);
		if (++frames % 4096 == 0 && seconds() > end && frames > ENOUGH && !last) {
			atomic_store(&stop, 1);
			pthread_join(t, NULL);
			last = true;
		}
	}
	gaps += ring->seq - next; /* drops behind the last frame */
	CHECK(gaps == atomic_load(&ring->dropped), "%llu gaps, %llu drops", (unsigned long long)gaps,
		  (unsigned long long)atomic_load(&ring->dropped));
	printf("capture_stress: ok, %llu frames, %llu dropped\n", (unsigned long long)frames, (unsigned long long)gaps);
	free(ring);
	return 0;
}
