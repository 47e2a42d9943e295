/*
 * What the media threads' part costs, alone: rings, doorbell, and the callbacks of mod/bug.c over a FreeSWITCH that
 * does next to nothing. In a call, FreeSWITCH's own part and cold caches come on top: the macro benchmark reads that
 * off the stand-in host.
 */
#include <unistd.h>

#include "shim.h"

#include "bench.h"
#include "check.h"

enum { RATE = 8000, SAMPLES = RATE / 50, BYTES = SAMPLES * 2 };

/* ---- FreeSWITCH ---- */

static int16_t spoken[SWITCH_RECOMMENDED_BUFFER_SIZE / 2];
static bool there; /* a frame waits in the bug */
static switch_frame_t written, *handed;

switch_core_session_t *switch_core_media_bug_get_session(switch_media_bug_t *bug)
{
	return (switch_core_session_t *)(void *)bug;
}

static void implementation(switch_codec_implementation_t *impl)
{
	memset(impl, 0, sizeof(*impl));
	impl->actual_samples_per_second = impl->samples_per_second = RATE;
	impl->decoded_bytes_per_packet = BYTES;
	impl->samples_per_packet = SAMPLES;
	impl->microseconds_per_packet = 20000;
	impl->number_of_channels = 1;
}

switch_status_t switch_core_session_get_read_impl(switch_core_session_t *session, switch_codec_implementation_t *impl)
{
	(void)session;
	implementation(impl);
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_core_session_get_write_impl(switch_core_session_t *session, switch_codec_implementation_t *impl)
{
	return switch_core_session_get_read_impl(session, impl);
}

void switch_core_media_bug_inuse(switch_media_bug_t *bug, switch_size_t *readp, switch_size_t *writep)
{
	(void)bug;
	*readp = there ? BYTES : 0;
	*writep = 0;
}

switch_status_t switch_core_media_bug_read(switch_media_bug_t *bug, switch_frame_t *frame, switch_bool_t fill)
{
	(void)bug;
	(void)fill;
	if (!there) return SWITCH_STATUS_FALSE;
	there = false;
	memcpy(frame->data, spoken, BYTES);
	frame->datalen = BYTES;
	frame->samples = SAMPLES;
	return SWITCH_STATUS_SUCCESS;
}

void switch_core_media_bug_flush(switch_media_bug_t *bug)
{
	(void)bug;
	there = false;
}

switch_frame_t *switch_core_media_bug_get_write_replace_frame(switch_media_bug_t *bug)
{
	(void)bug;
	return &written;
}

void switch_core_media_bug_set_write_replace_frame(switch_media_bug_t *bug, switch_frame_t *frame)
{
	(void)bug;
	handed = frame;
}

/* ---- the rest of the shim ---- */

void as_bug_memory(switch_media_bug_t *bug)
{
	(void)bug;
}

bool as_pacer_wrote(as_stream_t *s)
{
	(void)s;
	return false;
}

void as_stream_unref(as_stream_t *s)
{
	(void)s;
}

/* ---- one stream ---- */

static as_stream_t *stream;
static as_doorbell_t *bell;
static int16_t frame[SAMPLES];
static int dummy;

static void *block(size_t bytes)
{
	void *p = aligned_alloc(AS_CACHE_LINE, (bytes + AS_CACHE_LINE - 1) / AS_CACHE_LINE * AS_CACHE_LINE);

	CHECK(p, "out of memory");
	memset(p, 0, bytes);
	return p;
}

static void prepare(void)
{
	stream = block(sizeof(*stream));
	stream->legs = 1;
	stream->media.capture = new_ring(8192);
	stream->media.playout = new_playout(2048);
	stream->out_samples = block(SWITCH_RECOMMENDED_BUFFER_SIZE);
	for (unsigned i = 0; i < sizeof(spoken) / sizeof(spoken[0]); i++) spoken[i] = (int16_t)(i * 7919);
	memcpy(frame, spoken, sizeof(frame));
	written.data = spoken;
	written.datalen = BYTES;
	written.buflen = sizeof(spoken);
	written.samples = SAMPLES;
	bell = as_doorbell();
	CHECK(bell, "no eventfd");
	atomic_store(&bell->armed, 0);
}

static void prepare_legs(void)
{
	prepare();
	stream->legs = 2;
	stream->callee = new_playout(4096);
}

static void drain(void)
{
	const as_frame_hdr_t *h;

	while ((h = as_ring_peek(stream->media.capture))) as_ring_release(stream->media.capture, h);
}

static void put_get(void)
{
	as_frame_hdr_t *h = as_ring_reserve(stream->media.capture, BYTES);
	const as_frame_hdr_t *got;

	CHECK(h, "the ring is full");
	memcpy(h + 1, frame, BYTES);
	h->bytes = BYTES;
	as_ring_commit(stream->media.capture, h);
	got = as_ring_peek(stream->media.capture);
	CHECK(got && got->bytes == BYTES, "a frame got lost");
	as_ring_release(stream->media.capture, got);
}

static void put_take(void)
{
	as_playout_put(stream->media.playout, frame, SAMPLES);
	CHECK(as_playout_take(stream->media.playout, stream->out_samples, SAMPLES) == SAMPLES, "samples got lost");
}

static void arm(void)
{
	uint64_t count;

	if (read(bell->fd, &count, sizeof(count)) != sizeof(count)) count = 0; /* nobody has rung yet */
	atomic_store(&bell->armed, 1);
}

static void speak(void)
{
	drain();
	there = true;
}

static void speak_armed(void)
{
	speak();
	arm();
}

static void on_read(void)
{
	as_bug_callback((switch_media_bug_t *)(void *)&dummy, stream, SWITCH_ABC_TYPE_READ);
}

static void on_write(void)
{
	as_bug_callback((switch_media_bug_t *)(void *)&dummy, stream, SWITCH_ABC_TYPE_WRITE_REPLACE);
}

static void queue(void)
{
	as_playout_put(stream->media.playout, frame, SAMPLES);
}

static void both_legs(void)
{
	speak();
	on_write();
}

static const bench_case_t cases[] = {{"capture_ring_put_get", prepare, NULL, put_get},
									 {"playout_ring_put_take", prepare, NULL, put_take},
									 {"doorbell_not_armed", prepare, NULL, as_doorbell_ring},
									 {"doorbell_armed", prepare, arm, as_doorbell_ring},
									 {"READ_mono", prepare, speak, on_read},
									 {"READ_mono_pump_asleep", prepare, speak_armed, on_read},
									 {"READ_two_legs", prepare_legs, both_legs, on_read},
									 {"WRITE_REPLACE_nothing_queued", prepare, NULL, on_write},
									 {"WRITE_REPLACE_playing", prepare, queue, on_write},
									 {NULL, NULL, NULL, NULL}};

int main(int argc, char **argv)
{
	return bench_main(cases, argc, argv, 200000);
}
