/* API commands about one call, named and answered as FreeSWITCH's where it has one; and the host's few applications. */
#include "host.h"

enum { APP_WAIT_MS = 30000 };

static switch_core_session_t *locate(const char *uuid, FILE *out)
{
	switch_core_session_t *s = uuid ? switch_core_session_perform_locate(uuid, HOST_HERE) : NULL;

	if (!s) fprintf(out, "-ERR No such channel!\n");
	return s;
}

/* ---- commands with a uuid in front ---- */

static void with_session(const char *arg, FILE *out, const char *usage, unsigned words,
						 void (*fn)(switch_core_session_t *s, char *rest, FILE *out))
{
	char *text = strdup(arg ? arg : ""), *rest = text, *uuid = command_word(&rest);
	switch_core_session_t *s;

	if (!uuid || (words && !*rest)) {
		fprintf(out, "-USAGE: %s\n", usage);
	} else if ((s = locate(uuid, out))) {
		fn(s, rest, out);
		switch_core_session_rwunlock(s);
	}
	free(text);
}

static void do_kill(switch_core_session_t *s, char *rest, FILE *out)
{
	switch_channel_perform_hangup(&s->channel, HOST_HERE, switch_channel_str2cause(rest));
	fprintf(out, "+OK\n");
}

static void cmd_kill(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> [cause]", 0, do_kill);
}

static void do_setvar(switch_core_session_t *s, char *rest, FILE *out)
{
	char *name = command_word(&rest);

	switch_channel_set_variable_var_check(&s->channel, name, *rest ? rest : NULL, SWITCH_FALSE);
	fprintf(out, "+OK\n");
}

static void cmd_setvar(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> <var> [value]", 1, do_setvar);
}

static void do_getvar(switch_core_session_t *s, char *rest, FILE *out)
{
	const char *v = switch_channel_get_variable_dup(&s->channel, rest, SWITCH_TRUE, -1);

	fputs(v ? v : "_undef_", out);
}

static void cmd_getvar(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> <var>", 1, do_getvar);
}

static void do_answer(switch_core_session_t *s, char *rest, FILE *out)
{
	(void)rest;
	fprintf(out, switch_channel_perform_answer(&s->channel, HOST_HERE) == SWITCH_STATUS_SUCCESS ? "+OK\n" : "-ERROR\n");
}

static void cmd_answer(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid>", 0, do_answer);
}

static void do_pre_answer(switch_core_session_t *s, char *rest, FILE *out)
{
	(void)rest;
	fprintf(out,
			switch_channel_perform_pre_answer(&s->channel, HOST_HERE) == SWITCH_STATUS_SUCCESS ? "+OK\n" : "-ERROR\n");
}

static void cmd_pre_answer(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid>", 0, do_pre_answer);
}

static void do_break(switch_core_session_t *s, char *rest, FILE *out)
{
	switch_core_session_t *other;
	char uuid[HOST_UUID_SIZE];

	media_set_writer(s, NULL, NULL, 0);
	pthread_mutex_lock(&s->media_mutex);
	memcpy(uuid, s->partner, sizeof(uuid));
	pthread_mutex_unlock(&s->media_mutex);
	if (strstr(rest, "both") && uuid[0] && (other = switch_core_session_perform_locate(uuid, HOST_HERE))) {
		media_set_writer(other, NULL, NULL, 0);
		switch_core_session_rwunlock(other);
	}
	fprintf(out, "+OK\n");
}

static void cmd_break(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> [all|both]", 0, do_break);
}

static void set_hold(switch_core_session_t *s, bool on, FILE *out)
{
	channel_set_flag(&s->channel, CF_HOLD, on);
	event_channel(&s->channel, on ? "CHANNEL_HOLD" : "CHANNEL_UNHOLD");
	fprintf(out, "+OK Success\n");
}

static void do_hold(switch_core_session_t *s, char *rest, FILE *out)
{
	(void)rest;
	set_hold(s, true, out);
}

static void do_unhold(switch_core_session_t *s, char *rest, FILE *out)
{
	(void)rest;
	set_hold(s, false, out);
}

static void cmd_hold(const char *arg, FILE *out)
{
	bool off = arg && strncmp(arg, "off ", 4) == 0;

	with_session(off ? arg + 4 : arg, out, "[off] <uuid>", 0, off ? do_unhold : do_hold);
}

static void do_pause_bugs(switch_core_session_t *s, char *rest, FILE *out)
{
	channel_set_flag(&s->channel, HOST_CF_PAUSE_BUGS, strcmp(rest, "on") == 0);
	fprintf(out, "+OK\n");
}

static void cmd_pause_bugs(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> on|off", 1, do_pause_bugs);
}

static void set_partner(switch_core_session_t *s, const char *uuid)
{
	pthread_mutex_lock(&s->media_mutex);
	snprintf(s->partner, sizeof(s->partner), "%s", uuid);
	pthread_mutex_unlock(&s->media_mutex);
	channel_set_flag(&s->channel, HOST_CF_BRIDGED, *uuid != '\0');
	event_channel(&s->channel, *uuid ? "CHANNEL_BRIDGE" : "CHANNEL_PARK");
}

static void do_bridge(switch_core_session_t *s, char *rest, FILE *out)
{
	switch_core_session_t *other = locate(rest, out);

	if (!other) return;
	set_partner(s, other->uuid);
	set_partner(other, s->uuid);
	fprintf(out, "+OK %s\n", other->uuid);
	switch_core_session_rwunlock(other);
}

static void cmd_bridge(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> <other_uuid>", 1, do_bridge);
}

void media_unbridge(switch_core_session_t *s)
{
	switch_core_session_t *other;
	char uuid[HOST_UUID_SIZE];

	pthread_mutex_lock(&s->media_mutex);
	memcpy(uuid, s->partner, sizeof(uuid));
	pthread_mutex_unlock(&s->media_mutex);
	if (!uuid[0]) return;
	set_partner(s, "");
	other = switch_core_session_perform_locate(uuid, HOST_HERE);
	if (other) {
		set_partner(other, "");
		switch_core_session_rwunlock(other);
	}
}

static void do_park(switch_core_session_t *s, char *rest, FILE *out)
{
	(void)rest;
	media_set_writer(s, NULL, NULL, 0);
	if (channel_flag(&s->channel, HOST_CF_BRIDGED)) {
		media_unbridge(s);
	} else {
		set_partner(s, "");
	}
	fprintf(out, "+OK\n");
}

static void cmd_park(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid>", 0, do_park);
}

static void do_play(switch_core_session_t *s, char *rest, FILE *out)
{
	char why[512];

	if (media_set_writer(s, rest, why, sizeof(why))) {
		fprintf(out, "+OK Message sent\n");
	} else {
		fprintf(out, "-ERR %s\n", why);
	}
}

static void cmd_play(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> <source>", 1, do_play);
}

static void do_record(switch_core_session_t *s, char *rest, FILE *out)
{
	char *action = command_word(&rest), *path = command_word(&rest), why[256];

	if (!path) {
		fprintf(out, "-USAGE: <uuid> start|stop <path> [stereo]\n");
	} else if (strcmp(action, "start") == 0) {
		if (record_start(s, path, strcmp(rest, "stereo") == 0 || record_in_stereo(s), why, sizeof(why))) {
			fprintf(out, "+OK Success\n");
		} else {
			fprintf(out, "-ERR %s\n", why);
		}
	} else {
		fprintf(out, record_stop(s, path) ? "+OK Success\n" : "-ERR Cannot stop record session!\n");
	}
}

static void cmd_record(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> start|stop <path> [stereo]", 1, do_record);
}

/* digits, "@<ms>" behind them */
static void do_recv_dtmf(switch_core_session_t *s, char *rest, FILE *out)
{
	char *at = strchr(rest, '@');
	uint32_t ms = at ? (uint32_t)atoi(at + 1) : 250;

	if (at) *at = '\0';
	for (const char *d = rest; *d; d++) {
		switch_dtmf_t dtmf = {.digit = *d, .duration = ms * 8};
		switch_event_t *e;

		if (hooks_digit(s, &dtmf)) continue;
		e = event_new("DTMF");
		channel_event_data(&s->channel, e);
		event_addf(e, "DTMF-Digit", "%c", *d);
		event_addf(e, "DTMF-Duration", "%u", dtmf.duration);
		event_add(e, "DTMF-Source", "APP");
		event_send(e);
	}
	fprintf(out, "+OK %s received DTMF %s.\n", s->uuid, rest);
}

static void cmd_recv_dtmf(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> <dtmf_data>", 1, do_recv_dtmf);
}

static void do_transfer(switch_core_session_t *s, char *rest, FILE *out)
{
	char *ext = command_word(&rest), *dialplan = command_word(&rest), *context = command_word(&rest);

	switch_ivr_session_transfer(s, ext, dialplan, context);
	fprintf(out, "+OK\n");
}

static void cmd_transfer(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid> <dest-exten> [<dialplan>] [<context>]", 1, do_transfer);
}

static void do_dump(switch_core_session_t *s, char *rest, FILE *out)
{
	(void)rest;
	channel_dump(&s->channel, out);
}

static void cmd_dump(const char *arg, FILE *out)
{
	with_session(arg, out, "<uuid>", 0, do_dump);
}

static void cmd_exists(const char *arg, FILE *out)
{
	switch_core_session_t *s = arg ? switch_core_session_perform_locate(arg, HOST_HERE) : NULL;

	fputs(s ? "true" : "false", out);
	if (s) switch_core_session_rwunlock(s);
}

static void cmd_buglist(const char *arg, FILE *out)
{
	switch_core_session_t *s = locate(arg, out);

	if (!s) return;
	fprintf(out, "<media-bugs>\n");
	pthread_rwlock_rdlock(&s->bug_rwlock);
	for (const switch_media_bug_t *b = atomic_load(&s->bugs); b; b = b->next) {
		fprintf(out,
				" <media-bug>\n  <function>%s</function>\n  <target>%s</target>\n"
				"  <thread-locked>0</thread-locked>\n </media-bug>\n",
				b->function, b->target);
	}
	pthread_rwlock_unlock(&s->bug_rwlock);
	fprintf(out, "</media-bugs>\n");
	switch_core_session_rwunlock(s);
}

/* Posts to the session's thread and waits without holding the session. */
static void post_and_wait(const char *uuid, host_msg_t *m, FILE *out)
{
	switch_core_session_t *s = locate(uuid, out);

	if (s) {
		atomic_fetch_add(&m->refs, 1);
		media_post(s, m);
		switch_core_session_rwunlock(s);
		fprintf(out, msg_wait(m, APP_WAIT_MS) ? "+OK\n" : "-ERR failed\n");
	}
	msg_unref(m);
}

static void cmd_execute(const char *arg, FILE *out)
{
	char *text = strdup(arg ? arg : ""), *rest = text, *uuid = command_word(&rest), *app = command_word(&rest);

	if (app) {
		post_and_wait(uuid, msg_new(MSG_APP, app, *rest ? rest : NULL, NULL), out);
	} else {
		fprintf(out, "-USAGE: <uuid> <application> [<arguments>]\n");
	}
	free(text);
}

static void cmd_reneg(const char *arg, FILE *out)
{
	char *text = strdup(arg ? arg : ""), *rest = text, *uuid = command_word(&rest);
	char *rate = command_word(&rest), *ptime = command_word(&rest), *channels = command_word(&rest),
		 *codec = command_word(&rest);
	int hz = rate ? atoi(rate) : 0, ms = ptime ? atoi(ptime) : 0, ch = channels ? atoi(channels) : 1;

	if (!hz || !ms || !codec_implementation(codec ? codec : "RAW", (uint32_t)hz, ms, ch)) {
		fprintf(out, "-USAGE: <uuid> <rate> <ptime> [<channels> [RAW|L16]]\n");
	} else {
		host_msg_t *m = msg_new(MSG_RENEG, codec, NULL, NULL);

		m->rate = (uint32_t)hz;
		m->ptime = (uint32_t)ms;
		m->channels = (uint32_t)ch;
		post_and_wait(uuid, m, out);
	}
	free(text);
}

const host_command_t call_commands[] = {{"host_originate", command_originate, "key=value..."},
										{"uuid_kill", cmd_kill, "<uuid> [cause]"},
										{"uuid_setvar", cmd_setvar, "<uuid> <var> [value]"},
										{"uuid_getvar", cmd_getvar, "<uuid> <var>"},
										{"uuid_answer", cmd_answer, "<uuid>"},
										{"uuid_pre_answer", cmd_pre_answer, "<uuid>"},
										{"uuid_break", cmd_break, "<uuid> [all|both]"},
										{"uuid_hold", cmd_hold, "[off] <uuid>"},
										{"host_pause_bugs", cmd_pause_bugs, "<uuid> on|off"},
										{"uuid_bridge", cmd_bridge, "<uuid> <other_uuid>"},
										{"uuid_park", cmd_park, "<uuid>"},
										{"uuid_broadcast", cmd_play, "<uuid> <source>"},
										{"host_play", cmd_play, "<uuid> <source>"},
										{"uuid_record", cmd_record, "<uuid> start|stop <path> [stereo]"},
										{"uuid_recv_dtmf", cmd_recv_dtmf, "<uuid> <digits>[@<ms>]"},
										{"uuid_transfer", cmd_transfer, "<uuid> <dest-exten> [<dialplan>] [<context>]"},
										{"uuid_exists", cmd_exists, "<uuid>"},
										{"uuid_dump", cmd_dump, "<uuid>"},
										{"uuid_buglist", cmd_buglist, "<uuid>"},
										{"execute", cmd_execute, "<uuid> <application> [<arguments>]"},
										{"reneg", cmd_reneg, "<uuid> <rate> <ptime> [<channels> [RAW|L16]]"},
										{NULL, NULL, NULL}};
