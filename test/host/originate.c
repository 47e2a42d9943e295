/* host_originate: a call from key=value words; values may have %XX in them. */
#include "host.h"

#include <ctype.h>

static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			char hex[3] = {s[1], s[2], '\0'};

			*to++ = (char)strtol(hex, NULL, 16);
			s += 3;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static const char *set_option(host_originate_t *o, char *key, char *value)
{
	unescape(value);
	if (strcmp(key, "uuid") == 0) {
		snprintf(o->uuid, sizeof(o->uuid), "%s", value);
	} else if (strcmp(key, "rate") == 0) {
		o->rate = (uint32_t)atoi(value);
	} else if (strcmp(key, "ptime") == 0) {
		o->ptime = (uint32_t)atoi(value);
	} else if (strcmp(key, "channels") == 0) {
		o->channels = (uint32_t)atoi(value);
	} else if (strcmp(key, "codec") == 0) {
		o->codec = value;
	} else if (strcmp(key, "in") == 0) {
		o->in = value;
	} else if (strcmp(key, "out") == 0) {
		o->out = value;
	} else if (strcmp(key, "heard") == 0) {
		o->heard = value;
	} else if (strcmp(key, "times") == 0) {
		o->times = value;
	} else if (strcmp(key, "writer") == 0) {
		o->writer = value;
	} else if (strcmp(key, "name") == 0) {
		o->name = value;
	} else if (strcmp(key, "writer_thread") == 0) {
		o->writer_thread = atoi(value) != 0;
	} else if (strcmp(key, "proxy") == 0) {
		o->proxy = atoi(value) != 0;
	} else if (strcmp(key, "bypass") == 0) {
		o->bypass = atoi(value) != 0;
	} else if (strcmp(key, "nomedia") == 0) {
		o->nomedia = atoi(value) != 0;
	} else if (strcmp(key, "nortp") == 0) {
		if (atoi(value)) o->in = "silence";
	} else if (strcmp(key, "state") == 0) {
		if (strcmp(value, "ringing") == 0) {
			o->state = ORIG_RINGING;
		} else if (strcmp(value, "early") == 0) {
			o->state = ORIG_EARLY;
		} else if (strcmp(value, "answered") == 0 || strcmp(value, "parked") == 0) {
			o->state = ORIG_ANSWERED;
		} else {
			return "state is ringing, early or answered";
		}
	} else if (strncmp(key, "var:", 4) == 0) {
		host_var_t *v = calloc(1, sizeof(*v));

		STRICT(v, "out of memory");
		v->name = key + 4;
		v->value = value;
		v->next = o->vars;
		o->vars = v;
	} else {
		return "unknown key";
	}
	return NULL;
}

void command_originate(const char *arg, FILE *out)
{
	host_originate_t o = {.rate = 8000, .ptime = 20, .channels = 1, .codec = "RAW", .state = ORIG_ANSWERED};
	char *text = strdup(arg ? arg : ""), *rest = text, why[512] = "", *w;
	const char *bad = NULL;

	uuid_make(o.uuid);
	while (!bad && (w = command_word(&rest))) {
		char *eq = strchr(w, '=');

		bad = eq ? NULL : "key=value expected";
		if (eq) *eq++ = '\0';
		if (!bad) bad = set_option(&o, w, eq);
		if (bad) fprintf(out, "-ERR %s: %s\n", w, bad);
	}
	if (!bad && !codec_implementation(o.codec, o.rate, (int)o.ptime, (int)o.channels)) {
		bad = "codec";
		fprintf(out, "-ERR no codec %s with %u Hz, %u ms, %u channels\n", o.codec, o.rate, o.ptime, o.channels);
	}
	if (!bad && !atomic_load(&host_running)) {
		bad = "shutdown";
		fprintf(out, "-ERR shutting down\n");
	}
	if (!bad) {
		char uuid[HOST_UUID_SIZE];

		memcpy(uuid, o.uuid, sizeof(uuid));
		if (session_create(&o, why, sizeof(why))) {
			fprintf(out, "+OK %s\n", uuid);
			if (!atomic_load(&host_running)) session_hangup_all(HOST_CAUSE_SYSTEM_SHUTDOWN); /* it came in between */
		} else {
			fprintf(out, "-ERR %s\n", why);
		}
	}
	for (host_var_t *v = o.vars, *next; v; v = next) {
		next = v->next;
		free(v);
	}
	free(text);
}
