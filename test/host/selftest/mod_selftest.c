/*
 * A module that exercises the stand-in host: uses every function once as it should be (`selftest`) and breaks every
 * strict rule on purpose (bad.c, `selftest_bad`). It is the host's own test and knows nothing of audio streaming.
 */
#include "selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static switch_status_t st_load(switch_loadable_module_interface_t **module_interface, switch_memory_pool_t *pool);
static switch_status_t st_shutdown(void);

switch_loadable_module_function_table_t mod_selftest_module_interface = {SWITCH_API_VERSION, st_load, st_shutdown, NULL,
																		 0};

_Atomic int st_closes, st_inits, st_digits;

/* ---- the media bug ---- */

static void put_samples(st_stream_t *st, const switch_frame_t *frame)
{
	if (st->dump) fwrite(frame->data, 1, frame->datalen, st->dump);
	atomic_fetch_add(&st->frames, 1);
	atomic_store(&st->bytes, frame->datalen);
	atomic_store(&st->rate, frame->rate);
	atomic_store(&st->channels, frame->channels);
}

static switch_bool_t on_read(st_stream_t *st, switch_media_bug_t *bug)
{
	uint8_t data[SWITCH_RECOMMENDED_BUFFER_SIZE * 2];
	switch_frame_t frame = {.data = data, .buflen = sizeof(data)};

	if (st->sleep_us) usleep((useconds_t)st->sleep_us);
	/* fill off gives a frame of 0xFF for ever when nothing is there; on gives none */
	for (switch_bool_t fill = SWITCH_FALSE;
		 st->forever || switch_core_media_bug_read(bug, &frame, fill) == SWITCH_STATUS_SUCCESS; fill = SWITCH_TRUE) {
		if (st->forever) switch_core_media_bug_read(bug, &frame, SWITCH_FALSE);
		put_samples(st, &frame);
	}
	if (st->prune) return SWITCH_FALSE;
	if (st->remove_inside) switch_core_media_bug_remove(switch_core_media_bug_get_session(bug), &st->bug);
	return SWITCH_TRUE;
}

static switch_bool_t on_replace(st_stream_t *st, switch_media_bug_t *bug)
{
	switch_frame_t *frame = switch_core_media_bug_get_write_replace_frame(bug);
	int16_t *d = frame->data;

	for (uint32_t i = 0; i < frame->datalen / 2; i++) d[i] = (int16_t)(st->mix ? d[i] + st->value : st->value);
	switch_core_media_bug_set_write_replace_frame(bug, frame);
	atomic_fetch_add(&st->replaced, 1);
	return SWITCH_TRUE;
}

switch_bool_t st_on_bug(switch_media_bug_t *bug, void *user_data, switch_abc_type_t type)
{
	st_stream_t *st = user_data;

	switch (type) {
	case SWITCH_ABC_TYPE_INIT:
		atomic_fetch_add(&st_inits, 1);
		return st->refuse ? SWITCH_FALSE : SWITCH_TRUE;
	case SWITCH_ABC_TYPE_READ:
		return on_read(st, bug);
	case SWITCH_ABC_TYPE_WRITE_REPLACE:
		return on_replace(st, bug);
	case SWITCH_ABC_TYPE_CLOSE:
		atomic_fetch_add(&st_closes, 1);
		if (st->dump) fclose(st->dump);
		st->dump = NULL;
		return SWITCH_TRUE;
	default:
		return SWITCH_TRUE;
	}
}

/* "r" read, "w" write stream, "s" stereo, "m<value>" mix, "x<value>" replace, "f" first, "n" no pause, "p" prune,
 * "R" refuse at INIT, "z<us>" sleep in READ, "i" remove inside the callback, "e" read for ever; ">path" dump */
static uint32_t parse_flags(st_stream_t *st, const char *p)
{
	uint32_t flags = 0;

	for (; *p && *p != '>'; p++) {
		switch (*p) {
		case 'r':
			flags |= SMBF_READ_STREAM;
			break;
		case 'w':
			flags |= SMBF_WRITE_STREAM;
			break;
		case 's':
			flags |= SMBF_STEREO;
			break;
		case 'f':
			flags |= SMBF_FIRST;
			break;
		case 'n':
			flags |= SMBF_NO_PAUSE;
			break;
		case 'm':
		case 'x':
			flags |= SMBF_WRITE_REPLACE;
			st->mix = *p == 'm';
			st->value = atoi(p + 1);
			break;
		case 'z':
			st->sleep_us = atoi(p + 1);
			break;
		case 'p':
			st->prune = 1;
			break;
		case 'R':
			st->refuse = 1;
			break;
		case 'e':
			st->forever = 1;
			break;
		case 'i':
			st->remove_inside = 1;
			break;
		default:
			break;
		}
	}
	if (*p == '>') st->dump = fopen(p + 1, "wb");
	return flags;
}

switch_status_t st_attach(switch_core_session_t *session, const char *how)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	st_stream_t *st = switch_core_session_alloc(session, sizeof(*st));
	switch_status_t status;
	FILE *dump;

	uint32_t flags = parse_flags(st, how);
	dump = st->dump;
	status = switch_core_media_bug_add(session, "selftest", how, st_on_bug, st, 0, flags, &st->bug);
	if (status == SWITCH_STATUS_SUCCESS) {
		switch_channel_set_private(channel, "selftest", st);
	} else if (dump) {
		fclose(dump);
	}
	return status;
}

static st_stream_t *stream_of(switch_core_session_t *session)
{
	return switch_channel_get_private(switch_core_session_get_channel(session), "selftest");
}

/* ---- writing from outside ---- */

/* n frames of silence at the channel's ptime, or at another one */
static void pace(const char *uuid, int n, int ms, uint32_t rate)
{
	switch_codec_implementation_t impl;
	switch_codec_t codec = {0};
	int16_t silence[SWITCH_RECOMMENDED_BUFFER_SIZE / 2] = {0};

	for (int i = 0; i < n; i++) {
		switch_core_session_t *session = switch_core_session_locate(uuid);

		if (!session) break;
		if (i == 0) {
			switch_core_session_get_write_impl(session, &impl);
			if (!ms) ms = impl.microseconds_per_packet / 1000;
			if (!rate) rate = impl.actual_samples_per_second;
			switch_core_codec_init(&codec, "L16", NULL, NULL, rate, ms, 1, SWITCH_CODEC_FLAG_ENCODE, NULL, NULL);
		}
		switch_frame_t frame = {.codec = &codec, .data = silence, .buflen = sizeof(silence), .rate = rate};
		frame.datalen = codec.implementation->decoded_bytes_per_packet;
		frame.samples = codec.implementation->samples_per_packet;
		frame.channels = 1;
		switch_core_session_write_frame(session, &frame, SWITCH_IO_FLAG_NONE, 0);
		switch_core_session_rwunlock(session);
		usleep((useconds_t)ms * 1000);
	}
	if (codec.implementation) switch_core_codec_destroy(&codec);
}

/* n frames without a pause, all with one timestamp */
static void burst(switch_core_session_t *session, int n, uint32_t timestamp)
{
	switch_codec_implementation_t impl;
	switch_codec_t codec = {0};
	int16_t samples[SWITCH_RECOMMENDED_BUFFER_SIZE / 2] = {0};

	switch_core_session_get_write_impl(session, &impl);
	switch_core_codec_init(&codec, "L16", NULL, NULL, impl.actual_samples_per_second,
						   impl.microseconds_per_packet / 1000, 1, SWITCH_CODEC_FLAG_ENCODE, NULL, NULL);
	for (int i = 0; i < n; i++) {
		switch_frame_t frame = {.codec = &codec, .data = samples, .buflen = sizeof(samples), .timestamp = timestamp};

		frame.datalen = codec.implementation->decoded_bytes_per_packet;
		frame.samples = codec.implementation->samples_per_packet;
		frame.rate = impl.actual_samples_per_second;
		frame.channels = 1;
		switch_core_session_write_frame(session, &frame, SWITCH_IO_FLAG_NONE, 0);
	}
	switch_core_codec_destroy(&codec);
}

/* ---- events of the switch ---- */

switch_event_node_t *st_node;
static _Atomic int api_events;
static char last_api[256];

static void on_api_event(switch_event_t *event)
{
	const char *command = switch_event_get_header_idx(event, "API-Command", -1);
	const char *argument = switch_event_get_header_idx(event, "api-command-argument", -1); /* in any case */

	if (!command || strcmp(command, "selftest") == 0) return; /* asking for them is not counted */
	snprintf(last_api, sizeof(last_api), "%s|%s", command, argument ? argument : "none");
	atomic_fetch_add(&api_events, 1);
}

switch_status_t st_bind(switch_event_callback_t callback)
{
	return switch_event_bind_removable("mod_selftest", SWITCH_EVENT_API, NULL, callback, NULL, &st_node);
}

switch_status_t st_fire(switch_core_session_t *session, const char *body)
{
	switch_event_t *event = NULL;

	switch_event_create_subclass(&event, SWITCH_EVENT_CUSTOM, ST_EVENT);
	switch_channel_event_set_data(switch_core_session_get_channel(session), event);
	switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Stream-Name", "a name: with 100% trouble");
	switch_event_set_body(event, body);
	return switch_event_fire(&event);
}

static switch_status_t on_dtmf(switch_core_session_t *session, const switch_dtmf_t *dtmf, switch_dtmf_direction_t dir)
{
	char v[32];

	if (dir != SWITCH_DTMF_RECV) return SWITCH_STATUS_SUCCESS;
	atomic_fetch_add(&st_digits, 1);
	snprintf(v, sizeof(v), "%c/%u", dtmf->digit, dtmf->duration);
	switch_channel_set_variable(switch_core_session_get_channel(session), "selftest_digit", v);
	return SWITCH_STATUS_SUCCESS;
}

/* ---- the API ---- */

static void show_config(switch_stream_handle_t *stream)
{
	switch_xml_t cfg, xml = switch_xml_open_cfg("audio_stream.conf", &cfg, NULL), p;

	if (!xml) {
		stream->write_function(stream, "absent\n");
		return;
	}
	for (p = switch_xml_child(switch_xml_child(cfg, "settings"), "param"); p; p = p->next)
		stream->write_function(stream, "%s=%s\n", switch_xml_attr(p, "name"), switch_xml_attr(p, "value"));
	switch_xml_free(xml);
}

static void resample_once(switch_stream_handle_t *stream)
{
	switch_audio_resampler_t *r = NULL;
	int16_t in[160] = {0};
	uint32_t total = 0;

	switch_resample_create(&r, 8000, 16000, 160, SWITCH_RESAMPLE_QUALITY, 1);
	for (int i = 0; i < 10; i++) total += switch_resample_process(r, in, 160);
	stream->write_function(stream, "%u\n", total);
	switch_resample_destroy(&r);
}

static void with_session(switch_core_session_t *session, char *what, char *arg, switch_stream_handle_t *stream)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	st_stream_t *st = stream_of(session);

	if (strcmp(what, "attach") == 0) {
		stream->write_function(stream, st_attach(session, arg ? arg : "r") == SWITCH_STATUS_SUCCESS ? "+OK\n"
																									: "-ERR attach\n");
	} else if (strcmp(what, "detach") == 0 && st) {
		switch_status_t status = switch_core_media_bug_remove(session, &st->bug);

		stream->write_function(stream, status == SWITCH_STATUS_SUCCESS ? "+OK\n" : "-ERR gone\n");
	} else if (strcmp(what, "count") == 0 && st) {
		switch_size_t rd = 0, wr = 0;

		if (!arg) switch_core_media_bug_inuse(st->bug, &rd, &wr);
		stream->write_function(stream, "frames=%llu bytes=%llu rate=%u channels=%u replaced=%llu inuse=%zu/%zu\n",
							   (unsigned long long)atomic_load(&st->frames),
							   (unsigned long long)atomic_load(&st->bytes), (unsigned)atomic_load(&st->rate),
							   (unsigned)atomic_load(&st->channels), (unsigned long long)atomic_load(&st->replaced),
							   (size_t)rd, (size_t)wr);
	} else if (strcmp(what, "burst") == 0) {
		int n = 0;
		unsigned timestamp = 0;

		sscanf(arg ? arg : "", "%d %u", &n, &timestamp);
		burst(session, n, timestamp);
		stream->write_function(stream, "+OK\n");
	} else if (strcmp(what, "partner") == 0) {
		const char *other = switch_channel_get_partner_uuid(channel);

		stream->write_function(stream, "%s\n", other ? other : "none");
	} else if (strcmp(what, "fire") == 0) {
		st_fire(session, arg ? arg : "");
		stream->write_function(stream, "+OK\n");
	} else if (strcmp(what, "hook") == 0) {
		stream->write_function(stream, "%d\n", switch_core_event_hook_add_recv_dtmf(session, on_dtmf));
	} else if (strcmp(what, "ready") == 0) {
		stream->write_function(stream, "%d %d %u\n", switch_channel_media_ready(channel),
							   (int)switch_channel_get_state(channel),
							   switch_channel_test_flag(channel, CF_PROXY_MODE));
	} else if (strcmp(what, "dtmf") == 0) {
		switch_core_session_send_dtmf_string(session, arg);
		stream->write_function(stream, "+OK\n");
	} else {
		stream->write_function(stream, "-ERR %s\n", what);
	}
}

static switch_status_t api_selftest(const char *cmd, switch_core_session_t *session, switch_stream_handle_t *stream)
{
	char *text = strdup(cmd ? cmd : ""), *save = NULL, *uuid, *what, *arg;
	switch_core_session_t *s;

	(void)session;
	uuid = strtok_r(text, " ", &save);
	what = strtok_r(NULL, " ", &save);
	arg = save && *save ? save : NULL;
	if (uuid && strcmp(uuid, "config") == 0) {
		show_config(stream);
	} else if (uuid && strcmp(uuid, "resample") == 0) {
		resample_once(stream);
	} else if (uuid && strcmp(uuid, "bind") == 0) {
		stream->write_function(stream, st_bind(on_api_event) == SWITCH_STATUS_SUCCESS ? "+OK\n" : "-ERR\n");
	} else if (uuid && strcmp(uuid, "unbind") == 0) {
		stream->write_function(stream, switch_event_unbind(&st_node) == SWITCH_STATUS_SUCCESS ? "+OK\n" : "-ERR\n");
	} else if (uuid && strcmp(uuid, "events") == 0) {
		int n = atomic_load(&api_events);

		stream->write_function(stream, "%d %s\n", n, n ? last_api : "");
	} else if (uuid && strcmp(uuid, "counts") == 0) {
		stream->write_function(stream, "inits=%d closes=%d digits=%d\n", atomic_load(&st_inits),
							   atomic_load(&st_closes), atomic_load(&st_digits));
	} else if (uuid && strcmp(uuid, "sleep") == 0) {
		usleep((useconds_t)atoi(what ? what : "0") * 1000);
		stream->write_function(stream, "+OK slept\n");
	} else if (what && strcmp(what, "pace") == 0) {
		int n = 0, ms = 0;
		unsigned rate = 0;

		sscanf(arg ? arg : "", "%d %d %u", &n, &ms, &rate);
		pace(uuid, n, ms, rate);
		stream->write_function(stream, "+OK\n");
	} else if (!uuid || !what) {
		stream->write_function(stream, "-USAGE\n");
	} else if (!(s = switch_core_session_locate(uuid))) {
		stream->write_function(stream, "-ERR no session\n");
	} else {
		with_session(s, what, arg, stream);
		switch_core_session_rwunlock(s);
	}
	free(text);
	return SWITCH_STATUS_SUCCESS;
}

static void app_selftest(switch_core_session_t *session, const char *data)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	char v[512];

	switch_channel_pre_answer(channel);
	snprintf(v, sizeof(v), "ran with %s in %s", data ? data : "nothing", switch_core_session_get_uuid(session));
	switch_channel_set_variable(channel, "selftest_result", v);
	switch_log_printf(SWITCH_CHANNEL_UUID_LOG(switch_core_session_get_uuid(session)), SWITCH_LOG_INFO, "%s\n", v);
}

/* ---- load and shutdown ---- */

static switch_status_t st_load(switch_loadable_module_interface_t **module_interface, switch_memory_pool_t *pool)
{
	switch_api_interface_t *api;
	switch_application_interface_t *app;

	if (strcmp(switch_version_major(), "1") != 0 || strcmp(switch_version_minor(), "10") != 0)
		return SWITCH_STATUS_FALSE;
	if (switch_event_reserve_subclass(ST_EVENT) != SWITCH_STATUS_SUCCESS) return SWITCH_STATUS_FALSE;
	*module_interface = switch_loadable_module_create_module_interface(pool, "mod_selftest");
	api = switch_loadable_module_create_interface(*module_interface, SWITCH_API_INTERFACE);
	api->interface_name = "selftest";
	api->desc = "uses the host";
	api->syntax = "<uuid> <what>";
	api->function = api_selftest;
	api = switch_loadable_module_create_interface(*module_interface, SWITCH_API_INTERFACE);
	api->interface_name = "selftest_bad";
	api->desc = "breaks a rule of the host";
	api->syntax = "<rule> [<uuid>]";
	api->function = st_api_bad;
	app = switch_loadable_module_create_interface(*module_interface, SWITCH_APPLICATION_INTERFACE);
	app->interface_name = "selftest";
	app->short_desc = "sets selftest_result";
	app->syntax = "<text>";
	app->application_function = app_selftest;
	switch_console_set_complete("add selftest config");
	switch_console_set_complete("add selftest ::console::list_uuid attach");
	switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_NOTICE, "selftest on %s in %s\n", switch_version_full(),
					  SWITCH_GLOBAL_dirs.temp_dir);
	return SWITCH_STATUS_SUCCESS;
}

static switch_status_t st_shutdown(void)
{
	switch_console_set_complete("del selftest");
	if (!st_keep_subclass) switch_event_free_subclass(ST_EVENT);
	if (!st_keep_binding && st_node) switch_event_unbind(&st_node);
	return SWITCH_STATUS_SUCCESS;
}
