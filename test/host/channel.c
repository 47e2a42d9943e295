/* Channels: variables, private data, flags, answer, hangup, the headers they give an event. */
#include "host.h"

#define MAGIC_LIVE 0xc4a22e11u

static const struct {
	int number;
	const char *name;
} causes[] = {{0, "NONE"},
			  {1, "UNALLOCATED_NUMBER"},
			  {16, "NORMAL_CLEARING"},
			  {17, "USER_BUSY"},
			  {18, "NO_USER_RESPONSE"},
			  {19, "NO_ANSWER"},
			  {21, "CALL_REJECTED"},
			  {27, "DESTINATION_OUT_OF_ORDER"},
			  {31, "NORMAL_UNSPECIFIED"},
			  {41, "NORMAL_TEMPORARY_FAILURE"},
			  {88, "INCOMPATIBLE_DESTINATION"},
			  {487, "ORIGINATOR_CANCEL"},
			  {501, "LOSE_RACE"},
			  {502, "MANAGER_REQUEST"},
			  {600, "BLIND_TRANSFER"},
			  {601, "SYSTEM_SHUTDOWN"},
			  {602, "ALLOTTED_TIMEOUT"}};

const char *cause_name(int cause)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		if (causes[i].number == cause) return causes[i].name;
	}
	return "UNKNOWN";
}

int cause_number(const char *name)
{
	if (*name >= '0' && *name <= '9') return atoi(name);
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		if (strcasecmp(causes[i].name, name) == 0) return causes[i].number;
	}
	return SWITCH_CAUSE_NORMAL_CLEARING; /* so does FreeSWITCH for a name it does not know */
}

switch_call_cause_t switch_channel_str2cause(const char *str)
{
	return (switch_call_cause_t)(str && *str ? cause_number(str) : SWITCH_CAUSE_NORMAL_CLEARING);
}

void channel_init(switch_channel_t *c, switch_core_session_t *s, const char *name)
{
	c->magic = MAGIC_LIVE;
	c->session = s;
	snprintf(c->name, sizeof(c->name), "%s", name ? name : "host/call");
	mutex_init_recursive(&c->profile_mutex);
	atomic_store(&c->state, CS_EXECUTE);
}

void channel_uninit(switch_channel_t *c)
{
	for (host_var_t *v = c->vars, *next; v; v = next) {
		next = v->next;
		free(v->name);
		free(v->value);
		free(v);
	}
	for (host_private_t *p = c->privates, *next; p; p = next) {
		next = p->next;
		free(p->key);
		free(p);
	}
	c->vars = NULL;
	c->privates = NULL;
}

void channel_check(const switch_channel_t *c, const char *fn)
{
	STRICT(c, "%s: channel is NULL: FreeSWITCH would crash here", fn);
	if (c->magic != MAGIC_LIVE && c->session) session_check(c->session, fn); /* says "was destroyed" */
	STRICT(c->magic == MAGIC_LIVE, "%s: %p is no channel", fn, (const void *)c);
	session_check(c->session, fn);
}

bool channel_flag(const switch_channel_t *c, int flag)
{
	return atomic_load_explicit(&c->flags[flag], memory_order_acquire) != 0;
}

void channel_set_flag(switch_channel_t *c, int flag, bool on)
{
	atomic_store_explicit(&c->flags[flag], on, memory_order_release);
}

/* ---- state ---- */

static bool has_media(const switch_channel_t *c)
{
	return (channel_flag(c, CF_ANSWERED) || channel_flag(c, HOST_CF_EARLY_MEDIA)) && !channel_flag(c, CF_PROXY_MODE);
}

bool channel_ready(switch_channel_t *c, bool media)
{
	if (media && !has_media(c)) return false;
	return !atomic_load(&c->cause) && atomic_load(&c->state) < CS_HANGUP;
}

int switch_channel_test_ready(switch_channel_t *channel, switch_bool_t check_ready, switch_bool_t check_media)
{
	channel_check(channel, __func__);
	if (check_media && !has_media(channel)) return 0;
	return check_ready ? channel_ready(channel, check_media) : check_media;
}

switch_channel_state_t switch_channel_get_state(switch_channel_t *channel)
{
	channel_check(channel, __func__);
	return (switch_channel_state_t)atomic_load(&channel->state);
}

uint32_t switch_channel_test_flag(switch_channel_t *channel, switch_channel_flag_t flag)
{
	channel_check(channel, __func__);
	STRICT((unsigned)flag < HOST_CF_MAX, "%s: flag %d is out of range", __func__, (int)flag);
	return channel_flag(channel, (int)flag);
}

switch_status_t switch_channel_perform_pre_answer(switch_channel_t *channel, const char *file, const char *func,
												  int line)
{
	(void)file, (void)func, (void)line;
	channel_check(channel, __func__);
	if (atomic_load(&channel->cause) || atomic_load(&channel->state) >= CS_HANGUP) return SWITCH_STATUS_FALSE;
	if (channel_flag(channel, CF_ANSWERED) || channel_flag(channel, HOST_CF_EARLY_MEDIA)) return SWITCH_STATUS_SUCCESS;
	if (channel_flag(channel, HOST_CF_NO_MEDIA)) {
		switch_channel_perform_hangup(channel, HOST_HERE, (switch_call_cause_t)HOST_CAUSE_INCOMPATIBLE_DESTINATION);
		return SWITCH_STATUS_FALSE;
	}
	channel_set_flag(channel, HOST_CF_EARLY_MEDIA, true);
	host_log(SWITCH_LOG_NOTICE, channel->session->uuid, "Pre-Answer %s!", channel->name);
	event_channel(channel, "CHANNEL_PROGRESS_MEDIA");
	return SWITCH_STATUS_SUCCESS;
}

switch_status_t switch_channel_perform_answer(switch_channel_t *channel, const char *file, const char *func, int line)
{
	(void)file, (void)func, (void)line;
	channel_check(channel, __func__);
	if (atomic_load(&channel->cause) || atomic_load(&channel->state) >= CS_HANGUP) return SWITCH_STATUS_FALSE;
	if (channel_flag(channel, CF_ANSWERED)) return SWITCH_STATUS_SUCCESS;
	if (channel_flag(channel, HOST_CF_NO_MEDIA)) {
		switch_channel_perform_hangup(channel, HOST_HERE, (switch_call_cause_t)HOST_CAUSE_INCOMPATIBLE_DESTINATION);
		return SWITCH_STATUS_FALSE;
	}
	channel_set_flag(channel, CF_ANSWERED, true);
	host_log(SWITCH_LOG_NOTICE, channel->session->uuid, "Channel [%s] has been answered", channel->name);
	event_channel(channel, "CHANNEL_ANSWER");
	return SWITCH_STATUS_SUCCESS;
}

switch_channel_state_t switch_channel_perform_hangup(switch_channel_t *channel, const char *file, const char *func,
													 int line, switch_call_cause_t hangup_cause)
{
	int state;

	(void)func;
	channel_check(channel, __func__);
	state = atomic_load(&channel->state);
	while (state < CS_HANGUP && !atomic_compare_exchange_weak(&channel->state, &state, CS_HANGUP)) {
	}
	if (state >= CS_HANGUP) return (switch_channel_state_t)state; /* one per customer */
	atomic_store(&channel->cause, (int)hangup_cause ? (int)hangup_cause : SWITCH_CAUSE_NORMAL_CLEARING);
	host_log(SWITCH_LOG_NOTICE, channel->session->uuid, "Hangup %s [%s] (%s:%d)", channel->name,
			 cause_name(atomic_load(&channel->cause)), file, line);
	event_channel(channel, "CHANNEL_HANGUP");
	return CS_HANGUP;
}

/* ---- variables ---- */

const char *channel_var(switch_channel_t *c, const char *name, char *buf, size_t len)
{
	const char *r = NULL;

	pthread_mutex_lock(&c->profile_mutex);
	for (const host_var_t *v = c->vars; v; v = v->next) {
		if (strcasecmp(v->name, name) == 0) {
			snprintf(buf, len, "%s", v->value);
			r = buf;
			break;
		}
	}
	pthread_mutex_unlock(&c->profile_mutex);
	return r;
}

const char *switch_channel_get_variable_dup(switch_channel_t *channel, const char *varname, switch_bool_t dup, int idx)
{
	const char *r = NULL;

	(void)idx;
	channel_check(channel, __func__);
	if (!varname || !*varname) return NULL;
	pthread_mutex_lock(&channel->profile_mutex);
	for (const host_var_t *v = channel->vars; v; v = v->next) {
		if (strcasecmp(v->name, varname) != 0) continue; /* FreeSWITCH's headers ignore case too */
		r = v->value;
		if (dup) {
			char *copy = switch_core_perform_session_alloc(channel->session, strlen(v->value) + 1, HOST_HERE);

			r = strcpy(copy, v->value);
		}
		break;
	}
	pthread_mutex_unlock(&channel->profile_mutex);
	return r;
}

static bool names_a_variable(const char *value)
{
	const char *p = strstr(value, "${");

	return p && strchr(p, '}');
}

switch_status_t switch_channel_set_variable_var_check(switch_channel_t *channel, const char *varname, const char *value,
													  switch_bool_t var_check)
{
	host_var_t **at, *v;

	channel_check(channel, __func__);
	if (!varname || !*varname) return SWITCH_STATUS_FALSE;
	if (value && *value && var_check && names_a_variable(value)) {
		host_log(SWITCH_LOG_CRIT, channel->session->uuid, "Invalid data (${%s} contains a variable)", varname);
		return SWITCH_STATUS_SUCCESS; /* refused, but FreeSWITCH says so only in the log */
	}
	pthread_mutex_lock(&channel->profile_mutex);
	for (at = &channel->vars; *at; at = &(*at)->next) {
		if (strcasecmp((*at)->name, varname) == 0) {
			v = *at;
			*at = v->next;
			free(v->name);
			free(v->value);
			free(v);
			break;
		}
	}
	if (value && *value) {
		v = calloc(1, sizeof(*v));
		STRICT(v, "out of memory");
		v->name = strdup(varname);
		v->value = strdup(value);
		for (at = &channel->vars; *at; at = &(*at)->next) {
		}
		*at = v;
	}
	pthread_mutex_unlock(&channel->profile_mutex);
	return SWITCH_STATUS_SUCCESS;
}

/* ---- private data ---- */

switch_status_t switch_channel_set_private(switch_channel_t *channel, const char *key, const void *private_info)
{
	host_private_t *p;

	channel_check(channel, __func__);
	STRICT_PTR(key);
	pthread_mutex_lock(&channel->profile_mutex);
	for (p = channel->privates; p && strcasecmp(p->key, key) != 0; p = p->next) {
	}
	if (!p) {
		p = calloc(1, sizeof(*p));
		STRICT(p, "out of memory");
		p->key = strdup(key);
		p->next = channel->privates;
		channel->privates = p;
	}
	p->value = private_info;
	pthread_mutex_unlock(&channel->profile_mutex);
	return SWITCH_STATUS_SUCCESS;
}

void *switch_channel_get_private(switch_channel_t *channel, const char *key)
{
	const void *r = NULL;

	channel_check(channel, __func__);
	STRICT_PTR(key);
	pthread_mutex_lock(&channel->profile_mutex);
	for (const host_private_t *p = channel->privates; p; p = p->next) {
		if (strcasecmp(p->key, key) == 0) r = p->value;
	}
	pthread_mutex_unlock(&channel->profile_mutex);
	return (void *)(uintptr_t)r;
}

/* The string lives as long as the session, as in FreeSWITCH. */
const char *switch_channel_get_partner_uuid(switch_channel_t *channel)
{
	switch_core_session_t *s;
	char uuid[HOST_UUID_SIZE], *copy;

	channel_check(channel, __func__);
	s = channel->session;
	pthread_mutex_lock(&s->media_mutex);
	memcpy(uuid, s->partner, sizeof(uuid));
	pthread_mutex_unlock(&s->media_mutex);
	if (!uuid[0]) return NULL;
	copy = switch_core_perform_session_alloc(s, sizeof(uuid), HOST_HERE);
	return memcpy(copy, uuid, sizeof(uuid));
}

/* ---- what an event says of the channel ---- */

static const char *state_name(int state)
{
	switch (state) {
	case CS_NEW:
		return "CS_NEW";
	case CS_EXECUTE:
		return "CS_EXECUTE";
	case CS_PARK:
		return "CS_PARK";
	case CS_HANGUP:
		return "CS_HANGUP";
	case CS_DESTROY:
		return "CS_DESTROY";
	default:
		return "CS_EXCHANGE_MEDIA";
	}
}

static const char *answer_state(const switch_channel_t *c)
{
	if (atomic_load(&c->state) >= CS_HANGUP) return "hangup";
	if (channel_flag(c, CF_ANSWERED)) return "answered";
	return channel_flag(c, HOST_CF_EARLY_MEDIA) ? "early" : "ringing";
}

void channel_event_data(switch_channel_t *c, switch_event_t *e)
{
	switch_codec_implementation_t impl;
	int state = atomic_load(&c->state);

	event_add(e, "Channel-State", state_name(state));
	event_add(e, "Channel-Call-State", state >= CS_HANGUP ? "HANGUP" : channel_flag(c, CF_HOLD) ? "HELD" : "ACTIVE");
	event_addf(e, "Channel-State-Number", "%d", state);
	event_add(e, "Channel-Name", c->name);
	event_add(e, "Unique-ID", c->session->uuid);
	event_add(e, "Call-Direction", "inbound");
	event_add(e, "Channel-Call-UUID", c->session->uuid);
	event_add(e, "Answer-State", answer_state(c));
	if (atomic_load(&c->cause)) event_add(e, "Hangup-Cause", cause_name(atomic_load(&c->cause)));
	pthread_mutex_lock(&c->session->impl_mutex);
	impl = c->session->read_impl;
	pthread_mutex_unlock(&c->session->impl_mutex);
	if (impl.iananame) {
		event_add(e, "Channel-Read-Codec-Name", impl.iananame);
		event_addf(e, "Channel-Read-Codec-Rate", "%u", impl.actual_samples_per_second);
		event_add(e, "Channel-Write-Codec-Name", impl.iananame);
		event_addf(e, "Channel-Write-Codec-Rate", "%u", impl.actual_samples_per_second);
	}
	event_add(e, "Caller-Direction", "inbound");
	event_add(e, "Caller-Unique-ID", c->session->uuid);
	event_add(e, "Caller-Channel-Name", c->name);
	pthread_mutex_lock(&c->profile_mutex);
	for (const host_var_t *v = c->vars; v; v = v->next) {
		char name[160];

		snprintf(name, sizeof(name), "variable_%s", v->name);
		event_add(e, name, v->value);
	}
	pthread_mutex_unlock(&c->profile_mutex);
}

void switch_channel_event_set_data(switch_channel_t *channel, switch_event_t *event)
{
	channel_check(channel, __func__);
	STRICT(event && acct_known(ACCT_EVENT, event), "%s: %p is no live event", __func__, (void *)event);
	channel_event_data(channel, event);
}

void channel_dump(switch_channel_t *c, FILE *out)
{
	fprintf(out, "Channel-State: %s\nChannel-Name: %s\nUnique-ID: %s\nAnswer-State: %s\n",
			state_name(atomic_load(&c->state)), c->name, c->session->uuid, answer_state(c));
	pthread_mutex_lock(&c->profile_mutex);
	for (const host_var_t *v = c->vars; v; v = v->next) fprintf(out, "variable_%s: %s\n", v->name, v->value);
	pthread_mutex_unlock(&c->profile_mutex);
}
