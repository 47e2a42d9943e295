/*
 * uuid_break: what is queued for playback is dropped, as what FreeSWITCH itself plays is.
 *
 * FreeSWITCH only raises a flag on the channel, which whatever application plays there takes down again, and nobody on
 * a parked channel; so the flag says neither when nor how often. The command itself is announced as an API event, once
 * it has been carried out.
 */
#include <strings.h>

#include "shim.h"

static switch_event_node_t *node;

/* The other leg, which `uuid_break <uuid> both` breaks too. NULL: none; else the caller frees it. */
static char *partner(const char *uuid)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);
	const char *other;
	char *copy = NULL;

	if (!session) return NULL;
	if ((other = switch_channel_get_partner_uuid(switch_core_session_get_channel(session)))) copy = strdup(other);
	switch_core_session_rwunlock(session);
	return copy;
}

/* One of FreeSWITCH's event threads. */
static void on_api(switch_event_t *event)
{
	const char *command = switch_event_get_header_idx(event, "API-Command", -1);
	const char *argument = switch_event_get_header_idx(event, "API-Command-Argument", -1);
	char *uuid, *flags, *other = NULL;

	if (!command || !argument || strcasecmp(command, "uuid_break")) return;
	if (!(uuid = strdup(argument))) return;
	flags = uuid + strcspn(uuid, " ");
	if (*flags) *flags++ = '\0';
	if (strstr(flags, "both")) other = partner(uuid);
	as_call_break(uuid);
	if (other) as_call_break(other);
	free(other);
	free(uuid);
}

/* Load thread. */
bool as_break_watch(void)
{
	return switch_event_bind_removable("mod_audio_stream", SWITCH_EVENT_API, NULL, on_api, NULL, &node) ==
		   SWITCH_STATUS_SUCCESS;
}

/* Unload thread. No event is being handled after the return. */
void as_break_unwatch(void)
{
	if (node) switch_event_unbind(&node);
}
