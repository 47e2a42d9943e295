/*
 * Sessions: the uuid table, who has located which, memory of a session, creation and end. Strict about what FreeSWITCH
 * leaves to luck: use without having located, use after the end, rwunlock without locate, an end that somebody holds
 * up.
 */
#include "host.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAGIC_LIVE 0x5e551001u
#define MAGIC_DEAD 0x5e55deadu

enum { TABLE = 1024, DESTROY_WAIT_S = 5, TOMBS = 256 };

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t table_changed = PTHREAD_COND_INITIALIZER;
static switch_core_session_t *table[TABLE];
static switch_core_session_t *tombs[TOMBS]; /* the sessions destroyed last: a late use is recognised */
static unsigned tomb_at;
static unsigned count;
static unsigned long total;
static _Atomic unsigned long locates;

void uuid_make(char *out)
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b)) strict_abort("getrandom failed");
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 9562 section 5.4: version 4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, HOST_UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
			 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static unsigned slot(const char *uuid)
{
	unsigned h = 5381;

	while (*uuid) h = h * 33 + (unsigned char)*uuid++;
	return h % TABLE;
}

static void describe_holds(const switch_core_session_t *s, char *buf, size_t len)
{
	size_t at = 0;

	buf[0] = '\0';
	for (const host_hold_t *h = s->holds; h && at < len; h = h->next)
		at += (size_t)snprintf(buf + at, len - at, "%s%s:%d (thread %d)", at ? ", " : "", h->file, h->line, h->tid);
}

/* ---- checks ---- */

static bool holds(const switch_core_session_t *s)
{
	switch_core_session_t *w = (switch_core_session_t *)(uintptr_t)s;
	pthread_t self = pthread_self();
	bool found = false;

	pthread_mutex_lock(&w->hold_mutex);
	for (const host_hold_t *h = s->holds; h && !found; h = h->next) found = pthread_equal(h->thread, self);
	pthread_mutex_unlock(&w->hold_mutex);
	return found;
}

void session_check(const switch_core_session_t *s, const char *fn)
{
	STRICT(s, "%s: session is NULL: FreeSWITCH would crash here", fn);
	STRICT(s->magic != MAGIC_DEAD, "%s: session %s was destroyed", fn, s->uuid);
	STRICT(s->magic == MAGIC_LIVE, "%s: %p is no session", fn, (const void *)s);
	if (tls_may_use(s) || holds(s)) return;
	STRICT(!s->destroyed, "%s: session %s was destroyed", fn, s->uuid);
	strict_abort("%s: session %s is used by a thread that has not located it", fn, s->uuid);
}

/* ---- locate and unlock ---- */

static void hold(switch_core_session_t *s, const char *file, int line)
{
	host_hold_t *h = calloc(1, sizeof(*h));
	const char *base = strrchr(file, '/');

	STRICT(h, "out of memory");
	h->thread = pthread_self();
	h->tid = (int)syscall(SYS_gettid);
	h->line = line;
	snprintf(h->file, sizeof(h->file), "%s", base ? base + 1 : file);
	h->next = s->holds;
	s->holds = h;
}

static switch_core_session_t *find(const char *uuid, const char *file, int line, bool hung_up_too)
{
	switch_core_session_t *s;

	pthread_mutex_lock(&table_mutex);
	for (s = table[slot(uuid)]; s && strcmp(s->uuid, uuid) != 0; s = s->hash_next) {
	}
	if (s) {
		pthread_mutex_lock(&s->hold_mutex);
		/* FreeSWITCH's read lock is refused from hangup on (switch_core_rwlock.c) */
		if (s->destroyed || (!hung_up_too && atomic_load(&s->channel.state) >= CS_HANGUP)) {
			pthread_mutex_unlock(&s->hold_mutex);
			s = NULL;
		} else {
			hold(s, file, line);
			pthread_mutex_unlock(&s->hold_mutex);
		}
	}
	pthread_mutex_unlock(&table_mutex);
	return s;
}

switch_core_session_t *switch_core_session_perform_locate(const char *uuid_str, const char *file, const char *func,
														  int line)
{
	(void)func;
	if (!uuid_str) return NULL; /* FreeSWITCH accepts it */
	atomic_fetch_add(&locates, 1);
	return find(uuid_str, file, line, false);
}

switch_core_session_t *switch_core_session_perform_force_locate(const char *uuid_str, const char *file,
																const char *func, int line)
{
	(void)func;
	if (!uuid_str) return NULL;
	atomic_fetch_add(&locates, 1);
	return find(uuid_str, file, line, true);
}

bool session_ending(const char *uuid)
{
	switch_core_session_t *s;

	pthread_mutex_lock(&table_mutex);
	for (s = table[slot(uuid)]; s && strcmp(s->uuid, uuid) != 0; s = s->hash_next) {
	}
	pthread_mutex_unlock(&table_mutex);
	return s != NULL;
}

void switch_core_session_rwunlock(switch_core_session_t *session)
{
	host_hold_t **at, *gone = NULL;
	char who[512];

	STRICT_PTR(session);
	STRICT(session->magic != MAGIC_DEAD, "%s: session %s was destroyed", __func__, session->uuid);
	STRICT(session->magic == MAGIC_LIVE, "%s: %p is no session", __func__, (void *)session);
	pthread_mutex_lock(&session->hold_mutex);
	for (at = &session->holds; *at; at = &(*at)->next) {
		if (pthread_equal((*at)->thread, pthread_self())) {
			gone = *at;
			*at = gone->next;
			break;
		}
	}
	describe_holds(session, who, sizeof(who));
	if (!session->holds) pthread_cond_broadcast(&session->hold_gone);
	pthread_mutex_unlock(&session->hold_mutex);
	STRICT(gone, "rwunlock without locate of session %s in this thread (held by: %s)", session->uuid,
		   who[0] ? who : "nobody");
	free(gone);
}

/* ---- creation ---- */

switch_core_session_t *session_create(const host_originate_t *o, char *why, size_t why_len)
{
	switch_core_session_t *s = calloc(1, sizeof(*s));
	unsigned h;

	STRICT(s, "out of memory");
	snprintf(s->uuid, sizeof(s->uuid), "%s", o->uuid);
	s->source = source_open(o->in ? o->in : "silence", why, why_len);
	if (s->source && o->writer && !(s->writer = source_open(o->writer, why, why_len))) {
		source_close(s->source);
		s->source = NULL;
	}
	if (!s->source) {
		free(s);
		return NULL;
	}
	atomic_store(&s->writing, s->writer && !o->writer_thread);
	s->has_writer_thread = s->writer && o->writer_thread;
	pthread_mutex_init(&s->hold_mutex, NULL);
	pthread_cond_init(&s->hold_gone, NULL);
	pthread_mutex_init(&s->memory_mutex, NULL);
	mutex_init_recursive(&s->codec_read_mutex);
	mutex_init_recursive(&s->codec_write_mutex);
	mutex_init_recursive(&s->resample_mutex);
	pthread_mutex_init(&s->impl_mutex, NULL);
	pthread_mutex_init(&s->hook_mutex, NULL);
	mutex_init_recursive(&s->media_mutex);
	pthread_rwlock_init(&s->bug_rwlock, NULL);
	buffer_init(&s->raw_write_buffer, 0, 0);
	s->raw_read_frame.data = s->raw_read_data;
	s->raw_read_frame.buflen = HOST_FRAME_BYTES;
	s->raw_write_frame.data = s->raw_write_data;
	s->raw_write_frame.buflen = HOST_FRAME_BYTES;
	s->magic = MAGIC_LIVE;
	tls_borrow(s);
	channel_init(&s->channel, s, o->name);
	channel_set_flag(&s->channel, CF_PROXY_MEDIA, o->proxy);
	channel_set_flag(&s->channel, CF_PROXY_MODE, o->bypass);
	channel_set_flag(&s->channel, HOST_CF_NO_MEDIA, o->nomedia);
	for (const host_var_t *v = o->vars; v; v = v->next)
		switch_channel_set_variable_var_check(&s->channel, v->name, v->value, SWITCH_FALSE);
	if (o->out) s->out_path = strdup(o->out);
	if (o->heard) s->heard_path = strdup(o->heard);
	if (o->times && !(s->times = fopen(o->times, "wb")))
		host_log(SWITCH_LOG_ERROR, s->uuid, "cannot write %s: %s", o->times, strerror(errno));
	media_set_codec(s, o->codec, o->rate, o->ptime, o->channels);
	tls_give_back();

	pthread_mutex_lock(&table_mutex);
	h = slot(s->uuid);
	s->hash_next = table[h];
	table[h] = s;
	count++;
	s->id = ++total;
	pthread_mutex_unlock(&table_mutex);

	tls_borrow(s);
	event_channel(&s->channel, "CHANNEL_CREATE");
	if (o->state == ORIG_EARLY) switch_channel_perform_pre_answer(&s->channel, HOST_HERE);
	if (o->state == ORIG_ANSWERED) switch_channel_perform_answer(&s->channel, HOST_HERE);
	tls_give_back();
	media_start(s); /* from here on the session may end at any time */
	return s;
}

/* ---- the end ---- */

static void wait_for_holders(switch_core_session_t *s)
{
	struct timespec until;
	char who[512];
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DESTROY_WAIT_S;
	pthread_mutex_lock(&s->hold_mutex);
	while (s->holds && err != ETIMEDOUT) err = pthread_cond_timedwait(&s->hold_gone, &s->hold_mutex, &until);
	describe_holds(s, who, sizeof(who));
	STRICT(!s->holds, "session %s cannot end: read-locked for more than %d s by %s", s->uuid, DESTROY_WAIT_S, who);
	s->destroyed = true;
	pthread_mutex_unlock(&s->hold_mutex);
}

void session_destroy(switch_core_session_t *s)
{
	switch_core_session_t **at, *oldest;
	uint64_t began = now_ns();

	wait_for_holders(s);
	bug_remove_all(s);
	stats_release(s->held_up_ns + now_ns() - began);
	sink_close(s); /* whoever hears of the end finds its files whole */
	if (s->times) fclose(s->times);
	event_channel(&s->channel, "CHANNEL_DESTROY");
	source_close(s->source);
	source_close(s->writer);
	buffer_free(&s->raw_write_buffer);
	if (s->write_resampler) switch_resample_destroy(&s->write_resampler);
	codec_done_host(&s->read_codec);
	codec_done_host(&s->write_codec);
	for (host_msg_t *m = s->msgs, *next; m; m = next) {
		next = m->next;
		atomic_store(&m->done, 2);
		msg_unref(m);
	}
	hooks_free(s->dtmf_hooks);
	hooks_free(s->state_hooks);
	channel_uninit(&s->channel);
	session_free_memory(s);
	bug_session_gone(s);
	free(s->out_path);
	free(s->heard_path);

	pthread_mutex_lock(&table_mutex);
	for (at = &table[slot(s->uuid)]; *at != s; at = &(*at)->hash_next) {
	}
	*at = s->hash_next;
	s->magic = MAGIC_DEAD;
	s->channel.magic = MAGIC_DEAD;
	oldest = tombs[tomb_at % TOMBS];
	tombs[tomb_at++ % TOMBS] = s;
	count--;
	pthread_cond_broadcast(&table_changed);
	pthread_mutex_unlock(&table_mutex);
	free(oldest);
}

void session_free_tombs(void)
{
	for (unsigned i = 0; i < TOMBS; i++) {
		free(tombs[i]);
		tombs[i] = NULL;
	}
}

/* ---- all of them ---- */

unsigned session_count(void)
{
	unsigned n;

	pthread_mutex_lock(&table_mutex);
	n = count;
	pthread_mutex_unlock(&table_mutex);
	return n;
}

unsigned long session_total(void)
{
	return total;
}

unsigned long session_locates(void)
{
	return atomic_load(&locates);
}

unsigned session_holds(FILE *out)
{
	unsigned n = 0;

	pthread_mutex_lock(&table_mutex);
	for (unsigned i = 0; i < TABLE; i++) {
		for (switch_core_session_t *s = table[i]; s; s = s->hash_next) {
			pthread_mutex_lock(&s->hold_mutex);
			for (const host_hold_t *h = s->holds; h; h = h->next) {
				if (out) fprintf(out, "%s\"%s %s:%d\"", n ? "," : "", s->uuid, h->file, h->line);
				n++;
			}
			pthread_mutex_unlock(&s->hold_mutex);
		}
	}
	pthread_mutex_unlock(&table_mutex);
	return n;
}

void session_each(void (*fn)(switch_core_session_t *s, void *arg), void *arg)
{
	char(*uuids)[HOST_UUID_SIZE];
	unsigned n = 0;

	pthread_mutex_lock(&table_mutex);
	uuids = calloc(count + 1, sizeof(*uuids));
	STRICT(uuids, "out of memory");
	for (unsigned i = 0; i < TABLE; i++) {
		for (const switch_core_session_t *s = table[i]; s; s = s->hash_next)
			memcpy(uuids[n++], s->uuid, HOST_UUID_SIZE);
	}
	pthread_mutex_unlock(&table_mutex);
	for (unsigned i = 0; i < n; i++) {
		switch_core_session_t *s = switch_core_session_perform_force_locate(uuids[i], HOST_HERE);

		if (!s) continue;
		fn(s, arg);
		switch_core_session_rwunlock(s);
	}
	free(uuids);
}

static void hangup_one(switch_core_session_t *s, void *arg)
{
	switch_channel_perform_hangup(&s->channel, HOST_HERE, *(switch_call_cause_t *)arg);
}

void session_hangup_all(int cause)
{
	session_each(hangup_one, &cause);
}

bool session_wait_none(unsigned ms)
{
	struct timespec until;
	bool none;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	pthread_mutex_lock(&table_mutex);
	while (count && pthread_cond_timedwait(&table_changed, &table_mutex, &until) == 0) {
	}
	none = count == 0;
	pthread_mutex_unlock(&table_mutex);
	return none;
}
