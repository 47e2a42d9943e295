/* The host's own recorder: a media bug like FreeSWITCH's record_session, so that tests see what a recording gets. */
#include "host.h"

typedef struct recorder {
	struct recorder *next;
	switch_core_session_t *session;
	switch_media_bug_t *bug;
	wav_writer_t *wav;
	char path[1024];
	uint32_t rate, channels;
	uint8_t data[HOST_FRAME_BYTES * 2];
} recorder_t;

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static recorder_t *list;

static void drain(recorder_t *r, switch_media_bug_t *bug)
{
	switch_frame_t frame = {.data = r->data, .buflen = sizeof(r->data)};

	/* the first read of a round takes a silent leg as silence, the following ones only what both legs have */
	for (bool fill = false; bug_read(bug, &frame, fill) == SWITCH_STATUS_SUCCESS && frame.datalen; fill = true) {
		if (!r->wav) {
			r->wav = wav_create(r->path, frame.rate, frame.channels);
			if (!r->wav) return;
		}
		wav_write(r->wav, frame.data, frame.datalen / 2);
	}
}

static switch_bool_t on_bug(switch_media_bug_t *bug, void *user_data, switch_abc_type_t type)
{
	recorder_t *r = user_data, **at;

	if ((int)type == HOST_ABC_READ_PING) drain(r, bug);
	if (type == SWITCH_ABC_TYPE_CLOSE) {
		drain(r, bug);
		pthread_mutex_lock(&list_mutex);
		for (at = &list; *at && *at != r; at = &(*at)->next) {
		}
		if (*at) *at = r->next;
		pthread_mutex_unlock(&list_mutex);
		if (r->wav) wav_close(r->wav);
		free(r);
	}
	return SWITCH_TRUE;
}

bool record_in_stereo(switch_core_session_t *s)
{
	char value[16] = "";

	return channel_var(&s->channel, "RECORD_STEREO", value, sizeof(value)) && strcmp(value, "true") == 0;
}

bool record_start(switch_core_session_t *s, const char *path, bool stereo, char *why, size_t why_len)
{
	recorder_t *r = calloc(1, sizeof(*r));
	uint32_t flags = SMBF_READ_STREAM | SMBF_WRITE_STREAM | HOST_SMBF_READ_PING | (stereo ? SMBF_STEREO : 0);

	STRICT(r, "out of memory");
	r->session = s;
	snprintf(r->path, sizeof(r->path), "%s", path);
	pthread_mutex_lock(&list_mutex);
	r->next = list;
	list = r;
	pthread_mutex_unlock(&list_mutex);
	if (bug_add(s, "session_record", path, on_bug, r, flags, true, &r->bug) == SWITCH_STATUS_SUCCESS) return true;
	pthread_mutex_lock(&list_mutex);
	for (recorder_t **at = &list; *at; at = &(*at)->next) {
		if (*at == r) {
			*at = r->next;
			break;
		}
	}
	pthread_mutex_unlock(&list_mutex);
	free(r);
	snprintf(why, why_len, "Cannot record session!");
	return false;
}

bool record_stop(switch_core_session_t *s, const char *path)
{
	switch_media_bug_t *bug = NULL;

	pthread_mutex_lock(&list_mutex);
	for (recorder_t *r = list; r; r = r->next) {
		if (r->session == s && (strcmp(path, "all") == 0 || strcmp(r->path, path) == 0)) bug = r->bug;
	}
	pthread_mutex_unlock(&list_mutex);
	return bug && switch_core_media_bug_remove(s, &bug) == SWITCH_STATUS_SUCCESS;
}
