# `make abi-check`: include/freeswitch_abi.h against the headers of an installed FreeSWITCH.

CC ?= gcc
BUILD ?= build
FREESWITCH_PREFIX ?= /usr/local/freeswitch

ABI_DIR := test/abi
ABI_PKG := PKG_CONFIG_PATH="$(FREESWITCH_PREFIX)/lib/pkgconfig:$$PKG_CONFIG_PATH" pkg-config
ABI_CFLAGS := -std=gnu11 -Wall -Wextra -Werror

.PHONY: abi-check
abi-check:
	@sh $(ABI_DIR)/complete.sh include/freeswitch_abi.h $(ABI_DIR)/abi_layout.c
	@mkdir -p $(BUILD)/test/abi
	@$(CC) $(ABI_CFLAGS) -Iinclude $(ABI_DIR)/abi_layout.c -o $(BUILD)/test/abi/ours
	@$(BUILD)/test/abi/ours > $(BUILD)/test/abi/ours.txt
	@if ! $(ABI_PKG) --exists freeswitch 2>/dev/null; then \
		echo "abi-check: skipped: no FreeSWITCH headers (pkg-config freeswitch, FREESWITCH_PREFIX=$(FREESWITCH_PREFIX))"; \
		exit 0; \
	fi; \
	set -e; \
	flags=$$($(ABI_PKG) --cflags freeswitch | sed 's/-I/-isystem /g'); \
	$(CC) $(ABI_CFLAGS) -DREAL $$flags $(ABI_DIR)/abi_layout.c -o $(BUILD)/test/abi/real; \
	$(BUILD)/test/abi/real > $(BUILD)/test/abi/real.txt; \
	if ! diff -u $(BUILD)/test/abi/real.txt $(BUILD)/test/abi/ours.txt; then \
		echo "abi-check: include/freeswitch_abi.h (+) differs from FreeSWITCH's headers (-)"; exit 1; \
	fi; \
	$(CC) $(ABI_CFLAGS) $$flags -Iinclude -c $(ABI_DIR)/abi_functions.c -o $(BUILD)/test/abi/functions.o; \
	echo "abi-check: ok, $$(wc -l < $(BUILD)/test/abi/ours.txt) facts and every function as in FreeSWITCH $$($(ABI_PKG) --modversion freeswitch)"
