/* Where a leg's audio comes from: comfort noise, zeros, a tone, a counter, a WAV file. The caller serialises. */
#include "host.h"

#include <math.h>

typedef enum { SRC_SILENCE, SRC_ZEROS, SRC_TONE, SRC_COUNTER, SRC_WAV } kind_t;

struct host_source {
	kind_t kind;
	double hz, phase;
	uint64_t counter;
	host_wav_t file, fitted; /* as read, and at the channel's rate */
	size_t at;               /* in fitted, samples per channel */
	bool loop, ended;
};

host_source_t *source_open(const char *spec, char *why, size_t why_len)
{
	host_source_t *s = calloc(1, sizeof(*s));
	const char *path = NULL;

	STRICT(s, "out of memory");
	if (strcmp(spec, "silence") == 0) {
		s->kind = SRC_SILENCE;
	} else if (strcmp(spec, "zeros") == 0) {
		s->kind = SRC_ZEROS;
	} else if (strcmp(spec, "counter") == 0) {
		s->kind = SRC_COUNTER;
	} else if (strncmp(spec, "tone:", 5) == 0) {
		s->kind = SRC_TONE;
		s->hz = atof(spec + 5);
	} else if (strncmp(spec, "loop:", 5) == 0) {
		s->loop = true;
		path = spec + 5;
	} else if (strncmp(spec, "playback:", 9) == 0) {
		path = spec + 9;
	} else {
		path = spec;
	}
	if (path) {
		s->kind = SRC_WAV;
		if (!wav_load(path, &s->file, why, why_len)) {
			free(s);
			return NULL;
		}
	}
	return s;
}

void source_close(host_source_t *s)
{
	if (!s) return;
	wav_unload(&s->file);
	wav_unload(&s->fitted);
	free(s);
}

bool source_ended(const host_source_t *s)
{
	return s->ended;
}

/* Keeps the place in time when the rate changes. */
static void fit(host_source_t *s, uint32_t rate, uint32_t channels)
{
	size_t at = s->fitted.rate ? (size_t)((uint64_t)s->at * rate / s->fitted.rate) : 0;

	if (s->fitted.rate == rate && s->fitted.channels == channels) return;
	wav_unload(&s->fitted);
	s->fitted = wav_convert(&s->file, rate, channels);
	s->at = at;
}

static bool read_wav(host_source_t *s, int16_t *out, uint32_t n, uint32_t rate, uint32_t channels)
{
	fit(s, rate, channels);
	for (uint32_t i = 0; i < n; i++) {
		if (s->at >= s->fitted.frames) {
			if (i == 0 && !s->loop) { /* the file is over: comfort noise from now on */
				s->ended = true;
				return false;
			}
			if (s->loop && s->fitted.frames) s->at = 0;
		}
		for (uint32_t c = 0; c < channels; c++)
			out[i * channels + c] = s->at < s->fitted.frames ? s->fitted.data[s->at * channels + c] : 0;
		s->at++;
	}
	return true;
}

bool source_read(host_source_t *s, int16_t *out, uint32_t n, uint32_t rate, uint32_t channels)
{
	switch (s->kind) {
	case SRC_SILENCE:
		return false;
	case SRC_ZEROS:
		memset(out, 0, (size_t)n * channels * sizeof(*out));
		return true;
	case SRC_WAV:
		return read_wav(s, out, n, rate, channels);
	case SRC_TONE:
		for (uint32_t i = 0; i < n; i++) {
			int16_t v = (int16_t)lrint(10000.0 * sin(2.0 * M_PI * s->phase));

			s->phase += s->hz / rate;
			s->phase -= floor(s->phase);
			for (uint32_t c = 0; c < channels; c++) out[i * channels + c] = v;
		}
		return true;
	case SRC_COUNTER: /* the right channel is the left one's complement, so that a swap is seen */
		for (uint32_t i = 0; i < n; i++, s->counter++) {
			for (uint32_t c = 0; c < channels; c++) out[i * channels + c] = (int16_t)(c ? ~s->counter : s->counter);
		}
		return true;
	}
	return false;
}
