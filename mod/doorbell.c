/*
 * The doorbell: how a media thread wakes Go's pump without entering Go. One eventfd for the module's whole life.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "shim.h"

static as_doorbell_t bell = {.fd = -1};

as_doorbell_t *as_doorbell(void)
{
	if (bell.fd < 0) bell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return bell.fd < 0 ? NULL : &bell;
}

void as_doorbell_ring(void)
{
	/* The caller has stored its news. The fence keeps that store before our look at the flag; the pump stores the flag
	 * before it looks for news. So at least one of the two sees the other, and no wake-up is lost. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&bell.armed, memory_order_relaxed)) return;
	/* only one of many media threads pays for the system call */
	if (atomic_exchange_explicit(&bell.armed, 0, memory_order_relaxed)) {
		uint64_t one = 1;
		ssize_t n = write(bell.fd, &one, sizeof(one)); /* cannot block; EAGAIN means it has been rung already */

		(void)n;
	}
}
