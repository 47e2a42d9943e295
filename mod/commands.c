/*
 * The API commands and dialplan applications: registered here, understood in Go.
 */
#include "shim.h"

#define STREAM_SYNTAX                                                                                                  \
	"<uuid> [name=<stream>] start <ws-url> <mono|mixed|stereo> [<rate>] [<metadata>] | stop [<text>] | send_text "     \
	"<text> | "                                                                                                        \
	"pause | resume | clear | pause_play | resume_play | graceful-shutdown [<text>] | stats"
#define MODULE_SYNTAX "status|list|version|reload [json]"
#define APP_SYNTAX "[name=<stream>] start <ws-url> <mono|mixed|stereo> [<rate>] [<metadata>] | stop [<text>] | ..."

#define RESULT_VARIABLE "audio_stream_result"

/* where Go could not be asked, or its answer not be kept */
#define NO_REPLY "-ERR out of memory or threads"

static switch_status_t stream_api(const char *cmd, switch_core_session_t *session, switch_stream_handle_t *stream)
{
	char *line = strdup(cmd ? cmd : ""), *uuid = line, *rest;
	as_text_t reply = {NULL, 0};

	(void)session;
	if (!line) return SWITCH_STATUS_FALSE;
	while (*uuid == ' ') uuid++;
	rest = uuid + strcspn(uuid, " ");
	if (*rest) *rest++ = '\0';
	as_call_command(uuid, rest, &reply);
	stream->write_function(stream, "%s", reply.ptr ? reply.ptr : NO_REPLY "\n");
	as_text_free(&reply);
	free(line);
	return SWITCH_STATUS_SUCCESS;
}

static switch_status_t module_api(const char *cmd, switch_core_session_t *session, switch_stream_handle_t *stream)
{
	char *line = strdup(cmd ? cmd : "");
	as_text_t reply = {NULL, 0};

	(void)session;
	if (!line) return SWITCH_STATUS_FALSE;
	as_call_module_command(line, &reply);
	stream->write_function(stream, "%s", reply.ptr ? reply.ptr : NO_REPLY "\n");
	as_text_free(&reply);
	free(line);
	return SWITCH_STATUS_SUCCESS;
}

static void run_application(switch_core_session_t *session, const char *verb, const char *data)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	const char *uuid = switch_core_session_get_uuid(session);
	size_t size = strlen(verb) + (data ? strlen(data) : 0) + 2;
	char *line = malloc(size), *own_uuid = strdup(uuid);
	as_text_t reply = {NULL, 0};

	if (line && own_uuid) {
		strcpy(line, verb);
		if (*verb && data && *data) strcat(line, " ");
		if (data) strcat(line, data);
		as_call_command(own_uuid, line, &reply);
	}
	if (reply.ptr) reply.ptr[strcspn(reply.ptr, "\r\n")] = '\0';
	switch_channel_set_variable(channel, RESULT_VARIABLE, reply.ptr ? reply.ptr : NO_REPLY);
	if (!reply.ptr) /* what Go refuses it logs */
		switch_log_printf(SWITCH_CHANNEL_UUID_LOG(uuid), SWITCH_LOG_ERROR, "audio_stream: %s\n", NO_REPLY);
	as_text_free(&reply);
	free(own_uuid);
	free(line);
}

static void stream_app(switch_core_session_t *session, const char *data)
{
	run_application(session, "", data);
}

static void stop_app(switch_core_session_t *session, const char *data)
{
	run_application(session, "stop", data);
}

static void add_api(switch_loadable_module_interface_t *module, const char *name, const char *desc,
					switch_api_function_t function, const char *syntax)
{
	switch_api_interface_t *api = switch_loadable_module_create_interface(module, SWITCH_API_INTERFACE);

	api->interface_name = name;
	api->desc = desc;
	api->function = function;
	api->syntax = syntax;
}

static void add_app(switch_loadable_module_interface_t *module, const char *name, const char *short_desc,
					const char *long_desc, switch_application_function_t function, const char *syntax)
{
	switch_application_interface_t *app = switch_loadable_module_create_interface(module, SWITCH_APPLICATION_INTERFACE);

	app->interface_name = name;
	app->application_function = function;
	app->short_desc = short_desc;
	app->long_desc = long_desc;
	app->syntax = syntax;
	app->flags = SAF_NONE;
}

/* Load thread, after Go was started. */
void as_commands_register(switch_loadable_module_interface_t *module)
{
	as_text_t lines = {NULL, 0};

	add_api(module, "uuid_audio_stream", "Stream a call's audio to a WebSocket server and play what it sends back",
			stream_api, STREAM_SYNTAX);
	add_api(module, "audio_stream", "Status, settings and version of mod_audio_stream", module_api, MODULE_SYNTAX);
	add_app(
		module, "audio_stream", "Stream the call's audio to a WebSocket server",
		"Stream the call's audio to a WebSocket server and play what it sends back. Takes what follows the uuid in the "
		"API command uuid_audio_stream. The reply is in the channel variable " RESULT_VARIABLE ".",
		stream_app, APP_SYNTAX);
	add_app(module, "audio_stream_stop", "Stop streaming the call's audio",
			"Send the text, if given, close the WebSocket and remove the media bug. The reply is in the channel "
			"variable " RESULT_VARIABLE ".",
			stop_app, "[<text>]");

	as_call_completions(&lines);
	for (char *line = lines.ptr, *end; line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		switch_console_set_complete(line);
	}
	as_text_free(&lines);
}

/* Unload thread. */
void as_commands_unregister(void)
{
	switch_console_set_complete("del uuid_audio_stream");
	switch_console_set_complete("del audio_stream");
}
