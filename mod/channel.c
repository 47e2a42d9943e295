/*
 * The caller's digits. FreeSWITCH calls the hook on whatever thread received the digit; it leaves the digit in the
 * stream's slots and rings the doorbell.
 */
#include "shim.h"

#define PRIVATE_KEY "mod_audio_stream"

/* One per channel that ever asked for digits, in the session's memory. FreeSWITCH walks its hooks without a lock, so
 * the hook is never taken out; without a living id it does nothing. */
typedef struct watch {
	_Atomic uint64_t ids[AS_MAX_STREAMS_PER_CHANNEL]; /* 0: empty */
} watch_t;

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
	watch_t *w = switch_channel_get_private(switch_core_session_get_channel(session), PRIVATE_KEY);

	if (w && dtmf && direction == SWITCH_DTMF_RECV) {
		for (int i = 0; i < AS_MAX_STREAMS_PER_CHANNEL; i++) {
			uint64_t id = atomic_load_explicit(&w->ids[i], memory_order_acquire);

			if (id) deliver(id, dtmf);
		}
	}
	return SWITCH_STATUS_SUCCESS;
}

/* The session is located by the caller. */
switch_status_t as_dtmf_watch(switch_core_session_t *session, uint64_t id)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	watch_t *w = switch_channel_get_private(channel, PRIVATE_KEY);

	if (!w) {
		if (!(w = switch_core_session_alloc(session, sizeof(*w)))) return SWITCH_STATUS_FALSE;
		memset(w, 0, sizeof(*w));
		switch_channel_set_private(channel, PRIVATE_KEY, w);
		if (switch_core_event_hook_add_recv_dtmf(session, on_dtmf) != SWITCH_STATUS_SUCCESS) return SWITCH_STATUS_FALSE;
	}
	for (int i = 0; i < AS_MAX_STREAMS_PER_CHANNEL; i++) {
		uint64_t old = atomic_load_explicit(&w->ids[i], memory_order_relaxed);
		as_stream_t *s = old ? as_stream_ref(old) : NULL;

		if (s) {
			as_stream_unref(s);
			continue; /* still alive */
		}
		if (atomic_compare_exchange_strong(&w->ids[i], &old, id)) return SWITCH_STATUS_SUCCESS;
	}
	return SWITCH_STATUS_FALSE;
}
