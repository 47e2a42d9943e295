/*
 * Prints what the module's binary depends on: sizes, offsets, values and macro expansions. Built once against the real
 * FreeSWITCH headers (-DREAL) and once against include/freeswitch_abi.h; `make abi-check` compares the outputs.
 * Whatever freeswitch_abi.h declares must be listed here (complete.sh checks that); functions are in abi_functions.c.
 */
#ifdef REAL
#include <switch.h>
#define ONLY(real, ours) real
#else
#include "freeswitch_abi.h"
#define ONLY(real, ours) ours
#endif

#include <stdio.h>
#include <string.h>

/* lists, one after the other: clang-format would make stairs of them */
/* clang-format off */
#define TYPES(X) \
	X(switch_size_t) X(switch_payload_t) X(switch_frame_flag_t) X(switch_io_flag_t) X(switch_module_flag_t) \
	X(switch_media_bug_flag_t) X(switch_codec_flag_t) X(switch_bool_t) X(switch_status_t) X(switch_log_level_t) \
	X(switch_text_channel_t) X(switch_stack_t) X(switch_event_types_t) X(switch_module_interface_name_t) \
	X(switch_call_cause_t) X(switch_codec_type_t) X(switch_channel_state_t) X(switch_channel_flag_t) \
	X(switch_abc_type_t) X(switch_dtmf_source_t) X(switch_dtmf_direction_t) X(switch_xml_t) X(switch_frame_t) \
	X(switch_codec_t) X(switch_codec_implementation_t) X(switch_audio_resampler_t) X(switch_dtmf_t) \
	X(switch_timer_t) X(switch_media_type_t) \
	X(switch_stream_handle_t) X(switch_application_interface_t) X(switch_api_interface_t) \
	X(switch_loadable_module_function_table_t) X(switch_directories) X(struct switch_directories) \
	X(struct switch_xml) X(struct switch_frame) X(struct switch_codec) X(struct switch_codec_implementation) \
	X(struct switch_stream_handle) X(struct switch_application_interface) X(struct switch_api_interface) \
	X(struct switch_loadable_module_function_table)

/*
 * Integers are signed or not. Enums are left out: which sign gcc gives them depends on constants that the module has no
 * use for (switch_log_level_t has a negative one), and the values that are used are the same either way.
 */
#define SIGNED(X) \
	X(switch_size_t) X(switch_payload_t) X(switch_frame_flag_t) X(switch_io_flag_t) X(switch_module_flag_t) \
	X(switch_media_bug_flag_t) X(switch_codec_flag_t)

#define VALUES(X) \
	X(SWITCH_FALSE) X(SWITCH_TRUE) X(SWITCH_STATUS_SUCCESS) X(SWITCH_STATUS_FALSE) X(SWITCH_STATUS_GENERR) \
	X(SWITCH_STATUS_BREAK) X(SWITCH_STATUS_TERM) X(SWITCH_STATUS_WINBREAK) X(SWITCH_LOG_CONSOLE) \
	X(SWITCH_LOG_ALERT) X(SWITCH_LOG_CRIT) X(SWITCH_LOG_ERROR) X(SWITCH_LOG_WARNING) X(SWITCH_LOG_NOTICE) \
	X(SWITCH_LOG_INFO) X(SWITCH_LOG_DEBUG) X(SWITCH_CHANNEL_ID_LOG) X(SWITCH_STACK_BOTTOM) X(SWITCH_STACK_TOP) \
	X(SWITCH_EVENT_CUSTOM) X(SWITCH_EVENT_API) X(SWITCH_APPLICATION_INTERFACE) X(SWITCH_API_INTERFACE) \
	X(SWITCH_CAUSE_NORMAL_CLEARING) X(SWITCH_CODEC_TYPE_AUDIO) X(CS_NEW) X(CS_EXECUTE) X(CS_PARK) X(CS_HANGUP) \
	X(CS_DESTROY) X(CF_ANSWERED) X(CF_HOLD) X(CF_PROXY_MODE) X(CF_PROXY_MEDIA) X(SWITCH_ABC_TYPE_INIT) \
	X(SWITCH_ABC_TYPE_READ) X(SWITCH_ABC_TYPE_WRITE) X(SWITCH_ABC_TYPE_WRITE_REPLACE) \
	X(SWITCH_ABC_TYPE_READ_REPLACE) X(SWITCH_ABC_TYPE_CLOSE) X(SWITCH_DTMF_UNKNOWN) X(SWITCH_MEDIA_TYPE_AUDIO) X(SWITCH_DTMF_RECV) \
	X(SWITCH_DTMF_SEND) X(SMBF_READ_STREAM) X(SMBF_WRITE_STREAM) X(SMBF_WRITE_REPLACE) X(SMBF_STEREO) \
	X(SMBF_NO_PAUSE) X(SMBF_FIRST) X(SAF_NONE) X(SWITCH_IO_FLAG_NONE) X(SWITCH_CODEC_FLAG_ENCODE) \
	X(SWITCH_CODEC_FLAG_DECODE) X(SWITCH_API_VERSION) X(SWITCH_RECOMMENDED_BUFFER_SIZE) \
	X(SWITCH_RESAMPLE_QUALITY)

/* X(struct, field there, field here) */
#define FIELDS(X) \
	X(switch_frame, codec, codec) X(switch_frame, source, source) X(switch_frame, packet, packet) \
	X(switch_frame, packetlen, packetlen) X(switch_frame, extra_data, extra_data) X(switch_frame, data, data) \
	X(switch_frame, datalen, datalen) X(switch_frame, buflen, buflen) X(switch_frame, samples, samples) \
	X(switch_frame, rate, rate) X(switch_frame, channels, channels) X(switch_frame, payload, payload) \
	X(switch_frame, timestamp, timestamp) X(switch_frame, seq, seq) X(switch_frame, ssrc, ssrc) \
	X(switch_frame, m, m) X(switch_frame, flags, flags) X(switch_frame, user_data, user_data) \
	X(switch_frame, pmap, pmap) X(switch_frame, img, img) X(switch_frame, geometry, geometry) \
	X(switch_codec, codec_interface, codec_interface) X(switch_codec, implementation, implementation) \
	X(switch_codec, fmtp_in, fmtp_in) X(switch_codec, fmtp_out, fmtp_out) X(switch_codec, flags, flags) \
	X(switch_codec, memory_pool, memory_pool) X(switch_codec, private_info, private_info) \
	X(switch_codec, agreed_pt, agreed_pt) X(switch_codec, mutex, mutex) X(switch_codec, next, next) \
	X(switch_codec, session, session) X(switch_codec, cur_frame, cur_frame) \
	X(switch_codec_implementation, codec_type, codec_type) X(switch_codec_implementation, ianacode, ianacode) \
	X(switch_codec_implementation, iananame, iananame) X(switch_codec_implementation, fmtp, fmtp) \
	X(switch_codec_implementation, samples_per_second, samples_per_second) \
	X(switch_codec_implementation, actual_samples_per_second, actual_samples_per_second) \
	X(switch_codec_implementation, bits_per_second, bits_per_second) \
	X(switch_codec_implementation, microseconds_per_packet, microseconds_per_packet) \
	X(switch_codec_implementation, samples_per_packet, samples_per_packet) \
	X(switch_codec_implementation, decoded_bytes_per_packet, decoded_bytes_per_packet) \
	X(switch_codec_implementation, encoded_bytes_per_packet, encoded_bytes_per_packet) \
	X(switch_codec_implementation, number_of_channels, number_of_channels) \
	X(switch_codec_implementation, codec_frames_per_packet, codec_frames_per_packet) \
	X(switch_codec_implementation, init, operations[0]) X(switch_codec_implementation, encode, operations[1]) \
	X(switch_codec_implementation, decode, operations[2]) \
	X(switch_codec_implementation, encode_video, operations[3]) \
	X(switch_codec_implementation, decode_video, operations[4]) \
	X(switch_codec_implementation, codec_control, operations[5]) \
	X(switch_codec_implementation, destroy, operations[6]) X(switch_codec_implementation, codec_id, codec_id) \
	X(switch_codec_implementation, impl_id, impl_id) X(switch_codec_implementation, modname, modname) \
	X(switch_codec_implementation, next, next) X(switch_stream_handle, read_function, read_function) \
	X(switch_stream_handle, write_function, write_function) \
	X(switch_stream_handle, raw_write_function, raw_write_function) X(switch_stream_handle, data, data) \
	X(switch_stream_handle, end, end) X(switch_stream_handle, data_size, data_size) \
	X(switch_stream_handle, data_len, data_len) X(switch_stream_handle, alloc_len, alloc_len) \
	X(switch_stream_handle, alloc_chunk, alloc_chunk) X(switch_stream_handle, param_event, param_event) \
	X(switch_application_interface, interface_name, interface_name) \
	X(switch_application_interface, application_function, application_function) \
	X(switch_application_interface, long_desc, long_desc) \
	X(switch_application_interface, short_desc, short_desc) X(switch_application_interface, syntax, syntax) \
	X(switch_application_interface, flags, flags) X(switch_application_interface, rwlock, rwlock) \
	X(switch_application_interface, refs, refs) X(switch_application_interface, reflock, reflock) \
	X(switch_application_interface, parent, parent) X(switch_application_interface, next, next) \
	X(switch_api_interface, interface_name, interface_name) X(switch_api_interface, desc, desc) \
	X(switch_api_interface, function, function) X(switch_api_interface, syntax, syntax) \
	X(switch_api_interface, rwlock, rwlock) X(switch_api_interface, refs, refs) \
	X(switch_api_interface, reflock, reflock) X(switch_api_interface, parent, parent) \
	X(switch_api_interface, next, next) \
	X(switch_loadable_module_function_table, switch_api_version, switch_api_version) \
	X(switch_loadable_module_function_table, load, load) \
	X(switch_loadable_module_function_table, shutdown, shutdown) \
	X(switch_loadable_module_function_table, runtime, runtime) \
	X(switch_loadable_module_function_table, flags, flags) X(switch_xml, name, name) X(switch_xml, attr, attr) \
	X(switch_xml, txt, txt) X(switch_xml, free_path, free_path) X(switch_xml, off, off) \
	X(switch_xml, next, next) X(switch_xml, sibling, sibling) X(switch_xml, ordered, ordered) \
	X(switch_xml, child, child) X(switch_xml, parent, parent) X(switch_xml, flags, flags) \
	X(switch_xml, is_switch_xml_root_t, is_switch_xml_root_t) X(switch_xml, refs, refs) \
	X(switch_xml, open, open) X(switch_xml, close, close) X(switch_directories, base_dir, before_temp_dir[0]) \
	X(switch_directories, temp_dir, temp_dir) X(switch_directories, htdocs_dir, after_temp_dir[0])

/* structs without a tag */
#define UNTAGGED(X) \
	X(switch_audio_resampler_t, resampler) X(switch_audio_resampler_t, from_rate) \
	X(switch_audio_resampler_t, to_rate) X(switch_audio_resampler_t, factor) \
	X(switch_audio_resampler_t, rfactor) X(switch_audio_resampler_t, to) X(switch_audio_resampler_t, to_len) \
	X(switch_audio_resampler_t, to_size) X(switch_audio_resampler_t, channels) X(switch_dtmf_t, digit) \
	X(switch_dtmf_t, duration) X(switch_dtmf_t, flags) X(switch_dtmf_t, source) X(switch_timer_t, interval) \
	X(switch_timer_t, flags) X(switch_timer_t, samples) X(switch_timer_t, samplecount) \
	X(switch_timer_t, last_samplecount) X(switch_timer_t, timer_interface) X(switch_timer_t, memory_pool) \
	X(switch_timer_t, private_info) X(switch_timer_t, diff) X(switch_timer_t, start) X(switch_timer_t, tick)

#define MACROS(X) \
	X(switch_core_session_locate(a)) X(switch_core_session_force_locate(a)) X(switch_core_session_alloc(a, b)) \
	X(switch_channel_get_variable(a, b)) X(switch_channel_set_variable(a, b, c)) X(switch_channel_answer(a)) \
	X(switch_channel_pre_answer(a)) X(switch_channel_hangup(a, b)) X(switch_channel_media_ready(a)) \
	X(switch_channel_down_nosig(a)) X(switch_event_create_subclass(a, b, c)) X(switch_event_fire(a)) \
	X(switch_event_reserve_subclass(a)) X(switch_event_free_subclass(a)) \
	X(switch_core_codec_init(a, b, c, d, e, f, g, h, i, j)) X(switch_resample_create(a, b, c, d, e, f)) \
	X(SWITCH_CHANNEL_LOG) X(SWITCH_CHANNEL_UUID_LOG(a))
/* clang-format on */

/* function types: a difference is a compile error in one of the two builds */
#define SAME(name, ...)                                                                                                \
	_Static_assert(__builtin_types_compatible_p(name, __VA_ARGS__), #name " is another type in this header");
SAME(switch_api_function_t, switch_status_t (*)(const char *, switch_core_session_t *, switch_stream_handle_t *))
SAME(switch_application_function_t, void (*)(switch_core_session_t *, const char *))
SAME(switch_media_bug_callback_t, switch_bool_t (*)(switch_media_bug_t *, void *, switch_abc_type_t))
SAME(switch_recv_dtmf_hook_t,
	 switch_status_t (*)(switch_core_session_t *, const switch_dtmf_t *, switch_dtmf_direction_t))
SAME(switch_state_run_hook_t, switch_status_t (*)(switch_core_session_t *))
SAME(switch_event_callback_t, void (*)(switch_event_t *))
SAME(switch_stream_handle_read_function_t, uint8_t *(*)(switch_stream_handle_t *, int *))
SAME(switch_stream_handle_write_function_t, switch_status_t (*)(switch_stream_handle_t *, const char *, ...))
SAME(switch_stream_handle_raw_write_function_t, switch_status_t (*)(switch_stream_handle_t *, uint8_t *, switch_size_t))
SAME(switch_module_load_t, switch_status_t (*)(switch_loadable_module_interface_t **, switch_memory_pool_t *))
SAME(switch_module_runtime_t, switch_status_t (*)(void))
SAME(switch_module_shutdown_t, switch_status_t (*)(void))
/* what is only passed on: pointers to the same tags */
SAME(switch_core_session_t, struct switch_core_session)
SAME(switch_channel_t, struct switch_channel)
SAME(switch_media_bug_t, struct switch_media_bug)
SAME(switch_buffer_t, struct switch_buffer)
SAME(switch_event_t, struct switch_event)
SAME(switch_event_node_t, struct switch_event_node)
SAME(switch_memory_pool_t, struct fspr_pool_t)
SAME(switch_mutex_t, struct fspr_thread_mutex_t)
SAME(switch_thread_rwlock_t, struct fspr_thread_rwlock_t)
SAME(switch_codec_interface_t, struct switch_codec_interface)
SAME(switch_timer_interface_t, struct switch_timer_interface)
SAME(switch_codec_settings_t, union switch_codec_settings)
SAME(switch_loadable_module_interface_t, struct switch_loadable_module_interface)
SAME(__typeof__(SWITCH_GLOBAL_dirs), switch_directories)

/* without spaces, brackets, casts and type checks, which differ in wording and not in meaning */
static void print_macro(const char *name, const char *expansion)
{
	static const char *const noise[] = {"(const char * )", "(const char *)", "switch_const_char_type_check"};

	printf("macro %s =", name);
	while (*expansion) {
		size_t skip = 0;

		for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
			if (strncmp(expansion, noise[i], strlen(noise[i])) == 0) skip = strlen(noise[i]);
		}
		if (!skip && !strchr("() ", *expansion)) putchar(*expansion);
		expansion += skip ? skip : 1;
	}
	putchar('\n');
}

#define TEXT(...) #__VA_ARGS__
#define EXPANDED(...) TEXT(__VA_ARGS__)

int main(void)
{
#define X(t) printf("size %s = %zu\n", #t, sizeof(t));
	TYPES(X)
#undef X
#define X(t) printf("signed %s = %d\n", #t, (t)-1 < (t)1);
	SIGNED(X)
#undef X
#define X(v) printf("value %s = %lld\n", #v, (long long)(v));
	VALUES(X)
#undef X
#define X(s, there, here)                                                                                              \
	printf("field %s.%s = %zu, %zu\n", #s, #there, offsetof(struct s, ONLY(there, here)),                              \
		   sizeof(((struct s *)0)->ONLY(there, here)));
	FIELDS(X)
#undef X
#define X(t, f) printf("field %s.%s = %zu, %zu\n", #t, #f, offsetof(t, f), sizeof(((t *)0)->f));
	UNTAGGED(X)
#undef X
#define X(...) print_macro(#__VA_ARGS__, EXPANDED(__VA_ARGS__));
	MACROS(X)
#undef X
	return 0;
}
