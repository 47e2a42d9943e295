/*
 * What Go asks of FreeSWITCH itself: the log, the XML settings, folders, version, and freeing texts.
 */
#include "shim.h"

void as_log(int level, const char *uuid, const char *text)
{
	switch_log_printf(SWITCH_CHANNEL_ID_LOG, "mod_audio_stream", "audio_stream", 0, uuid, (switch_log_level_t)level,
					  "%s\n", text);
}

const char *as_temp_dir(void)
{
	return SWITCH_GLOBAL_dirs.temp_dir ? SWITCH_GLOBAL_dirs.temp_dir : "/tmp";
}

const char *as_host_version(void)
{
	return switch_version_full();
}

void as_text_free(as_text_t *text)
{
	free(text->ptr);
	text->ptr = NULL;
	text->len = 0;
}

static bool append(as_text_t *out, size_t *room, const char *s)
{
	size_t n = strlen(s) + 1;

	if (out->len + n > *room) {
		char *grown = realloc(out->ptr, *room = (out->len + n) * 2);

		if (!grown) return false;
		out->ptr = grown;
	}
	memcpy(out->ptr + out->len, s, n);
	out->len += n;
	return true;
}

as_status_t as_config_read(as_text_t *out)
{
	switch_xml_t root, cfg = NULL, settings, param;
	as_status_t status = AS_OK;
	size_t room = 0;

	memset(out, 0, sizeof(*out));
	if (!(root = switch_xml_open_cfg("audio_stream.conf", &cfg, NULL))) return AS_REFUSED;
	settings = cfg ? switch_xml_child(cfg, "settings") : NULL;
	for (param = settings ? switch_xml_child(settings, "param") : NULL; param; param = param->next) {
		const char *name = switch_xml_attr(param, "name"), *value = switch_xml_attr(param, "value");

		if (!name || !value) continue;
		if (!append(out, &room, name) || !append(out, &room, value)) {
			as_text_free(out);
			status = AS_NO_MEMORY;
			break;
		}
	}
	switch_xml_free(root);
	return status;
}
