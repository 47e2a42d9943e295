/* The byte queue behind a media bug and the write path, and the recursive mutex. Nothing here locks for the caller. */
#include "host.h"

void buffer_init(host_buffer_t *b, size_t start, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
	if (!start) return;
	b->data = calloc(1, start);
	STRICT(b->data, "out of memory");
	b->alloc = start;
}

void buffer_free(host_buffer_t *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

size_t buffer_write(host_buffer_t *b, const void *data, size_t len)
{
	if (b->max && b->used + len > b->max) return 0;
	if (b->used + len > b->alloc) {
		size_t want = (b->used + len) * 2;
		uint8_t *grown = realloc(b->data, want);

		STRICT(grown, "out of memory");
		b->data = grown;
		b->alloc = want;
	}
	memcpy(b->data + b->used, data, len);
	b->used += len;
	return b->used;
}

size_t buffer_toss(host_buffer_t *b, size_t len)
{
	if (len > b->used) len = b->used;
	b->used -= len;
	if (b->used) memmove(b->data, b->data + len, b->used);
	return len;
}

size_t buffer_read(host_buffer_t *b, void *data, size_t len)
{
	if (len > b->used) len = b->used;
	if (len) memcpy(data, b->data, len);
	return buffer_toss(b, len);
}

/* FreeSWITCH's, of which a module gets at the one in a media bug */

switch_size_t switch_buffer_len(switch_buffer_t *buffer)
{
	STRICT_PTR(buffer);
	return buffer->alloc;
}

switch_size_t switch_buffer_inuse(switch_buffer_t *buffer)
{
	STRICT_PTR(buffer);
	return buffer->used;
}

switch_size_t switch_buffer_peek_zerocopy(switch_buffer_t *buffer, const void **ptr)
{
	STRICT_PTR(buffer);
	*ptr = buffer->used ? buffer->data : NULL;
	return buffer->used;
}

switch_size_t switch_buffer_write(switch_buffer_t *buffer, const void *data, switch_size_t datalen)
{
	STRICT_PTR(buffer);
	return buffer_write(buffer, data, datalen);
}

void switch_buffer_zero(switch_buffer_t *buffer)
{
	STRICT_PTR(buffer);
	buffer->used = 0;
}

void mutex_init_recursive(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(m, &attr);
	pthread_mutexattr_destroy(&attr);
}
