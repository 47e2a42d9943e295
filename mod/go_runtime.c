/*
 * Starting the Go runtime inside FreeSWITCH. All that is peculiar about it is here.
 *
 * A Go library normally starts at dlopen, from .init_array, on the thread that loads it. In FreeSWITCH that thread runs
 * SCHED_FIFO or SCHED_RR, and threads inherit it: the garbage collector would compete with media. And FreeSWITCH's
 * signal handlers do not run on the alternate stack that Go needs, so a signal delivered to a Go thread can land on a
 * goroutine's small stack. So the build renames the archive's .init_array to a section of our own (Makefile), and the
 * entries are run here: once, from a thread that has SCHED_OTHER and no asynchronous signals, which all of Go's threads
 * inherit.
 *
 * The .so is linked with -z nodelete: an unload leaves the runtime, and the next load goes on with it.
 */
#include "shim.h"

typedef void (*init_entry_t)(int argc, char **argv, char **envp);

/* The linker makes these two for a section whose name is a C identifier. */
extern init_entry_t __start_as_go_init[] __attribute__((visibility("hidden")));
extern init_entry_t __stop_as_go_init[] __attribute__((visibility("hidden")));

static int saved_argc;
static char **saved_argv, **saved_envp;
static bool started;

/* The runtime walks from argv through envp to the auxiliary vector, so it needs the process's own; a constructor of a
 * shared object is given them. */
__attribute__((constructor)) static void save_arguments(int argc, char **argv, char **envp)
{
	saved_argc = argc;
	saved_argv = argv;
	saved_envp = envp;
}

static void *run_entries(void *unused)
{
	(void)unused;
	for (init_entry_t *entry = __start_as_go_init; entry < __stop_as_go_init; entry++) {
		if (*entry) (*entry)(saved_argc, saved_argv, saved_envp);
	}
	return NULL;
}

/* Load thread. A second call does nothing. */
bool as_go_runtime_start(const char **why)
{
	if (started) return true;
	if (!as_go_thread(run_entries, NULL)) {
		*why = "no thread could be made to start the Go runtime";
		return false;
	}
	started = true;
	return true;
}
