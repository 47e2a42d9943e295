/* What the benchmarks in C share: time, percentiles, and one line per case in the format of Go's benchmarks, which
 * benchstat reads. */
#ifndef AS_TEST_RING_BENCH_H
#define AS_TEST_RING_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_case {
	const char *name;
	void (*prepare)(void); /* not counted; NULL: nothing to do */
	void (*before)(void);  /* before each operation, not timed; NULL: nothing to do */
	void (*run)(void);     /* one operation */
} bench_case_t;

static inline uint64_t bench_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int bench_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* What reading the clock twice costs; it is in every time below. */
static inline uint64_t bench_clock_cost(void)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 10000; i++) {
		uint64_t t = bench_ns(), d = bench_ns() - t;

		if (d < best) best = d;
	}
	return best;
}

static inline void bench_time(const bench_case_t *c, uint32_t n, uint64_t clock_cost)
{
	uint64_t *ns = malloc(n * sizeof(*ns)), sum = 0;

	if (!ns) exit(1);
	if (c->prepare) c->prepare();
	for (uint32_t i = 0; i < n; i++) {
		uint64_t t;

		if (c->before) c->before();
		t = bench_ns();
		c->run();
		t = bench_ns() - t;
		ns[i] = t > clock_cost ? t - clock_cost : 0;
		sum += ns[i];
	}
	qsort(ns, n, sizeof(*ns), bench_order);
	printf("BenchmarkC/%s %u %.1f ns/op %llu p50-ns %llu p99-ns %llu p99.9-ns\n", c->name, n, (double)sum / n,
		   (unsigned long long)ns[n / 2], (unsigned long long)ns[n * 99ull / 100],
		   (unsigned long long)ns[n * 999ull / 1000]);
	free(ns);
}

/*
 * Without arguments: every case is timed. With a case and a number: that many operations and nothing else, for
 * callgrind; the difference of two numbers is what the operations cost without start and end.
 */
static inline int bench_main(const bench_case_t *cases, int argc, char **argv, uint32_t times)
{
	uint64_t cost;

	if (argc == 3) {
		for (const bench_case_t *c = cases; c->name; c++) {
			if (strcmp(c->name, argv[1]) != 0) continue;
			if (c->prepare) c->prepare();
			for (long i = atol(argv[2]); i > 0; i--) {
				if (c->before) c->before();
				c->run();
			}
			return 0;
		}
		fprintf(stderr, "no case %s\n", argv[1]);
		return 2;
	}
	if (argc == 2 && strcmp(argv[1], "-list") == 0) {
		for (const bench_case_t *c = cases; c->name; c++) puts(c->name);
		return 0;
	}
	cost = bench_clock_cost();
	for (const bench_case_t *c = cases; c->name; c++) bench_time(c, times, cost);
	return 0;
}

#endif /* AS_TEST_RING_BENCH_H */
