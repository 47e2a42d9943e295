/* What the two files of the selftest module share. */
#ifndef FSHOST_SELFTEST_H
#define FSHOST_SELFTEST_H

#define _GNU_SOURCE 1

#include <stdatomic.h>
#include <stdio.h>

#include "freeswitch_abi.h"

#define ST_EVENT "mod_selftest::event"

typedef struct st_stream {
	switch_media_bug_t *bug;
	FILE *dump;
	int mix, value, sleep_us, prune, refuse, remove_inside, forever;
	_Atomic uint64_t frames, bytes, replaced;
	_Atomic uint32_t rate, channels;
} st_stream_t;

extern int st_keep_subclass, st_keep_binding;
extern switch_event_node_t *st_node;

switch_status_t st_bind(switch_event_callback_t callback);

switch_bool_t st_on_bug(switch_media_bug_t *bug, void *user_data, switch_abc_type_t type);
switch_status_t st_attach(switch_core_session_t *session, const char *how);
switch_status_t st_fire(switch_core_session_t *session, const char *body);
switch_status_t st_api_bad(const char *cmd, switch_core_session_t *session, switch_stream_handle_t *stream);

#endif
