/*
 * Calling Go from FreeSWITCH's threads, by way of a thread that is fit for it.
 *
 * FreeSWITCH's threads are real-time ones with handlers that Go cannot run under. The Go runtime starts threads of its
 * own whenever it needs one, from whatever thread it happens to be on, and they inherit policy and signals: a few calls
 * under load are enough to have Go's threads compete with media. So no export is ever called on a thread of
 * FreeSWITCH's. Each call gets one of its own, SCHED_OTHER and with asynchronous signals blocked, and is waited for.
 * Commands come some times a second; a thread costs some ten microseconds.
 */
#include <sched.h>
#include <signal.h>

#include "shim.h"

#define CALL_STACK (256 * 1024) /* FreeSWITCH's own threads have 240 KiB; Go's side needs some KiB of it */

/* What a fault in Go code raises, and what the runtime sends itself (URG: preemption, PROF: profiles). */
static const int open_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGURG, SIGPROF};

bool as_go_thread(void *(*run)(void *), void *arg)
{
	struct sched_param other = {.sched_priority = 0};
	sigset_t mask, before;
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &other);
	pthread_attr_setstacksize(&attr, CALL_STACK);
	sigfillset(&mask);
	for (size_t i = 0; i < sizeof(open_signals) / sizeof(open_signals[0]); i++) sigdelset(&mask, open_signals[i]);
	pthread_sigmask(SIG_SETMASK, &mask, &before);
	failed = pthread_create(&thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (failed) return false;
	pthread_join(thread, NULL);
	return true;
}

struct call {
	enum { START, STOP, COMPLETIONS, COMMAND, MODULE_COMMAND, BREAK } what;
	char *uuid, *line;
	as_doorbell_t *bell;
	uint64_t line_len;
	uint32_t deadline_ms;
	as_text_t *text;
	int result;
};

static void *run_call(void *arg)
{
	struct call *c = arg;

	switch (c->what) {
	case START:
		c->result = as_go_start(AS_CONTRACT_VERSION, c->bell, c->line, c->line_len, c->text);
		break;
	case STOP:
		c->result = as_go_stop(c->deadline_ms);
		break;
	case COMPLETIONS:
		as_go_completions(c->text);
		break;
	case COMMAND:
		as_go_command(c->uuid, c->line, c->text);
		break;
	case MODULE_COMMAND:
		as_go_module_command(c->line, c->text);
		break;
	case BREAK:
		as_go_break(c->uuid);
		break;
	}
	return NULL;
}

static bool call(struct call *c)
{
	if (as_go_thread(run_call, c)) return true;
	switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR,
					  "mod_audio_stream: no thread could be made (too many? raise ulimit -u)\n");
	return false;
}

int as_call_start(as_doorbell_t *bell, char *config, uint64_t config_len, as_text_t *why)
{
	struct call c = {.what = START, .bell = bell, .line = config, .line_len = config_len, .text = why};

	return call(&c) ? c.result : AS_NO_MEMORY;
}

int as_call_stop(uint32_t deadline_ms)
{
	struct call c = {.what = STOP, .deadline_ms = deadline_ms};

	return call(&c) ? c.result : 1;
}

void as_call_completions(as_text_t *lines)
{
	struct call c = {.what = COMPLETIONS, .text = lines};

	call(&c);
}

void as_call_command(char *uuid, char *line, as_text_t *reply)
{
	struct call c = {.what = COMMAND, .uuid = uuid, .line = line, .text = reply};

	call(&c);
}

void as_call_module_command(char *line, as_text_t *reply)
{
	struct call c = {.what = MODULE_COMMAND, .line = line, .text = reply};

	call(&c);
}

void as_call_break(char *uuid)
{
	struct call c = {.what = BREAK, .uuid = uuid};

	call(&c);
}
