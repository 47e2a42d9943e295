/*
 * What one frame of 20 ms costs to resample, by pair of rates: mod/resample.c over the stand-in host's resampler, which
 * is the same libspeexdsp at the same quality that FreeSWITCH uses.
 */
#include "shim.h"

#include "bench.h"

static as_resampler_t *resampler;
static int16_t in[48000 / 50];
static uint32_t samples;
static uint64_t produced;

static void tune(uint32_t from, uint32_t to)
{
	if (resampler) as_resampler_destroy(resampler);
	resampler = as_resampler_create(from, to, 1);
	if (!resampler) exit(1);
	samples = from / 50;
	for (uint32_t i = 0; i < samples; i++) in[i] = (int16_t)(i * 7919);
}

static void frame(void)
{
	const int16_t *out;

	produced += as_resampler_process(resampler, in, samples, &out);
}

#define PAIR(from, to)                                                                                                 \
	static void tune_##from##_##to(void)                                                                               \
	{                                                                                                                  \
		tune(from, to);                                                                                                \
	}
#define CASE(from, to)                                                                                                 \
	{                                                                                                                  \
		"resample_" #from "_" #to, tune_##from##_##to, NULL, frame                                                     \
	}

PAIR(8000, 16000)
PAIR(8000, 24000)
PAIR(8000, 48000)
PAIR(16000, 8000)
PAIR(24000, 8000)
PAIR(48000, 8000)
PAIR(44100, 8000)
PAIR(16000, 48000)
PAIR(48000, 16000)

static const bench_case_t cases[] = {CASE(8000, 16000),  CASE(8000, 24000),       CASE(8000, 48000), CASE(16000, 8000),
									 CASE(24000, 8000),  CASE(48000, 8000),       CASE(44100, 8000), CASE(16000, 48000),
									 CASE(48000, 16000), {NULL, NULL, NULL, NULL}};

int main(int argc, char **argv)
{
	int status = bench_main(cases, argc, argv, 20000);

	return status ? status : produced == 0 && argc != 2; /* nothing came out: there is nothing to be proud of */
}
