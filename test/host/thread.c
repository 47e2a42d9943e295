/* Clock, the host's own threads, and what can be seen of the module's threads from outside. */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEDIA_STACK (1024 * 1024) /* the sanitizers' frames are larger */
#else
#define MEDIA_STACK (240 * 1024) /* SWITCH_THREAD_STACKSIZE of FreeSWITCH */
#endif

enum { MAX_TIDS = 8192 };

static pthread_mutex_t tid_mutex = PTHREAD_MUTEX_INITIALIZER;
static int tids[MAX_TIDS];
static unsigned tid_count;
static bool fifo;

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void sleep_until_ns(uint64_t t)
{
	struct timespec ts = {.tv_sec = (time_t)(t / 1000000000u), .tv_nsec = (long)(t % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR) {
	}
}

static int self_tid(void)
{
	return (int)syscall(SYS_gettid);
}

static void tid_enter(void)
{
	pthread_mutex_lock(&tid_mutex);
	if (tid_count < MAX_TIDS) tids[tid_count++] = self_tid();
	pthread_mutex_unlock(&tid_mutex);
}

void thread_leave(void)
{
	int tid = self_tid();

	pthread_mutex_lock(&tid_mutex);
	for (unsigned i = 0; i < tid_count; i++) {
		if (tids[i] == tid) {
			tids[i] = tids[--tid_count];
			break;
		}
	}
	pthread_mutex_unlock(&tid_mutex);
}

struct start {
	char name[16];
	void *(*fn)(void *);
	void *arg;
};

static void *trampoline(void *p)
{
	struct start st = *(struct start *)p;

	free(p);
	pthread_setname_np(pthread_self(), st.name);
	tid_enter();
	return st.fn(st.arg);
}

pthread_t thread_start(const char *name, bool media, void *(*fn)(void *), void *arg)
{
	struct start *st = calloc(1, sizeof(*st));
	pthread_attr_t attr;
	pthread_t t;
	int err;

	STRICT(st, "out of memory");
	snprintf(st->name, sizeof(st->name), "%s", name);
	st->fn = fn;
	st->arg = arg;
	pthread_attr_init(&attr);
	if (media) pthread_attr_setstacksize(&attr, MEDIA_STACK);
	err = pthread_create(&t, &attr, trampoline, st);
	pthread_attr_destroy(&attr);
	if (err) {
		fprintf(stderr, "fshost: cannot start thread %s: %s\n", name, strerror(err));
		exit(2);
	}
	return t;
}

bool thread_try_fifo(void)
{
	struct sched_param p = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};

	/* the process as a whole, as FreeSWITCH does at start (set_priority): every thread made later inherits both, and a
	 * module's that leave real time keep the second */
	fifo = sched_setscheduler(0, SCHED_FIFO, &p) == 0;
	if (fifo) setpriority(PRIO_PROCESS, 0, -10);
	return fifo;
}

static bool is_ours(int tid)
{
	bool found = tid == getpid();

	pthread_mutex_lock(&tid_mutex);
	for (unsigned i = 0; i < tid_count && !found; i++) found = tids[i] == tid;
	pthread_mutex_unlock(&tid_mutex);
	return found;
}

static bool blocks_sighup(int tid)
{
	char path[64], line[256];
	unsigned long long mask = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "r");
	if (!f) return true; /* gone meanwhile */
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "SigBlk: %llx", &mask) == 1) break;
	}
	fclose(f);
	return mask & 1; /* signal 1 is SIGHUP */
}

void thread_report(FILE *out, unsigned *foreign, unsigned *realtime)
{
	unsigned all = 0, theirs = 0, rt = 0, unmasked = 0;
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int tid = atoi(e->d_name), policy;

		if (tid <= 0) continue;
		all++;
		if (is_ours(tid)) continue;
		theirs++;
		policy = sched_getscheduler(tid);
		if (policy == SCHED_FIFO || policy == SCHED_RR) rt++;
		if (!blocks_sighup(tid)) unmasked++;
	}
	if (d) closedir(d);
	if (out) {
		fprintf(out,
				"\"threads\":%u,\"moduleThreads\":%u,\"moduleRealtimeThreads\":%u,\"moduleUnmaskedThreads\":%u,"
				"\"fifo\":%s",
				all, theirs, rt, unmasked, fifo ? "true" : "false");
	}
	if (foreign) *foreign = theirs;
	if (realtime) *realtime = rt;
}
