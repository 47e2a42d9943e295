/* What a module may do to a call besides media: digits out, transfer; and the host's own applications. */
#include "host.h"

switch_status_t switch_core_session_send_dtmf_string(switch_core_session_t *session, const char *dtmf_string)
{
	size_t used, sent = 0;

	session_check(session, __func__);
	if (!dtmf_string || !*dtmf_string || strlen(dtmf_string) > 99) return SWITCH_STATUS_FALSE;
	if (atomic_load(&session->channel.state) >= CS_HANGUP) return SWITCH_STATUS_FALSE;
	switch_channel_perform_pre_answer(&session->channel, HOST_HERE);
	pthread_mutex_lock(&session->hook_mutex);
	used = strlen(session->dtmf_sent);
	for (const char *p = dtmf_string; *p && *p != '@' && used + 1 < sizeof(session->dtmf_sent); p++) {
		if (!strchr("0123456789ABCDabcd*#wW", *p)) continue;
		session->dtmf_sent[used++] = *p;
		sent++;
	}
	pthread_mutex_unlock(&session->hook_mutex);
	host_log(SWITCH_LOG_DEBUG, session->uuid, "%s send dtmf %s", session->channel.name, dtmf_string);
	return sent ? SWITCH_STATUS_SUCCESS : SWITCH_STATUS_FALSE;
}

switch_status_t switch_ivr_session_transfer(switch_core_session_t *session, const char *extension, const char *dialplan,
											const char *context)
{
	session_check(session, __func__);
	if (!extension || !*extension) extension = "service"; /* as FreeSWITCH */
	if (!dialplan || !*dialplan) dialplan = "XML";
	if (!context || !*context) context = "default";
	host_log(SWITCH_LOG_NOTICE, session->uuid, "Transfer %s to %s[%s@%s]", session->channel.name, dialplan, extension,
			 context);
	switch_channel_set_variable_var_check(&session->channel, "host_transfer_extension", extension, SWITCH_FALSE);
	switch_channel_set_variable_var_check(&session->channel, "host_transfer_dialplan", dialplan, SWITCH_FALSE);
	switch_channel_set_variable_var_check(&session->channel, "host_transfer_context", context, SWITCH_FALSE);
	media_post(session, msg_new(MSG_TRANSFER, extension, dialplan, context));
	return SWITCH_STATUS_SUCCESS;
}

/* ---- applications of the host ---- */

static void app_set(switch_core_session_t *s, const char *arg)
{
	char *text = strdup(arg ? arg : ""), *eq = strchr(text, '=');

	if (eq) {
		*eq++ = '\0';
		switch_channel_set_variable_var_check(&s->channel, text, eq, SWITCH_TRUE);
	}
	free(text);
}

bool host_app(switch_core_session_t *s, const char *app, const char *arg)
{
	char why[512];

	if (strcmp(app, "answer") == 0) {
		switch_channel_perform_answer(&s->channel, HOST_HERE);
	} else if (strcmp(app, "pre_answer") == 0) {
		switch_channel_perform_pre_answer(&s->channel, HOST_HERE);
	} else if (strcmp(app, "hangup") == 0) {
		switch_channel_perform_hangup(&s->channel, HOST_HERE, switch_channel_str2cause(arg));
	} else if (strcmp(app, "set") == 0) {
		app_set(s, arg);
	} else if (strcmp(app, "park") == 0) {
		room_leave(s);
		media_set_writer(s, NULL, NULL, 0);
	} else if (strcmp(app, "conference") == 0) {
		if (!room_join(s, arg ? arg : "", why, sizeof(why))) host_log(SWITCH_LOG_ERROR, s->uuid, "conference: %s", why);
	} else if (strcmp(app, "record_session") == 0) {
		if (!arg || !record_start(s, arg, record_in_stereo(s), why, sizeof(why)))
			host_log(SWITCH_LOG_ERROR, s->uuid, "record_session: %s", arg ? why : "no file");
	} else if (strcmp(app, "stop_record_session") == 0) {
		if (!arg || !record_stop(s, arg)) host_log(SWITCH_LOG_ERROR, s->uuid, "stop_record_session: nothing to stop");
	} else if (strcmp(app, "playback") == 0) {
		if (!arg || !media_set_writer(s, arg, why, sizeof(why)))
			host_log(SWITCH_LOG_ERROR, s->uuid, "playback: %s", arg ? why : "no file");
	} else {
		return false;
	}
	return true;
}
