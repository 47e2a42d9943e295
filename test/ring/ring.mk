# Tests of include/spsc_ring.h in C: plain, under ThreadSanitizer, and under AddressSanitizer with UBSan.

CC ?= gcc
BUILD ?= build

RING_DIR := test/ring
RING_TESTS := capture_table playout_table capture_stress playout_stress
RING_CFLAGS ?= -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror
RING_BIN := $(foreach v,plain tsan asan,$(RING_TESTS:%=$(BUILD)/test/ring/$(v)/%))
# seconds of each stress test in each build
RING_SECONDS ?= 1

$(BUILD)/test/ring/plain/%: RING_SAN :=
$(BUILD)/test/ring/tsan/%: RING_SAN := -fsanitize=thread
$(BUILD)/test/ring/asan/%: RING_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined

define RING_RULE
$(BUILD)/test/ring/$(1)/%: $(RING_DIR)/%.c $(RING_DIR)/check.h include/spsc_ring.h
	@mkdir -p $$(@D)
	$(CC) $(RING_CFLAGS) $$(RING_SAN) -Iinclude $$< -o $$@ -lpthread
endef
$(foreach v,plain tsan asan,$(eval $(call RING_RULE,$(v))))

.PHONY: test-ring
test-ring: $(RING_BIN)
	@for t in $(RING_BIN); do echo "$$t"; $$t $(RING_SECONDS) || exit 1; done
