/*
 * The whole contract between the C shim (mod/) and the Go side (bridge/, goside/).
 *
 * Rules that hold for every function here:
 *   - A stream's media is named by a 64-bit id (slot and generation), never by a pointer; a stale id gets AS_GONE.
 *   - A session is named by its UUID as text. No session pointer crosses, and none is held between two calls: every
 *     function of the second part that needs one locates it, acts, and rwunlocks before it returns.
 *   - Borrowed bytes (const char *, const void *) are valid until the call returns. What is returned as an as_text_t
 *     belongs to the caller, who gives it to as_text_free.
 *   - No function of the second part is called from a media thread, none of the first part either: the media callbacks
 *     (mod/bug.c) touch only the rings and the doorbell, and never enter Go.
 */
#ifndef AS_AUDIO_STREAM_H
#define AS_AUDIO_STREAM_H

#include <stdint.h>

#include "spsc_ring.h"

/* Raised with every change of this file; both sides compare it at load. */
#define AS_CONTRACT_VERSION 5

#define AS_MAX_STREAMS_PER_CHANNEL 8

typedef enum as_status {
	AS_OK = 0,
	AS_GONE = 1,        /* the session or the stream does not exist any more */
	AS_NO_MEDIA = 2,    /* bypass-media, proxy-media, or media could not be set up */
	AS_NO_MEMORY = 3,   /* out of memory or of slots */
	AS_REFUSED = 4,     /* FreeSWITCH said no; the text says to what */
	AS_BAD_ARGUMENT = 5 /* a value this side should have checked */
} as_status_t;

/* Bytes owned by the receiver, NUL behind them. ptr is NULL when there are none. */
typedef struct as_text {
	char *ptr;
	uint64_t len;
} as_text_t;

/* What the media thread and Go share of one stream. One block, reference-counted: one reference is the bug's (dropped
 * at CLOSE), one is Go's (dropped by as_media_release); the last one frees it. */
typedef struct as_media {
	uint64_t id;
	as_ring_t *capture;
	as_playout_t *playout;             /* NULL when the stream does not play */
	_Atomic uint32_t closed;           /* set by the media side: CLOSE was seen, no frame follows */
	_Atomic uint32_t mute;             /* set by Go: captured frames are read and thrown away (pause) */
	_Atomic uint32_t dtmf[32];         /* digits, oldest first by dtmf_next: digit | duration in ms << 8; 0 is empty */
	_Atomic uint32_t dtmf_next;        /* writers: the slot to fill; several threads may write */
	_Atomic uint32_t dtmf_lost;        /* writers: digits that found no empty slot */
	_Atomic uint64_t foreign_write_ns; /* CLOCK_MONOTONIC of the last frame that somebody but our pacer wrote */
	_Atomic uint64_t callee_lost;      /* media threads: callee's frames of which some was not captured */
} as_media_t;

/* The one doorbell of the module. The waiting side stores armed=1, looks at every ring once more, and only then reads
 * the eventfd; a ringing side stores its news, fences, and writes the eventfd only if it took armed from 1 to 0. */
typedef struct as_doorbell {
	_Alignas(AS_CACHE_LINE) _Atomic uint32_t armed;
	int32_t fd; /* eventfd, non-blocking */
} as_doorbell_t;

typedef struct as_attach {
	uint32_t legs;       /* 1: caller only; 2: caller and callee side by side (mixed and stereo) */
	uint32_t playback;   /* 1: add WRITE_REPLACE and a playout ring */
	uint32_t replace;    /* 1: playback replaces what others write, 0: it is mixed in */
	uint32_t answer;     /* 1: answer the channel first, 0: pre-answer is enough */
	uint32_t dtmf;       /* 1: collect the caller's digits in as_media.dtmf */
	uint32_t capture_ms; /* length of the capture ring at the rate of now */
	uint32_t playout_ms; /* length of the playout ring at the rate of now */
} as_attach_t;

typedef struct as_attached {
	as_media_t *media;
	uint32_t read_rate;  /* Hz */
	uint32_t write_rate; /* Hz */
	uint32_t ptime_ms;
	uint32_t answered; /* 1 if the channel is answered now */
} as_attached_t;

typedef struct as_resampler as_resampler_t;

/* ================================================ part 1: implemented in Go, called from C (bridge/exports.go) =====
 * Called by mod/go_call.c alone, on threads with SCHED_OTHER and blocked signals that it makes for one call each; which
 * thread waits for that call is said below.
 */

/*
 * Starts the Go side: workers, pump, logger. Load thread, once per module load, after the runtime is up. doorbell stays
 * valid for ever. config as as_config_read gives it. (No const in this part: cgo writes these declarations
 * once more, and the compiler compares the two.) Returns AS_OK, or AS_REFUSED with a text in *why that the loader logs.
 */
extern int as_go_start(uint32_t contract, as_doorbell_t *doorbell, char *config, uint64_t config_len, as_text_t *why);

/* Lines for switch_console_set_complete, each ended by a newline. Load thread. */
extern void as_go_completions(as_text_t *lines);

/* Ends every stream (bugs removed, sockets closed, events drained) and every goroutine of ours, within about
 * deadline_ms. Unload thread. Blocks. Returns the goroutines that did not end. */
extern int as_go_stop(uint32_t deadline_ms);

/* Runs one `uuid_audio_stream` or `audio_stream` application command: `line` is what follows the uuid. API or session
 * thread; may block for as long as a bug takes to attach, never for the network. The reply ends in a newline. */
extern void as_go_command(char *uuid, char *line, as_text_t *reply);

/* The channel was told to break what it plays (uuid_break): every stream's queue is cleared. Any FreeSWITCH thread that
 * is not a media thread; does not block for longer than a message takes to be queued. */
extern void as_go_break(char *uuid);

/* Runs one `audio_stream` API command (status, list, version, reload). API thread. */
extern void as_go_module_command(char *line, as_text_t *reply);

/* ================================================ part 2: implemented in C, called from Go (mod/) ==================
 */

/*
 * Facts and variables of a channel. names: NUL-terminated variable names, one behind the other, count of them. *out
 * holds for each, in order, one byte (1 set, 0 unset), the value and a NUL. AS_GONE when the session does not
 * exist. Locates and rwunlocks.
 */
as_status_t as_channel_variables(const char *uuid, const char *names, uint32_t count, as_text_t *out);

/* Sets one channel variable; value NULL unsets. Locates and rwunlocks. */
as_status_t as_channel_set(const char *uuid, const char *name, const char *value);

/*
 * Adds the media bug of one stream and makes its rings. On AS_OK the caller owns one reference (as_media_release). On
 * anything else nothing is left behind, and *why may hold a reason for a person. May block while media is set up.
 */
as_status_t as_attach(const char *uuid, const as_attach_t *want, as_attached_t *got, as_text_t *why);

/* Removes the bug. AS_GONE when it went already. No frame is added after the return. Locates and rwunlocks. */
as_status_t as_detach(uint64_t id);

/* Tells the pacer that as_playout.wanted went from 0 to 1 somewhere. Any Go thread. */
void as_pacer_wake(void);

/* Gives Go's reference back, once the bug is closed; the media and its rings must not be touched afterwards. Waits for
 * a frame that is being written to the channel, up to one of its packets. Locates and rwunlocks. */
void as_media_release(uint64_t id);

/*
 * Fires a CUSTOM event with the channel's headers and Stream-Name. AS_GONE when the session does not exist any more;
 * then nothing is fired. subclass is one of AS_EVENTS. Locates and rwunlocks.
 */
as_status_t as_event_fire(const char *uuid, const char *stream, const char *subclass, const char *body);

/* What a server may ask for, each on a located session: hang up (cause by name, NULL for normal clearing), transfer
 * (dialplan and context may be NULL), send digits. */
as_status_t as_channel_hangup(const char *uuid, const char *cause);
as_status_t as_channel_transfer(const char *uuid, const char *extension, const char *dialplan, const char *context);
as_status_t as_channel_send_dtmf(const char *uuid, const char *digits);

/* One log line. level as switch_log_level_t; uuid NULL for the module. Any Go thread. */
void as_log(int level, const char *uuid, const char *text);

/* The XML settings: name NUL value NUL, one behind the other. AS_REFUSED when audio_stream.conf is absent (the defaults
 * hold). */
as_status_t as_config_read(as_text_t *out);

/* FreeSWITCH's folder for temporary files; valid for ever. */
const char *as_temp_dir(void);

/* Streams whose rings are still in memory, the ended ones too that somebody holds on to. Any Go thread. */
uint32_t as_stream_count(void);

/* FreeSWITCH's version, e.g. 1.10.12; valid for ever. */
const char *as_host_version(void);

void as_text_free(as_text_t *text);

/*
 * FreeSWITCH's resampler with state. samples are L16, interleaved. process returns the number of samples (per channel)
 * put into *out, which is valid until the next call with the same resampler. One goroutine at a time.
 */
as_resampler_t *as_resampler_create(uint32_t from, uint32_t to, uint32_t channels);
uint32_t as_resampler_process(as_resampler_t *r, const int16_t *in, uint32_t samples, const int16_t **out);
void as_resampler_destroy(as_resampler_t *r);

#endif /* AS_AUDIO_STREAM_H */
