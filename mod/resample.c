/*
 * FreeSWITCH's resampler for Go's side of the rings.
 */
#include "shim.h"

struct as_resampler {
	switch_audio_resampler_t *r;
	uint32_t channels, block;
	int16_t *out;
	uint32_t out_room; /* samples per channel */
};

/* switch_resample_process sizes its output by from and to, rounded down, and loses input when a phase yields one sample
 * more. So it gets blocks of 20 ms and is made for a block and this many samples. */
#define MARGIN 32

as_resampler_t *as_resampler_create(uint32_t from, uint32_t to, uint32_t channels)
{
	as_resampler_t *r = calloc(1, sizeof(*r));

	if (!r) return NULL;
	r->channels = channels;
	r->block = from / 50;
	if (switch_resample_create(&r->r, from, to, r->block + MARGIN, SWITCH_RESAMPLE_QUALITY, channels) !=
		SWITCH_STATUS_SUCCESS) {
		free(r);
		return NULL;
	}
	return r;
}

uint32_t as_resampler_process(as_resampler_t *r, const int16_t *in, uint32_t samples, const int16_t **out)
{
	uint32_t have = 0;

	while (samples) {
		uint32_t n = samples < r->block ? samples : r->block;

		switch_resample_process(r->r, (int16_t *)(uintptr_t)in, n); /* it reads only */
		if (have + r->r->to_len > r->out_room) {
			uint32_t room = (have + r->r->to_len) * 2;
			int16_t *grown = realloc(r->out, (size_t)room * r->channels * sizeof(*grown));

			if (!grown) break;
			r->out = grown;
			r->out_room = room;
		}
		memcpy(r->out + (size_t)have * r->channels, r->r->to, (size_t)r->r->to_len * r->channels * sizeof(*r->out));
		have += r->r->to_len;
		in += (size_t)n * r->channels;
		samples -= n;
	}
	*out = r->out;
	return have;
}

void as_resampler_destroy(as_resampler_t *r)
{
	if (!r) return;
	switch_resample_destroy(&r->r);
	free(r->out);
	free(r);
}
