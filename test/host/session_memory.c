/* What a located session gives out: its uuid, channel, codec facts, and memory that lives as long as it. */
#include "host.h"

struct host_block {
	struct host_block *next;
	size_t size;
	_Alignas(16) uint8_t bytes[];
};

char *switch_core_session_get_uuid(switch_core_session_t *session)
{
	session_check(session, __func__);
	return session->uuid;
}

switch_channel_t *switch_core_session_get_channel(switch_core_session_t *session)
{
	session_check(session, __func__);
	return &session->channel;
}

switch_status_t switch_core_session_get_read_impl(switch_core_session_t *session, switch_codec_implementation_t *impp)
{
	session_check(session, __func__);
	STRICT_PTR(impp);
	pthread_mutex_lock(&session->impl_mutex);
	*impp = session->read_impl;
	pthread_mutex_unlock(&session->impl_mutex);
	return impp->codec_id ? SWITCH_STATUS_SUCCESS : SWITCH_STATUS_FALSE;
}

switch_status_t switch_core_session_get_write_impl(switch_core_session_t *session, switch_codec_implementation_t *impp)
{
	session_check(session, __func__);
	STRICT_PTR(impp);
	pthread_mutex_lock(&session->impl_mutex);
	*impp = session->write_impl;
	pthread_mutex_unlock(&session->impl_mutex);
	return impp->codec_id ? SWITCH_STATUS_SUCCESS : SWITCH_STATUS_FALSE;
}

void *switch_core_perform_session_alloc(switch_core_session_t *session, switch_size_t memory, const char *file,
										const char *func, int line)
{
	struct host_block *b;

	(void)func;
	session_check(session, __func__);
	STRICT(memory > 0, "session_alloc of 0 bytes at %s:%d", file, line);
	b = calloc(1, sizeof(*b) + memory);
	STRICT(b, "out of memory");
	b->size = memory;
	pthread_mutex_lock(&session->memory_mutex);
	b->next = session->memory;
	session->memory = b;
	pthread_mutex_unlock(&session->memory_mutex);
	return b->bytes;
}

void session_free_memory(switch_core_session_t *s)
{
	for (struct host_block *b = s->memory, *next; b; b = next) {
		next = b->next;
		memset(b->bytes, 0xA5, b->size); /* who reads it afterwards shall see it */
		free(b);
	}
	s->memory = NULL;
}
