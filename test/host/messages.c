/* What is handed to a session's thread from outside, for it to do between two frames. */
#include "host.h"

host_msg_t *msg_new(int kind, const char *a, const char *b, const char *c)
{
	host_msg_t *m = calloc(1, sizeof(*m));

	STRICT(m, "out of memory");
	m->kind = kind;
	m->a = a ? strdup(a) : NULL;
	m->b = b ? strdup(b) : NULL;
	m->c = c ? strdup(c) : NULL;
	atomic_store(&m->refs, 1);
	return m;
}

void msg_unref(host_msg_t *m)
{
	if (atomic_fetch_sub(&m->refs, 1) != 1) return;
	free(m->a);
	free(m->b);
	free(m->c);
	free(m);
}

void media_post(switch_core_session_t *s, host_msg_t *m)
{
	host_msg_t **at;

	m->next = NULL;
	pthread_mutex_lock(&s->media_mutex);
	for (at = &s->msgs; *at; at = &(*at)->next) {
	}
	*at = m;
	pthread_mutex_unlock(&s->media_mutex);
}

bool msg_wait(host_msg_t *m, unsigned ms)
{
	uint64_t until = now_ns() + (uint64_t)ms * 1000000u;

	while (!atomic_load(&m->done) && now_ns() < until) sleep_until_ns(now_ns() + 1000000u);
	return atomic_load(&m->done) == 1;
}
