/*
 * Load, shutdown and the interface table of mod_audio_stream. Nothing else.
 */
#include "shim.h"

static const char *const EVENTS[] = {
	"mod_audio_stream::connect", "mod_audio_stream::disconnect", "mod_audio_stream::error",
	"mod_audio_stream::json",    "mod_audio_stream::play",       "mod_audio_stream::playback",
	"mod_audio_stream::mark",    "mod_audio_stream::reconnect",
};
#define EVENT_COUNT (sizeof(EVENTS) / sizeof(EVENTS[0]))

/* How long an unload waits for sockets to close and events to be fired, ms. */
#define STOP_DEADLINE_MS 3000

static void free_events(size_t count)
{
	for (size_t i = 0; i < count; i++) switch_event_free_subclass(EVENTS[i]);
}

static void complain(const char *what)
{
	switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR, "mod_audio_stream not loaded: %s\n", what);
}

static switch_status_t mod_audio_stream_load(switch_loadable_module_interface_t **module_interface,
											 switch_memory_pool_t *pool)
{
	as_doorbell_t *bell = as_doorbell();
	as_text_t config, why = {NULL, 0};
	const char *trouble = NULL;
	char other[256];
	size_t events;
	int status;

	/* Layouts are checked against 1.10 (make abi-check); another version may differ anywhere. */
	if (strcmp(switch_version_major(), "1") || strncmp(switch_version_minor(), "10", 2)) {
		complain("it was built for FreeSWITCH 1.10 and this is another version; build it against this one's headers");
		return SWITCH_STATUS_TERM;
	}
	if (!bell) {
		complain("no eventfd could be made (too many open files? raise ulimit -n)");
		return SWITCH_STATUS_TERM;
	}
	as_prefault();
	for (events = 0; events < EVENT_COUNT; events++) {
		if (switch_event_reserve_subclass(EVENTS[events]) == SWITCH_STATUS_SUCCESS) continue;
		complain("its event names are taken: is another mod_audio_stream loaded?");
		free_events(events);
		return SWITCH_STATUS_TERM;
	}
	if (!as_pacer_start()) {
		complain("no thread could be made");
		free_events(events);
		return SWITCH_STATUS_TERM;
	}
	if (!as_go_runtime_start(&trouble)) {
		complain(trouble);
		as_pacer_stop();
		free_events(events);
		return SWITCH_STATUS_TERM;
	}
	as_config_read(&config); /* absent: the defaults */
	status = as_call_start(bell, config.ptr, config.len, &why);
	as_text_free(&config);
	if (status != AS_OK) {
		complain(why.ptr ? why.ptr : "the Go side did not start");
		as_text_free(&why);
		as_pacer_stop();
		free_events(events);
		return SWITCH_STATUS_TERM;
	}

	if (as_go_neighbours(other, sizeof(other)))
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_WARNING,
						  "mod_audio_stream: there is another Go runtime in this process, of %s. They share its "
						  "signals, which Go does not support; load only one of them\n",
						  other);
	if (!as_break_watch())
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_WARNING,
						  "mod_audio_stream: API events cannot be had, so uuid_break does not clear playback\n");
	*module_interface = switch_loadable_module_create_module_interface(pool, "mod_audio_stream");
	as_commands_register(*module_interface);
	return SWITCH_STATUS_SUCCESS;
}

static switch_status_t mod_audio_stream_shutdown(void)
{
	int left;

	as_break_unwatch();
	left = as_call_stop(STOP_DEADLINE_MS); /* removes every bug, so no media callback follows */
	as_pacer_stop();
	as_commands_unregister();
	free_events(EVENT_COUNT);
	if (left)
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_WARNING, "mod_audio_stream: %d tasks did not end in time\n",
						  left);
	return SWITCH_STATUS_SUCCESS;
}

/* The one symbol this file exports; FreeSWITCH finds it by name. */
__attribute__((visibility("default"))) switch_loadable_module_function_table_t mod_audio_stream_module_interface = {
	SWITCH_API_VERSION, mod_audio_stream_load, mod_audio_stream_shutdown, NULL, 0};
