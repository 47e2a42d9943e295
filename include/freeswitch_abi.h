/*
 * The slice of the FreeSWITCH 1.10 interface that mod_audio_stream uses.
 *
 * It lets the module be built on a machine without libfreeswitch-dev; where `pkg-config freeswitch` finds the
 * real headers, those are used instead (mod/fs.h chooses). Only declarations live here: names, layouts and values as
 * published by FreeSWITCH 1.10. `make abi-check` compares every line of it with the real headers and fails on any
 * difference, so add nothing here without adding it to test/abi/abi_layout.c.
 *
 * The functions stand below AS_ABI_TYPES so that the check can put them behind the real headers, where a
 * differing type is a compile error.
 */
#ifndef AS_FREESWITCH_ABI_H
#define AS_FREESWITCH_ABI_H

#ifndef AS_ABI_FUNCTIONS_ONLY

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
#error "mod_audio_stream is C"
#endif

/* ---- scalar types ---- */

typedef uintptr_t switch_size_t;
typedef uint8_t switch_payload_t;
typedef uint32_t switch_frame_flag_t;
typedef uint32_t switch_io_flag_t;
typedef uint32_t switch_module_flag_t;
typedef uint32_t switch_media_bug_flag_t;
typedef uint32_t switch_codec_flag_t;

typedef enum { SWITCH_FALSE = 0, SWITCH_TRUE = 1 } switch_bool_t;

typedef enum {
	SWITCH_STATUS_SUCCESS,
	SWITCH_STATUS_FALSE,
	SWITCH_STATUS_GENERR = 9,
	SWITCH_STATUS_BREAK = 11,
	SWITCH_STATUS_TERM = 21,
	/* not ours to use; it makes the enum as wide as the real one */
	SWITCH_STATUS_WINBREAK = 730035
} switch_status_t;

typedef enum {
	SWITCH_LOG_CONSOLE = 0,
	SWITCH_LOG_ALERT = 1,
	SWITCH_LOG_CRIT = 2,
	SWITCH_LOG_ERROR = 3,
	SWITCH_LOG_WARNING = 4,
	SWITCH_LOG_NOTICE = 5,
	SWITCH_LOG_INFO = 6,
	SWITCH_LOG_DEBUG = 7
} switch_log_level_t;

typedef enum { SWITCH_CHANNEL_ID_LOG } switch_text_channel_t;

typedef enum { SWITCH_STACK_BOTTOM = (1 << 0), SWITCH_STACK_TOP = (1 << 1) } switch_stack_t;

typedef enum { SWITCH_EVENT_CUSTOM, SWITCH_EVENT_API = 23 } switch_event_types_t;

typedef enum { SWITCH_APPLICATION_INTERFACE = 4, SWITCH_API_INTERFACE = 5 } switch_module_interface_name_t;

typedef enum { SWITCH_CAUSE_NORMAL_CLEARING = 16 } switch_call_cause_t;

typedef enum { SWITCH_CODEC_TYPE_AUDIO } switch_codec_type_t;

typedef enum { CS_NEW, CS_EXECUTE = 4, CS_PARK = 6, CS_HANGUP = 10, CS_DESTROY = 12 } switch_channel_state_t;

typedef enum { CF_ANSWERED = 1, CF_HOLD = 10, CF_PROXY_MODE = 17, CF_PROXY_MEDIA = 32 } switch_channel_flag_t;

typedef enum {
	SWITCH_ABC_TYPE_INIT,
	SWITCH_ABC_TYPE_READ,
	SWITCH_ABC_TYPE_WRITE,
	SWITCH_ABC_TYPE_WRITE_REPLACE,
	SWITCH_ABC_TYPE_READ_REPLACE,
	SWITCH_ABC_TYPE_CLOSE = 8
} switch_abc_type_t;

typedef enum { SWITCH_MEDIA_TYPE_AUDIO } switch_media_type_t;

typedef enum { SWITCH_DTMF_UNKNOWN } switch_dtmf_source_t;

typedef enum { SWITCH_DTMF_RECV, SWITCH_DTMF_SEND } switch_dtmf_direction_t;

enum {
	SMBF_READ_STREAM = (1 << 0),
	SMBF_WRITE_STREAM = (1 << 1),
	SMBF_WRITE_REPLACE = (1 << 2),
	SMBF_STEREO = (1 << 5),
	SMBF_NO_PAUSE = (1 << 10),
	SMBF_FIRST = (1 << 26)
};

enum { SAF_NONE = 0 };
enum { SWITCH_IO_FLAG_NONE = 0 };
enum { SWITCH_CODEC_FLAG_ENCODE = (1 << 0), SWITCH_CODEC_FLAG_DECODE = (1 << 1) };

#define SWITCH_API_VERSION 5
#define SWITCH_RECOMMENDED_BUFFER_SIZE 8192
#define SWITCH_RESAMPLE_QUALITY 2

/* ---- objects FreeSWITCH keeps to itself ---- */

typedef struct switch_core_session switch_core_session_t;
typedef struct switch_channel switch_channel_t;
typedef struct switch_media_bug switch_media_bug_t;
typedef struct switch_buffer switch_buffer_t;
typedef struct switch_event switch_event_t;
typedef struct switch_event_node switch_event_node_t;
typedef void (*switch_event_callback_t)(switch_event_t *);
typedef struct fspr_pool_t switch_memory_pool_t;
typedef struct fspr_thread_mutex_t switch_mutex_t;
typedef struct fspr_thread_rwlock_t switch_thread_rwlock_t;
typedef struct switch_codec_interface switch_codec_interface_t;
typedef union switch_codec_settings switch_codec_settings_t;

/* ---- frames and codecs ---- */

typedef struct switch_codec switch_codec_t;
typedef struct switch_codec_implementation switch_codec_implementation_t;
typedef struct switch_frame switch_frame_t;

struct switch_frame {
	switch_codec_t *codec;
	const char *source;
	void *packet;
	uint32_t packetlen;
	void *extra_data;
	void *data;
	uint32_t datalen;
	uint32_t buflen;
	uint32_t samples;
	uint32_t rate;
	uint32_t channels;
	switch_payload_t payload;
	uint32_t timestamp;
	uint16_t seq;
	uint32_t ssrc;
	switch_bool_t m;
	switch_frame_flag_t flags;
	void *user_data;
	void *pmap;
	void *img;
	int32_t geometry[7];
};

struct switch_codec {
	switch_codec_interface_t *codec_interface;
	const switch_codec_implementation_t *implementation;
	char *fmtp_in;
	char *fmtp_out;
	uint32_t flags;
	switch_memory_pool_t *memory_pool;
	void *private_info;
	switch_payload_t agreed_pt;
	switch_mutex_t *mutex;
	struct switch_codec *next;
	switch_core_session_t *session;
	switch_frame_t *cur_frame;
};

struct switch_codec_implementation {
	switch_codec_type_t codec_type;
	switch_payload_t ianacode;
	char *iananame;
	char *fmtp;
	uint32_t samples_per_second;
	uint32_t actual_samples_per_second;
	int bits_per_second;
	int microseconds_per_packet;
	uint32_t samples_per_packet;
	uint32_t decoded_bytes_per_packet;
	uint32_t encoded_bytes_per_packet;
	uint8_t number_of_channels;
	int codec_frames_per_packet;
	void *operations[7]; /* init, encode, decode, encode_video, decode_video, codec_control, destroy */
	uint32_t codec_id;
	uint32_t impl_id;
	char *modname;
	struct switch_codec_implementation *next;
};

typedef struct {
	void *resampler;
	int from_rate;
	int to_rate;
	double factor;
	double rfactor;
	int16_t *to;
	uint32_t to_len;
	uint32_t to_size;
	int channels;
} switch_audio_resampler_t;

typedef struct {
	char digit;
	uint32_t duration; /* samples at 8 kHz */
	int32_t flags;
	switch_dtmf_source_t source;
} switch_dtmf_t;

typedef struct switch_timer_interface switch_timer_interface_t;

typedef struct switch_timer {
	int interval; /* ms */
	uint32_t flags;
	unsigned int samples; /* per interval */
	uint32_t samplecount;
	uint32_t last_samplecount;
	switch_timer_interface_t *timer_interface;
	switch_memory_pool_t *memory_pool;
	void *private_info;
	switch_size_t diff;
	int64_t start;
	uint64_t tick;
} switch_timer_t;

/* ---- module interface ---- */

typedef struct switch_stream_handle switch_stream_handle_t;
typedef struct switch_loadable_module_interface switch_loadable_module_interface_t;

typedef uint8_t *(*switch_stream_handle_read_function_t)(switch_stream_handle_t *handle, int *len);
typedef switch_status_t (*switch_stream_handle_write_function_t)(switch_stream_handle_t *handle, const char *fmt, ...);
typedef switch_status_t (*switch_stream_handle_raw_write_function_t)(switch_stream_handle_t *handle, uint8_t *data,
																	 switch_size_t datalen);

struct switch_stream_handle {
	switch_stream_handle_read_function_t read_function;
	switch_stream_handle_write_function_t write_function;
	switch_stream_handle_raw_write_function_t raw_write_function;
	void *data;
	void *end;
	switch_size_t data_size;
	switch_size_t data_len;
	switch_size_t alloc_len;
	switch_size_t alloc_chunk;
	switch_event_t *param_event;
};

typedef switch_status_t (*switch_api_function_t)(const char *cmd, switch_core_session_t *session,
												 switch_stream_handle_t *stream);
typedef void (*switch_application_function_t)(switch_core_session_t *session, const char *data);
typedef switch_bool_t (*switch_media_bug_callback_t)(switch_media_bug_t *bug, void *user_data, switch_abc_type_t type);
typedef switch_status_t (*switch_recv_dtmf_hook_t)(switch_core_session_t *session, const switch_dtmf_t *dtmf,
												   switch_dtmf_direction_t direction);
typedef switch_status_t (*switch_state_run_hook_t)(switch_core_session_t *session);

typedef struct switch_application_interface {
	const char *interface_name;
	switch_application_function_t application_function;
	const char *long_desc;
	const char *short_desc;
	const char *syntax;
	uint32_t flags;
	switch_thread_rwlock_t *rwlock;
	int refs;
	switch_mutex_t *reflock;
	switch_loadable_module_interface_t *parent;
	struct switch_application_interface *next;
} switch_application_interface_t;

typedef struct switch_api_interface {
	const char *interface_name;
	const char *desc;
	switch_api_function_t function;
	const char *syntax;
	switch_thread_rwlock_t *rwlock;
	int refs;
	switch_mutex_t *reflock;
	switch_loadable_module_interface_t *parent;
	struct switch_api_interface *next;
} switch_api_interface_t;

typedef switch_status_t (*switch_module_load_t)(switch_loadable_module_interface_t **module_interface,
												switch_memory_pool_t *pool);
typedef switch_status_t (*switch_module_runtime_t)(void);
typedef switch_status_t (*switch_module_shutdown_t)(void);

typedef struct switch_loadable_module_function_table {
	int switch_api_version;
	switch_module_load_t load;
	switch_module_shutdown_t shutdown;
	switch_module_runtime_t runtime;
	switch_module_flag_t flags;
} switch_loadable_module_function_table_t;

/* ---- XML configuration ---- */

typedef struct switch_xml *switch_xml_t;

struct switch_xml {
	char *name;
	char **attr;
	char *txt;
	char *free_path;
	switch_size_t off;
	switch_xml_t next; /* the next tag of the same name at this depth */
	switch_xml_t sibling;
	switch_xml_t ordered;
	switch_xml_t child;
	switch_xml_t parent;
	uint32_t flags;
	switch_bool_t is_switch_xml_root_t;
	uint32_t refs;
	const char *open;
	const char *close;
};

/* ---- global folders: only temp_dir is used, the others keep its place ---- */

struct switch_directories {
	char *before_temp_dir[7];
	char *temp_dir;
	char *after_temp_dir[12];
};
typedef struct switch_directories switch_directories;

/* ---- the macros around the functions below ---- */

#define SWITCH_CHANNEL_LOG SWITCH_CHANNEL_ID_LOG, __FILE__, __func__, __LINE__, NULL
#define SWITCH_CHANNEL_UUID_LOG(x) SWITCH_CHANNEL_ID_LOG, __FILE__, __func__, __LINE__, (x)
#define switch_core_session_locate(uuid) switch_core_session_perform_locate(uuid, __FILE__, __func__, __LINE__)
#define switch_core_session_force_locate(uuid)                                                                         \
	switch_core_session_perform_force_locate(uuid, __FILE__, __func__, __LINE__)
#define switch_core_session_alloc(session, memory)                                                                     \
	switch_core_perform_session_alloc(session, memory, __FILE__, __func__, __LINE__)
#define switch_channel_get_variable(channel, name) switch_channel_get_variable_dup(channel, name, SWITCH_TRUE, -1)
#define switch_channel_set_variable(channel, name, value)                                                              \
	switch_channel_set_variable_var_check(channel, name, value, SWITCH_TRUE)
#define switch_channel_answer(channel) switch_channel_perform_answer(channel, __FILE__, __func__, __LINE__)
#define switch_channel_pre_answer(channel) switch_channel_perform_pre_answer(channel, __FILE__, __func__, __LINE__)
#define switch_channel_hangup(channel, cause)                                                                          \
	switch_channel_perform_hangup(channel, __FILE__, __func__, __LINE__, cause)
#define switch_channel_media_ready(channel) switch_channel_test_ready(channel, SWITCH_TRUE, SWITCH_TRUE)
#define switch_channel_down_nosig(channel) (switch_channel_get_state(channel) >= CS_HANGUP)
#define switch_event_create_subclass(event, id, subclass)                                                              \
	switch_event_create_subclass_detailed(__FILE__, __func__, __LINE__, event, id, subclass)
#define switch_event_fire(event) switch_event_fire_detailed(__FILE__, __func__, __LINE__, event, NULL)
#define switch_event_reserve_subclass(name) switch_event_reserve_subclass_detailed(__FILE__, name)
#define switch_event_free_subclass(name) switch_event_free_subclass_detailed(__FILE__, name)
#define switch_core_codec_init(codec, name, module, fmtp, rate, ms, channels, flags, settings, pool)                   \
	switch_core_codec_init_with_bitrate(codec, name, module, fmtp, rate, ms, channels, 0, flags, settings, pool)
#define switch_resample_create(out, from, to, size, quality, channels)                                                 \
	switch_resample_perform_create(out, from, to, size, quality, channels, __FILE__, __func__, __LINE__)

#endif /* AS_ABI_FUNCTIONS_ONLY */

/* ---- functions: module ---- */

switch_loadable_module_interface_t *switch_loadable_module_create_module_interface(switch_memory_pool_t *pool,
																				   const char *name);
void *switch_loadable_module_create_interface(switch_loadable_module_interface_t *mod,
											  switch_module_interface_name_t iname);
const char *switch_version_major(void);
const char *switch_version_minor(void);
const char *switch_version_full(void);
switch_status_t switch_console_set_complete(const char *string);
void switch_log_printf(switch_text_channel_t channel, const char *file, const char *func, int line,
					   const char *userdata, switch_log_level_t level, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));
switch_xml_t switch_xml_open_cfg(const char *file_path, switch_xml_t *node, switch_event_t *params);
switch_xml_t switch_xml_child(switch_xml_t xml, const char *name);
const char *switch_xml_attr(switch_xml_t xml, const char *attr);
void switch_xml_free(switch_xml_t xml);

/* ---- functions: sessions and channels ---- */

switch_core_session_t *switch_core_session_perform_locate(const char *uuid_str, const char *file, const char *func,
														  int line);
switch_core_session_t *switch_core_session_perform_force_locate(const char *uuid_str, const char *file,
																const char *func, int line);
void switch_core_session_rwunlock(switch_core_session_t *session);
char *switch_core_session_get_uuid(switch_core_session_t *session);
switch_channel_t *switch_core_session_get_channel(switch_core_session_t *session);
void *switch_core_perform_session_alloc(switch_core_session_t *session, switch_size_t memory, const char *file,
										const char *func, int line);
switch_status_t switch_core_session_get_read_impl(switch_core_session_t *session, switch_codec_implementation_t *impp);
switch_status_t switch_core_session_get_write_impl(switch_core_session_t *session, switch_codec_implementation_t *impp);
switch_status_t switch_core_session_write_frame(switch_core_session_t *session, switch_frame_t *frame,
												switch_io_flag_t flags, int stream_id);
switch_timer_t *switch_core_media_get_timer(switch_core_session_t *session, switch_media_type_t mtype);
switch_status_t switch_core_session_send_dtmf_string(switch_core_session_t *session, const char *dtmf_string);
switch_status_t switch_core_event_hook_add_recv_dtmf(switch_core_session_t *session, switch_recv_dtmf_hook_t recv_dtmf);
switch_status_t switch_core_event_hook_add_state_run(switch_core_session_t *session, switch_state_run_hook_t state_run);
switch_status_t switch_ivr_session_transfer(switch_core_session_t *session, const char *extension, const char *dialplan,
											const char *context);
switch_channel_state_t switch_channel_get_state(switch_channel_t *channel);
int switch_channel_test_ready(switch_channel_t *channel, switch_bool_t check_ready, switch_bool_t check_media);
uint32_t switch_channel_test_flag(switch_channel_t *channel, switch_channel_flag_t flag);
const char *switch_channel_get_variable_dup(switch_channel_t *channel, const char *varname, switch_bool_t dup, int idx);
switch_status_t switch_channel_set_variable_var_check(switch_channel_t *channel, const char *varname, const char *value,
													  switch_bool_t var_check);
switch_status_t switch_channel_perform_answer(switch_channel_t *channel, const char *file, const char *func, int line);
switch_status_t switch_channel_perform_pre_answer(switch_channel_t *channel, const char *file, const char *func,
												  int line);
switch_channel_state_t switch_channel_perform_hangup(switch_channel_t *channel, const char *file, const char *func,
													 int line, switch_call_cause_t hangup_cause);
switch_call_cause_t switch_channel_str2cause(const char *str);
switch_status_t switch_channel_set_private(switch_channel_t *channel, const char *key, const void *private_info);
void *switch_channel_get_private(switch_channel_t *channel, const char *key);
const char *switch_channel_get_partner_uuid(switch_channel_t *channel);
void switch_channel_event_set_data(switch_channel_t *channel, switch_event_t *event);

void switch_core_session_lock_codec_write(switch_core_session_t *session);
void switch_core_session_unlock_codec_write(switch_core_session_t *session);

/* ---- functions: media bug ---- */

switch_status_t switch_core_media_bug_add(switch_core_session_t *session, const char *function, const char *target,
										  switch_media_bug_callback_t callback, void *user_data, time_t stop_time,
										  switch_media_bug_flag_t flags, switch_media_bug_t **new_bug);
switch_status_t switch_core_media_bug_remove(switch_core_session_t *session, switch_media_bug_t **bug);
switch_status_t switch_core_media_bug_read(switch_media_bug_t *bug, switch_frame_t *frame, switch_bool_t fill);
void switch_core_media_bug_inuse(switch_media_bug_t *bug, switch_size_t *readp, switch_size_t *writep);
void switch_core_media_bug_flush(switch_media_bug_t *bug);
switch_core_session_t *switch_core_media_bug_get_session(switch_media_bug_t *bug);
switch_frame_t *switch_core_media_bug_get_write_replace_frame(switch_media_bug_t *bug);
void switch_core_media_bug_set_write_replace_frame(switch_media_bug_t *bug, switch_frame_t *frame);

/* ---- functions: buffer ---- */

switch_size_t switch_buffer_len(switch_buffer_t *buffer);
switch_size_t switch_buffer_inuse(switch_buffer_t *buffer);
switch_size_t switch_buffer_peek_zerocopy(switch_buffer_t *buffer, const void **ptr);
switch_size_t switch_buffer_write(switch_buffer_t *buffer, const void *data, switch_size_t datalen);
void switch_buffer_zero(switch_buffer_t *buffer);

/* ---- functions: codec and resampler ---- */

switch_status_t switch_core_codec_init_with_bitrate(switch_codec_t *codec, const char *codec_name, const char *fmtp,
													const char *modname, uint32_t rate, int ms, int channels,
													uint32_t bitrate, uint32_t flags,
													const switch_codec_settings_t *codec_settings,
													switch_memory_pool_t *pool);
switch_status_t switch_core_codec_destroy(switch_codec_t *codec);
switch_status_t switch_resample_perform_create(switch_audio_resampler_t **new_resampler, uint32_t from_rate,
											   uint32_t to_rate, uint32_t to_size, int quality, uint32_t channels,
											   const char *file, const char *func, int line);
void switch_resample_destroy(switch_audio_resampler_t **resampler);
uint32_t switch_resample_process(switch_audio_resampler_t *resampler, int16_t *src, uint32_t srclen);

/* ---- functions: events ---- */

switch_status_t switch_event_create_subclass_detailed(const char *file, const char *func, int line,
													  switch_event_t **event, switch_event_types_t event_id,
													  const char *subclass_name);
switch_status_t switch_event_add_header_string(switch_event_t *event, switch_stack_t stack, const char *header_name,
											   const char *data);
switch_status_t switch_event_set_body(switch_event_t *event, const char *body);
switch_status_t switch_event_fire_detailed(const char *file, const char *func, int line, switch_event_t **event,
										   void *user_data);
void switch_event_destroy(switch_event_t **event);
char *switch_event_get_header_idx(switch_event_t *event, const char *header_name, int idx);
switch_status_t switch_event_bind_removable(const char *id, switch_event_types_t event, const char *subclass_name,
											switch_event_callback_t callback, void *user_data,
											switch_event_node_t **node);
switch_status_t switch_event_unbind(switch_event_node_t **node);
switch_status_t switch_event_reserve_subclass_detailed(const char *owner, const char *subclass_name);
switch_status_t switch_event_free_subclass_detailed(const char *owner, const char *subclass_name);

#ifndef AS_ABI_FUNCTIONS_ONLY
extern switch_directories SWITCH_GLOBAL_dirs;
#endif

#endif /* AS_FREESWITCH_ABI_H */
