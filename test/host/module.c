/* The module: dlopen, load, shutdown, dlclose, and the interfaces it registered. Nothing of calls or media. */
#include "host.h"

#include <dlfcn.h>
#include <stdarg.h>

struct fspr_pool_t {
	uint32_t magic;
};

struct switch_loadable_module_interface {
	const char *name;
	switch_api_interface_t *apis;
	switch_application_interface_t *apps;
};

typedef struct completion {
	struct completion *next;
	char *text;
} completion_t;

static pthread_mutex_t load_mutex = PTHREAD_MUTEX_INITIALIZER; /* one load or unload at a time */
static pthread_mutex_t iface_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t iface_idle = PTHREAD_COND_INITIALIZER;
static unsigned calls_running;
static struct switch_loadable_module_interface *iface; /* NULL: not loaded */
static struct fspr_pool_t pool = {.magic = 0x9001};
static void *dso;
static switch_loadable_module_function_table_t *functions;
static completion_t *completions;

const char *switch_version_major(void)
{
	return "1";
}

const char *switch_version_minor(void)
{
	return "10";
}

const char *switch_version_full(void)
{
	return "1.10.12-release (stand-in host)";
}

/* ---- interfaces ---- */

switch_loadable_module_interface_t *switch_loadable_module_create_module_interface(switch_memory_pool_t *p,
																				   const char *name)
{
	switch_loadable_module_interface_t *m;

	STRICT(p == &pool, "%s: pool %p is not the one given to load()", __func__, (void *)p);
	STRICT_PTR(name);
	m = calloc(1, sizeof(*m));
	STRICT(m, "out of memory");
	m->name = name;
	return m;
}

void *switch_loadable_module_create_interface(switch_loadable_module_interface_t *mod,
											  switch_module_interface_name_t iname)
{
	STRICT_PTR(mod);
	if (iname == SWITCH_API_INTERFACE) {
		switch_api_interface_t *a = calloc(1, sizeof(*a)), **at = &mod->apis;

		STRICT(a, "out of memory");
		while (*at) at = &(*at)->next;
		a->parent = mod;
		return *at = a;
	}
	if (iname == SWITCH_APPLICATION_INTERFACE) {
		switch_application_interface_t *a = calloc(1, sizeof(*a)), **at = &mod->apps;

		STRICT(a, "out of memory");
		while (*at) at = &(*at)->next;
		a->parent = mod;
		return *at = a;
	}
	strict_abort("%s: interface %d is unknown here", __func__, (int)iname);
}

static void iface_free(switch_loadable_module_interface_t *m)
{
	for (switch_api_interface_t *a = m->apis, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	for (switch_application_interface_t *a = m->apps, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	free(m);
}

static void iface_check(const switch_loadable_module_interface_t *m)
{
	for (const switch_api_interface_t *a = m->apis; a; a = a->next)
		STRICT(a->interface_name && a->function, "an API interface without a name or a function");
	for (const switch_application_interface_t *a = m->apps; a; a = a->next)
		STRICT(a->interface_name && a->application_function, "an application without a name or a function");
}

unsigned module_interfaces(bool applications)
{
	unsigned n = 0;

	pthread_mutex_lock(&iface_mutex);
	if (iface && applications) {
		for (const switch_application_interface_t *a = iface->apps; a; a = a->next) n++;
	} else if (iface) {
		for (const switch_api_interface_t *a = iface->apis; a; a = a->next) n++;
	}
	pthread_mutex_unlock(&iface_mutex);
	return n;
}

void module_list(FILE *out, bool applications)
{
	pthread_mutex_lock(&iface_mutex);
	if (iface && applications) {
		for (const switch_application_interface_t *a = iface->apps; a; a = a->next)
			fprintf(out, "%s,%s,%s,%s\n", a->interface_name, a->short_desc ? a->short_desc : "",
					a->syntax ? a->syntax : "", iface->name);
	} else if (iface) {
		for (const switch_api_interface_t *a = iface->apis; a; a = a->next)
			fprintf(out, "%s,%s,%s,%s\n", a->interface_name, a->desc ? a->desc : "", a->syntax ? a->syntax : "",
					iface->name);
	}
	pthread_mutex_unlock(&iface_mutex);
}

/* ---- calling ---- */

static switch_status_t stream_write(switch_stream_handle_t *handle, const char *fmt, ...)
{
	va_list ap;

	STRICT(handle && fmt, "stream->write_function: NULL");
	va_start(ap, fmt);
	vfprintf(handle->end, fmt, ap);
	va_end(ap);
	return SWITCH_STATUS_SUCCESS;
}

static switch_status_t stream_raw_write(switch_stream_handle_t *handle, uint8_t *data, switch_size_t len)
{
	STRICT(handle && (data || !len), "stream->raw_write_function: NULL");
	fwrite(data, 1, len, handle->end);
	return SWITCH_STATUS_SUCCESS;
}

static void call_ended(void)
{
	pthread_mutex_lock(&iface_mutex);
	if (--calls_running == 0) pthread_cond_broadcast(&iface_idle);
	pthread_mutex_unlock(&iface_mutex);
}

bool module_api(const char *cmd, const char *arg, char **out)
{
	switch_stream_handle_t stream = {.write_function = stream_write, .raw_write_function = stream_raw_write};
	switch_api_function_t fn = NULL;
	switch_status_t status;
	size_t len = 0;
	FILE *f;

	pthread_mutex_lock(&iface_mutex);
	for (switch_api_interface_t *a = iface ? iface->apis : NULL; a; a = a->next) {
		if (strcasecmp(a->interface_name, cmd) == 0) fn = a->function;
	}
	if (fn) calls_running++;
	pthread_mutex_unlock(&iface_mutex);
	if (!fn) return false;
	f = open_memstream(out, &len);
	STRICT(f, "out of memory");
	stream.end = f;
	status = fn(arg && *arg ? arg : NULL, NULL, &stream);
	if (status != SWITCH_STATUS_SUCCESS) fputs("COMMAND RETURNED ERROR!\n", f);
	fclose(f);
	call_ended();
	return true;
}

bool module_app(switch_core_session_t *s, const char *app, const char *arg)
{
	switch_application_function_t fn = NULL;

	pthread_mutex_lock(&iface_mutex);
	for (switch_application_interface_t *a = iface ? iface->apps : NULL; a; a = a->next) {
		if (strcasecmp(a->interface_name, app) == 0) fn = a->application_function;
	}
	if (fn) calls_running++;
	pthread_mutex_unlock(&iface_mutex);
	if (!fn) return false;
	host_log(SWITCH_LOG_DEBUG, s->uuid, "EXECUTE %s %s(%s)", s->channel.name, app, arg ? arg : "");
	fn(s, arg);
	call_ended();
	return true;
}

/* ---- tab completion ---- */

switch_status_t switch_console_set_complete(const char *string)
{
	completion_t *c, **at = &completions;

	STRICT_PTR(string);
	pthread_mutex_lock(&iface_mutex);
	if (strncmp(string, "add ", 4) == 0) {
		c = calloc(1, sizeof(*c));
		STRICT(c, "out of memory");
		c->text = strdup(string + 4);
		while (*at) at = &(*at)->next;
		*at = c;
	} else if (strncmp(string, "del ", 4) == 0) { /* deletes what begins with these words */
		size_t len = strlen(string + 4);

		while (*at) {
			c = *at;
			if (strncmp(c->text, string + 4, len) == 0 && (c->text[len] == ' ' || !c->text[len])) {
				*at = c->next;
				free(c->text);
				free(c);
			} else {
				at = &c->next;
			}
		}
	}
	pthread_mutex_unlock(&iface_mutex);
	return SWITCH_STATUS_SUCCESS;
}

void module_completions(FILE *out)
{
	pthread_mutex_lock(&iface_mutex);
	for (const completion_t *c = completions; c; c = c->next) fprintf(out, "%s\n", c->text);
	pthread_mutex_unlock(&iface_mutex);
}

void module_free(void)
{
	while (completions) {
		completion_t *c = completions;

		completions = c->next;
		free(c->text);
		free(c);
	}
}

/* ---- load and unload ---- */

bool module_loaded(void)
{
	bool loaded;

	pthread_mutex_lock(&iface_mutex);
	loaded = iface != NULL;
	pthread_mutex_unlock(&iface_mutex);
	return loaded;
}

/* mod_x.so has its table in mod_x_module_interface */
static void *table_of(void *handle)
{
	const char *base = strrchr(options.module, '/');
	char symbol[256];

	base = base ? base + 1 : options.module;
	snprintf(symbol, sizeof(symbol), "%.*s_module_interface", (int)strcspn(base, ".-"), base);
	/* a sanitizer's build of the module has a suffix behind its name */
	return dlsym(handle, symbol) ? dlsym(handle, symbol) : dlsym(handle, "mod_audio_stream_module_interface");
}

static bool load(const char **err)
{
	switch_loadable_module_interface_t *m = NULL;

	if (module_loaded()) {
		*err = "Module already loaded";
		return false;
	}
	dso = dlopen(options.module, RTLD_NOW | RTLD_LOCAL);
	if (!dso) {
		*err = dlerror();
		host_log(SWITCH_LOG_CRIT, NULL, "Error Loading module %s: %s", options.module, *err);
		return false;
	}
	functions = table_of(dso);
	STRICT(functions, "%s has no module interface symbol", options.module);
	STRICT(functions->switch_api_version == SWITCH_API_VERSION, "the module's API version is %d, not %d",
		   functions->switch_api_version, SWITCH_API_VERSION);
	STRICT(functions->load && functions->shutdown, "the module has no load or no shutdown function");
	if (functions->load(&m, &pool) != SWITCH_STATUS_SUCCESS) {
		*err = "module load function returned an error";
		host_log(SWITCH_LOG_CRIT, NULL, "%s: %s", options.module, *err);
		if (m) iface_free(m);
		dlclose(dso);
		dso = NULL;
		return false;
	}
	STRICT(m, "load() returned success and no interface");
	iface_check(m);
	pthread_mutex_lock(&iface_mutex);
	iface = m;
	pthread_mutex_unlock(&iface_mutex);
	host_signals(); /* FreeSWITCH installs its handlers anew after each load */
	host_log(SWITCH_LOG_CONSOLE, NULL, "Successfully Loaded [%s]", m->name);
	return true;
}

static bool unload(const char **err)
{
	switch_loadable_module_interface_t *m;
	switch_event_t *e;

	pthread_mutex_lock(&iface_mutex);
	m = iface;
	iface = NULL; /* from now on its commands do not exist; those that run are waited for */
	while (m && calls_running) pthread_cond_wait(&iface_idle, &iface_mutex);
	pthread_mutex_unlock(&iface_mutex);
	if (!m) {
		*err = "No such module!";
		return false;
	}
	if (functions->shutdown() != SWITCH_STATUS_SUCCESS) {
		*err = "module shutdown function returned an error";
		pthread_mutex_lock(&iface_mutex);
		iface = m;
		pthread_mutex_unlock(&iface_mutex);
		return false;
	}
	STRICT(!bug_live(true), "%u media bugs left on calls by shutdown(): their callbacks are about to be unmapped",
		   bug_live(true));
	STRICT(!event_subclasses(NULL), "%u event subclasses still reserved after shutdown()", event_subclasses(NULL));
	STRICT(!event_bindings(), "%u event bindings left by shutdown(): their callbacks are about to be unmapped",
		   event_bindings());
	e = event_new("MODULE_UNLOAD");
	event_add(e, "name", m->name);
	event_send(e);
	host_log(SWITCH_LOG_CONSOLE, NULL, "%s unloaded.", m->name);
	iface_free(m);
	dlclose(dso);
	dso = NULL;
	return true;
}

bool module_load(const char **err)
{
	bool ok;

	pthread_mutex_lock(&load_mutex);
	ok = load(err);
	pthread_mutex_unlock(&load_mutex);
	return ok;
}

bool module_unload(const char **err)
{
	bool ok;

	pthread_mutex_lock(&load_mutex);
	ok = unload(err);
	pthread_mutex_unlock(&load_mutex);
	return ok;
}
