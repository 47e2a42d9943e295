/* API commands of the host as a whole: modules, settings, figures, accounting. Those about one call are in
 * command_call.c. */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static char *first_word(const char *arg, const char **rest)
{
	size_t len;

	while (arg && *arg == ' ') arg++;
	len = arg ? strcspn(arg, " ") : 0;
	if (rest) {
		*rest = arg ? arg + len : "";
		while (**rest == ' ') (*rest)++;
	}
	return strndup(arg ? arg : "", len);
}

/* Cuts the first word off; *rest is behind it. */
char *command_word(char **rest)
{
	char *w, *p = *rest;

	while (p && *p == ' ') p++;
	if (!p || !*p) return NULL;
	w = p;
	p += strcspn(p, " ");
	if (*p) *p++ = '\0';
	while (*p == ' ') p++;
	*rest = p;
	return w;
}

static bool our_module(const char *arg, FILE *out)
{
	const char *base = strrchr(options.module, '/');
	size_t len;

	base = base ? base + 1 : options.module;
	len = strcspn(base, ".-");
	if (arg && strncmp(arg, base, len) == 0 && (!arg[len] || arg[len] == '.')) return true;
	if (arg && strcmp(arg, "mod_audio_stream") == 0) return true;
	fprintf(out, "-ERR [No such module!]\n");
	return false;
}

static void cmd_load(const char *arg, FILE *out)
{
	const char *err = "";

	if (!our_module(arg, out)) return;
	xml_reload();
	if (module_load(&err)) {
		fprintf(out, "+OK Reloading XML\n+OK\n");
	} else {
		fprintf(out, "+OK Reloading XML\n-ERR [%s]\n", err);
	}
}

static void cmd_unload(const char *arg, FILE *out)
{
	const char *err = "";

	if (!our_module(arg, out)) return;
	if (module_unload(&err)) {
		fprintf(out, "+OK\n");
	} else {
		fprintf(out, "-ERR [%s]\n", err);
	}
}

static void cmd_reload(const char *arg, FILE *out)
{
	const char *err = "";

	if (!our_module(arg, out)) return;
	xml_reload();
	fprintf(out, "+OK Reloading XML\n");
	if (module_unload(&err)) {
		fprintf(out, "+OK module unloaded\n");
	} else {
		fprintf(out, "-ERR unloading module [%s]\n", err);
	}
	if (module_load(&err)) {
		fprintf(out, "+OK module loaded\n");
	} else {
		fprintf(out, "-ERR loading module [%s]\n", err);
	}
}

static void cmd_module_exists(const char *arg, FILE *out)
{
	char *sink = NULL;
	size_t len = 0;
	FILE *null = open_memstream(&sink, &len);

	fputs(our_module(arg, null) && module_loaded() ? "true" : "false", out);
	fclose(null);
	free(sink);
}

static void cmd_reloadxml(const char *arg, FILE *out)
{
	(void)arg;
	xml_reload();
	fprintf(out, "+OK [Success]\n");
}

static void cmd_setconf(const char *arg, FILE *out)
{
	const char *value;
	char *name = first_word(arg, &value);

	if (*name) {
		xml_override(name, *value ? value : NULL);
		fprintf(out, "+OK\n");
	} else {
		fprintf(out, "-USAGE: <name> [<value>]\n");
	}
	free(name);
}

static void cmd_version(const char *arg, FILE *out)
{
	(void)arg;
	fprintf(out, "FreeSWITCH Version %s\n", switch_version_full());
}

static void cmd_status(const char *arg, FILE *out)
{
	(void)arg;
	fprintf(out, "stand-in host is ready\n%lu session(s) since startup\n%u session(s)\n", session_total(),
			session_count());
}

static void cmd_show(const char *arg, FILE *out)
{
	char *what = first_word(arg, NULL);

	if (strcmp(what, "api") == 0 || strcmp(what, "application") == 0) {
		bool apps = strcmp(what, "application") == 0;

		fprintf(out, "name,description,syntax,ikey\n");
		module_list(out, apps);
		fprintf(out, "\n%u total.\n", module_interfaces(apps));
	} else if (strcmp(what, "calls") == 0 || strcmp(what, "channels") == 0) {
		fprintf(out, "\n%u total.\n", session_count());
	} else {
		fprintf(out, "-USAGE: api|application|calls|channels [count]\n");
	}
	free(what);
}

static void cmd_completions(const char *arg, FILE *out)
{
	(void)arg;
	module_completions(out);
}

/* What FreeSWITCH's console offers for a beginning: the words that may come next. */
static void cmd_complete(const char *arg, FILE *out)
{
	char *all = NULL, *save = NULL;
	size_t len = 0, n = arg ? strlen(arg) : 0;
	FILE *f = open_memstream(&all, &len);

	module_completions(f);
	fclose(f);
	for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!arg || strncmp(line, arg, n) == 0) fprintf(out, "%s\n", line);
	}
	free(all);
}

static void add_session(switch_core_session_t *s, void *arg)
{
	FILE *out = arg;
	const host_counts_t *n = &s->n;

#define N(field) (unsigned long long)atomic_load(&n->field)
	fprintf(out,
			"%s{\"uuid\":\"%s\",\"ticks\":%llu,\"late\":%llu,\"maxLateNs\":%llu,\"readAudio\":%llu,\"readCng\":%llu,"
			"\"held\":%llu,\"writtenHost\":%llu,\"writtenModule\":%llu,\"writeCollisions\":%llu,\"writeHeld\":%llu,"
			"\"writeRefused\":%llu,\"emitted\":%llu,\"emittedSamples\":%llu,\"dtmfSent\":\"%s\"}",
			ftell(out) > 0 ? "," : "", s->uuid, N(ticks), N(late), N(max_late_ns), N(read_audio), N(read_cng), N(held),
			N(written_host), N(written_module), N(write_collisions), N(write_held), N(write_refused), N(emitted),
			N(emitted_samples), s->dtmf_sent);
#undef N
}

static void cmd_stats(const char *arg, FILE *out)
{
	char *sessions = NULL;
	size_t len = 0;
	FILE *f;

	if (arg && strcmp(arg, "reset") == 0) {
		stats_reset();
		fprintf(out, "+OK\n");
		return;
	}
	if (arg && *arg) {
		switch_core_session_t *s = switch_core_session_perform_force_locate(arg, HOST_HERE);

		if (!s) {
			fprintf(out, session_ending(arg) ? "+OK ending\n" : "-ERR No such channel!\n");
			return;
		}
		f = open_memstream(&sessions, &len);
		add_session(s, f);
		fclose(f);
		fprintf(out, "%s\n", sessions);
		free(sessions);
		switch_core_session_rwunlock(s);
		return;
	}
	f = open_memstream(&sessions, &len);
	session_each(add_session, f);
	fclose(f);
	fputc('{', out);
	stats_print(out);
	fprintf(out, ",\"sessions\":[%s]}\n", sessions);
	free(sessions);
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d)) n++;
	if (d) closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

static void cmd_leaks(const char *arg, FILE *out)
{
	(void)arg;
	fprintf(out, "{\"sessions\":%u,\"bugs\":%u,\"moduleBugs\":%u,\"holds\":[", session_count(), bug_live(false),
			bug_live(true));
	session_holds(out);
	fprintf(out, "],\"subclasses\":[");
	event_subclasses(out);
	fprintf(out, "],\"fds\":%u,\"live\":{", open_fds());
	for (int k = 0; k < ACCT_KINDS; k++)
		fprintf(out, "%s\"%s\":%u", k ? "," : "", acct_name((acct_kind_t)k), acct_live((acct_kind_t)k));
	fprintf(out, "},");
	thread_report(out, NULL, NULL);
	fprintf(out, ",\"sighups\":%lu}\n", host_sighups());
}

static void cmd_sighup(const char *arg, FILE *out)
{
	int n = arg ? atoi(arg) : 1;

	if (n < 1 || n > 1000000) {
		fprintf(out, "-USAGE: <count>\n");
		return;
	}
	host_sighup_storm((unsigned)n);
	fprintf(out, "+OK %lu received\n", host_sighups());
}

/* As FreeSWITCH's: a child that lets the shell run it, and is waited for. */
static void cmd_system(const char *arg, FILE *out)
{
	pid_t child;

	if (!arg) {
		fprintf(out, "-USAGE: <command>\n");
		return;
	}
	child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", arg, (char *)NULL);
		_exit(127);
	}
	if (child < 0) {
		fprintf(out, "-ERR fork: %s\n", strerror(errno));
		return;
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
	}
	fprintf(out, "+OK\n");
}

static void cmd_fsctl(const char *arg, FILE *out)
{
	if (!arg || strncmp(arg, "shutdown", 8) != 0) {
		fprintf(out, "-USAGE: shutdown\n");
		return;
	}
	fprintf(out, "+OK\n");
	host_shutdown();
}

static void cmd_hupall(const char *arg, FILE *out)
{
	session_hangup_all(cause_number(arg && *arg ? arg : "MANAGER_REQUEST"));
	fprintf(out, "+OK hangup all channels\n");
}

static const host_command_t commands[] = {{"load", cmd_load, "<module>"},
										  {"unload", cmd_unload, "<module>"},
										  {"reload", cmd_reload, "<module>"},
										  {"module_exists", cmd_module_exists, "<module>"},
										  {"reloadxml", cmd_reloadxml, ""},
										  {"host_setconf", cmd_setconf, "<name> [<value>]"},
										  {"version", cmd_version, ""},
										  {"status", cmd_status, ""},
										  {"show", cmd_show, "api|application|calls|channels [count]"},
										  {"host_completions", cmd_completions, ""},
										  {"complete", cmd_complete, "<beginning>"},
										  {"host_stats", cmd_stats, "[<uuid>|reset]"},
										  {"host_leaks", cmd_leaks, ""},
										  {"host_sighup", cmd_sighup, "<count>"},
										  {"system", cmd_system, "<command>"},
										  {"hupall", cmd_hupall, "[<cause>]"},
										  {"fsctl", cmd_fsctl, "shutdown"},
										  {NULL, NULL, NULL}};

static const host_command_t *find(const host_command_t *table, const char *name)
{
	for (; table->name; table++) {
		if (strcasecmp(table->name, name) == 0) return table;
	}
	return NULL;
}

/* A copy without blanks at both ends; NULL stays NULL. */
static char *stripped(const char *text)
{
	size_t len;

	if (!text) return NULL;
	text += strspn(text, " \t\n\v\f\r");
	len = strlen(text);
	while (len && strchr(" \t\n\v\f\r", text[len - 1])) len--;
	return strndup(text, len);
}

static bool run(const char *cmd, const char *arg, char **out)
{
	const host_command_t *c = find(commands, cmd);
	size_t len = 0;
	FILE *f;

	if (!c) c = find(call_commands, cmd);
	if (!c) return module_api(cmd, arg, out);
	f = open_memstream(out, &len);
	STRICT(f, "out of memory");
	c->fn(arg && *arg ? arg : NULL, f);
	fclose(f);
	return true;
}

bool api_execute(const char *cmd, const char *arg, char **out)
{
	char *name = stripped(cmd), *rest = stripped(arg);
	switch_event_t *e = event_new("API");
	bool found;

	*out = NULL;
	if (*name) event_add(e, "API-Command", name);
	if (rest && *rest) event_add(e, "API-Command-Argument", rest);
	found = run(name, rest, out);
	event_send(e); /* behind the command, and for one that does not exist, too */
	free(name);
	free(rest);
	return found;
}
