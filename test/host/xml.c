/*
 * The settings file as FreeSWITCH's XML tree: tags, attributes, text, comments, the five entities and numeric ones. The
 * file is read at start and by reloadxml; each open parses the text anew, so that every tree has one owner.
 */
#include "host.h"

#include <ctype.h>
#include <errno.h>

typedef struct override {
	struct override *next;
	char *name, *value;
} override_t;

static pthread_mutex_t conf_mutex = PTHREAD_MUTEX_INITIALIZER;
static char conf_path[4096];
static char *conf_text;
static override_t *overrides;

void xml_set_file(const char *path)
{
	snprintf(conf_path, sizeof(conf_path), "%s", path ? path : "");
	xml_reload();
}

bool xml_reload(void)
{
	FILE *f = conf_path[0] ? fopen(conf_path, "rb") : NULL;
	char *text = NULL;
	size_t used = 0, got;

	if (conf_path[0] && !f) host_log(SWITCH_LOG_ERROR, NULL, "cannot read %s: %s", conf_path, strerror(errno));
	do {
		text = realloc(text, used + 4096 + 1);
		STRICT(text, "out of memory");
		got = f ? fread(text + used, 1, 4096, f) : 0;
		used += got;
	} while (got);
	text[used] = '\0';
	if (f) fclose(f);
	pthread_mutex_lock(&conf_mutex);
	free(conf_text);
	conf_text = text;
	pthread_mutex_unlock(&conf_mutex);
	return f != NULL;
}

void xml_override(const char *name, const char *value)
{
	override_t **at, *o;

	pthread_mutex_lock(&conf_mutex);
	for (at = &overrides; *at && strcasecmp((*at)->name, name) != 0; at = &(*at)->next) {
	}
	if (*at) {
		o = *at;
		*at = o->next;
		free(o->name);
		free(o->value);
		free(o);
	}
	if (value) {
		o = calloc(1, sizeof(*o));
		STRICT(o, "out of memory");
		o->name = strdup(name);
		o->value = strdup(value);
		o->next = overrides;
		overrides = o;
	}
	pthread_mutex_unlock(&conf_mutex);
}

void xml_free_overrides(void)
{
	while (overrides) {
		char name[256];

		snprintf(name, sizeof(name), "%s", overrides->name);
		xml_override(name, NULL);
	}
	free(conf_text);
	conf_text = NULL;
}

/* ---- building ---- */

static switch_xml_t node_new(switch_xml_t parent, const char *name, size_t len)
{
	switch_xml_t x = calloc(1, sizeof(*x)), at;

	STRICT(x, "out of memory");
	x->name = strndup(name, len);
	x->attr = calloc(1, sizeof(char *));
	x->txt = strdup("");
	x->parent = parent;
	if (!parent) return x;
	if (!parent->child) {
		parent->child = x;
		return x;
	}
	for (at = parent->child; at->ordered; at = at->ordered) { /* document order */
	}
	at->ordered = x;
	for (at = parent->child;; at = at->sibling) { /* siblings differ in name, next has the same one */
		if (strcmp(at->name, x->name) == 0) {
			while (at->next) at = at->next;
			at->next = x;
			break;
		}
		if (!at->sibling) {
			at->sibling = x;
			break;
		}
	}
	return x;
}

static void node_attr(switch_xml_t x, const char *name, size_t name_len, char *value)
{
	size_t n = 0;

	while (x->attr[n]) n += 2;
	x->attr = realloc(x->attr, (n + 3) * sizeof(char *));
	STRICT(x->attr, "out of memory");
	x->attr[n] = strndup(name, name_len);
	x->attr[n + 1] = value;
	x->attr[n + 2] = NULL;
}

static void node_free(switch_xml_t x)
{
	for (switch_xml_t c = x->child, next; c; c = next) {
		next = c->ordered;
		node_free(c);
	}
	for (size_t i = 0; x->attr[i]; i++) free(x->attr[i]);
	free(x->attr);
	free(x->name);
	free(x->txt);
	free(x);
}

/* ---- parsing ---- */

static size_t put_utf8(char *out, unsigned long cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xC0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xE0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
		out[2] = (char)(0x80 | (cp & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
	out[3] = (char)(0x80 | (cp & 0x3F));
	return 4;
}

static char *decode(const char *from, size_t len)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
	char *out = malloc(len + 1);
	size_t n = 0, i = 0;

	STRICT(out, "out of memory");
	while (i < len) {
		const char *p = from + i, *semi = memchr(p, ';', len - i);
		bool done = false;

		if (*p == '&' && semi) {
			for (size_t k = 0; k < sizeof(known) / sizeof(known[0]) && !done; k++) {
				if (strncmp(p, known[k].name, strlen(known[k].name)) == 0) {
					out[n++] = known[k].c;
					done = true;
				}
			}
			if (!done && p[1] == '#') {
				n += put_utf8(out + n, p[2] == 'x' ? strtoul(p + 3, NULL, 16) : strtoul(p + 2, NULL, 10));
				done = true;
			}
		}
		if (done) {
			i += (size_t)(semi - p) + 1;
		} else {
			out[n++] = from[i++];
		}
	}
	out[n] = '\0';
	return out;
}

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p)) p++;
	return p;
}

/* Attributes up to '>' or '/>'. NULL on a mistake. */
static const char *parse_attrs(switch_xml_t x, const char *p)
{
	for (;;) {
		const char *name, *value;
		size_t len;
		char quote;

		p = skip_space(p);
		if (!*p) return NULL;
		if (*p == '>' || *p == '/') return p;
		name = p;
		len = strcspn(p, "= \t\r\n/>");
		p = skip_space(p + len);
		if (*p != '=' || !len) return NULL;
		p = skip_space(p + 1);
		quote = *p++;
		if (quote != '"' && quote != '\'') return NULL;
		value = p;
		p = strchr(p, quote);
		if (!p) return NULL;
		node_attr(x, name, len, decode(value, (size_t)(p - value)));
		p++;
	}
}

static switch_xml_t parse(const char *p)
{
	switch_xml_t root = NULL, at = NULL;

	while (*p) {
		const char *lt = strchr(p, '<'), *name;
		size_t len;
		switch_xml_t x;

		if (at && lt && lt > p) {
			char *txt = decode(p, (size_t)(lt - p));
			char *joined = malloc(strlen(at->txt) + strlen(txt) + 1);

			STRICT(joined, "out of memory");
			strcat(strcpy(joined, at->txt), txt);
			free(at->txt);
			free(txt);
			at->txt = joined;
		}
		if (!lt) break;
		p = lt + 1;
		if (strncmp(p, "!--", 3) == 0) {
			p = strstr(p, "-->");
			if (!p) goto bad;
			p += 3;
			continue;
		}
		if (*p == '?' || *p == '!') {
			p = strchr(p, '>');
			if (!p) goto bad;
			p++;
			continue;
		}
		if (*p == '/') {
			len = strcspn(p + 1, " \t\r\n>");
			if (!at || strlen(at->name) != len || strncmp(at->name, p + 1, len) != 0) goto bad;
			at = at->parent;
			p = strchr(p, '>');
			if (!p) goto bad;
			p++;
			continue;
		}
		name = p;
		len = strcspn(p, " \t\r\n/>");
		if (!len || (root && !at)) goto bad;
		x = node_new(at, name, len);
		if (!root) root = x;
		p = parse_attrs(x, p + len);
		if (!p) goto bad;
		if (*p == '/') {
			p++;
		} else {
			at = x;
		}
		if (*p != '>') goto bad;
		p++;
	}
	if (root && !at) return root;
bad:
	if (root) node_free(root);
	host_log(SWITCH_LOG_ERROR, NULL, "%s: not well-formed XML", conf_path);
	return NULL;
}

/* ---- the module's view ---- */

switch_xml_t switch_xml_child(switch_xml_t xml, const char *name)
{
	STRICT_PTR(name);
	xml = xml ? xml->child : NULL;
	while (xml && strcmp(name, xml->name) != 0) xml = xml->sibling;
	return xml;
}

const char *switch_xml_attr(switch_xml_t xml, const char *attr)
{
	STRICT_PTR(attr);
	if (!xml || !xml->attr) return NULL;
	for (size_t i = 0; xml->attr[i]; i += 2) {
		if (strcmp(xml->attr[i], attr) == 0) return xml->attr[i + 1];
	}
	return NULL;
}

static switch_xml_t find_configuration(switch_xml_t x, const char *name)
{
	for (; x; x = x->ordered) {
		const char *n = strcmp(x->name, "configuration") == 0 ? switch_xml_attr(x, "name") : NULL;
		switch_xml_t deeper;

		if (n && strcmp(n, name) == 0) return x;
		deeper = find_configuration(x->child, name);
		if (deeper) return deeper;
	}
	return NULL;
}

static void apply_overrides(switch_xml_t cfg)
{
	switch_xml_t settings = switch_xml_child(cfg, "settings");

	if (!settings && overrides) settings = node_new(cfg, "settings", 8);
	for (const override_t *o = overrides; o; o = o->next) {
		switch_xml_t p;

		for (p = switch_xml_child(settings, "param"); p; p = p->next) {
			const char *name = switch_xml_attr(p, "name");

			if (name && strcasecmp(name, o->name) == 0) break;
		}
		if (!p) {
			p = node_new(settings, "param", 5);
			node_attr(p, "name", 4, strdup(o->name));
		}
		for (size_t i = 0; p->attr[i]; i += 2) {
			if (strcmp(p->attr[i], "value") != 0) continue;
			free(p->attr[i + 1]);
			p->attr[i + 1] = strdup(o->value);
		}
		if (!switch_xml_attr(p, "value")) node_attr(p, "value", 5, strdup(o->value));
	}
}

switch_xml_t switch_xml_open_cfg(const char *file_path, switch_xml_t *node, switch_event_t *params)
{
	switch_xml_t root, cfg;

	(void)params;
	STRICT_PTR(file_path);
	STRICT_PTR(node);
	*node = NULL;
	pthread_mutex_lock(&conf_mutex);
	root = conf_text && conf_text[0] ? parse(conf_text) : NULL;
	cfg = root ? find_configuration(root, file_path) : NULL;
	if (cfg) apply_overrides(cfg);
	pthread_mutex_unlock(&conf_mutex);
	if (!cfg) {
		if (root) node_free(root);
		return NULL;
	}
	root->is_switch_xml_root_t = SWITCH_TRUE;
	acct_add(ACCT_XML, root, file_path, 0);
	*node = cfg;
	return root;
}

void switch_xml_free(switch_xml_t xml)
{
	if (!xml) return; /* FreeSWITCH forgives it */
	STRICT(acct_known(ACCT_XML, xml), "%s: %p is no open XML root (freed twice, or a node of one)", __func__,
		   (void *)xml);
	acct_del(ACCT_XML, xml, __func__);
	node_free(xml);
}
