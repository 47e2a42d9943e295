/*
 * Codec objects. Two codecs exist: L16, as FreeSWITCH's, and RAW, the lossless stand-in for whatever a call has
 * negotiated (a name of its own, so that L16 frames take FreeSWITCH's way through decoding). And the resampler, over
 * the same Speex library that FreeSWITCH uses.
 */
#include "host.h"

#include <speex/speex_resampler.h>

enum { FLAG_READY = 1 << 30 };
enum { ID_L16 = 10, ID_RAW = 4242 };

static pthread_mutex_t impl_mutex = PTHREAD_MUTEX_INITIALIZER;
static switch_codec_implementation_t *impls;
static char name_l16[] = "L16", name_raw[] = "RAW";
static struct switch_codec_interface *const some_interface = (struct switch_codec_interface *)(void *)name_l16;

static bool rate_known(uint32_t rate)
{
	static const uint32_t rates[] = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		if (rates[i] == rate) return true;
	}
	return false;
}

const switch_codec_implementation_t *codec_implementation(const char *name, uint32_t rate, int ms, int channels)
{
	bool l16 = !name || strcasecmp(name, "L16") == 0;
	switch_codec_implementation_t *i;

	if (!l16 && strcasecmp(name, "RAW") != 0) return NULL;
	if (ms == 0) ms = 20; /* FreeSWITCH's choice when none is named */
	if (channels == 0) channels = 1;
	if (!rate_known(rate) || ms < 1 || ms > 60 || channels > 2) return NULL;
	pthread_mutex_lock(&impl_mutex);
	for (i = impls; i; i = i->next) {
		if (i->codec_id == (l16 ? ID_L16 : ID_RAW) && i->actual_samples_per_second == rate &&
			i->microseconds_per_packet == ms * 1000 && i->number_of_channels == channels)
			break;
	}
	if (!i) {
		i = calloc(1, sizeof(*i));
		STRICT(i, "out of memory");
		i->codec_id = l16 ? ID_L16 : ID_RAW;
		i->iananame = l16 ? name_l16 : name_raw;
		i->ianacode = l16 ? 97 : 96;
		i->samples_per_second = i->actual_samples_per_second = rate;
		i->microseconds_per_packet = ms * 1000;
		i->samples_per_packet = rate * (uint32_t)ms / 1000;
		i->number_of_channels = (uint8_t)channels;
		i->decoded_bytes_per_packet = i->encoded_bytes_per_packet = i->samples_per_packet * 2 * (uint32_t)channels;
		i->bits_per_second = (int)(rate * 16 * (uint32_t)channels);
		i->codec_frames_per_packet = 1;
		i->next = impls;
		impls = i;
	}
	pthread_mutex_unlock(&impl_mutex);
	return i->decoded_bytes_per_packet <= HOST_FRAME_BYTES ? i : NULL;
}

void codec_free_implementations(void)
{
	for (switch_codec_implementation_t *i = impls, *next; i; i = next) {
		next = i->next;
		free(i);
	}
	impls = NULL;
}

bool codec_ready(const switch_codec_t *codec)
{
	return (codec->flags & FLAG_READY) && codec->mutex && codec->implementation;
}

bool codec_is_l16(const switch_codec_implementation_t *impl)
{
	return impl->codec_id == ID_L16;
}

static void init(switch_codec_t *codec, const switch_codec_implementation_t *impl, uint32_t flags)
{
	memset(codec, 0, sizeof(*codec));
	codec->codec_interface = some_interface;
	codec->implementation = impl;
	codec->flags = flags | FLAG_READY;
	codec->mutex = calloc(1, sizeof(*codec->mutex));
	STRICT(codec->mutex, "out of memory");
	mutex_init_recursive(&codec->mutex->m);
}

static void done(switch_codec_t *codec)
{
	pthread_mutex_destroy(&codec->mutex->m);
	free(codec->mutex);
	memset(codec, 0, sizeof(*codec));
}

void codec_init_host(switch_codec_t *codec, const switch_codec_implementation_t *impl)
{
	init(codec, impl, SWITCH_CODEC_FLAG_ENCODE | SWITCH_CODEC_FLAG_DECODE);
}

void codec_done_host(switch_codec_t *codec)
{
	done(codec);
}

switch_status_t switch_core_codec_init_with_bitrate(switch_codec_t *codec, const char *codec_name, const char *fmtp,
													const char *modname, uint32_t rate, int ms, int channels,
													uint32_t bitrate, uint32_t flags,
													const switch_codec_settings_t *codec_settings,
													switch_memory_pool_t *pool)
{
	const switch_codec_implementation_t *impl;

	(void)fmtp, (void)modname, (void)bitrate, (void)codec_settings;
	STRICT_PTR(codec);
	STRICT_PTR(codec_name);
	STRICT(!acct_known(ACCT_CODEC, codec), "codec %p initialised twice without being destroyed", (void *)codec);
	memset(codec, 0, sizeof(*codec));
	if (strcasecmp(codec_name, "L16") != 0) {
		host_log(SWITCH_LOG_ERROR, NULL, "Invalid codec %s!", codec_name);
		return SWITCH_STATUS_GENERR;
	}
	impl = codec_implementation(codec_name, rate, ms, channels);
	if (!impl) {
		host_log(SWITCH_LOG_WARNING, NULL, "Codec %s Exists but not at the desired implementation. %dhz %dms %dch",
				 codec_name, (int)rate, ms, channels);
		return SWITCH_STATUS_GENERR;
	}
	init(codec, impl, flags);
	codec->memory_pool = pool;
	acct_add(ACCT_CODEC, codec, "codec_init", (int)rate);
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_core_codec_destroy(switch_codec_t *codec)
{
	STRICT_PTR(codec);
	acct_del(ACCT_CODEC, codec, __func__);
	/* whoever is writing a frame with it is let finish, as in FreeSWITCH */
	pthread_mutex_lock(&codec->mutex->m);
	pthread_mutex_unlock(&codec->mutex->m);
	done(codec);
	return SWITCH_STATUS_SUCCESS;
}

/* ---- resampler ---- */

/* Room for the result, in samples per channel, with slack for what the filter still holds. */
static uint32_t room_for(const switch_audio_resampler_t *r, uint32_t samples)
{
	return (uint32_t)((uint64_t)samples * (uint32_t)r->to_rate / (uint32_t)r->from_rate) + 64;
}

switch_status_t switch_resample_perform_create(switch_audio_resampler_t **new_resampler, uint32_t from_rate,
											   uint32_t to_rate, uint32_t to_size, int quality, uint32_t channels,
											   const char *file, const char *func, int line)
{
	switch_audio_resampler_t *r;
	int err = 0;

	(void)func;
	STRICT_PTR(new_resampler);
	STRICT(from_rate && to_rate, "%s: from %u Hz to %u Hz", __func__, from_rate, to_rate);
	r = calloc(1, sizeof(*r));
	STRICT(r, "out of memory");
	if (!channels) channels = 1;
	r->resampler = speex_resampler_init(channels, from_rate, to_rate, quality, &err);
	if (!r->resampler) {
		free(r);
		return SWITCH_STATUS_GENERR;
	}
	r->from_rate = (int)from_rate;
	r->to_rate = (int)to_rate;
	r->factor = (double)to_rate / from_rate;
	r->rfactor = (double)from_rate / to_rate;
	r->channels = (int)channels;
	r->to_size = room_for(r, to_size);
	r->to = malloc((size_t)r->to_size * sizeof(int16_t) * channels);
	STRICT(r->to, "out of memory");
	acct_add(ACCT_RESAMPLER, r, file, line);
	*new_resampler = r;
	return SWITCH_STATUS_SUCCESS;
}

void switch_resample_destroy(switch_audio_resampler_t **resampler)
{
	switch_audio_resampler_t *r;

	STRICT_PTR(resampler);
	if (!*resampler) return; /* FreeSWITCH forgives it */
	r = *resampler;
	*resampler = NULL;
	acct_del(ACCT_RESAMPLER, r, __func__);
	speex_resampler_destroy(r->resampler);
	free(r->to);
	free(r);
}

uint32_t switch_resample_process(switch_audio_resampler_t *resampler, int16_t *src, uint32_t srclen)
{
	spx_uint32_t in = srclen, out;
	uint32_t room;

	STRICT_PTR(resampler);
	STRICT(acct_known(ACCT_RESAMPLER, resampler), "%s: resampler %p was destroyed", __func__, (void *)resampler);
	STRICT(src || !srclen, "%s: src is NULL", __func__);
	room = room_for(resampler, srclen);
	if (room > resampler->to_size) {
		resampler->to_size = room;
		resampler->to = realloc(resampler->to, (size_t)room * sizeof(int16_t) * (size_t)resampler->channels);
		STRICT(resampler->to, "out of memory");
	}
	out = resampler->to_size;
	speex_resampler_process_interleaved_int(resampler->resampler, src, &in, resampler->to, &out);
	resampler->to_len = out;
	return out;
}
