/* Every strict rule of the host, broken on purpose, one per name. */
#include "selftest.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int st_keep_subclass, st_keep_binding;

static switch_core_session_t *kept_session;
static switch_media_bug_t *kept_bug;
static switch_codec_t kept_codec;

static void *touch(void *arg)
{
	switch_core_session_get_uuid(arg);
	return NULL;
}

static void *write_unlocated(void *arg)
{
	int16_t silence[160] = {0};
	switch_frame_t frame = {.codec = &kept_codec, .data = silence, .datalen = 320, .buflen = 320};

	switch_core_session_write_frame(arg, &frame, SWITCH_IO_FLAG_NONE, 0);
	return NULL;
}

static void *unlock_elsewhere(void *arg)
{
	switch_core_session_rwunlock(arg);
	return NULL;
}

static void *linger(void *arg)
{
	(void)arg;
	for (;;) pause();
	return NULL;
}

static void in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, fn, arg);
	pthread_join(t, NULL);
}

static void codec(switch_codec_t *c)
{
	switch_core_codec_init(c, "L16", NULL, NULL, 8000, 20, 1, SWITCH_CODEC_FLAG_ENCODE, NULL, NULL);
}

static switch_event_t *event(const char *subclass)
{
	switch_event_t *e = NULL;

	switch_event_create_subclass(&e, SWITCH_EVENT_CUSTOM, subclass);
	return e;
}

static void ignore_event(switch_event_t *e)
{
	(void)e;
}

static void unbind_inside(switch_event_t *e)
{
	(void)e;
	switch_event_unbind(&st_node);
}

/* Rules that need no call. Returns 0 when the name is not one of them. */
static int without_call(const char *rule)
{
	switch_event_t *e, *copy;
	switch_audio_resampler_t *r = NULL, *gone;
	switch_xml_t cfg, xml;
	static switch_codec_t c;
	int16_t samples[160] = {0};

	if (strcmp(rule, "binding_left") == 0) {
		st_keep_binding = 1;
		st_bind(ignore_event);
	} else if (strcmp(rule, "unbind_inside") == 0) {
		st_bind(unbind_inside); /* this command's own event is the first it gets */
	} else if (strcmp(rule, "unbind_stranger") == 0) {
		switch_event_node_t *node = (switch_event_node_t *)(void *)&samples;

		switch_event_unbind(&node);
	} else if (strcmp(rule, "event_leak") == 0) {
		event(ST_EVENT);
	} else if (strcmp(rule, "event_twice") == 0) {
		copy = e = event(ST_EVENT);
		switch_event_fire(&e);
		switch_event_destroy(&copy);
	} else if (strcmp(rule, "event_fire_null") == 0) {
		e = event(ST_EVENT);
		switch_event_fire(&e);
		switch_event_fire(&e);
	} else if (strcmp(rule, "event_unreserved") == 0) {
		e = event("mod_selftest::other");
		switch_event_fire(&e);
	} else if (strcmp(rule, "subclass_twice") == 0) {
		switch_event_reserve_subclass(ST_EVENT);
	} else if (strcmp(rule, "subclass_unreserved") == 0) {
		switch_event_free_subclass("mod_selftest::other");
	} else if (strcmp(rule, "subclass_left") == 0) {
		st_keep_subclass = 1;
	} else if (strcmp(rule, "codec_leak") == 0) {
		codec(&c);
	} else if (strcmp(rule, "codec_twice") == 0) {
		codec(&c);
		switch_core_codec_destroy(&c);
		switch_core_codec_destroy(&c);
	} else if (strcmp(rule, "codec_init_twice") == 0) {
		codec(&c);
		codec(&c);
	} else if (strcmp(rule, "resampler_leak") == 0) {
		switch_resample_create(&r, 8000, 16000, 160, SWITCH_RESAMPLE_QUALITY, 1);
	} else if (strcmp(rule, "resampler_late") == 0) {
		switch_resample_create(&r, 8000, 16000, 160, SWITCH_RESAMPLE_QUALITY, 1);
		gone = r;
		switch_resample_destroy(&r);
		switch_resample_process(gone, samples, 160);
	} else if (strcmp(rule, "xml_leak") == 0) {
		switch_xml_open_cfg("audio_stream.conf", &cfg, NULL);
	} else if (strcmp(rule, "xml_twice") == 0) {
		xml = switch_xml_open_cfg("audio_stream.conf", &cfg, NULL);
		switch_xml_free(xml);
		switch_xml_free(xml);
	} else if (strcmp(rule, "null_session") == 0) {
		switch_core_session_get_channel(NULL);
	} else if (strcmp(rule, "realtime_thread") == 0) {
		pthread_t t;

		pthread_create(&t, NULL, linger, NULL); /* inherits the host's SCHED_FIFO */
		pthread_detach(t);
	} else {
		return 0;
	}
	return 1;
}

static void with_call(const char *rule, switch_core_session_t *session)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	st_stream_t *st = switch_channel_get_private(channel, "selftest");
	switch_frame_t frame = {0};
	uint8_t small[320];

	frame.data = small;
	frame.buflen = sizeof(small);
	if (strcmp(rule, "unlock_twice") == 0) {
		switch_core_session_rwunlock(session);
		switch_core_session_rwunlock(session);
	} else if (strcmp(rule, "unlock_elsewhere") == 0) {
		in_thread(unlock_elsewhere, session);
	} else if (strcmp(rule, "unlocated_use") == 0) {
		in_thread(touch, session);
	} else if (strcmp(rule, "write_unlocated") == 0) {
		codec(&kept_codec);
		in_thread(write_unlocated, session);
	} else if (strcmp(rule, "write_dead_codec") == 0) {
		codec(&kept_codec);
		switch_core_codec_destroy(&kept_codec);
		frame.codec = &kept_codec;
		switch_core_session_write_frame(session, &frame, SWITCH_IO_FLAG_NONE, 0);
	} else if (strcmp(rule, "keep_lock") == 0) {
		switch_core_session_locate(switch_core_session_get_uuid(session));
	} else if (strcmp(rule, "keep_session") == 0) {
		kept_session = session;
	} else if (strcmp(rule, "keep_bug") == 0) {
		st_attach(session, "r");
		st = switch_channel_get_private(channel, "selftest");
		kept_bug = st->bug;
	} else if (strcmp(rule, "bug_after_close") == 0) {
		st_attach(session, "r");
		st = switch_channel_get_private(channel, "selftest");
		kept_bug = st->bug;
		switch_core_media_bug_remove(session, &st->bug);
		switch_core_media_bug_read(kept_bug, &frame, SWITCH_FALSE);
	} else if (strcmp(rule, "replace_outside") == 0) {
		st_attach(session, "x1");
		st = switch_channel_get_private(channel, "selftest");
		switch_core_media_bug_get_write_replace_frame(st->bug);
	} else if (strcmp(rule, "small_stereo") == 0) {
		st_attach(session, "ws"); /* nothing is ever read from the write side */
		st = switch_channel_get_private(channel, "selftest");
		switch_core_media_bug_read(st->bug, &frame, SWITCH_FALSE);
	} else if (strcmp(rule, "endless_read") == 0) {
		st_attach(session, "re");
		usleep(200000);
	} else if (strcmp(rule, "remove_late") == 0) {
		st_attach(session, "r");
		st = switch_channel_get_private(channel, "selftest");
		switch_channel_hangup(channel, SWITCH_CAUSE_NORMAL_CLEARING);
		usleep(200000); /* ten of the call's frames */
		switch_core_media_bug_remove(session, &st->bug);
	} else if (strcmp(rule, "remove_inside") == 0) {
		st_attach(session, "ri");
		usleep(200000);
	}
}

switch_status_t st_api_bad(const char *cmd, switch_core_session_t *session, switch_stream_handle_t *stream)
{
	char rule[64] = "", uuid[64] = "";
	switch_core_session_t *s;

	(void)session;
	sscanf(cmd ? cmd : "", "%63s %63s", rule, uuid);
	if (strcmp(rule, "late_session") == 0) {
		switch_core_session_get_uuid(kept_session);
	} else if (strcmp(rule, "late_bug") == 0) {
		switch_core_media_bug_get_session(kept_bug);
	} else if (!without_call(rule)) {
		s = switch_core_session_locate(uuid);
		if (!s) {
			stream->write_function(stream, "-ERR no session\n");
			return SWITCH_STATUS_SUCCESS;
		}
		with_call(rule, s);
		switch_core_session_rwunlock(s);
	}
	stream->write_function(stream, "+OK\n");
	return SWITCH_STATUS_SUCCESS;
}
