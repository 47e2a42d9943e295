/*
 * Who listens to events inside the process: the bindings and the thread that calls them. As in FreeSWITCH, a callback
 * runs on a thread of the switch that holds no session, some time after the event was fired and in the order of firing;
 * unbind waits for a callback that is running.
 */
#include "host.h"

struct switch_event_node {
	struct switch_event_node *next;
	int event_id;
	switch_event_callback_t callback;
	char id[64];
};

typedef struct queued {
	struct queued *next;
	switch_event_t *event;
	int event_id;
} queued_t;

static const struct {
	int id;
	const char *name;
} known[] = {{SWITCH_EVENT_CUSTOM, "CUSTOM"}, {SWITCH_EVENT_API, "API"}};

static pthread_rwlock_t bind_lock = PTHREAD_RWLOCK_INITIALIZER; /* read: a callback runs */
static switch_event_node_t *nodes;

static pthread_mutex_t queue_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_wake = PTHREAD_COND_INITIALIZER;
static queued_t *queue, **queue_end = &queue;
static pthread_t thread;
static bool started, stopping;
static _Thread_local bool in_callback;

static void call(const queued_t *q)
{
	pthread_rwlock_rdlock(&bind_lock);
	in_callback = true;
	for (const switch_event_node_t *n = nodes; n; n = n->next) {
		if (n->event_id == q->event_id) n->callback(q->event);
	}
	in_callback = false;
	pthread_rwlock_unlock(&bind_lock);
}

static void *dispatch(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&queue_mutex);
	for (;;) {
		queued_t *q = queue;

		if (!q) {
			if (stopping) break;
			pthread_cond_wait(&queue_wake, &queue_mutex);
			continue;
		}
		queue = q->next;
		if (!queue) queue_end = &queue;
		pthread_mutex_unlock(&queue_mutex);
		call(q);
		event_discard(q->event);
		free(q);
		pthread_mutex_lock(&queue_mutex);
	}
	pthread_mutex_unlock(&queue_mutex);
	thread_leave();
	return NULL;
}

static int id_of(const char *name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0) return known[i].id;
	}
	return -1;
}

bool event_dispatch(switch_event_t *e)
{
	int id = id_of(event_name(e));
	bool bound = false;
	queued_t *q;

	pthread_rwlock_rdlock(&bind_lock);
	for (const switch_event_node_t *n = nodes; n && !bound; n = n->next) bound = n->event_id == id;
	pthread_rwlock_unlock(&bind_lock);
	if (!bound) return false;
	q = calloc(1, sizeof(*q));
	STRICT(q, "out of memory");
	q->event = e;
	q->event_id = id;
	pthread_mutex_lock(&queue_mutex);
	*queue_end = q;
	queue_end = &q->next;
	pthread_cond_signal(&queue_wake);
	pthread_mutex_unlock(&queue_mutex);
	return true;
}

void event_dispatch_stop(void)
{
	pthread_mutex_lock(&queue_mutex);
	stopping = true;
	pthread_cond_signal(&queue_wake);
	pthread_mutex_unlock(&queue_mutex);
	if (started) pthread_join(thread, NULL);
	started = false;
}

unsigned event_bindings(void)
{
	unsigned n = 0;

	pthread_rwlock_rdlock(&bind_lock);
	for (const switch_event_node_t *at = nodes; at; at = at->next) n++;
	pthread_rwlock_unlock(&bind_lock);
	return n;
}

/* ---- the module's view ---- */

switch_status_t switch_event_bind_removable(const char *id, switch_event_types_t event, const char *subclass_name,
											switch_event_callback_t callback, void *user_data,
											switch_event_node_t **node)
{
	switch_event_node_t *n;
	bool fits = false;

	STRICT_PTR(id);
	STRICT_PTR(callback);
	STRICT(node, "%s: without a node it can never be unbound, and the module can be unloaded", __func__);
	STRICT(!in_callback, "%s inside an event callback: FreeSWITCH would deadlock", __func__);
	STRICT(!subclass_name && !user_data, "%s: the stand-in host knows no subclass and no user_data here", __func__);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) fits = fits || known[i].id == (int)event;
	STRICT(fits, "%s: event type %d is not one that the stand-in host hands out", __func__, (int)event);
	n = calloc(1, sizeof(*n));
	STRICT(n, "out of memory");
	n->event_id = (int)event;
	n->callback = callback;
	snprintf(n->id, sizeof(n->id), "%s", id);
	pthread_mutex_lock(&queue_mutex);
	if (!started) thread = thread_start("host_events", false, dispatch, NULL);
	started = true;
	pthread_mutex_unlock(&queue_mutex);
	pthread_rwlock_wrlock(&bind_lock);
	n->next = nodes;
	nodes = n;
	pthread_rwlock_unlock(&bind_lock);
	*node = n;
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_event_unbind(switch_event_node_t **node)
{
	switch_event_node_t **at, *gone;

	STRICT_PTR(node);
	if (!*node) return SWITCH_STATUS_FALSE;
	STRICT(!in_callback, "%s inside an event callback: FreeSWITCH would deadlock", __func__);
	pthread_rwlock_wrlock(&bind_lock);
	for (at = &nodes; *at && *at != *node; at = &(*at)->next) {
	}
	gone = *at;
	STRICT(gone, "%s: %p is not bound", __func__, (void *)*node);
	*at = gone->next;
	pthread_rwlock_unlock(&bind_lock);
	host_log(SWITCH_LOG_DEBUG, NULL, "Event Binding deleted for %s", gone->id);
	free(gone);
	*node = NULL;
	return SWITCH_STATUS_SUCCESS;
}
