/* The log: one line per message with time, level, place and, in front, the channel's uuid, as FreeSWITCH writes it. */
#include "host.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static FILE *log_file;

void log_open(const char *path)
{
	log_file = path ? fopen(path, "a") : stderr;
	if (!log_file) {
		fprintf(stderr, "fshost: cannot write the log %s: %s\n", path, strerror(errno));
		exit(2);
	}
	setvbuf(log_file, NULL, _IOLBF, 0);
}

void log_close(void)
{
	pthread_mutex_lock(&log_mutex);
	if (log_file && log_file != stderr) fclose(log_file);
	log_file = NULL;
	pthread_mutex_unlock(&log_mutex);
}

static void put(const char *file, int line, const char *uuid, switch_log_level_t level, const char *fmt, va_list ap)
{
	static const char *const names[] = {"CONSOLE", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"};
	const char *base = strrchr(file, '/');
	struct timespec ts;
	struct tm tm;
	char stamp[40], *text = NULL;
	size_t len;

	if (vasprintf(&text, fmt, ap) < 0) return;
	len = strlen(text);
	while (len && text[len - 1] == '\n') text[--len] = '\0';
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	pthread_mutex_lock(&log_mutex);
	if (log_file) {
		fprintf(log_file, "%s%s%s.%06ld [%s] %s:%d %s\n", uuid ? uuid : "", uuid ? " " : "", stamp, ts.tv_nsec / 1000,
				names[level], base ? base + 1 : file, line, text);
	}
	pthread_mutex_unlock(&log_mutex);
	free(text);
}

void switch_log_printf(switch_text_channel_t channel, const char *file, const char *func, int line,
					   const char *userdata, switch_log_level_t level, const char *fmt, ...)
{
	va_list ap;

	STRICT(channel == SWITCH_CHANNEL_ID_LOG, "switch_log_printf: channel %d", (int)channel);
	STRICT((unsigned)level <= SWITCH_LOG_DEBUG, "switch_log_printf at %s:%d: level %d", file, line, (int)level);
	STRICT(file && func && fmt, "switch_log_printf: NULL");
	va_start(ap, fmt);
	put(file, line, userdata, level, fmt, ap);
	va_end(ap);
}

void host_log(switch_log_level_t level, const char *uuid, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put("fshost", 0, uuid, level, fmt, ap);
	va_end(ap);
}
