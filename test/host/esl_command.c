/*
 * What a client of the event socket asks for: reading a request, its commands and the framing of the answers, as
 * FreeSWITCH's mod_event_socket in plain format. What API commands do is command.c's business.
 */
#include "esl.h"

enum { MAX_LINE = 1 << 20 };

static void reply(client_t *c, const char *text)
{
	char buf[1024];

	snprintf(buf, sizeof(buf), "Content-Type: command/reply\nReply-Text: %s\n\n", text);
	esl_push(c, buf, NULL, 0);
}

static const char *header_of(const request_t *r, const char *name)
{
	for (unsigned i = 0; i < r->header_count; i++) {
		if (strcasecmp(r->headers[i][0], name) == 0) return r->headers[i][1];
	}
	return NULL;
}

/* "cmd rest" → cmd, rest */
static char *split(char *text)
{
	char *space = strchr(text, ' ');

	if (!space) return NULL;
	*space++ = '\0';
	return space;
}

static void run_api(client_t *c, char *text)
{
	char head[128], *arg = split(text), *out = NULL;

	if (!api_execute(text, arg, &out)) {
		free(out);
		if (asprintf(&out, "-ERR %s Command not found!\n", text) < 0) out = NULL;
	}
	if (!out || !*out) {
		free(out);
		out = strdup("-ERR no reply\n");
	}
	snprintf(head, sizeof(head), "Content-Type: api/response\nContent-Length: %zu\n\n", strlen(out));
	esl_push(c, head, out, strlen(out));
	free(out);
}

typedef struct job {
	char uuid[HOST_UUID_SIZE];
	char *text;
} job_t;

static void *job_main(void *arg)
{
	job_t *j = arg;
	char *rest = split(j->text), *out = NULL;
	switch_event_t *e;

	if (!api_execute(j->text, rest, &out)) {
		free(out);
		if (asprintf(&out, "-ERR %s Command not found!\n", j->text) < 0) out = NULL;
	}
	e = event_new("BACKGROUND_JOB");
	event_add(e, "Job-UUID", j->uuid);
	event_add(e, "Job-Command", j->text);
	if (rest) event_add(e, "Job-Command-Arg", rest);
	event_body(e, out ? out : "");
	event_send(e);
	free(out);
	free(j->text);
	free(j);
	thread_leave();
	esl_job(-1);
	return NULL;
}

static void run_bgapi(client_t *c, const request_t *r, const char *text)
{
	const char *wanted = header_of(r, "job-uuid");
	job_t *j = calloc(1, sizeof(*j));
	char buf[256];

	STRICT(j, "out of memory");
	uuid_make(j->uuid);
	if (wanted) snprintf(j->uuid, sizeof(j->uuid), "%s", wanted);
	j->text = strdup(text);
	snprintf(buf, sizeof(buf), "Content-Type: command/reply\nReply-Text: +OK Job-UUID: %s\nJob-UUID: %s\n\n", j->uuid,
			 j->uuid);
	esl_push(c, buf, NULL, 0);
	esl_job(1);
	pthread_detach(thread_start("host_bgapi", false, job_main, j));
}

static void run_sendmsg(client_t *c, const request_t *r, const char *uuid)
{
	const char *what = header_of(r, "call-command"), *arg = header_of(r, "execute-app-arg");
	const char *app = header_of(r, "execute-app-name"), *cause = header_of(r, "hangup-cause");
	switch_core_session_t *s = switch_core_session_perform_locate(uuid, HOST_HERE);

	if (!s) {
		char buf[128];

		snprintf(buf, sizeof(buf), "-ERR invalid session id [%s]", uuid);
		reply(c, buf);
		return;
	}
	if (what && strcasecmp(what, "execute") == 0 && app) {
		media_post(s, msg_new(MSG_APP, app, arg ? arg : r->body, NULL));
		reply(c, "+OK");
	} else if (what && strcasecmp(what, "hangup") == 0) {
		switch_channel_perform_hangup(&s->channel, HOST_HERE,
									  (switch_call_cause_t)cause_number(cause ? cause : "NORMAL_CLEARING"));
		reply(c, "+OK");
	} else {
		reply(c, "-ERR invalid command");
	}
	switch_core_session_rwunlock(s);
}

/* Returns false when the connection shall end. */
bool esl_run_request(client_t *c, request_t *r)
{
	char *line = r->line;

	if (strncasecmp(line, "exit", 4) == 0) {
		static const char notice[] = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";
		char head[128];

		reply(c, "+OK bye");
		snprintf(head, sizeof(head), "Content-Type: text/disconnect-notice\nContent-Length: %zu\n\n", strlen(notice));
		esl_push(c, head, notice, strlen(notice));
		return false;
	}
	if (strncasecmp(line, "auth ", 5) == 0) {
		c->authed = strcmp(line + 5, "ClueCon") == 0;
		reply(c, c->authed ? "+OK accepted" : "-ERR invalid");
		return c->authed;
	}
	if (!c->authed) {
		reply(c, "-ERR command not found");
	} else if (strncasecmp(line, "api ", 4) == 0) {
		run_api(c, line + 4);
	} else if (strncasecmp(line, "bgapi ", 6) == 0) {
		run_bgapi(c, r, line + 6);
	} else if (strncasecmp(line, "sendmsg ", 8) == 0) {
		run_sendmsg(c, r, line + 8);
	} else if (strncasecmp(line, "event plain", 11) == 0) {
		esl_subscribe(c, line + 11, true);
		reply(c, "+OK event listener enabled plain");
	} else if (strncasecmp(line, "nixevent ", 9) == 0) {
		esl_subscribe(c, line + 9, false);
		reply(c, "+OK event listener disabled");
	} else if (strncasecmp(line, "noevents", 8) == 0) {
		esl_unsubscribe_all(c);
		reply(c, "+OK no longer listening for events");
	} else if (strncasecmp(line, "filter ", 7) == 0) {
		reply(c, "+OK filter added");
	} else if (strncasecmp(line, "linger", 6) == 0 || strncasecmp(line, "nolinger", 8) == 0) {
		reply(c, "+OK will linger");
	} else if (strncasecmp(line, "log", 3) == 0 || strncasecmp(line, "nolog", 5) == 0) {
		reply(c, "+OK log level  [7]");
	} else {
		reply(c, "-ERR command not found");
	}
	return true;
}

bool esl_read_request(FILE *in, request_t *r)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	const char *length;

	memset(r, 0, sizeof(*r));
	while ((n = getline(&line, &room, in)) > 0 && n < MAX_LINE) {
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
		if (!n && r->line) break;
		if (!n) continue; /* empty lines between commands */
		if (!r->line) {
			r->line = strdup(line);
		} else if (r->header_count < 64 && strchr(line, ':')) {
			char *colon = strchr(line, ':');

			*colon++ = '\0';
			while (*colon == ' ') colon++;
			r->headers[r->header_count][0] = strdup(line);
			r->headers[r->header_count++][1] = strdup(colon);
		}
	}
	free(line);
	if (n < 0 || !r->line) return false;
	length = header_of(r, "content-length");
	if (length && atoi(length) > 0 && atoi(length) < MAX_LINE) {
		size_t want = (size_t)atoi(length);

		r->body = calloc(1, want + 1);
		STRICT(r->body, "out of memory");
		if (fread(r->body, 1, want, in) != want) return false;
	}
	return true;
}

void esl_free_request(request_t *r)
{
	free(r->line);
	free(r->body);
	for (unsigned i = 0; i < r->header_count; i++) {
		free(r->headers[i][0]);
		free(r->headers[i][1]);
	}
}
