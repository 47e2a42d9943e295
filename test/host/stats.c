/* How long the media callbacks took and how late the media threads woke. Lock-free: the media threads write here. */
#include "host.h"

/* 16 buckets per power of two, up to 2^40 ns */
enum { SUB = 16, BUCKETS = 40 * SUB, TYPES = 16 };

typedef struct histogram {
	_Atomic uint64_t count, max, sum;
	_Atomic uint64_t at[BUCKETS];
} histogram_t;

static histogram_t callbacks[TYPES], lateness, release, nothing;
static _Atomic uint64_t slow;
_Atomic uint64_t stats_slow_ns = 2000000, stats_nothing_ns;

static unsigned bucket_of(uint64_t ns)
{
	unsigned log, idx;

	if (ns < SUB) return (unsigned)ns;
	log = 63u - (unsigned)__builtin_clzll(ns);
	idx = (log - 3) * SUB + (unsigned)((ns >> (log - 4)) & (SUB - 1));
	return idx < BUCKETS ? idx : BUCKETS - 1;
}

/* the upper end of a bucket */
static uint64_t bucket_top(unsigned idx)
{
	unsigned log;

	if (idx < SUB) return idx;
	log = idx / SUB + 3;
	return ((uint64_t)(SUB + idx % SUB + 1) << (log - 4)) - 1;
}

static void record(histogram_t *h, uint64_t ns)
{
	uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

	atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->at[bucket_of(ns)], 1, memory_order_relaxed);
	while (ns > max &&
		   !atomic_compare_exchange_weak_explicit(&h->max, &max, ns, memory_order_relaxed, memory_order_relaxed)) {
	}
}

void stats_callback(int abc_type, uint64_t ns)
{
	if (abc_type < 0 || abc_type >= TYPES) return;
	record(&callbacks[abc_type], ns);
	if (ns > atomic_load_explicit(&stats_slow_ns, memory_order_relaxed))
		atomic_fetch_add_explicit(&slow, 1, memory_order_relaxed);
}

/* Behind a callback, on its thread: what the machine makes of a time of this length in which nothing is done. */
void stats_nothing(void)
{
	uint64_t want = atomic_load_explicit(&stats_nothing_ns, memory_order_relaxed), t0, t;

	if (!want) return;
	t0 = now_ns();
	do t = now_ns();
	while (t - t0 < want);
	record(&nothing, t - t0);
}

void stats_late(uint64_t ns)
{
	record(&lateness, ns);
}

static void clear(histogram_t *h)
{
	atomic_store(&h->count, 0);
	atomic_store(&h->sum, 0);
	atomic_store(&h->max, 0);
	for (unsigned i = 0; i < BUCKETS; i++) atomic_store(&h->at[i], 0);
}

void stats_release(uint64_t ns)
{
	record(&release, ns);
}

void stats_reset(void)
{
	for (unsigned t = 0; t < TYPES; t++) clear(&callbacks[t]);
	clear(&lateness);
	clear(&release);
	clear(&nothing);
	atomic_store(&slow, 0);
}

static uint64_t percentile(histogram_t *h, unsigned permille)
{
	uint64_t count = atomic_load(&h->count), want = (count * permille + 999) / 1000, seen = 0;
	uint64_t max = atomic_load(&h->max);

	for (unsigned i = 0; i < BUCKETS && count; i++) {
		seen += atomic_load(&h->at[i]);
		if (seen >= want) return bucket_top(i) < max ? bucket_top(i) : max;
	}
	return max;
}

static void print(FILE *out, const char *name, histogram_t *h)
{
	uint64_t count = atomic_load(&h->count);

	fprintf(out, "\"%s\":{\"count\":%llu,\"meanNs\":%llu,\"p50Ns\":%llu,\"p99Ns\":%llu,\"p999Ns\":%llu,\"maxNs\":%llu}",
			name, (unsigned long long)count, (unsigned long long)(count ? atomic_load(&h->sum) / count : 0),
			(unsigned long long)percentile(h, 500), (unsigned long long)percentile(h, 990),
			(unsigned long long)percentile(h, 999), (unsigned long long)atomic_load(&h->max));
}

void stats_print(FILE *out)
{
	static const struct {
		int type;
		const char *name;
	} names[] = {{SWITCH_ABC_TYPE_INIT, "init"},
				 {SWITCH_ABC_TYPE_READ, "read"},
				 {SWITCH_ABC_TYPE_WRITE, "write"},
				 {SWITCH_ABC_TYPE_WRITE_REPLACE, "writeReplace"},
				 {SWITCH_ABC_TYPE_CLOSE, "close"}};

	fprintf(out, "\"callbacks\":{");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (i) fputc(',', out);
		print(out, names[i].name, &callbacks[names[i].type]);
	}
	fprintf(out, "},\"slowCallbacks\":%llu,\"slowNs\":%llu,", (unsigned long long)atomic_load(&slow),
			(unsigned long long)atomic_load(&stats_slow_ns));
	print(out, "mediaLateness", &lateness);
	fputc(',', out);
	print(out, "nothing", &nothing);
	fputc(',', out);
	print(out, "release", &release); /* of a session: how long bugs and holders kept its thread at the end */
}
