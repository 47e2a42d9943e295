/*
 * The playout ring with a putter, a taker and a clearer at full speed: every sample is taken exactly once or cleared
 * exactly once, in order; a take is never torn. A sample's value is its position, so that a jump is seen and its size
 * is known: between two takes the putter cannot run further ahead than the ring, which is far less than 65,536.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>

enum { SIZE = 2048, FRAME = 160 };

static as_playout_t *ring;
static _Atomic int stop, stop_taker;
static _Atomic uint64_t cleared, clears, taken, skipped, voided;

static void *putter(void *arg)
{
	uint64_t pos = 0, s = 123456789;
	int16_t buf[SIZE];

	(void)arg;
	while (!atomic_load(&stop)) {
		uint32_t space = as_playout_space(ring), n = rnd(&s) % (SIZE / 2) + 1;

		CHECK(space <= SIZE, "space %u", space);
		if (n > space) n = space;
		if (!n) {
			sched_yield();
			continue;
		}
		for (uint32_t i = 0; i < n; i++) buf[i] = (int16_t)(uint16_t)(pos + i);
		as_playout_put(ring, buf, n);
		pos += n;
	}
	return NULL;
}

static void *clearer(void *arg)
{
	uint64_t s = 987654321, last = 0;

	(void)arg;
	while (!atomic_load(&stop)) {
		uint64_t at = 0, n = as_playout_clear(ring, &at);

		CHECK(n <= SIZE, "cleared %llu samples of %d", (unsigned long long)n, SIZE);
		CHECK(at >= last, "cut at %llu after %llu", (unsigned long long)at, (unsigned long long)last);
		last = at + n;
		atomic_fetch_add(&cleared, n);
		atomic_fetch_add(&clears, n != 0);
		for (uint32_t i = rnd(&s) % 3000; i && !atomic_load(&stop); i--) {
		}
	}
	return NULL;
}

static void *taker(void *arg)
{
	uint64_t next = 0;
	int16_t buf[FRAME];

	(void)arg;
	while (!atomic_load(&stop_taker)) {
		uint64_t before = atomic_load(&ring->head);
		uint32_t n = as_playout_take(ring, buf, FRAME);
		uint16_t jump;

		if (!n) { /* empty, or the copy was void: whatever lies below head now was cleared */
			uint64_t head = atomic_load(&ring->head);

			if (head != before) atomic_fetch_add(&voided, 1);
			CHECK(head >= next, "head %llu is behind %llu", (unsigned long long)head, (unsigned long long)next);
			atomic_fetch_add(&skipped, head - next);
			next = head;
			continue;
		}
		jump = (uint16_t)((uint16_t)buf[0] - (uint16_t)next);
		CHECK(jump <= SIZE, "position %llu: the sample says %u", (unsigned long long)next, (unsigned)(uint16_t)buf[0]);
		next += jump;
		atomic_fetch_add(&skipped, jump);
		for (uint32_t i = 0; i < n; i++)
			CHECK((uint16_t)buf[i] == (uint16_t)(next + i), "torn at position %llu", (unsigned long long)(next + i));
		next += n;
		atomic_fetch_add(&taken, n);
	}
	atomic_fetch_add(&skipped, atomic_load(&ring->tail) - next); /* cleared behind the last take */
	return NULL;
}

int main(int argc, char **argv)
{
	double run_s = argc > 1 ? atof(argv[1]) : 1.0, end;
	pthread_t put, take, clear;
	struct timespec ms = {.tv_nsec = 1000000};

	ring = new_playout(SIZE);
	pthread_create(&take, NULL, taker, NULL);
	pthread_create(&put, NULL, putter, NULL);
	pthread_create(&clear, NULL, clearer, NULL);
	/* on a loaded machine it runs until enough has passed */
	for (end = seconds() + run_s; seconds() < end || taken < 1000 || clears < 10;) nanosleep(&ms, NULL);
	atomic_store(&stop, 1);
	pthread_join(put, NULL);
	pthread_join(clear, NULL);
	while (atomic_load(&ring->head) != atomic_load(&ring->tail)) nanosleep(&ms, NULL);
	atomic_store(&stop_taker, 1);
	pthread_join(take, NULL);
	CHECK(taken + cleared == atomic_load(&ring->tail), "%llu taken + %llu cleared, %llu put", (unsigned long long)taken,
		  (unsigned long long)cleared, (unsigned long long)atomic_load(&ring->tail));
	CHECK(skipped == cleared, "the taker missed %llu, cleared were %llu", (unsigned long long)skipped,
		  (unsigned long long)cleared);
	printf("playout_stress: ok, %llu taken, %llu cleared in %llu clears, %llu copies voided\n",
		   (unsigned long long)taken, (unsigned long long)cleared, (unsigned long long)clears,
		   (unsigned long long)voided);
	free(ring);
	return 0;
}
