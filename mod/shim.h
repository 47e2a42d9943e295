/*
 * What the files of the shim share with each other. What they share with Go is include/audio_stream.h.
 */
#ifndef AS_SHIM_H
#define AS_SHIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs.h"

#include "audio_stream.h"

/* The name of our bugs, in `uuid_buglist` and in MEDIA_BUG events; the same as the modules of this name always used. */
#define AS_BUG_NAME "audio_stream"

/* One stream's media as the shim sees it; the part that Go sees is in front. */
typedef struct as_stream {
	as_media_t media;
	_Atomic uint32_t refs; /* bug, Go, pacer; each drops its own with as_stream_unref */
	size_t mapped;         /* bytes that the stream and all that belongs to it take (streams.c) */
	char *uuid;
	switch_media_bug_t *bug; /* valid while the session is located and media.closed is 0 */
	uint32_t legs;

	/* media threads only; each is under one of FreeSWITCH's own locks there */
	as_playout_t *callee;       /* what others write to the channel, from WRITE_REPLACE to READ; NULL with one leg */
	_Atomic uint32_t read_rate; /* Hz of the caller's leg, as READ last saw it */
	bool callee_on;             /* READ: the callee's samples are being taken */
	uint32_t callee_wait;       /* READ: callbacks that some have waited */
	switch_frame_t out;         /* WRITE_REPLACE: the frame handed on, with our copy of the samples */
	int16_t *out_samples;       /* WRITE_REPLACE: SWITCH_RECOMMENDED_BUFFER_SIZE bytes; NULL without playback */

	/* pacer thread only (mod/pacer.c) */
	struct as_stream *pacer_next;
	int64_t pacer_due_ns;    /* 0: not pacing */
	uint32_t pacer_ptime_us; /* of the channel, as last written to; 0: not yet */
	uint32_t pacer_ts;       /* RTP timestamp of the last frame written, 0: none */
} as_stream_t;

static inline uint64_t as_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* vDSO: no system call */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* streams.c: the slots that ids point to */
as_stream_t *as_stream_new(const char *uuid, uint32_t capture_bytes, uint32_t callee_samples, uint32_t playout_samples,
						   uint32_t write_rate);
as_stream_t *as_stream_ref(uint64_t id); /* NULL when the id is stale; else unref it */
void as_stream_unref(as_stream_t *s);

/* bug.c: the callback that FreeSWITCH's media threads call */
switch_bool_t as_bug_callback(switch_media_bug_t *bug, void *user_data, switch_abc_type_t type);

/* bug_memory.c: gives back what FreeSWITCH's bug holds and ours never uses; before the bug is on the channel */
void as_bug_memory(switch_media_bug_t *bug);

/* doorbell.c */
as_doorbell_t *as_doorbell(void); /* NULL when no eventfd can be had */
void as_doorbell_ring(void);

/* channel.c: what a channel with streams is told of. The session is located by the caller. */
switch_status_t as_channel_watch(switch_core_session_t *session); /* before it is looked at whether it is down */
switch_status_t as_channel_want_digits(switch_core_session_t *session, uint64_t id);
switch_status_t as_channel_remove_bug(switch_core_session_t *session, as_stream_t *s); /* not while it goes down */

/* break.c: uuid_break clears what is queued */
bool as_break_watch(void);
void as_break_unwatch(void);

/* pacer.c */
bool as_pacer_start(void);
void as_pacer_stop(void);
void as_pacer_add(as_stream_t *s);   /* takes a reference of its own */
bool as_pacer_wrote(as_stream_t *s); /* in WRITE_REPLACE: is it the pacer that wrote this frame? */

/* go_neighbours.c: other Go libraries in the process */
unsigned as_go_neighbours(char *name, size_t size);

/* go_call.c: the exports of include/audio_stream.h, each on a thread of its own; texts stay as they were where none can
 * be made */
bool as_go_thread(void *(*run)(void *), void *arg);
int as_call_start(as_doorbell_t *bell, char *config, uint64_t config_len, as_text_t *why);
int as_call_stop(uint32_t deadline_ms);
void as_call_completions(as_text_t *lines);
void as_call_command(char *uuid, char *line, as_text_t *reply);
void as_call_module_command(char *line, as_text_t *reply);
void as_call_break(char *uuid);

/* prefault.c */
void as_prefault(void);

/* go_runtime.c */
bool as_go_runtime_start(const char **why);

/* commands.c */
void as_commands_register(switch_loadable_module_interface_t *module);
void as_commands_unregister(void);

#endif /* AS_SHIM_H */
