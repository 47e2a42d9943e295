/*
 * What the two legs left in a media bug: flush, fill level, and reading, mixed or side by side. The rules of framing
 * and filling are those of switch_core_media_bug_read.
 */
#include "host.h"

enum { MAX_READS = 10000 }; /* in one callback; a full buffer of 10 ms at 8 kHz has 3,277 frames */

_Thread_local unsigned tls_reads_in_callback;

void bug_flush(switch_media_bug_t *bug)
{
	pthread_mutex_lock(&bug->read_mutex);
	buffer_toss(&bug->raw_read, SIZE_MAX);
	pthread_mutex_unlock(&bug->read_mutex);
	pthread_mutex_lock(&bug->write_mutex);
	buffer_toss(&bug->raw_write, SIZE_MAX);
	pthread_mutex_unlock(&bug->write_mutex);
}

void switch_core_media_bug_flush(switch_media_bug_t *bug)
{
	bug_check(bug, __func__);
	session_check(bug->session, __func__);
	bug_flush(bug);
}

void switch_core_media_bug_inuse(switch_media_bug_t *bug, switch_size_t *readp, switch_size_t *writep)
{
	bug_check(bug, __func__);
	session_check(bug->session, __func__);
	STRICT_PTR(readp);
	STRICT_PTR(writep);
	pthread_mutex_lock(&bug->read_mutex);
	*readp = (bug->flags & SMBF_READ_STREAM) ? bug->raw_read.used : 0;
	pthread_mutex_unlock(&bug->read_mutex);
	pthread_mutex_lock(&bug->write_mutex);
	*writep = (bug->flags & SMBF_WRITE_STREAM) ? bug->raw_write.used : 0;
	pthread_mutex_unlock(&bug->write_mutex);
}

static int16_t clip(int32_t z)
{
	return (int16_t)(z > INT16_MAX ? INT16_MAX : z < INT16_MIN ? INT16_MIN : z);
}

/* Two legs side by side. */
static void interleave(switch_media_bug_t *bug, switch_frame_t *frame, const int16_t *left, size_t left_len,
					   const int16_t *right, size_t right_len, size_t samples)
{
	for (size_t i = 0; i < samples; i++) {
		bug->tmp[2 * i] = i < left_len ? left[i] : 0;
		bug->tmp[2 * i + 1] = i < right_len ? right[i] : 0;
	}
	memcpy(frame->data, bug->tmp, samples * 2 * sizeof(int16_t));
}

static void mix(int16_t *fp, size_t rlen, const int16_t *dp, size_t wlen, size_t samples)
{
	for (size_t i = 0; i < samples; i++) {
		int32_t r = i < rlen ? fp[i] : 0, w = i < wlen ? dp[i] : 0, z = r + w;

		/* FreeSWITCH pushes a sum that overflows further out, so that it clips hard */
		if (z > INT16_MAX || z < INT16_MIN) z += r / 2 + w / 2;
		fp[i] = clip(z);
	}
}

static size_t inuse(pthread_mutex_t *m, const host_buffer_t *b)
{
	size_t n;

	pthread_mutex_lock(m);
	n = b->used;
	pthread_mutex_unlock(m);
	return n;
}

switch_status_t bug_read(switch_media_bug_t *bug, switch_frame_t *frame, bool fill)
{
	bool has_read = bug->flags & SMBF_READ_STREAM, has_write = bug->flags & SMBF_WRITE_STREAM;
	bool stereo = bug->flags & SMBF_STEREO, fill_read, fill_write;
	size_t do_read = 0, do_write = 0, datalen = 0, bytes;
	switch_codec_implementation_t impl;

	pthread_mutex_lock(&bug->session->impl_mutex);
	impl = bug->session->read_impl;
	pthread_mutex_unlock(&bug->session->impl_mutex);
	bytes = impl.decoded_bytes_per_packet;
	if (frame->buflen < bytes) {
		host_log(SWITCH_LOG_ERROR, bug->session->uuid, "%s frame buffer too small!", bug->session->channel.name);
		return SWITCH_STATUS_FALSE;
	}
	STRICT(!stereo || frame->buflen >= 2 * bytes,
		   "media_bug_read in stereo into %u bytes: FreeSWITCH writes %zu there without a check", frame->buflen,
		   2 * bytes);
	if (!has_read && !has_write) return SWITCH_STATUS_FALSE;
	frame->flags = 0;
	frame->datalen = 0;
	if (has_read) do_read = inuse(&bug->read_mutex, &bug->raw_read);
	if (has_write) do_write = inuse(&bug->write_mutex, &bug->raw_write);
	/* a write side that runs ahead is cut back by one frame per read */
	if (bytes && do_write > do_read && do_write > bytes * 2) {
		pthread_mutex_lock(&bug->write_mutex);
		buffer_toss(&bug->raw_write, bytes);
		do_write = bug->raw_write.used;
		pthread_mutex_unlock(&bug->write_mutex);
	}
	fill_read = has_read && !do_read;
	fill_write = has_write && !do_write;
	if (bytes) {
		if ((do_read && do_read < bytes) || (do_write && do_write < bytes)) return SWITCH_STATUS_FALSE;
		if (do_read > bytes) do_read = bytes;
		if (do_write > bytes) do_write = bytes;
	}
	if ((fill_read && fill_write) || (fill && (fill_read || fill_write))) return SWITCH_STATUS_FALSE;

	if (do_read) {
		pthread_mutex_lock(&bug->read_mutex);
		frame->datalen = (uint32_t)buffer_read(&bug->raw_read, frame->data, do_read);
		pthread_mutex_unlock(&bug->read_mutex);
	} else if (fill_read) {
		frame->datalen = (uint32_t)bytes;
		memset(frame->data, 255, bytes);
	}
	if (do_write) {
		pthread_mutex_lock(&bug->write_mutex);
		datalen = buffer_read(&bug->raw_write, bug->data, do_write);
		pthread_mutex_unlock(&bug->write_mutex);
	} else if (fill_write) {
		datalen = bytes;
		memset(bug->data, 255, bytes);
	}
	if (stereo) {
		interleave(bug, frame, frame->data, frame->datalen / 2, (const int16_t *)(const void *)bug->data, datalen / 2,
				   bytes / 2);
	} else {
		mix(frame->data, frame->datalen / 2, (const int16_t *)(const void *)bug->data, datalen / 2, bytes / 2);
	}
	frame->datalen = (uint32_t)(stereo ? bytes * 2 : bytes);
	frame->samples = (uint32_t)(bytes / sizeof(int16_t) / impl.number_of_channels);
	frame->rate = impl.actual_samples_per_second;
	frame->codec = NULL;
	frame->channels = stereo ? 2 : impl.number_of_channels;
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_core_media_bug_read(switch_media_bug_t *bug, switch_frame_t *frame, switch_bool_t fill)
{
	bug_check(bug, __func__);
	session_check(bug->session, __func__);
	STRICT_PTR(frame);
	STRICT_PTR(frame->data);
	STRICT(!tls_in_bug_callback || ++tls_reads_in_callback < MAX_READS,
		   "%u media_bug_read in one callback: with fill off it never says that nothing is left",
		   tls_reads_in_callback);
	return bug_read(bug, frame, fill);
}
