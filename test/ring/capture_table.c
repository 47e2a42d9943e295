/* The capture ring with one thread: every place where a frame can meet the ring's end, its head, or no room. */
#include "check.h"

enum { HDR = (int)sizeof(as_frame_hdr_t) };

static as_frame_hdr_t *put(as_ring_t *r, uint32_t max, uint32_t bytes, uint8_t fill)
{
	as_frame_hdr_t *h = as_ring_reserve(r, max);

	if (!h) {
		as_ring_drop(r);
		return NULL;
	}
	h->mono_ns = fill;
	h->rate = 8000;
	h->bytes = bytes;
	h->channels = h->legs = 1;
	memset(h + 1, fill, bytes);
	as_ring_commit(r, h);
	return h;
}

static void take(as_ring_t *r, uint32_t seq, uint32_t bytes, uint8_t fill)
{
	const as_frame_hdr_t *h = as_ring_peek(r);

	CHECK(h, "frame %u is not there", seq);
	CHECK(h->seq == seq, "seq %u, want %u", h->seq, seq);
	CHECK(h->bytes == bytes, "frame %u has %u bytes, want %u", seq, h->bytes, bytes);
	for (uint32_t i = 0; i < bytes; i++)
		CHECK(((const uint8_t *)(h + 1))[i] == fill, "frame %u byte %u is %u", seq, i, ((const uint8_t *)(h + 1))[i]);
	CHECK((const uint8_t *)(h + 1) + bytes <= r->data + r->size, "frame %u passes the ring's end", seq);
	as_ring_release(r, h);
}

static void an_empty_ring_has_nothing(void)
{
	as_ring_t *r = new_ring(256);

	CHECK(!as_ring_peek(r), "something in an empty ring");
	free(r);
}

static void a_frame_that_fits_exactly_is_taken_and_the_next_is_not(void)
{
	as_ring_t *r = new_ring(256);

	CHECK(put(r, 256 - HDR, 256 - HDR, 1), "the whole ring for one frame");
	CHECK(!as_ring_reserve(r, 0), "room in a full ring");
	take(r, 0, 256 - HDR, 1);
	CHECK(!as_ring_peek(r), "more than was put");
	CHECK(put(r, 256 - HDR, 256 - HDR, 2), "once more");
	take(r, 1, 256 - HDR, 2);
	CHECK(!as_ring_reserve(r, 256 - HDR + 1), "a frame larger than the ring");
	free(r);
}

/* An unread frame of no samples that ends at start, so that the ring goes on from there. */
static void plant(as_ring_t *r, uint32_t start)
{
	as_frame_hdr_t *h = (as_frame_hdr_t *)(void *)(r->data + ((start - HDR) & (r->size - 1)));

	memset(h, 0, sizeof(*h));
	r->seq = 1;
	atomic_store(&r->tail, start);
	atomic_store(&r->head, start - HDR);
}

/* Brings tail to every offset, so that each remainder at the end occurs, also those too short for a header. */
static void every_remainder_at_the_end_is_skipped(void)
{
	for (uint32_t start = HDR; start <= 512; start += 8) {
		for (uint32_t bytes = 0; bytes <= 512 / 2 - 2 * HDR; bytes += 2) {
			as_ring_t *r = new_ring(512);

			plant(r, start);
			CHECK(put(r, bytes, bytes, 3), "offset %u, %u bytes: a ring with one header in it is full", start, bytes);
			take(r, 0, 0, 0);
			take(r, 1, bytes, 3);
			CHECK(!as_ring_peek(r), "offset %u, %u bytes: left over", start, bytes);
			CHECK(atomic_load(&r->head) == atomic_load(&r->tail), "offset %u: head and tail differ", start);
			free(r);
		}
	}
}

static void an_empty_ring_is_begun_anew(void)
{
	for (uint32_t start = 0; start < 512; start += 8) {
		as_ring_t *r = new_ring(512);

		atomic_store(&r->tail, start);
		atomic_store(&r->head, start);
		for (uint32_t i = 0; i < 20; i++) {
			CHECK(put(r, 100, 100, (uint8_t)i) == (void *)r->data, "offset %u: frame %u is not at the start", start, i);
			take(r, i, 100, (uint8_t)i);
			CHECK(!as_ring_peek(r), "offset %u: left over", start);
			CHECK(atomic_load(&r->head) == atomic_load(&r->tail), "offset %u: head and tail differ", start);
		}
		free(r);
	}
}

/* The reader has not seen the new start yet, and what is below it takes no room all the same. */
static void a_ring_begun_anew_has_all_its_room(void)
{
	as_ring_t *r = new_ring(256);

	CHECK(put(r, 80, 80, 1), "the first");
	take(r, 0, 80, 1);
	CHECK(put(r, 80, 80, 2) && put(r, 80, 80, 3), "two fit");
	CHECK(!put(r, 80, 80, 4), "three do not");
	take(r, 1, 80, 2);
	take(r, 2, 80, 3);
	CHECK(!as_ring_peek(r), "left over");
	free(r);
}

static void a_shorter_frame_than_reserved_costs_only_its_length(void)
{
	as_ring_t *r = new_ring(512);

	for (unsigned i = 0; i < 100; i++) {
		uint64_t before = atomic_load(&r->tail);
		const as_frame_hdr_t *h = put(r, 160, 10, (uint8_t)i);

		CHECK(h, "frame %u", i);
		CHECK((const uint8_t *)h == r->data || atomic_load(&r->tail) - before == HDR + 16, "frame %u took %llu", i,
			  (unsigned long long)(atomic_load(&r->tail) - before));
		take(r, i, 10, (uint8_t)i);
	}
	free(r);
}

static void what_is_not_committed_leaves_no_trace(void)
{
	as_ring_t *r = new_ring(256);

	plant(r, 192);
	CHECK(as_ring_reserve(r, 100), "reserve that skips"); /* writes the skip mark, publishes nothing */
	take(r, 0, 0, 0);
	CHECK(!as_ring_peek(r), "visible without commit");
	CHECK(as_ring_reserve(r, 100), "reserve that begins anew");
	CHECK(!as_ring_peek(r), "visible without commit");
	plant(r, 192);
	CHECK(as_ring_reserve(r, 100), "reserve that skips");
	CHECK(put(r, 16, 16, 9), "a frame where the skip mark was");
	take(r, 0, 0, 0);
	take(r, 1, 16, 9);
	free(r);
}

static void a_dropped_frame_is_a_gap_in_seq(void)
{
	as_ring_t *r = new_ring(256);

	CHECK(put(r, 80, 80, 1) && put(r, 80, 80, 2), "two fit");
	CHECK(!put(r, 80, 80, 3) && !put(r, 80, 80, 4), "four do not");
	CHECK(atomic_load(&r->dropped) == 2, "dropped %llu", (unsigned long long)atomic_load(&r->dropped));
	take(r, 0, 80, 1);
	take(r, 1, 80, 2);
	CHECK(put(r, 80, 80, 5), "room again");
	take(r, 4, 80, 5);
	free(r);
}

static void a_skip_counts_as_room_taken(void)
{
	as_ring_t *r = new_ring(256);

	atomic_store(&r->tail, 256 + 200);
	atomic_store(&r->head, 256 + 100); /* 100 bytes unread, 56 to the end, 100 free at the start */
	CHECK(!as_ring_reserve(r, 80), "104 bytes into 100");
	CHECK(as_ring_reserve(r, 72) == (void *)r->data, "96 bytes into 100");
	free(r);
}

/* Against a list of what was put, through many rounds of random sizes. */
static void random_sizes_come_out_as_they_went_in(void)
{
	as_ring_t *r = new_ring(1024);
	uint32_t bytes[4096], seqs[4096], seq = 0, first = 0, last = 0;
	uint64_t s = 88172645463325252ull;

	for (unsigned i = 0; i < 200000; i++) {
		if (rnd(&s) & 1) {
			uint32_t max = rnd(&s) % 488, n = max ? rnd(&s) % (max + 1) & ~1u : 0;

			if (put(r, max, n, (uint8_t)seq)) {
				bytes[last % 4096] = n;
				seqs[last++ % 4096] = seq;
			}
			seq++;
		} else if (first != last) {
			take(r, seqs[first % 4096], bytes[first % 4096], (uint8_t)seqs[first % 4096]);
			first++;
		} else {
			CHECK(!as_ring_peek(r), "round %u: a frame from nowhere", i);
		}
	}
	CHECK(atomic_load(&r->dropped) + last == seq, "dropped and put do not add up");
	free(r);
}

int main(void)
{
	an_empty_ring_has_nothing();
	a_frame_that_fits_exactly_is_taken_and_the_next_is_not();
	every_remainder_at_the_end_is_skipped();
	an_empty_ring_is_begun_anew();
	a_ring_begun_anew_has_all_its_room();
	a_shorter_frame_than_reserved_costs_only_its_length();
	what_is_not_committed_leaves_no_trace();
	a_dropped_frame_is_a_gap_in_seq();
	a_skip_counts_as_room_taken();
	random_sizes_come_out_as_they_went_in();
	puts("capture_table: ok");
	return 0;
}
