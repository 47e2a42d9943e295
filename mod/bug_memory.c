/*
 * The memory that FreeSWITCH gives a media bug: 40 KiB for a call at 8 kHz, more than all the rest of a stream, most of
 * it never used. It is cleared when the bug is made, so every page of it is there. Pages that are zeros give their
 * memory back to the system here, and are zeros again whenever somebody looks at them.
 *
 * What is known here of FreeSWITCH's private struct switch_media_bug (src/include/private/switch_core_pvt.h) is the
 * same in every 1.10, and the module loads into no other.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "shim.h"

/* data[] and tmp[], for the channel's write side and for two legs side by side (SMBF_WRITE_STREAM, SMBF_STEREO): a bug
 * has at least this many bytes, and one with our flags uses nothing of them. */
#define BUG_ROOM (3 * SWITCH_RECOMMENDED_BUFFER_SIZE)

/* The first two members. */
typedef struct {
	switch_buffer_t *raw_write_buffer, *raw_read_buffer;
} bug_front_t;

#define BUFFER_FRAMES 50 /* SWITCH_BUFFER_START_FRAMES: packets that raw_read_buffer holds from the beginning */

static bool zeros(const unsigned char *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

/* Failing costs memory and nothing else: pages locked with mlock cannot be given back. */
static void give_back(const void *start, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *at = (unsigned char *)(((uintptr_t)start + page - 1) & ~(uintptr_t)(page - 1));
	const unsigned char *end = (const unsigned char *)start + bytes;

	while (at + page <= end) {
		size_t n = 0;

		while (at + n + page <= end && zeros(at + n, page)) n += page;
		if (n) madvise(at, n, MADV_DONTNEED);
		at += n + page;
	}
}

/* In the bug's INIT: it is whole, and no other thread has it yet. */
void as_bug_memory(switch_media_bug_t *bug)
{
	switch_buffer_t *buffer = ((const bug_front_t *)(const void *)bug)->raw_read_buffer;
	switch_codec_implementation_t impl;
	const void *data = NULL;

	give_back(bug, BUG_ROOM);

	memset(&impl, 0, sizeof(impl));
	switch_core_session_get_read_impl(switch_core_media_bug_get_session(bug), &impl);
	/* The buffer is what it should be, or it is left alone. */
	if (!buffer || !impl.decoded_bytes_per_packet ||
		switch_buffer_len(buffer) != (switch_size_t)impl.decoded_bytes_per_packet * BUFFER_FRAMES ||
		switch_buffer_inuse(buffer))
		return;
	/* It says where it is only while something is in it. */
	switch_buffer_write(buffer, "", 1);
	switch_buffer_peek_zerocopy(buffer, &data);
	switch_buffer_zero(buffer);
	if (data) give_back(data, switch_buffer_len(buffer));
}
