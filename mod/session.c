/*
 * What Go asks of a channel: read and set variables, fire events, hang up, transfer, send digits. Each function locates
 * the session, acts, and unlocks it at its one exit.
 */
#include "shim.h"

as_status_t as_channel_variables(const char *uuid, const char *names, uint32_t count, as_text_t *out)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);
	switch_channel_t *channel;
	as_status_t status = AS_OK;
	size_t room = 256, len = 0;
	char *text;

	memset(out, 0, sizeof(*out));
	if (!session) return AS_GONE;
	channel = switch_core_session_get_channel(session);
	text = malloc(room);
	for (uint32_t i = 0; text && i < count; i++, names += strlen(names) + 1) {
		const char *value = switch_channel_get_variable(channel, names);
		size_t n = value ? strlen(value) : 0;

		if (len + n + 2 > room) {
			char *grown = realloc(text, room = (len + n + 2) * 2);

			if (!grown) {
				free(text);
				text = NULL;
				break;
			}
			text = grown;
		}
		text[len++] = value ? 1 : 0;
		memcpy(text + len, value ? value : "", n + 1);
		len += n + 1;
	}
	if (text) {
		out->ptr = text;
		out->len = len;
	} else {
		status = AS_NO_MEMORY;
	}
	switch_core_session_rwunlock(session);
	return status;
}

as_status_t as_channel_set(const char *uuid, const char *name, const char *value)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);

	if (!session) return AS_GONE;
	switch_channel_set_variable(switch_core_session_get_channel(session), name, value);
	switch_core_session_rwunlock(session);
	return AS_OK;
}

as_status_t as_event_fire(const char *uuid, const char *stream, const char *subclass, const char *body)
{
	/* Forced: a session that was hung up but not destroyed yet is found too, so that the last event of its streams is
	 * heard. A plain locate finds nothing from the hang-up on. */
	switch_core_session_t *session = switch_core_session_force_locate(uuid);
	switch_event_t *event = NULL;
	as_status_t status = AS_NO_MEMORY;

	if (!session) return AS_GONE;
	if (switch_event_create_subclass(&event, SWITCH_EVENT_CUSTOM, subclass) == SWITCH_STATUS_SUCCESS) {
		switch_channel_event_set_data(switch_core_session_get_channel(session), event);
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Stream-Name", stream);
		switch_event_set_body(event, body);
		switch_event_fire(&event);
		status = AS_OK;
	}
	switch_core_session_rwunlock(session);
	return status;
}

as_status_t as_channel_hangup(const char *uuid, const char *cause)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);

	if (!session) return AS_GONE;
	switch_channel_hangup(switch_core_session_get_channel(session),
						  cause && *cause ? switch_channel_str2cause(cause) : SWITCH_CAUSE_NORMAL_CLEARING);
	switch_core_session_rwunlock(session);
	return AS_OK;
}

as_status_t as_channel_transfer(const char *uuid, const char *extension, const char *dialplan, const char *context)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);
	as_status_t status;

	if (!session) return AS_GONE;
	status = switch_ivr_session_transfer(session, extension, dialplan, context) == SWITCH_STATUS_SUCCESS ? AS_OK
																										 : AS_REFUSED;
	switch_core_session_rwunlock(session);
	return status;
}

as_status_t as_channel_send_dtmf(const char *uuid, const char *digits)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);
	as_status_t status;

	if (!session) return AS_GONE;
	status = switch_core_session_send_dtmf_string(session, digits) == SWITCH_STATUS_SUCCESS ? AS_OK : AS_REFUSED;
	switch_core_session_rwunlock(session);
	return status;
}
