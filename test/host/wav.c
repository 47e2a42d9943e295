/* WAV files: 16-bit PCM read whole, written with a header that is right after each flush. Nothing else of RIFF. */
#include "host.h"

#include <errno.h>
#include <speex/speex_resampler.h>

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (8 * i));
}

static bool read_chunks(FILE *f, host_wav_t *out)
{
	uint8_t h[12], fmt[16];
	bool have_fmt = false;

	if (fread(h, 1, 12, f) != 12 || memcmp(h, "RIFF", 4) != 0 || memcmp(h + 8, "WAVE", 4) != 0) return false;
	while (fread(h, 1, 8, f) == 8) {
		uint32_t len = le32(h + 4);

		if (memcmp(h, "fmt ", 4) == 0 && len >= 16) {
			if (fread(fmt, 1, 16, f) != 16 || fseek(f, (long)(len - 16 + (len & 1)), SEEK_CUR) != 0) return false;
			out->channels = le16(fmt + 2);
			out->rate = le32(fmt + 4);
			have_fmt = le16(fmt + 14) == 16 && (out->channels == 1 || out->channels == 2) && out->rate;
		} else if (memcmp(h, "data", 4) == 0 && have_fmt) {
			size_t got;

			out->data = malloc((size_t)len + 2);
			if (!out->data) return false;
			got = fread(out->data, 1, len, f);
			out->frames = got / 2 / out->channels;
			return true;
		} else if (fseek(f, (long)(len + (len & 1)), SEEK_CUR) != 0) {
			return false;
		}
	}
	return false;
}

bool wav_load(const char *path, host_wav_t *out, char *why, size_t why_len)
{
	FILE *f = fopen(path, "rb");
	bool ok;

	memset(out, 0, sizeof(*out));
	if (!f) {
		if (why) snprintf(why, why_len, "%s: %s", path, strerror(errno));
		return false;
	}
	ok = read_chunks(f, out);
	fclose(f);
	if (!ok) {
		wav_unload(out);
		if (why) snprintf(why, why_len, "%s: not a WAV file of 16-bit PCM, mono or stereo", path);
	}
	return ok;
}

void wav_unload(host_wav_t *w)
{
	free(w->data);
	memset(w, 0, sizeof(*w));
}

host_wav_t wav_convert(const host_wav_t *in, uint32_t rate, uint32_t channels)
{
	size_t room = (size_t)((uint64_t)in->frames * rate / in->rate) + rate / 100 + 1;
	int16_t *mixed = malloc((in->frames * channels + 1) * sizeof(*mixed));
	host_wav_t out = {.rate = rate, .channels = channels};
	spx_uint32_t in_len = (spx_uint32_t)in->frames, out_len = (spx_uint32_t)room;
	SpeexResamplerState *r;
	int err = 0;

	STRICT(mixed, "out of memory");
	for (size_t i = 0; i < in->frames; i++) {
		int16_t left = in->data[i * in->channels], right = in->data[i * in->channels + in->channels - 1];

		if (channels == 1) {
			mixed[i] = in->channels == 1 ? left : (int16_t)((left + right) / 2);
		} else {
			mixed[2 * i] = left;
			mixed[2 * i + 1] = right;
		}
	}
	if (rate == in->rate) {
		out.data = mixed;
		out.frames = in->frames;
		return out;
	}
	out.data = malloc((room * channels + 1) * sizeof(*out.data));
	r = speex_resampler_init(channels, in->rate, rate, SWITCH_RESAMPLE_QUALITY, &err);
	STRICT(out.data && r, "cannot resample from %u to %u Hz", in->rate, rate);
	speex_resampler_process_interleaved_int(r, mixed, &in_len, out.data, &out_len);
	speex_resampler_destroy(r);
	free(mixed);
	out.frames = out_len;
	return out;
}

/* ---- writing ---- */

struct wav_writer {
	FILE *f;
	uint32_t rate, channels, bytes, since_header;
};

static void header(wav_writer_t *w)
{
	uint8_t h[44] = "RIFF....WAVEfmt ";

	put32(h + 4, 36 + w->bytes);
	put32(h + 16, 16);
	h[20] = 1;
	h[22] = (uint8_t)w->channels;
	put32(h + 24, w->rate);
	put32(h + 28, w->rate * w->channels * 2);
	h[32] = (uint8_t)(w->channels * 2);
	h[34] = 16;
	memcpy(h + 36, "data", 4);
	put32(h + 40, w->bytes);
	fseek(w->f, 0, SEEK_SET);
	fwrite(h, 1, sizeof(h), w->f);
	fseek(w->f, 0, SEEK_END);
}

wav_writer_t *wav_create(const char *path, uint32_t rate, uint32_t channels)
{
	wav_writer_t *w = calloc(1, sizeof(*w));

	STRICT(w, "out of memory");
	w->f = fopen(path, "wb+");
	if (!w->f) {
		host_log(SWITCH_LOG_ERROR, NULL, "cannot write %s: %s", path, strerror(errno));
		free(w);
		return NULL;
	}
	w->rate = rate;
	w->channels = channels;
	header(w);
	return w;
}

void wav_write(wav_writer_t *w, const int16_t *samples, size_t count)
{
	w->bytes += (uint32_t)(fwrite(samples, 2, count, w->f) * 2);
	w->since_header += (uint32_t)count;
	if (w->since_header >= w->rate * w->channels) { /* once a second the file is whole */
		header(w);
		w->since_header = 0;
	}
	fflush(w->f); /* a test that waits for what is heard reads the file as it grows */
}

void wav_close(wav_writer_t *w)
{
	header(w);
	fclose(w->f);
	free(w);
}
