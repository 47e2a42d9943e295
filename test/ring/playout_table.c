/* The playout ring with one thread: wrap, full, empty, clear at every position, pause, and what a new ring says. */
#include "check.h"

static void fill(as_playout_t *p, uint64_t from, uint32_t n)
{
	int16_t buf[256];

	for (uint32_t i = 0; i < n; i++) buf[i] = (int16_t)(from + i);
	as_playout_put(p, buf, n);
}

static void expect(as_playout_t *p, uint64_t from, uint32_t ask, uint32_t want)
{
	int16_t buf[256];
	uint32_t got = as_playout_take(p, buf, ask);

	CHECK(got == want, "took %u, want %u", got, want);
	for (uint32_t i = 0; i < got; i++) CHECK(buf[i] == (int16_t)(from + i), "sample %u is %d", i, buf[i]);
}

/* A ring whose three positions are at `at`. */
static as_playout_t *ring_at(uint64_t at)
{
	as_playout_t *p = new_playout(64);

	atomic_store(&p->tail, at);
	atomic_store(&p->head, at);
	atomic_store(&p->done, at);
	return p;
}

static void a_new_ring_is_empty_and_never_wakes(void)
{
	as_playout_t *p = new_playout(64);

	CHECK(as_playout_space(p) == 64, "space %u", as_playout_space(p));
	CHECK(atomic_load(&p->wake_at) == UINT64_MAX, "wake_at is set");
	CHECK(atomic_load(&p->rate) == 8000 && !atomic_load(&p->paused) && !atomic_load(&p->wanted) &&
			  atomic_load(&p->mode) == AS_PLAYOUT_MIX,
		  "defaults");
	expect(p, 0, 64, 0);
	free(p);
}

static void every_offset_and_length_comes_out_in_order(void)
{
	for (uint64_t at = 0; at < 128; at++) {
		for (uint32_t n = 0; n <= 64; n++) {
			as_playout_t *p = ring_at(at);

			fill(p, at, n);
			CHECK(as_playout_space(p) == 64 - n, "space %u with %u queued", as_playout_space(p), n);
			expect(p, at, 20, n < 20 ? n : 20);
			if (n > 20) expect(p, at + 20, 64, n - 20);
			expect(p, 0, 64, 0);
			CHECK(as_playout_space(p) == 64, "space %u when all is played", as_playout_space(p));
			free(p);
		}
	}
}

static void a_clear_at_every_position_drops_exactly_what_is_queued(void)
{
	for (uint64_t start = 0; start < 64; start++) {
		for (uint32_t played = 0; played <= 64; played++) {
			as_playout_t *p = ring_at(start);
			uint64_t at = 0, dropped;

			fill(p, start, 64);
			if (played) expect(p, start, played, played);
			dropped = as_playout_clear(p, &at);
			CHECK(dropped == 64 - played, "dropped %llu, want %u", (unsigned long long)dropped, 64 - played);
			CHECK(at == start + played, "cut at %llu", (unsigned long long)at);
			/* space comes back when the media thread has been there: it may be copying */
			CHECK(as_playout_space(p) == played, "space %u right after the clear", as_playout_space(p));
			expect(p, 0, 10, 0);
			CHECK(as_playout_space(p) == 64, "space %u after the next callback", as_playout_space(p));
			CHECK(as_playout_clear(p, &at) == 0 && at == start + 64, "a second clear");
			fill(p, start + 64, 30); /* what comes after a clear is kept */
			expect(p, start + 64, 64, 30);
			free(p);
		}
	}
}

static void pause_keeps_everything(void)
{
	as_playout_t *p = ring_at(50);

	fill(p, 50, 40);
	atomic_store(&p->paused, 1);
	expect(p, 0, 40, 0);
	CHECK(as_playout_space(p) == 24, "space %u", as_playout_space(p));
	atomic_store(&p->paused, 0);
	expect(p, 50, 40, 40);
	free(p);
}

static void positions_pass_32_bits(void)
{
	as_playout_t *p = ring_at((1ull << 32) - 10);
	uint64_t at;

	fill(p, (1ull << 32) - 10, 64);
	expect(p, (1ull << 32) - 10, 30, 30);
	CHECK(as_playout_clear(p, &at) == 34 && at == (1ull << 32) + 20, "cut at %llu", (unsigned long long)at);
	free(p);
}

int main(void)
{
	a_new_ring_is_empty_and_never_wakes();
	every_offset_and_length_comes_out_in_order();
	a_clear_at_every_position_drops_exactly_what_is_queued();
	pause_keeps_everything();
	positions_pass_32_bits();
	puts("playout_table: ok");
	return 0;
}
