# The module and the stand-in host under the sanitizers, the race detector and valgrind. Each target builds into a folder
# of its own under build/sanitize and runs the end-to-end cases on the stand-in host; SAN_CASES picks some of them by
# name (a regular expression).
#
# What goes together, and what does not:
#   - A shared object with Go in it and C under AddressSanitizer or ThreadSanitizer: works. Go's own accesses are then not
#     looked at, and test/sanitize/tsan.supp says which of its threads' doings are taken for races.
#   - Go under -asan in the same shared object: works, and looks at Go's accesses to C's memory, the rings among them.
#   - Go under -race in a shared object: does not work, for the race detector wants the program's data at low addresses.
#     So the module is linked into the host's own program (test/sanitize/builtin.c). Go's accesses to C's memory are not
#     looked at; what runs on both sides of the rings is what bug_threads and the ring tests are for.
#   - Go under valgrind: works with Go's build tag of that name, but for the search for leaks; test/sanitize/valgrind.supp says
#     what is passed over.

CC ?= gcc
GO ?= go
BUILD ?= build

SAN_DIR := test/sanitize
SAN_BUILD := $(BUILD)/sanitize
SAN_ASAN := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN_TSAN := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
# the end-to-end cases to run, and those under valgrind, which is slow enough for some to miss their time now and then
SAN_CASES ?= .*
SAN_CASES_VALGRIND ?= .*(start|stop|hang|mark_with|binary|mixed|stereo|reconnect|stats|DTMF|digit).*
# what is left out: cases in which a server sends in real time and no frame may come late, which in a slowed-down process some do,
# and one about how few milliseconds a hang-up takes
SAN_SKIP ?= .*(slow_clock|echo|holds_nothing_up).*
# Under valgrind one thread runs at a time, and late: none that judges the sound of a call, or delays, to the frame.
SAN_SKIP_VALGRIND ?= .*(matrix|mixing|both_directions|sample_by_sample|re-INVITE_to|clock|spectr|tone_in|barge|latency|stall|drift|echo|answered_within|record_session|holds_nothing_up).*
# those that fit into make test: every way a stream begins and ends, with messages, files and reloads between
SAN_CASES_SHORT ?= .*(start|stop|hang|mark_with|binary|mixed|stereo|file|reload|unload|refus|secret|digit|fragment).*
# seconds of bug_threads in each build
SAN_SECONDS ?= 5

# $(1) module, $(2) host, $(3) cases, $(4) those of them not to run: a fault ends the host with a status of its own, which fails the cases
san_e2e = AUDIO_STREAM_SO='$(abspath $(1))' FSHOST='$(abspath $(2))' E2E_BACKENDS=host \
	$(GO) test -count=1 -timeout 20m -run 'TestE2E/host/$(3)' -skip 'TestE2E/host/$(or $(4),$(SAN_SKIP))' ./test/e2e
san_make = $(MAKE) --no-print-directory

.PHONY: sanitize sanitize-short sanitize-bug sanitize-asan sanitize-asan-go sanitize-tsan sanitize-race sanitize-valgrind sanitize-memcheck

sanitize: sanitize-bug sanitize-asan sanitize-asan-go sanitize-tsan sanitize-race sanitize-valgrind ## all of the following

sanitize-short: ## what of it make test runs: the media callbacks, also under valgrind, and some calls under ASan with UBSan
	$(san_make) sanitize-bug sanitize-memcheck SAN_SECONDS=2
	$(san_make) sanitize-asan SAN_CASES='$(SAN_CASES_SHORT)'

SAN_BUG_SOURCES := $(SAN_DIR)/bug_threads.c mod/bug.c mod/streams.c mod/doorbell.c
SAN_BUG_FLAGS := -std=gnu11 -Wall -Wextra -Wshadow -Werror -D_GNU_SOURCE -Iinclude -Imod

$(SAN_BUILD)/bug_threads-plain: SAN_FLAGS := -O1 -g
$(SAN_BUILD)/bug_threads-asan: SAN_FLAGS := $(SAN_ASAN)
$(SAN_BUILD)/bug_threads-tsan: SAN_FLAGS := $(SAN_TSAN)
$(SAN_BUILD)/bug_threads-%: $(SAN_BUG_SOURCES) test/ring/check.h $(wildcard include/*.h mod/*.h)
	@mkdir -p $(@D)
	$(CC) $(SAN_BUG_FLAGS) $(SAN_FLAGS) $(SAN_BUG_SOURCES) -lpthread -o $@

sanitize-bug: $(SAN_BUILD)/bug_threads-asan $(SAN_BUILD)/bug_threads-tsan ## rings and media callbacks, without Go, under ASan with UBSan and under TSan
	$(SAN_BUILD)/bug_threads-asan $(SAN_SECONDS)
	$(SAN_BUILD)/bug_threads-tsan $(SAN_SECONDS)

sanitize-asan: ## shim and host under AddressSanitizer (with leaks) and UBSan
	$(san_make) BUILD=$(SAN_BUILD)/asan CFLAGS='$(SAN_ASAN)' $(SAN_BUILD)/asan/mod_audio_stream.so
	$(san_make) BUILD=$(SAN_BUILD)/asan $(SAN_BUILD)/asan/test/fshost-asan
	UBSAN_OPTIONS=print_stacktrace=1 $(call san_e2e,$(SAN_BUILD)/asan/mod_audio_stream.so,$(SAN_BUILD)/asan/test/fshost-asan,$(SAN_CASES))

sanitize-asan-go: ## the same with Go's accesses to C's memory
	$(san_make) BUILD=$(SAN_BUILD)/asan-go CFLAGS='$(SAN_ASAN)' GO_BUILD_FLAGS=-asan $(SAN_BUILD)/asan-go/mod_audio_stream.so
	$(san_make) BUILD=$(SAN_BUILD)/asan-go $(SAN_BUILD)/asan-go/test/fshost-asan
	UBSAN_OPTIONS=print_stacktrace=1 $(call san_e2e,$(SAN_BUILD)/asan-go/mod_audio_stream.so,$(SAN_BUILD)/asan-go/test/fshost-asan,$(SAN_CASES))

sanitize-tsan: ## shim and host under ThreadSanitizer
	$(san_make) BUILD=$(SAN_BUILD)/tsan CFLAGS='$(SAN_TSAN)' $(SAN_BUILD)/tsan/mod_audio_stream.so
	$(san_make) BUILD=$(SAN_BUILD)/tsan $(SAN_BUILD)/tsan/test/fshost-tsan
	TSAN_OPTIONS='suppressions=$(abspath $(SAN_DIR)/tsan.supp)' \
		$(call san_e2e,$(SAN_BUILD)/tsan/mod_audio_stream.so,$(SAN_BUILD)/tsan/test/fshost-tsan,$(SAN_CASES))

sanitize-race: ## the Go side in the host under -race, with every pointer handed to C checked (cgocheck2)
	GOEXPERIMENT=cgocheck2 $(san_make) BUILD=$(SAN_BUILD)/race GO_BUILD_FLAGS=-race $(SAN_BUILD)/race/mod_audio_stream.so
	$(san_make) BUILD=$(SAN_BUILD)/race $(SAN_BUILD)/race/test/fshost
	$(CC) -no-pie -O2 -g -Wl,--wrap=dlopen -Wl,--dynamic-list=test/host/exports.list \
		-Wl,--export-dynamic-symbol=mod_audio_stream_module_interface \
		$(SAN_DIR)/builtin.c $(SAN_BUILD)/race/test/host/*.o $(SAN_BUILD)/race/mod/*.o $(SAN_BUILD)/race/go/bridge.a \
		$(HOST_LIBS) -o $(SAN_BUILD)/race/fshost-race
	GORACE=halt_on_error=1 $(call san_e2e,$(SAN_BUILD)/race/mod_audio_stream.so,$(SAN_BUILD)/race/fshost-race,$(SAN_CASES))

# $(1) a program, $(2) what runs it: under memcheck, whose logs decide
san_memcheck = rm -rf $(SAN_BUILD)/memcheck && mkdir -p $(SAN_BUILD)/memcheck && \
	{ export SAN_LOGS='$(abspath $(SAN_BUILD))/memcheck' SAN_HOST='$(abspath $(1))'; $(2); ended=$$?; \
	awk -f $(SAN_DIR)/memcheck.awk "$$SAN_LOGS"/*.log && exit $$ended; }

sanitize-memcheck: $(SAN_BUILD)/bug_threads-plain ## rings and media callbacks, without Go, under valgrind's memcheck
	@command -v valgrind >/dev/null || { echo "$@: valgrind is not here (apt-get install valgrind)"; exit 1; }
	$(call san_memcheck,$(SAN_BUILD)/bug_threads-plain,$(SAN_DIR)/valgrind.sh $(SAN_SECONDS))

sanitize-valgrind: sanitize-memcheck ## the same, and the host, under valgrind's memcheck
	$(san_make) BUILD=$(SAN_BUILD)/valgrind GO_TAGS='$(GO_TAGS),valgrind' $(SAN_BUILD)/valgrind/mod_audio_stream.so
	$(san_make) BUILD=$(SAN_BUILD)/valgrind $(SAN_BUILD)/valgrind/test/fshost
	$(call san_memcheck,$(SAN_BUILD)/valgrind/test/fshost,$(call \
		san_e2e,$(SAN_BUILD)/valgrind/mod_audio_stream.so,$(SAN_DIR)/valgrind.sh,$(SAN_CASES_VALGRIND),$(SAN_SKIP_VALGRIND)))
