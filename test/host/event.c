/* Events: building, subclasses, firing as text to whoever listens (esl.c). Order is the order of firing. */
#include "host.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#define MAGIC_LIVE 0xe7e2711eu
#define MAGIC_DEAD 0xe7e2deadu

enum { TOMBS = 1024 };

typedef struct header {
	struct header *next;
	char *name, *value;
} header_t;

struct switch_event {
	uint32_t magic;
	bool host_made;
	char name[48], subclass[128];
	header_t *headers, *last;
	char *body;
};

typedef struct subclass {
	struct subclass *next;
	char owner[256], name[128];
} subclass_t;

static pthread_mutex_t event_mutex = PTHREAD_MUTEX_INITIALIZER;
static subclass_t *subclasses;
static switch_event_t *tombs[TOMBS];
static unsigned tomb_at;
static _Atomic bool running = true;
static _Atomic unsigned long fired, sequence;
static char core_uuid[HOST_UUID_SIZE], hostname[128];

void event_set_running(bool on)
{
	atomic_store(&running, on);
}

unsigned long event_fired(void)
{
	return atomic_load(&fired);
}

/* ---- building ---- */

static void add(switch_event_t *e, switch_stack_t stack, const char *name, const char *value)
{
	header_t *h = calloc(1, sizeof(*h));

	STRICT(h, "out of memory");
	h->name = strdup(name);
	h->value = strdup(value);
	if (stack & SWITCH_STACK_TOP) {
		h->next = e->headers;
		e->headers = h;
		if (!e->last) e->last = h;
		return;
	}
	if (e->last) {
		e->last->next = h;
	} else {
		e->headers = h;
	}
	e->last = h;
}

void event_add(switch_event_t *e, const char *name, const char *value)
{
	add(e, SWITCH_STACK_BOTTOM, name, value);
}

void event_addf(switch_event_t *e, const char *name, const char *fmt, ...)
{
	char value[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	add(e, SWITCH_STACK_BOTTOM, name, value);
}

void event_body(switch_event_t *e, const char *body)
{
	free(e->body);
	e->body = body ? strdup(body) : NULL;
}

static switch_event_t *create(const char *name, const char *file, const char *func, int line)
{
	switch_event_t *e = calloc(1, sizeof(*e));
	const char *base = strrchr(file, '/');
	struct timespec ts;
	struct tm tm;
	char date[80];

	STRICT(e, "out of memory");
	e->magic = MAGIC_LIVE;
	snprintf(e->name, sizeof(e->name), "%s", name);
	pthread_mutex_lock(&event_mutex);
	if (!core_uuid[0]) {
		uuid_make(core_uuid);
		gethostname(hostname, sizeof(hostname) - 1);
	}
	pthread_mutex_unlock(&event_mutex);
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	event_add(e, "Event-Name", name);
	event_add(e, "Core-UUID", core_uuid);
	event_add(e, "FreeSWITCH-Hostname", hostname);
	event_add(e, "FreeSWITCH-Switchname", "fshost");
	event_add(e, "FreeSWITCH-IPv4", "127.0.0.1");
	event_add(e, "FreeSWITCH-IPv6", "::1");
	event_add(e, "Event-Date-Local", date);
	event_addf(e, "Event-Date-Timestamp", "%lld", (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	event_add(e, "Event-Calling-File", base ? base + 1 : file);
	event_add(e, "Event-Calling-Function", func);
	event_addf(e, "Event-Calling-Line-Number", "%d", line);
	event_addf(e, "Event-Sequence", "%lu", atomic_fetch_add(&sequence, 1) + 1);
	return e;
}

switch_event_t *event_new(const char *name)
{
	switch_event_t *e = create(name, HOST_HERE);

	e->host_made = true;
	return e;
}

/* ---- the end of an event ---- */

void event_discard(switch_event_t *e)
{
	switch_event_t *oldest;

	for (header_t *h = e->headers, *next; h; h = next) {
		next = h->next;
		free(h->name);
		free(h->value);
		free(h);
	}
	free(e->body);
	if (!e->host_made) acct_del(ACCT_EVENT, e, "event");
	e->headers = e->last = NULL;
	e->body = NULL;
	e->magic = MAGIC_DEAD;
	pthread_mutex_lock(&event_mutex);
	oldest = tombs[tomb_at % TOMBS];
	tombs[tomb_at++ % TOMBS] = e;
	pthread_mutex_unlock(&event_mutex);
	free(oldest);
}

void event_free_tombs(void)
{
	for (unsigned i = 0; i < TOMBS; i++) free(tombs[i]);
}

static void put_encoded(FILE *out, const char *v)
{
	static const char unsafe[] = "\r\n #%&+:;<=>?@[\\]^`{|}\""; /* SWITCH_URL_UNSAFE */

	if (!*v) fputs("_undef_", out);
	for (; *v; v++) {
		unsigned char c = (unsigned char)*v;

		if (c < ' ' || c > '~' || strchr(unsafe, c)) {
			fprintf(out, "%%%02X", c);
		} else {
			fputc(c, out);
		}
	}
}

static void deliver(switch_event_t *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	atomic_fetch_add(&fired, 1);
	if (!atomic_load(&running) || !esl_wanted(e->name, e->subclass)) return;
	out = open_memstream(&text, &len);
	STRICT(out, "out of memory");
	for (const header_t *h = e->headers; h; h = h->next) {
		fprintf(out, "%s: ", h->name);
		put_encoded(out, h->value);
		fputc('\n', out);
	}
	if (e->body && *e->body) {
		fprintf(out, "Content-Length: %zu\n\n%s", strlen(e->body), e->body);
	} else {
		fputc('\n', out);
	}
	fclose(out);
	esl_deliver(e->name, e->subclass, text, len);
	free(text);
}

const char *event_name(const switch_event_t *e)
{
	return e->name;
}

void event_send(switch_event_t *e)
{
	deliver(e);
	if (!event_dispatch(e)) event_discard(e);
}

void event_channel(switch_channel_t *c, const char *name)
{
	switch_event_t *e = event_new(name);

	channel_event_data(c, e);
	event_send(e);
}

/* ---- the module's view ---- */

static bool reserved(const char *name)
{
	bool found = false;

	pthread_mutex_lock(&event_mutex);
	for (const subclass_t *s = subclasses; s && !found; s = s->next) found = strcmp(s->name, name) == 0;
	pthread_mutex_unlock(&event_mutex);
	return found;
}

static void check(const switch_event_t *e, const char *fn)
{
	STRICT(e, "%s: event is NULL: FreeSWITCH would crash here", fn);
	STRICT(acct_known(ACCT_EVENT, e), "%s: %p is no live event (freed, fired or never made)", fn, (const void *)e);
}

switch_status_t switch_event_create_subclass_detailed(const char *file, const char *func, int line,
													  switch_event_t **event, switch_event_types_t event_id,
													  const char *subclass_name)
{
	STRICT_PTR(event);
	STRICT(event_id == SWITCH_EVENT_CUSTOM, "%s: event type %d is not CUSTOM", __func__, (int)event_id);
	*event = create("CUSTOM", file, func, line);
	acct_add(ACCT_EVENT, *event, file, line);
	if (subclass_name) {
		snprintf((*event)->subclass, sizeof((*event)->subclass), "%s", subclass_name);
		event_add(*event, "Event-Subclass", subclass_name);
	}
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_event_add_header_string(switch_event_t *event, switch_stack_t stack, const char *header_name,
											   const char *data)
{
	check(event, __func__);
	STRICT_PTR(header_name);
	if (!data) return SWITCH_STATUS_GENERR;
	add(event, stack, header_name, data);
	return SWITCH_STATUS_SUCCESS;
}

char *switch_event_get_header_idx(switch_event_t *event, const char *header_name, int idx)
{
	STRICT_PTR(event);
	STRICT(event->magic == MAGIC_LIVE, "%s: %p is no live event", __func__, (void *)event);
	STRICT(idx == -1, "%s: the stand-in host has no headers of several values", __func__);
	STRICT_PTR(header_name);
	for (const header_t *h = event->headers; h; h = h->next) {
		if (strcasecmp(h->name, header_name) == 0) return h->value;
	}
	return NULL;
}

switch_status_t switch_event_set_body(switch_event_t *event, const char *body)
{
	check(event, __func__);
	event_body(event, body);
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_event_fire_detailed(const char *file, const char *func, int line, switch_event_t **event,
										   void *user_data)
{
	switch_event_t *e;

	(void)func;
	STRICT(event, "switch_event_fire at %s:%d: NULL", file, line);
	STRICT(*event, "switch_event_fire at %s:%d: *event is NULL (fired or destroyed already)", file, line);
	check(*event, "switch_event_fire");
	STRICT(!user_data, "switch_event_fire at %s:%d: user_data is not the module's", file, line);
	e = *event;
	STRICT(!e->subclass[0] || reserved(e->subclass), "event fired with subclass %s, which is not reserved (%s:%d)",
		   e->subclass, file, line);
	*event = NULL;
	event_send(e);
	return SWITCH_STATUS_SUCCESS;
}

void switch_event_destroy(switch_event_t **event)
{
	STRICT_PTR(event);
	if (!*event) return; /* FreeSWITCH forgives it */
	check(*event, __func__);
	event_discard(*event);
	*event = NULL;
}

switch_status_t switch_event_reserve_subclass_detailed(const char *owner, const char *subclass_name)
{
	subclass_t *s;

	STRICT_PTR(owner);
	STRICT_PTR(subclass_name);
	STRICT(!reserved(subclass_name), "event subclass %s reserved twice (by %s)", subclass_name, owner);
	s = calloc(1, sizeof(*s));
	STRICT(s, "out of memory");
	snprintf(s->owner, sizeof(s->owner), "%s", owner);
	snprintf(s->name, sizeof(s->name), "%s", subclass_name);
	pthread_mutex_lock(&event_mutex);
	s->next = subclasses;
	subclasses = s;
	pthread_mutex_unlock(&event_mutex);
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_event_free_subclass_detailed(const char *owner, const char *subclass_name)
{
	subclass_t **at, *gone = NULL;

	STRICT_PTR(owner);
	STRICT_PTR(subclass_name);
	pthread_mutex_lock(&event_mutex);
	for (at = &subclasses; *at; at = &(*at)->next) {
		if (strcmp((*at)->name, subclass_name) == 0) {
			gone = *at;
			break;
		}
	}
	/* FreeSWITCH compares the owner, which the macro takes from __FILE__: another file frees nothing */
	STRICT(!gone || strcmp(gone->owner, owner) == 0, "event subclass %s was reserved by %s and freed by %s",
		   subclass_name, gone ? gone->owner : "", owner);
	if (gone) *at = gone->next;
	pthread_mutex_unlock(&event_mutex);
	STRICT(gone, "event subclass %s freed without being reserved", subclass_name);
	free(gone);
	return SWITCH_STATUS_SUCCESS;
}

unsigned event_subclasses(FILE *out)
{
	unsigned n = 0;

	pthread_mutex_lock(&event_mutex);
	for (const subclass_t *s = subclasses; s; s = s->next, n++) {
		if (out) fprintf(out, "%s\"%s\"", n ? "," : "", s->name);
	}
	pthread_mutex_unlock(&event_mutex);
	return n;
}
