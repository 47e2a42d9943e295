/*
 * What FreeSWITCH tells of a channel that has, or had, a stream: the digits that the caller dials, and that the channel
 * is going down.
 */
#include "shim.h"

#define PRIVATE_KEY "mod_audio_stream"

/*
 * One per channel, in the session's memory. FreeSWITCH walks its hooks without a lock, so they are never taken out;
 * without a living id they do nothing.
 */
typedef struct channel {
	pthread_mutex_t removing; /* held while a bug is removed; the last in any order but for FreeSWITCH's own locks */
	bool down;                /* under it: from here on the session's thread removes its bugs, and nobody else does */
	_Atomic uint64_t digits[AS_MAX_STREAMS_PER_CHANNEL]; /* ids of the streams that want them; 0: empty */
} channel_t;

static channel_t *known(switch_core_session_t *session)
{
	return switch_channel_get_private(switch_core_session_get_channel(session), PRIVATE_KEY);
}

/* On whatever thread received the digit: it is left in the stream's slots, and the doorbell is rung. */
static void deliver(uint64_t id, const switch_dtmf_t *dtmf)
{
	as_stream_t *s = as_stream_ref(id);
	uint32_t slots = sizeof(s->media.dtmf) / sizeof(s->media.dtmf[0]);
	uint32_t ms = dtmf->duration / 8; /* FreeSWITCH counts digits in samples at 8 kHz */
	uint32_t value, next;

	if (!s) return;
	value = (uint32_t)(uint8_t)dtmf->digit | (ms > 0xFFFFFF ? 0xFFFFFF : ms) << 8;
	/* The next slot, or behind it if another thread is just filling that one. When all hold digits that Go has not
	 * taken the new one is lost, and the order of the others stays; 32 digits unread is more than a person dials. */
	next = atomic_load(&s->media.dtmf_next);
	for (uint32_t i = 0; i <= slots; i++) {
		uint32_t empty = 0, filled = next + i + 1, seen = next;

		if (i == slots) {
			atomic_fetch_add_explicit(&s->media.dtmf_lost, 1, memory_order_relaxed);
			break;
		}
		if (!atomic_compare_exchange_strong(&s->media.dtmf[(next + i) % slots], &empty, value)) continue;
		while ((int32_t)(filled - seen) > 0 && !atomic_compare_exchange_weak(&s->media.dtmf_next, &seen, filled)) {
		}
		break;
	}
	as_doorbell_ring();
	as_stream_unref(s);
}

static switch_status_t on_dtmf(switch_core_session_t *session, const switch_dtmf_t *dtmf,
							   switch_dtmf_direction_t direction)
{
	channel_t *c = known(session);

	if (c && dtmf && direction == SWITCH_DTMF_RECV) {
		for (int i = 0; i < AS_MAX_STREAMS_PER_CHANNEL; i++) {
			uint64_t id = atomic_load_explicit(&c->digits[i], memory_order_acquire);

			if (id) deliver(id, dtmf);
		}
	}
	return SWITCH_STATUS_SUCCESS;
}

/*
 * The session's own thread, at each state of the channel, before it does what the state asks for.
 *
 * On hang-up it closes all bugs and destroys the codec that FreeSWITCH decodes for them with, and for that takes no
 * lock (switch_core_media_bug_remove_all_function); whoever takes the last bug off destroys it as well. Both at once
 * destroy it twice, and the memory pool in it. So what takes a bug off goes first or not at all. With the application
 * early_hangup they may go earlier, some time after the channel is down: as_channel_remove_bug sees that.
 */
static switch_status_t on_state(switch_core_session_t *session)
{
	channel_t *c = known(session);

	if (c && switch_channel_down_nosig(switch_core_session_get_channel(session))) {
		pthread_mutex_lock(&c->removing);
		c->down = true;
		pthread_mutex_unlock(&c->removing);
	}
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t as_channel_watch(switch_core_session_t *session)
{
	static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; /* two streams may be started at once */
	switch_status_t status = SWITCH_STATUS_SUCCESS;
	channel_t *c;

	pthread_mutex_lock(&making);
	if (!known(session)) {
		if (!(c = switch_core_session_alloc(session, sizeof(*c)))) {
			status = SWITCH_STATUS_FALSE;
		} else {
			memset(c, 0, sizeof(*c));
			pthread_mutex_init(&c->removing, NULL); /* its memory goes with the session's */
			if ((status = switch_core_event_hook_add_recv_dtmf(session, on_dtmf)) == SWITCH_STATUS_SUCCESS &&
				(status = switch_core_event_hook_add_state_run(session, on_state)) == SWITCH_STATUS_SUCCESS)
				switch_channel_set_private(switch_core_session_get_channel(session), PRIVATE_KEY, c);
		}
	}
	pthread_mutex_unlock(&making);
	return status;
}

switch_status_t as_channel_want_digits(switch_core_session_t *session, uint64_t id)
{
	channel_t *c = known(session);

	for (int i = 0; c && i < AS_MAX_STREAMS_PER_CHANNEL; i++) {
		uint64_t old = atomic_load_explicit(&c->digits[i], memory_order_relaxed);
		as_stream_t *s = old ? as_stream_ref(old) : NULL;

		if (s) {
			as_stream_unref(s);
			continue; /* still alive */
		}
		if (atomic_compare_exchange_strong(&c->digits[i], &old, id)) return SWITCH_STATUS_SUCCESS;
	}
	return SWITCH_STATUS_FALSE;
}

switch_status_t as_channel_remove_bug(switch_core_session_t *session, as_stream_t *s)
{
	channel_t *c = known(session);
	switch_status_t status = SWITCH_STATUS_FALSE;

	if (!c) return status;
	pthread_mutex_lock(&c->removing);
	/* The bug's memory is the session's. Whether it is still on the list is FreeSWITCH's to say. */
	if (!c->down && !switch_channel_down_nosig(switch_core_session_get_channel(session)) &&
		!atomic_load_explicit(&s->media.closed, memory_order_acquire))
		status = switch_core_media_bug_remove(session, &s->bug);
	pthread_mutex_unlock(&c->removing);
	return status;
}
