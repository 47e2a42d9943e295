/*
 * Media bugs: adding, removing, pruning, calling. Behaviour, order and locks as in FreeSWITCH's
 * switch_core_media_bug.c. Reading what the legs left in a bug is in bug_read.c; which frames reach a bug is io.c's
 * business.
 */
#include "host.h"

#include <unistd.h>

#define MAGIC_LIVE 0xb0611eafu
#define MAGIC_CLOSED 0xb06c105eu
#define MAGIC_DEAD 0xb06deadbu

/* MAX_BUG_BUFFER of switch_core_media_bug.c; SWITCH_BUFFER_START_FRAMES of switch_core_pvt.h */
enum { MAX_BUFFER = 1024 * 512, START_FRAMES = 50 };
enum { TOMBS = 256 }; /* closed bugs that are kept, 24 KiB each */

static pthread_mutex_t tombs_mutex = PTHREAD_MUTEX_INITIALIZER;
static switch_media_bug_t *tombs[TOMBS]; /* the bugs closed last: a late use is recognised */
static unsigned tomb_at;
static unsigned live, live_module;

void bug_check(const switch_media_bug_t *bug, const char *fn)
{
	STRICT(bug, "%s: bug is NULL: FreeSWITCH would crash here", fn);
	STRICT(bug->magic != MAGIC_DEAD, "%s: the session of this media bug (%s) was destroyed", fn, bug->function);
	STRICT(bug->magic != MAGIC_CLOSED, "%s: media bug %s was used after CLOSE", fn, bug->function);
	STRICT(bug->magic == MAGIC_LIVE, "%s: %p is no media bug", fn, (const void *)bug);
}

static void not_in_callback(const char *fn)
{
	STRICT(!tls_in_bug_callback, "%s inside a media bug callback: FreeSWITCH would deadlock on bug_rwlock", fn);
}

switch_bool_t bug_call(switch_media_bug_t *bug, int type)
{
	uint64_t t0;
	switch_bool_t ok;

	if (!bug->callback) return SWITCH_TRUE;
	STRICT(bug->magic == MAGIC_LIVE, "media bug callback %d after CLOSE", type);
	tls_borrow(bug->session);
	tls_in_bug_callback++;
	tls_reads_in_callback = 0;
	t0 = now_ns();
	ok = bug->callback(bug, bug->user_data, (switch_abc_type_t)type);
	if (!bug->internal) {
		stats_callback(type, now_ns() - t0);
		stats_nothing();
	}
	tls_in_bug_callback--;
	tls_give_back();
	return ok;
}

bool bug_skip(switch_core_session_t *s, switch_media_bug_t *bug)
{
	uint32_t flags = atomic_load_explicit(&bug->flags, memory_order_relaxed);

	return (flags & HOST_SMBF_PAUSE) || (channel_flag(&s->channel, HOST_CF_PAUSE_BUGS) && !(flags & SMBF_NO_PAUSE));
}

static void fire(switch_media_bug_t *bug, const char *name)
{
	switch_event_t *e = event_new(name);

	event_add(e, "Media-Bug-Function", bug->function);
	event_add(e, "Media-Bug-Target", bug->target);
	channel_event_data(&bug->session->channel, e);
	event_send(e);
}

/* Closed for good: kept for a while, so that a late use is recognised. The oldest one makes room. */
static void bury(switch_media_bug_t *bug)
{
	switch_media_bug_t *oldest;

	acct_del(ACCT_BUG, bug, "media bug end");
	pthread_mutex_lock(&tombs_mutex);
	live--;
	if (!bug->internal) live_module--;
	oldest = tombs[tomb_at % TOMBS];
	tombs[tomb_at++ % TOMBS] = bug;
	pthread_mutex_unlock(&tombs_mutex);
	free(oldest);
}

/* CLOSE, the STOP event and the buffers' end. The bug is out of the list already. */
static void close_and_destroy(switch_media_bug_t *bug, bool tell)
{
	if (tell) bug_call(bug, SWITCH_ABC_TYPE_CLOSE);
	atomic_store(&bug->ready, false);
	bug->magic = MAGIC_CLOSED;
	host_log(SWITCH_LOG_DEBUG, bug->session->uuid, "Removing BUG from %s", bug->session->channel.name);
	fire(bug, "MEDIA_BUG_STOP");
	buffer_free(&bug->raw_read);
	buffer_free(&bug->raw_write);
	bury(bug);
}

static void link_bug(switch_core_session_t *s, switch_media_bug_t *bug)
{
	switch_media_bug_t *head;

	pthread_rwlock_wrlock(&s->bug_rwlock);
	head = atomic_load(&s->bugs);
	if (!head || (bug->flags & SMBF_FIRST)) {
		bug->next = head;
		atomic_store(&s->bugs, bug);
	} else {
		while (head->next) head = head->next;
		head->next = bug;
	}
	pthread_rwlock_unlock(&s->bug_rwlock);
}

switch_status_t bug_add(switch_core_session_t *s, const char *function, const char *target,
						switch_media_bug_callback_t cb, void *user_data, uint32_t flags, bool internal,
						switch_media_bug_t **out)
{
	switch_media_bug_t *bug;
	size_t bytes;

	if (!channel_ready(&s->channel, true) &&
		switch_channel_perform_pre_answer(&s->channel, HOST_HERE) != SWITCH_STATUS_SUCCESS) {
		host_log(SWITCH_LOG_ERROR, s->uuid, "Cannot establish media. Media bug add failed.");
		return SWITCH_STATUS_FALSE;
	}
	*out = NULL;
	bug = calloc(1, sizeof(*bug));
	STRICT(bug, "out of memory");
	bug->magic = MAGIC_LIVE;
	bug->session = s;
	bug->callback = cb;
	bug->user_data = user_data;
	bug->internal = internal;
	atomic_store(&bug->flags, flags ? flags : (uint32_t)(SMBF_READ_STREAM | SMBF_WRITE_STREAM));
	snprintf(bug->function, sizeof(bug->function), "%s", function ? function : "N/A");
	snprintf(bug->target, sizeof(bug->target), "%s", target ? target : "N/A");
	mutex_init_recursive(&bug->read_mutex);
	mutex_init_recursive(&bug->write_mutex);
	bug->has_read = bug->flags & (SMBF_READ_STREAM | HOST_SMBF_READ_PING);
	bug->has_write = bug->flags & SMBF_WRITE_STREAM;
	pthread_mutex_lock(&s->impl_mutex);
	bytes = s->read_impl.decoded_bytes_per_packet;
	pthread_mutex_unlock(&s->impl_mutex);
	buffer_init(&bug->raw_read, bug->has_read ? bytes * START_FRAMES : 0, MAX_BUFFER);
	buffer_init(&bug->raw_write, 0, MAX_BUFFER);
	if (bug->has_read) bug->raw_read_buffer = &bug->raw_read;
	if (bug->has_write) bug->raw_write_buffer = &bug->raw_write;
	acct_add(ACCT_BUG, bug, bug->function, 0);
	pthread_mutex_lock(&tombs_mutex);
	live++;
	if (!internal) live_module++;
	pthread_mutex_unlock(&tombs_mutex);
	if (bug_call(bug, SWITCH_ABC_TYPE_INIT) == SWITCH_FALSE) {
		close_and_destroy(bug, false);
		host_log(SWITCH_LOG_ERROR, s->uuid, "Error attaching BUG to %s", s->channel.name);
		return SWITCH_STATUS_GENERR;
	}
	atomic_store(&bug->ready, true);
	host_log(SWITCH_LOG_DEBUG, s->uuid, "Attaching BUG to %s", s->channel.name);
	link_bug(s, bug);
	*out = bug;
	fire(bug, "MEDIA_BUG_START");
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_core_media_bug_add(switch_core_session_t *session, const char *function, const char *target,
										  switch_media_bug_callback_t callback, void *user_data, time_t stop_time,
										  switch_media_bug_flag_t flags, switch_media_bug_t **new_bug)
{
	session_check(session, __func__);
	not_in_callback(__func__);
	STRICT_PTR(new_bug);
	STRICT_PTR(callback);
	STRICT(stop_time == 0, "%s: the stand-in host knows no stop_time", __func__);
	return bug_add(session, function, target, callback, user_data, flags, false, new_bug);
}

/* Takes the first bug for which want() holds out of the list. */
static switch_media_bug_t *unlink_bug(switch_core_session_t *s, const switch_media_bug_t *which, uint32_t with_flag)
{
	switch_media_bug_t *bp, *last = NULL;

	pthread_rwlock_wrlock(&s->bug_rwlock);
	for (bp = atomic_load(&s->bugs); bp; last = bp, bp = bp->next) {
		if (which ? bp == which : !with_flag || (atomic_load(&bp->flags) & with_flag)) break;
	}
	if (bp && last) last->next = bp->next;
	if (bp && !last) atomic_store(&s->bugs, bp->next);
	pthread_rwlock_unlock(&s->bug_rwlock);
	return bp;
}

switch_status_t switch_core_media_bug_remove(switch_core_session_t *session, switch_media_bug_t **bug)
{
	switch_media_bug_t *bp;
	bool module;

	session_check(session, __func__);
	not_in_callback(__func__);
	STRICT_PTR(bug);
	STRICT_PTR(*bug);
	STRICT((*bug)->magic != MAGIC_DEAD, "%s: the session of this media bug (%s) was destroyed", __func__,
		   (*bug)->function);
	STRICT((*bug)->session == session, "%s: the media bug belongs to another session", __func__);
	module = !(*bug)->internal;
	if (module) atomic_fetch_add(&session->removers, 1);
	STRICT(!module || !atomic_load(&session->bugs_going),
		   "%s: the call's own thread removes its bugs: FreeSWITCH may destroy their codec twice", __func__);
	bp = unlink_bug(session, *bug, 0);
	if (bp) close_and_destroy(bp, true);
	if (module) atomic_fetch_sub(&session->removers, 1);
	return bp ? SWITCH_STATUS_SUCCESS : SWITCH_STATUS_FALSE;
}

void bug_prune(switch_core_session_t *s)
{
	switch_media_bug_t *bp;

	while ((bp = unlink_bug(s, NULL, HOST_SMBF_PRUNE))) close_and_destroy(bp, true);
}

void bug_remove_all(switch_core_session_t *s)
{
	switch_media_bug_t *bp, *next;

	atomic_store(&s->bugs_going, true);
	STRICT(!atomic_load(&s->removers),
		   "a bug is being removed while the call's own thread begins to: FreeSWITCH may destroy their codec twice");
	/* as at hangup in FreeSWITCH: the write lock is held while the callbacks get CLOSE */
	pthread_rwlock_wrlock(&s->bug_rwlock);
	for (bp = atomic_exchange(&s->bugs, NULL); bp; bp = next) {
		next = bp->next;
		close_and_destroy(bp, true);
	}
	pthread_rwlock_unlock(&s->bug_rwlock);
}

void bug_flush_all(switch_core_session_t *s)
{
	pthread_rwlock_wrlock(&s->bug_rwlock);
	for (switch_media_bug_t *bp = atomic_load(&s->bugs); bp; bp = bp->next) bug_flush(bp);
	pthread_rwlock_unlock(&s->bug_rwlock);
}

switch_core_session_t *switch_core_media_bug_get_session(switch_media_bug_t *bug)
{
	bug_check(bug, __func__);
	return bug->session;
}

switch_frame_t *switch_core_media_bug_get_write_replace_frame(switch_media_bug_t *bug)
{
	bug_check(bug, __func__);
	STRICT(tls_in_bug_callback && bug->replace_in, "%s outside of a WRITE_REPLACE callback", __func__);
	return bug->replace_in;
}

void switch_core_media_bug_set_write_replace_frame(switch_media_bug_t *bug, switch_frame_t *frame)
{
	bug_check(bug, __func__);
	STRICT_PTR(frame);
	STRICT(tls_in_bug_callback && bug->replace_in, "%s outside of a WRITE_REPLACE callback", __func__);
	bug->replace_out = frame;
}

/* ---- accounting ---- */

unsigned bug_live(bool module_only)
{
	unsigned n;

	pthread_mutex_lock(&tombs_mutex);
	n = module_only ? live_module : live;
	pthread_mutex_unlock(&tombs_mutex);
	return n;
}

void bug_session_gone(switch_core_session_t *s)
{
	pthread_mutex_lock(&tombs_mutex);
	for (unsigned i = 0; i < TOMBS; i++) {
		if (tombs[i] && tombs[i]->session == s) tombs[i]->magic = MAGIC_DEAD;
	}
	pthread_mutex_unlock(&tombs_mutex);
}

void bug_free_tombs(void)
{
	for (unsigned i = 0; i < TOMBS; i++) {
		free(tombs[i]);
		tombs[i] = NULL;
	}
}
