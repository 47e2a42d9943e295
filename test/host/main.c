/* The stand-in host's start and end: options, signals, the order in which things begin and stop. */
#include "host.h"

#include <errno.h>
#include <getopt.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

enum { HANGUP_WAIT_MS = 10000, SIGHUPS_AFTER_LOAD = 100 };

host_options_t options = {.tmp = "/tmp"};
_Atomic bool host_running = true;
switch_directories SWITCH_GLOBAL_dirs;

static sem_t wake_main;
static _Atomic unsigned long sighups;

static void on_end(int sig)
{
	(void)sig;
	sem_post(&wake_main);
}

static void on_hup(int sig)
{
	(void)sig;
	atomic_fetch_add(&sighups, 1);
}

unsigned long host_sighups(void)
{
	return atomic_load(&sighups);
}

void host_shutdown(void)
{
	sem_post(&wake_main);
}

void host_signals(void)
{
	static const int ignored[] = {SIGPIPE, SIGALRM, SIGQUIT, SIGPOLL};

	/* signal(), as FreeSWITCH uses it: no SA_ONSTACK */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) signal(ignored[i], SIG_IGN);
	signal(SIGHUP, on_hup);
	signal(SIGTERM, on_end);
	signal(SIGINT, on_end);
}

void host_sighup_storm(unsigned n)
{
	/* to the process, not to a thread: the kernel picks any thread that does not block it */
	for (unsigned i = 0; i < n; i++) {
		kill(getpid(), SIGHUP);
		if (i % 16 == 15) sleep_until_ns(now_ns() + 200000);
	}
}

static void usage(FILE *f)
{
	fprintf(
		f, "fshost --module <path.so> [--conf <audio_stream.conf.xml>] [--port <n>] [--log <file>] [--tmp <folder>]\n"
		   "       [--threads-fifo] [--sighup-after-load] [--slow-callback-us <n>] [--time-nothing]\n"
		   "A stand-in for FreeSWITCH: loads the module, runs calls in real time, is controlled over the event socket\n"
		   "on 127.0.0.1:<n> (0, the default, picks a port and prints it), password ClueCon.\n");
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {{"module", required_argument, NULL, 'm'},
										  {"conf", required_argument, NULL, 'c'},
										  {"port", required_argument, NULL, 'p'},
										  {"log", required_argument, NULL, 'l'},
										  {"tmp", required_argument, NULL, 't'},
										  {"threads-fifo", no_argument, NULL, 'f'},
										  {"sighup-after-load", no_argument, NULL, 's'},
										  {"slow-callback-us", required_argument, NULL, 'u'},
										  {"time-nothing", no_argument, NULL, 'n'},
										  {"help", no_argument, NULL, 'h'},
										  {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'm':
			options.module = optarg;
			break;
		case 'c':
			options.conf = optarg;
			break;
		case 'p':
			options.port = atoi(optarg);
			break;
		case 'l':
			options.log = optarg;
			break;
		case 't':
			options.tmp = optarg;
			break;
		case 'f':
			options.fifo = true;
			break;
		case 's':
			options.sighup = true;
			break;
		case 'u':
			atomic_store(&stats_slow_ns, (uint64_t)atoll(optarg) * 1000u);
			break;
		case 'n':
			atomic_store(&stats_nothing_ns, 1000);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (!options.module || optind != argc) {
		usage(stderr);
		exit(2);
	}
}

/* Everything must be back where it came from. */
static void check_accounts(void)
{
	unsigned foreign = 0, realtime = 0, subclasses = event_subclasses(NULL);

	STRICT(session_holds(NULL) == 0, "a session lock is held at exit");
	STRICT(!subclasses, "%u event subclasses still reserved at exit", subclasses);
	acct_check_exit();
	/* Media threads of calls that have just ended are off our own list before the kernel has buried them. */
	for (int tries = 0; tries < 200; tries++) {
		thread_report(NULL, &foreign, &realtime);
		if (!realtime) break;
		usleep(10000);
	}
	STRICT(!realtime, "%u of the module's %u threads run with the media threads' real-time policy", realtime, foreign);
	printf("fshost: accounting clean: %lu sessions, %lu locates, %lu media bugs, %lu events fired (%lu by the module), "
		   "%lu codecs, %lu resamplers, %lu XML trees, %u threads of the module left\n",
		   session_total(), session_locates(), acct_total(ACCT_BUG), event_fired(), acct_total(ACCT_EVENT),
		   acct_total(ACCT_CODEC), acct_total(ACCT_RESAMPLER), acct_total(ACCT_XML), foreign);
	fflush(stdout);
}

static void free_all(void)
{
	session_free_tombs();
	bug_free_tombs();
	event_free_tombs();
	codec_free_implementations();
	xml_free_overrides();
	module_free();
}

int main(int argc, char **argv)
{
	const char *err = "";

	parse(argc, argv);
	sem_init(&wake_main, 0, 0);
	log_open(options.log);
	if (options.fifo && !thread_try_fifo())
		fprintf(stderr, "fshost: SCHED_FIFO refused (%s): going on without\n", strerror(errno));
	host_signals();
	SWITCH_GLOBAL_dirs.temp_dir = (char *)(uintptr_t)options.tmp;
	xml_set_file(options.conf);
	if (!module_load(&err)) {
		fprintf(stderr, "fshost: cannot load %s: %s\n", options.module, err);
		return 3;
	}
	if (options.sighup) host_sighup_storm(SIGHUPS_AFTER_LOAD);
	esl_listen(options.port);
	while (sem_wait(&wake_main) != 0 && errno == EINTR) {
	}
	/* the order of switch_core_destroy: calls, modules, events */
	atomic_store(&host_running, false);
	host_log(SWITCH_LOG_CONSOLE, NULL, "Clean up");
	session_hangup_all(HOST_CAUSE_SYSTEM_SHUTDOWN);
	STRICT(session_wait_none(HANGUP_WAIT_MS), "%u sessions did not end within %d ms", session_count(), HANGUP_WAIT_MS);
	if (module_loaded() && !module_unload(&err)) strict_abort("unload at exit: %s", err);
	esl_stop();
	event_set_running(false);
	event_dispatch_stop();
	check_accounts();
	log_close();
	free_all();
	return 0;
}
