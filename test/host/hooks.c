/* A session's hooks: what it tells the module of the caller's digits and of its states. None is ever taken out. */
#include "host.h"

/* Once per session. */
static switch_status_t add_hook(switch_core_session_t *session, host_hook_t **at, void (*fn)(void))
{
	host_hook_t *h;

	pthread_mutex_lock(&session->hook_mutex);
	for (; *at && (*at)->fn != fn; at = &(*at)->next) {
	}
	if (*at) {
		pthread_mutex_unlock(&session->hook_mutex);
		return SWITCH_STATUS_FALSE;
	}
	h = calloc(1, sizeof(*h));
	STRICT(h, "out of memory");
	h->fn = fn;
	*at = h;
	pthread_mutex_unlock(&session->hook_mutex);
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_core_event_hook_add_recv_dtmf(switch_core_session_t *session, switch_recv_dtmf_hook_t recv_dtmf)
{
	session_check(session, __func__);
	STRICT_PTR(recv_dtmf);
	return add_hook(session, &session->dtmf_hooks, (void (*)(void))recv_dtmf);
}

switch_status_t switch_core_event_hook_add_state_run(switch_core_session_t *session, switch_state_run_hook_t state_run)
{
	session_check(session, __func__);
	STRICT_PTR(state_run);
	return add_hook(session, &session->state_hooks, (void (*)(void))state_run);
}

/* The list's i-th hook; NULL: there are not so many. */
static host_hook_t *hook_at(switch_core_session_t *session, host_hook_t *const *list, unsigned i)
{
	host_hook_t *h;

	pthread_mutex_lock(&session->hook_mutex);
	for (h = *list; h && i; i--) h = h->next;
	pthread_mutex_unlock(&session->hook_mutex);
	return h;
}

/* in order; one that does not say SUCCESS keeps the digit */
bool hooks_digit(switch_core_session_t *session, const switch_dtmf_t *dtmf)
{
	host_hook_t *h;

	for (unsigned i = 0; (h = hook_at(session, &session->dtmf_hooks, i)); i++) {
		if (((switch_recv_dtmf_hook_t)h->fn)(session, dtmf, SWITCH_DTMF_RECV) != SWITCH_STATUS_SUCCESS) return true;
	}
	return false;
}

/* in order; behind one that does not say SUCCESS none is called */
void hooks_state(switch_core_session_t *session)
{
	host_hook_t *h;

	for (unsigned i = 0; (h = hook_at(session, &session->state_hooks, i)); i++) {
		if (((switch_state_run_hook_t)h->fn)(session) != SWITCH_STATUS_SUCCESS) break;
	}
}

void hooks_free(host_hook_t *list)
{
	for (host_hook_t *next; list; list = next) {
		next = list->next;
		free(list);
	}
}
