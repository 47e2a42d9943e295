/*
 * The memory that FreeSWITCH gives a media bug. Half of a stream's would be that, and most of it is never used.
 *
 * A bug of FreeSWITCH 1.10 (struct switch_media_bug, src/include/private/switch_core_pvt.h) holds room for one packet
 * of the channel's write side and for two legs side by side, 24 KiB, of which a bug with our flags touches nothing:
 * that is for SMBF_WRITE_STREAM and SMBF_STEREO. It is cleared when the bug is made, so every page of it is there.
 * Pages that are zeros give their memory back to the system here, and are zeros again whenever somebody looks at them.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "shim.h"

/* data and tmp of struct switch_media_bug; so the bug has at least this many bytes */
#define BUG_ROOM (3 * SWITCH_RECOMMENDED_BUFFER_SIZE)

static bool zeros(const unsigned char *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

/* In the bug's INIT: it is whole, and no other thread has it yet. Failing costs memory and nothing else (pages locked
 * with mlock cannot be given back). */
void as_bug_memory(switch_media_bug_t *bug)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *from = (unsigned char *)(((uintptr_t)bug + page - 1) & ~(uintptr_t)(page - 1));
	unsigned char *end = (unsigned char *)bug + BUG_ROOM, *to;

	for (; from + page <= end; from = to) {
		for (to = from; to + page <= end && zeros(to, page); to += page) {
		}
		if (to > from)
			madvise(from, (size_t)(to - from), MADV_DONTNEED);
		else
			to += page;
	}
}
