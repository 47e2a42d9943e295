/*
 * The stand-in host's own declarations: the objects that FreeSWITCH keeps to itself and the functions that the files of
 * this folder share. What the module sees is include/freeswitch_abi.h and nothing else; nothing here is exported
 * to it by intent.
 *
 * Behaviour follows FreeSWITCH 1.10.12 where a module can notice it. Where FreeSWITCH forgives a mistake, this host
 * ends the process with one line (strict.c).
 */
#ifndef FSHOST_HOST_H
#define FSHOST_HOST_H

#define _GNU_SOURCE 1

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "freeswitch_abi.h"

#define HOST_FRAME_BYTES SWITCH_RECOMMENDED_BUFFER_SIZE
#define HOST_UUID_SIZE 40
#define HOST_HERE __FILE__, __func__, __LINE__

/* values of FreeSWITCH's headers that the module has no use for (switch_types.h) */
enum { HOST_SFF_CNG = (1 << 0), HOST_SFF_RAW_RTP = (1 << 1), HOST_SFF_NOT_AUDIO = (1 << 8) };
enum { HOST_RTP_HEADER = 12 };
enum { HOST_SMBF_READ_PING = (1 << 4), HOST_SMBF_PRUNE = (1 << 9), HOST_SMBF_PAUSE = (1 << 27) };
enum { HOST_ABC_READ_PING = SWITCH_ABC_TYPE_READ_REPLACE + 1 };
enum { HOST_CF_EARLY_MEDIA = 200, HOST_CF_BRIDGED, HOST_CF_PAUSE_BUGS, HOST_CF_NO_MEDIA, HOST_CF_MAX };
enum {
	HOST_CAUSE_NONE = 0,
	HOST_CAUSE_DESTINATION_OUT_OF_ORDER = 27,
	HOST_CAUSE_INCOMPATIBLE_DESTINATION = 88,
	HOST_CAUSE_MANAGER_REQUEST = 503,
	HOST_CAUSE_SYSTEM_SHUTDOWN = 601
};

struct fspr_thread_mutex_t {
	pthread_mutex_t m; /* always recursive, as FreeSWITCH's */
};

/* ---- buffer.c: byte queue and recursive mutex ---- */

typedef struct switch_buffer {
	uint8_t *data;
	size_t used, alloc, max; /* bytes */
} host_buffer_t;

void buffer_init(host_buffer_t *b, size_t start, size_t max); /* start: bytes that are there, and zeros, from now on */
void buffer_free(host_buffer_t *b);
size_t buffer_write(host_buffer_t *b, const void *data,
					size_t len); /* 0 when max would be passed: nothing is written */
size_t buffer_read(host_buffer_t *b, void *data, size_t len);
size_t buffer_toss(host_buffer_t *b, size_t len);
void mutex_init_recursive(pthread_mutex_t *m);

/* ---- clock and threads (thread.c) ---- */

uint64_t now_ns(void); /* CLOCK_MONOTONIC */
void sleep_until_ns(uint64_t t);
/* Starts a thread of the host; media threads get the 240 KiB stack of FreeSWITCH. Aborts when it cannot. */
pthread_t thread_start(const char *name, bool media, void *(*fn)(void *), void *arg);
void thread_leave(void); /* last call of each such thread */
bool thread_try_fifo(void);
void thread_report(FILE *out, unsigned *foreign, unsigned *realtime); /* JSON members about the process's threads */

/* ---- strict.c ---- */

_Noreturn void strict_abort(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define STRICT(ok, ...)                                                                                                \
	do {                                                                                                               \
		if (!(ok)) strict_abort(__VA_ARGS__);                                                                          \
	} while (0)
#define STRICT_PTR(p) STRICT((p) != NULL, "%s: %s is NULL: FreeSWITCH would crash here", __func__, #p)

typedef enum { ACCT_EVENT, ACCT_CODEC, ACCT_RESAMPLER, ACCT_XML, ACCT_BUG, ACCT_KINDS } acct_kind_t;

void acct_add(acct_kind_t kind, const void *p, const char *file, int line);
bool acct_known(acct_kind_t kind, const void *p);
void acct_del(acct_kind_t kind, const void *p, const char *what); /* aborts when p is not live */
unsigned acct_live(acct_kind_t kind);
unsigned long acct_total(acct_kind_t kind);
const char *acct_name(acct_kind_t kind);
/* "file:line" of the oldest live object of a kind into buf */
void acct_first(acct_kind_t kind, char *buf, size_t len);
unsigned acct_check_exit(void); /* aborts on anything that leaked; returns nothing to complain about: 0 */

/* Which session the calling thread may use without having located it. */
void tls_own(switch_core_session_t *s);    /* the thread is the session's own; NULL: no more */
void tls_borrow(switch_core_session_t *s); /* for the length of a callback */
void tls_give_back(void);
bool tls_may_use(const switch_core_session_t *s);
extern _Thread_local int tls_in_bug_callback;

/* ---- callback durations (stats.c) ---- */

extern _Atomic uint64_t stats_nothing_ns; /* 0: not measured */
void stats_nothing(void);
void stats_callback(int abc_type, uint64_t ns);
void stats_late(uint64_t ns);
void stats_release(uint64_t ns);
void stats_reset(void);
void stats_print(FILE *out); /* JSON members */
extern _Atomic uint64_t stats_slow_ns;

/* ---- sounds (source.c, wav.c) ---- */

typedef struct host_wav {
	int16_t *data;
	size_t frames; /* samples per channel */
	uint32_t rate;
	uint32_t channels;
} host_wav_t;

bool wav_load(const char *path, host_wav_t *out, char *why, size_t why_len);
void wav_unload(host_wav_t *w);
/* Resamples and remixes; the result is the caller's. */
host_wav_t wav_convert(const host_wav_t *in, uint32_t rate, uint32_t channels);

typedef struct wav_writer wav_writer_t;
wav_writer_t *wav_create(const char *path, uint32_t rate, uint32_t channels);
void wav_write(wav_writer_t *w, const int16_t *samples, size_t count); /* count over all channels */
void wav_close(wav_writer_t *w);

typedef struct host_source host_source_t;
/* "silence" (comfort noise frames), "zeros", "tone:<hz>", "counter", "<file>.wav", "loop:<file>.wav" */
host_source_t *source_open(const char *spec, char *why, size_t why_len);
void source_close(host_source_t *s);
/* Fills n samples per channel; returns false when there is nothing but comfort noise. */
bool source_read(host_source_t *s, int16_t *out, uint32_t n, uint32_t rate, uint32_t channels);
bool source_ended(const host_source_t *s);

/* ---- channel and session ---- */

typedef struct host_var {
	struct host_var *next;
	char *name, *value;
} host_var_t;

typedef struct host_private {
	struct host_private *next;
	char *key;
	const void *value;
} host_private_t;

struct switch_channel {
	_Atomic uint32_t magic;
	switch_core_session_t *session;
	char name[96];
	pthread_mutex_t profile_mutex;
	host_var_t *vars; /* in order of setting */
	host_private_t *privates;
	_Atomic uint8_t flags[HOST_CF_MAX];
	_Atomic int state;
	_Atomic int cause;
};

typedef struct host_hold {
	struct host_hold *next;
	pthread_t thread;
	int tid;
	char file[64];
	int line;
} host_hold_t;

typedef struct host_hook {
	struct host_hook *next;
	void (*fn)(void); /* of the type that the list is for */
} host_hook_t;

typedef struct host_msg {
	struct host_msg *next;
	enum { MSG_APP, MSG_RENEG, MSG_PLAY, MSG_TRANSFER } kind;
	char *a, *b, *c;
	uint32_t rate, ptime, channels;
	_Atomic int done; /* 0 waiting, 1 done, 2 failed */
	_Atomic int refs;
} host_msg_t;

typedef struct host_counts {
	_Atomic uint64_t ticks, late, read_audio, read_cng, held;
	_Atomic uint64_t written_host, written_module, write_collisions, write_held, write_refused, emitted,
		emitted_samples;
	_Atomic uint64_t max_late_ns;
} host_counts_t;

struct switch_core_session {
	_Atomic uint32_t magic;
	char uuid[HOST_UUID_SIZE];
	unsigned long id;
	switch_core_session_t *hash_next;
	switch_channel_t channel;

	/* who located it (session.c) */
	pthread_mutex_t hold_mutex;
	pthread_cond_t hold_gone;
	host_hold_t *holds;
	_Atomic bool destroyed;

	pthread_mutex_t memory_mutex;
	struct host_block *memory;

	/* codecs; lock order: codec mutex, resample_mutex, impl_mutex */
	pthread_mutex_t codec_read_mutex, codec_write_mutex, resample_mutex, impl_mutex;
	switch_codec_t read_codec, write_codec;
	switch_codec_implementation_t read_impl, write_impl;
	switch_frame_t raw_read_frame, raw_write_frame;
	_Alignas(16) uint8_t raw_read_data[HOST_FRAME_BYTES], raw_write_data[HOST_FRAME_BYTES];
	_Alignas(16) uint8_t raw_read_packet[HOST_RTP_HEADER + HOST_FRAME_BYTES]; /* the packet the frame came in */
	host_buffer_t raw_write_buffer;
	bool raw_write_engaged;
	switch_audio_resampler_t *write_resampler;

	pthread_rwlock_t bug_rwlock;
	_Atomic(switch_media_bug_t *) bugs;
	_Atomic bool bugs_going;   /* the end of the call removes them */
	_Atomic unsigned removers; /* threads in switch_core_media_bug_remove */

	pthread_mutex_t hook_mutex;
	host_hook_t *dtmf_hooks, *state_hooks;
	char dtmf_sent[256];

	/* media */
	pthread_t thread, writer_thread;
	bool has_writer_thread;
	struct host_member *member; /* of a conference; the session's thread only */
	_Atomic bool in_room;
	_Atomic bool writer_stop;
	pthread_mutex_t media_mutex; /* guards source, writer, sinks, partner, the message queue */
	host_source_t *source, *writer;
	_Atomic bool writing; /* writer is set and plays on the session's own thread */
	char partner[HOST_UUID_SIZE];
	host_msg_t *msgs;
	wav_writer_t *out, *heard;
	char *out_path, *heard_path;
	FILE *times; /* when what was written: pairs of CLOCK_REALTIME in ns and the samples up to there */
	uint64_t times_samples;
	unsigned sink_part;
	uint64_t heard_next_ns;
	switch_timer_t timer;     /* the media clock, kept by the session's thread */
	_Atomic uint64_t tick_ns; /* when it ticked last */
	uint64_t write_tick_ns;   /* the write timer's last tick (io.c) */
	uint64_t held_up_ns;      /* at the end: what the bugs and the holders of the session took */
	_Atomic bool stop_broadcast;
	host_counts_t n;
};

/* session.c */
typedef struct host_originate {
	char uuid[HOST_UUID_SIZE];
	uint32_t rate, ptime, channels;
	const char *in, *out, *heard, *times, *writer, *name, *codec;
	enum { ORIG_RINGING, ORIG_EARLY, ORIG_ANSWERED } state;
	bool writer_thread, proxy, bypass, nomedia;
	host_var_t *vars;
} host_originate_t;

switch_core_session_t *session_create(const host_originate_t *o, char *why, size_t why_len);
void session_check(const switch_core_session_t *s, const char *fn);
bool session_ending(const char *uuid); /* it is not gone yet, though it may not be found any more */
unsigned session_count(void);
unsigned long session_total(void), session_locates(void);
unsigned session_holds(FILE *out); /* lists them as JSON strings, returns the number */
void session_hangup_all(int cause);
bool session_wait_none(unsigned ms);
/* calls fn for each session, read-locked */
void session_each(void (*fn)(switch_core_session_t *s, void *arg), void *arg);
void session_destroy(switch_core_session_t *s); /* session thread only, its last act */
void session_free_tombs(void);
void session_free_memory(switch_core_session_t *s);
void uuid_make(char *out);

/* channel.c */
void channel_init(switch_channel_t *c, switch_core_session_t *s, const char *name);
void channel_uninit(switch_channel_t *c);
void channel_check(const switch_channel_t *c, const char *fn);
bool channel_flag(const switch_channel_t *c, int flag);
void channel_set_flag(switch_channel_t *c, int flag, bool on);
bool channel_ready(switch_channel_t *c, bool media); /* as switch_channel_test_ready, for the host itself */
const char *channel_var(switch_channel_t *c, const char *name, char *buf, size_t len);
void channel_event_data(switch_channel_t *c, switch_event_t *e);
void channel_dump(switch_channel_t *c, FILE *out);
const char *cause_name(int cause);
int cause_number(const char *name);

/* media.c, messages.c, io.c */
void media_start(switch_core_session_t *s);
void media_post(switch_core_session_t *s, host_msg_t *m); /* takes over one reference */
host_msg_t *msg_new(int kind, const char *a, const char *b, const char *c);
void msg_unref(host_msg_t *m);
bool msg_wait(host_msg_t *m, unsigned ms); /* false: not done in time, or failed */
bool media_set_writer(switch_core_session_t *s, const char *spec, char *why, size_t why_len);
void media_unbridge(switch_core_session_t *s); /* both legs park */
void media_set_codec(switch_core_session_t *s, const char *name, uint32_t rate, uint32_t ptime, uint32_t channels);
/* Reads one frame from the source and hands it to the bugs. *frame is NULL when there is nothing (hold). */
void io_read(switch_core_session_t *s, switch_frame_t **frame);
switch_status_t io_write(switch_core_session_t *s, switch_frame_t *frame);
void sink_open(switch_core_session_t *s);
void sink_close(switch_core_session_t *s);
void sink_write(switch_core_session_t *s, const void *data, uint32_t bytes);

/* ---- media bug (bug.c) ---- */

struct switch_media_bug {
	switch_buffer_t *raw_write_buffer, *raw_read_buffer; /* in front, as in FreeSWITCH; NULL without that stream */
	_Atomic uint32_t magic;
	switch_core_session_t *session;
	switch_media_bug_t *next;
	char function[64], target[64];
	switch_media_bug_callback_t callback;
	void *user_data;
	_Atomic uint32_t flags;
	_Atomic bool ready;
	bool internal; /* the host's own recorder */
	pthread_mutex_t read_mutex, write_mutex;
	bool has_read, has_write;
	host_buffer_t raw_read, raw_write;
	switch_frame_t *replace_in, *replace_out;
	_Alignas(16) uint8_t data[HOST_FRAME_BYTES];
	int16_t tmp[HOST_FRAME_BYTES];
};

switch_status_t bug_add(switch_core_session_t *s, const char *function, const char *target,
						switch_media_bug_callback_t cb, void *user_data, uint32_t flags, bool internal,
						switch_media_bug_t **out);
switch_bool_t bug_call(switch_media_bug_t *bug, int type);
bool bug_skip(switch_core_session_t *s, switch_media_bug_t *bug);
void bug_prune(switch_core_session_t *s);
void bug_remove_all(switch_core_session_t *s);
void bug_flush_all(switch_core_session_t *s);
void bug_check(const switch_media_bug_t *bug, const char *fn);
void bug_flush(switch_media_bug_t *bug);
switch_status_t bug_read(switch_media_bug_t *bug, switch_frame_t *frame, bool fill);
extern _Thread_local unsigned tls_reads_in_callback;
unsigned bug_live(bool module_only);
void bug_free_tombs(void);
void bug_session_gone(switch_core_session_t *s);

/* hooks.c */
bool hooks_digit(switch_core_session_t *session, const switch_dtmf_t *dtmf); /* a hook kept it */
void hooks_state(switch_core_session_t *session); /* only for the hang-up, where FreeSWITCH does it for every state */
void hooks_free(host_hook_t *list);

/* record.c */
bool record_start(switch_core_session_t *s, const char *path, bool stereo, char *why, size_t why_len);
bool record_stop(switch_core_session_t *s, const char *path);
bool record_in_stereo(switch_core_session_t *s); /* its variable says so */

/* room.c; the session's own thread only */
bool room_join(switch_core_session_t *s, const char *name, char *why, size_t why_len);
void room_leave(switch_core_session_t *s);
void room_say(switch_core_session_t *s, const switch_frame_t *frame);
void room_hear(switch_core_session_t *s, int16_t *out, uint32_t n);

/* ---- codec.c, resample.c ---- */

const switch_codec_implementation_t *codec_implementation(const char *name, uint32_t rate, int ms, int channels);
void codec_init_host(switch_codec_t *codec, const switch_codec_implementation_t *impl);
void codec_done_host(switch_codec_t *codec);
bool codec_ready(const switch_codec_t *codec);
bool codec_is_l16(const switch_codec_implementation_t *impl);
void codec_free_implementations(void);

/* ---- event.c ---- */

switch_event_t *event_new(const char *name); /* the host's own events; fired by event_send, which frees it */
void event_add(switch_event_t *e, const char *name, const char *value);
void event_addf(switch_event_t *e, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void event_body(switch_event_t *e, const char *body);
void event_send(switch_event_t *e);
void event_discard(switch_event_t *e);
const char *event_name(const switch_event_t *e);
void event_channel(switch_channel_t *c, const char *name); /* creates, fills, sends */
void event_set_running(bool running);
unsigned event_subclasses(FILE *out);
void event_free_tombs(void);
unsigned long event_fired(void);

/* event_bind.c */
bool event_dispatch(switch_event_t *e); /* true: somebody in the process has bound it, and it is freed afterwards */
void event_dispatch_stop(void);
unsigned event_bindings(void);

/* esl.c */
void esl_listen(int port); /* prints the address on stdout */
void esl_stop(void);
void esl_deliver(const char *name, const char *subclass, const char *text, size_t len);
bool esl_wanted(const char *name, const char *subclass);

/* ---- module.c ---- */

bool module_load(const char **err);
bool module_unload(const char **err);
bool module_loaded(void);
void module_list(FILE *out, bool applications);
unsigned module_interfaces(bool applications);
void module_completions(FILE *out);
/* False when there is no such API command. Reply in *out, malloc'ed. */
bool module_api(const char *cmd, const char *arg, char **out);
bool module_app(switch_core_session_t *s, const char *app, const char *arg);
void module_free(void);

/* ---- command.c, command_call.c ---- */

/* Runs any API command, the module's or the host's. The reply is malloc'ed. */
bool api_execute(const char *cmd, const char *arg, char **out);
typedef void (*host_command_fn)(const char *arg, FILE *out);
typedef struct host_command {
	const char *name;
	host_command_fn fn;
	const char *syntax;
} host_command_t;
/* Cuts the first word off; *rest is behind it. */
char *command_word(char **rest);
void command_originate(const char *arg, FILE *out); /* originate.c */
extern const host_command_t call_commands[];        /* ends with a NULL name */
/* Runs an application of the host itself. False when there is no such one. */
bool host_app(switch_core_session_t *s, const char *app, const char *arg);

/* ---- xml.c ---- */

void xml_set_file(const char *path);
bool xml_reload(void);
void xml_override(const char *name, const char *value); /* value NULL: back to the file's */
void xml_free_overrides(void);

/* ---- log.c ---- */

void log_open(const char *path);
void log_close(void);
void host_log(switch_log_level_t level, const char *uuid, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- main.c ---- */

typedef struct host_options {
	const char *module, *conf, *log, *tmp;
	int port;
	bool fifo, sighup;
} host_options_t;
extern host_options_t options;
extern _Atomic bool host_running;
void host_shutdown(void); /* asks main to end; any thread */
void host_signals(void);  /* what FreeSWITCH installs after each module load: handlers without SA_ONSTACK */
unsigned long host_sighups(void);
void host_sighup_storm(unsigned n);

#endif
