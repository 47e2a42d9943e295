/*
 * The conference application: what a member says goes to every other member, and each member's own thread writes the
 * mix of what the others said, frame by frame, whether anybody speaks or not. That is how mod_conference looks to a
 * media bug; it has no more of it: one rate per room, no volumes, no floor.
 */
#include "host.h"

enum { ROOM_MEMBERS = 8, ROOM_FRAMES = 5, ROOM_SAMPLES = 8192 }; /* beyond ROOM_FRAMES the oldest go */

/* what one member said and another has not written yet */
typedef struct backlog {
	int16_t samples[ROOM_SAMPLES];
	uint32_t head, used;
} backlog_t;

struct host_member {
	struct host_member *next;
	char room[64];
	uint32_t rate;
	unsigned seat; /* in its room */
	backlog_t from[ROOM_MEMBERS];
};

static pthread_mutex_t rooms_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct host_member *members;

bool room_join(switch_core_session_t *s, const char *name, char *why, size_t why_len)
{
	struct host_member *m = calloc(1, sizeof(*m));
	bool taken[ROOM_MEMBERS] = {false};

	STRICT(m, "out of memory");
	room_leave(s);
	snprintf(m->room, sizeof(m->room), "%s", name);
	m->rate = s->write_impl.actual_samples_per_second;
	pthread_mutex_lock(&rooms_mutex);
	for (const struct host_member *o = members; o; o = o->next) {
		if (strcmp(o->room, m->room) != 0) continue;
		taken[o->seat] = true;
		if (o->rate != m->rate) {
			pthread_mutex_unlock(&rooms_mutex);
			snprintf(why, why_len, "conference %s is at %u Hz", name, o->rate);
			free(m);
			return false;
		}
	}
	while (m->seat < ROOM_MEMBERS && taken[m->seat]) m->seat++;
	STRICT(m->seat < ROOM_MEMBERS, "conference %s has %d members already", name, ROOM_MEMBERS);
	m->next = members;
	members = m;
	s->member = m;
	pthread_mutex_unlock(&rooms_mutex);
	atomic_store(&s->in_room, true);
	return true;
}

void room_leave(switch_core_session_t *s)
{
	struct host_member **at, *m = s->member;

	if (!m) return;
	atomic_store(&s->in_room, false);
	pthread_mutex_lock(&rooms_mutex);
	for (at = &members; *at && *at != m; at = &(*at)->next) {
	}
	if (*at) *at = m->next;
	for (struct host_member *o = members; o; o = o->next) { /* the seat is free for somebody else */
		if (strcmp(o->room, m->room) == 0) o->from[m->seat].used = 0;
	}
	pthread_mutex_unlock(&rooms_mutex);
	s->member = NULL;
	free(m);
}

void room_say(switch_core_session_t *s, const switch_frame_t *frame)
{
	const int16_t *said = frame->data;
	struct host_member *m = s->member;
	uint32_t n = frame->datalen / 2;

	if (frame->flags & HOST_SFF_CNG) return;
	pthread_mutex_lock(&rooms_mutex);
	for (struct host_member *o = members; o; o = o->next) {
		backlog_t *b = &o->from[m->seat];

		if (o == m || strcmp(o->room, m->room) != 0) continue;
		if (b->used + n > ROOM_FRAMES * n || b->used + n > ROOM_SAMPLES) b->used = 0;
		for (uint32_t i = 0; i < n; i++) b->samples[(b->head + b->used + i) % ROOM_SAMPLES] = said[i];
		b->used += n;
	}
	pthread_mutex_unlock(&rooms_mutex);
}

void room_hear(switch_core_session_t *s, int16_t *out, uint32_t n)
{
	struct host_member *m = s->member;

	memset(out, 0, n * sizeof(*out));
	pthread_mutex_lock(&rooms_mutex);
	for (unsigned k = 0; k < ROOM_MEMBERS; k++) {
		backlog_t *b = &m->from[k];

		for (uint32_t i = 0; i < n && b->used; i++, b->used--, b->head = (b->head + 1) % ROOM_SAMPLES) {
			int32_t sum = out[i] + b->samples[b->head];

			out[i] = (int16_t)(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
		}
	}
	pthread_mutex_unlock(&rooms_mutex);
}
