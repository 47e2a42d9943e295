# The stand-in FreeSWITCH host (build/test/fshost) and its own test. Included by the Makefile of the project; needs
# libspeexdsp-dev. Variables with ?= may be set outside.

CC ?= gcc
GO ?= go
BUILD ?= build

HOST_DIR := test/host
HOST_SRC := $(sort $(wildcard $(HOST_DIR)/*.c))
HOST_HDR := $(HOST_DIR)/host.h $(HOST_DIR)/esl.h include/freeswitch_abi.h
HOST_CFLAGS ?= -std=gnu11 -O2 -g -fno-omit-frame-pointer -Wall -Wextra -Wshadow -Werror
HOST_LIBS := -lspeexdsp -lm -lpthread -ldl
HOST_ASAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
HOST_TSAN := -fsanitize=thread
HOST_BIN := $(BUILD)/test/fshost
SELFTEST_SRC := $(sort $(wildcard $(HOST_DIR)/selftest/*.c))
SELFTEST_HDR := $(HOST_DIR)/selftest/selftest.h include/freeswitch_abi.h

# $(1) suffix of the binary, $(2) flags
define HOST_VARIANT
$(BUILD)/test/host$(1)/%.o: $(HOST_DIR)/%.c $(HOST_HDR)
	@mkdir -p $$(@D)
	$(CC) $(HOST_CFLAGS) $(2) -Iinclude -c $$< -o $$@

$(BUILD)/test/fshost$(1): $(patsubst $(HOST_DIR)/%.c,$(BUILD)/test/host$(1)/%.o,$(HOST_SRC)) $(HOST_DIR)/exports.list
	$(CC) $(2) -Wl,--dynamic-list=$(HOST_DIR)/exports.list $$(filter %.o,$$^) $(HOST_LIBS) -o $$@

$(BUILD)/test/mod_selftest$(1).so: $(SELFTEST_SRC) $(SELFTEST_HDR)
	@mkdir -p $$(@D)
	$(CC) $(HOST_CFLAGS) $(2) -fPIC -shared -Iinclude $(SELFTEST_SRC) -o $$@
endef

$(eval $(call HOST_VARIANT,,))
$(eval $(call HOST_VARIANT,-asan,$(HOST_ASAN)))
$(eval $(call HOST_VARIANT,-tsan,$(HOST_TSAN)))

.PHONY: host host-asan host-tsan test-host test-host-asan test-host-tsan

host: $(HOST_BIN)
host-asan: $(BUILD)/test/fshost-asan
host-tsan: $(BUILD)/test/fshost-tsan

test-host: $(HOST_BIN) $(BUILD)/test/mod_selftest.so
	FSHOST=$(abspath $(HOST_BIN)) SELFTEST=$(abspath $(BUILD)/test/mod_selftest.so) \
		$(GO) test -count=1 -timeout 120s -race ./test/esl ./$(HOST_DIR)/check

# The same test on the sanitizers' builds of the host.
test-host-asan test-host-tsan: test-host-%: $(BUILD)/test/fshost-% $(BUILD)/test/mod_selftest-%.so
	FSHOST=$(abspath $(BUILD)/test/fshost-$*) SELFTEST=$(abspath $(BUILD)/test/mod_selftest-$*.so) \
		$(GO) test -count=1 -timeout 240s ./$(HOST_DIR)/check
