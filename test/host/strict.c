/*
 * Strictness: the one way the host ends on a module's mistake, the list of live objects, and which thread may use which
 * session. What is a mistake is decided where it is seen, not here.
 */
#include "host.h"

#include <stdarg.h>
#include <unistd.h>

_Noreturn void strict_abort(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0) line[0] = '\0';
	host_log(SWITCH_LOG_CRIT, NULL, "STRICT: %s", line);
	fprintf(stderr, "fshost: STRICT: %s\n", line);
	fflush(stderr); /* not all files: a thread that waits in a read holds its own */
	abort();
}

/* ---- live objects ---- */

enum { BUCKETS = 1024, DEAD = 256 };

typedef struct entry {
	struct entry *next;
	const void *p;
	unsigned long serial;
	int line;
	char file[64];
} entry_t;

static pthread_mutex_t acct_mutex = PTHREAD_MUTEX_INITIALIZER;
static entry_t *live[ACCT_KINDS][BUCKETS];
static unsigned live_count[ACCT_KINDS];
static unsigned long total[ACCT_KINDS];
static const void *dead[ACCT_KINDS][DEAD]; /* the last freed, to tell "twice" from "never" */
static unsigned dead_at[ACCT_KINDS];

const char *acct_name(acct_kind_t kind)
{
	static const char *const names[ACCT_KINDS] = {"event", "codec", "resampler", "xml tree", "media bug"};

	return names[kind];
}

static unsigned bucket(const void *p)
{
	return (unsigned)(((uintptr_t)p >> 4) % BUCKETS);
}

void acct_add(acct_kind_t kind, const void *p, const char *file, int line)
{
	entry_t *e = calloc(1, sizeof(*e)), **at;
	const char *base = file ? strrchr(file, '/') : NULL;

	STRICT(e, "out of memory");
	e->p = p;
	e->line = line;
	snprintf(e->file, sizeof(e->file), "%s", base ? base + 1 : file ? file : "?");
	pthread_mutex_lock(&acct_mutex);
	for (at = &live[kind][bucket(p)]; *at; at = &(*at)->next) {
		STRICT((*at)->p != p, "%s %p initialised twice without being destroyed (%s:%d and %s:%d)", acct_name(kind), p,
			   (*at)->file, (*at)->line, e->file, line);
	}
	*at = e;
	e->serial = ++total[kind];
	live_count[kind]++;
	for (unsigned i = 0; i < DEAD; i++) {
		if (dead[kind][i] == p) dead[kind][i] = NULL; /* the address is in use again */
	}
	pthread_mutex_unlock(&acct_mutex);
}

bool acct_known(acct_kind_t kind, const void *p)
{
	bool found = false;

	pthread_mutex_lock(&acct_mutex);
	for (const entry_t *e = live[kind][bucket(p)]; e && !found; e = e->next) found = e->p == p;
	pthread_mutex_unlock(&acct_mutex);
	return found;
}

void acct_del(acct_kind_t kind, const void *p, const char *what)
{
	entry_t **at, *gone = NULL;
	bool twice = false;

	pthread_mutex_lock(&acct_mutex);
	for (at = &live[kind][bucket(p)]; *at; at = &(*at)->next) {
		if ((*at)->p == p) {
			gone = *at;
			*at = gone->next;
			break;
		}
	}
	for (unsigned i = 0; !gone && i < DEAD; i++) twice = twice || dead[kind][i] == p;
	if (gone) {
		dead[kind][dead_at[kind]++ % DEAD] = p;
		live_count[kind]--;
	}
	pthread_mutex_unlock(&acct_mutex);
	STRICT(gone, twice ? "%s: %s %p was freed already" : "%s: %s %p does not exist", what, acct_name(kind), p);
	free(gone);
}

unsigned acct_live(acct_kind_t kind)
{
	unsigned n;

	pthread_mutex_lock(&acct_mutex);
	n = live_count[kind];
	pthread_mutex_unlock(&acct_mutex);
	return n;
}

unsigned long acct_total(acct_kind_t kind)
{
	unsigned long n;

	pthread_mutex_lock(&acct_mutex);
	n = total[kind];
	pthread_mutex_unlock(&acct_mutex);
	return n;
}

void acct_first(acct_kind_t kind, char *buf, size_t len)
{
	const entry_t *oldest = NULL;

	pthread_mutex_lock(&acct_mutex);
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (const entry_t *e = live[kind][i]; e; e = e->next) {
			if (!oldest || e->serial < oldest->serial) oldest = e;
		}
	}
	if (oldest) {
		snprintf(buf, len, "%s:%d", oldest->file, oldest->line);
	} else {
		snprintf(buf, len, "-");
	}
	pthread_mutex_unlock(&acct_mutex);
}

unsigned acct_check_exit(void)
{
	for (int k = 0; k < ACCT_KINDS; k++) {
		char where[96];

		acct_first(k, where, sizeof(where));
		STRICT(!acct_live(k), "%u %s leaked at exit, the oldest from %s", acct_live(k), acct_name(k), where);
	}
	return 0;
}

/* ---- which thread may use which session ---- */

_Thread_local int tls_in_bug_callback;
static _Thread_local switch_core_session_t *own;
static _Thread_local switch_core_session_t *borrowed[16];
static _Thread_local int depth;

void tls_own(switch_core_session_t *s)
{
	own = s;
}

void tls_borrow(switch_core_session_t *s)
{
	STRICT(depth < 16, "callbacks nested more than 16 deep");
	borrowed[depth++] = s;
}

void tls_give_back(void)
{
	depth--;
}

bool tls_may_use(const switch_core_session_t *s)
{
	if (own == s) return true;
	for (int i = depth - 1; i >= 0; i--) {
		if (borrowed[i] == s) return true;
	}
	return false;
}
