# The benchmarks: `make bench` runs all of them and writes test/bench/RESULTS.md. Included by the Makefile of the project.

BENCH_DIR := test/bench
BENCH_OUT := $(BUILD)/bench
BENCH_CFLAGS ?= -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror
# For the instruction counts the same flags everywhere: the baseline is made with them.
BENCH_TIME ?= 300ms
# Options of the macro benchmark, e.g. BENCH_ARGS='-switches freeswitch -sip 50 -rounds 3'
BENCH_ARGS ?=

BENCH_C := $(BENCH_OUT)/bench_media $(BENCH_OUT)/bench_resample

$(BENCH_OUT)/%.o: mod/%.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -D_GNU_SOURCE -Iinclude -Imod -c $< -o $@

$(BENCH_OUT)/bench_media: test/ring/bench_media.c test/ring/bench.h test/ring/check.h $(BENCH_OUT)/bug.o $(BENCH_OUT)/doorbell.o
	$(CC) $(BENCH_CFLAGS) -D_GNU_SOURCE -Iinclude -Imod $(filter %.c %.o,$^) -o $@ -lpthread

# The stand-in host's own resampler, with everything it stands on; its main is another's here.
$(BENCH_OUT)/host_main.o: $(HOST_DIR)/main.c $(HOST_HDR)
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -Dmain=host_main -Iinclude -c $< -o $@

$(BENCH_OUT)/bench_resample: test/ring/bench_resample.c test/ring/bench.h $(BENCH_OUT)/resample.o $(BENCH_OUT)/host_main.o \
		$(patsubst $(HOST_DIR)/%.c,$(BUILD)/test/host/%.o,$(filter-out $(HOST_DIR)/main.c,$(HOST_SRC)))
	$(CC) $(BENCH_CFLAGS) -D_GNU_SOURCE -Iinclude -Imod $(filter %.c %.o,$^) -o $@ $(HOST_LIBS)

$(BENCH_OUT)/sendloop: $(BENCH_DIR)/sendloop.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -D_GNU_SOURCE $< -o $@

# The bridge's own benchmarks link without the shim, which they do not call.
BENCH_BRIDGE := -tags bench -ldflags '-extldflags=-Wl,--unresolved-symbols=ignore-all' ./bridge

.PHONY: bench-micro
bench-micro: $(BENCH_C) ## the benchmarks of single parts: Go with allocations, C with percentiles
	@mkdir -p $(BENCH_OUT)
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCH_TIME) ./goside/... | grep -v 'no test files' | tee $(BENCH_OUT)/micro.txt
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCH_TIME) $(BENCH_BRIDGE) | tee -a $(BENCH_OUT)/micro.txt
	@for b in $(BENCH_C); do $$b || exit 1; done | tee -a $(BENCH_OUT)/micro.txt

.PHONY: bench-macro
bench-macro: $(MODULE) $(HOST_BIN) $(BENCH_OUT)/sendloop ## calls with and without streams: CPU, switches, memory, latency (BENCH_ARGS: see test/bench/macro)
	$(GO) run ./$(BENCH_DIR)/macro -build $(BUILD) $(BENCH_ARGS)

.PHONY: bench-report
bench-report: ## write test/bench/RESULTS.md and its plot from the last runs of bench-micro and bench-macro
	$(GO) run ./$(BENCH_DIR)/report -macro $(BENCH_OUT)/macro.json -micro $(BENCH_OUT)/micro.txt -out $(BENCH_DIR)/RESULTS.md
	cd $(BENCH_DIR)/plot && $(GO) run . -macro $(abspath $(BENCH_OUT))/macro.json -out ../growth.svg

.PHONY: bench
bench: ## all benchmarks in about a quarter of an hour, and test/bench/RESULTS.md
	@$(MAKE) --no-print-directory bench-micro
	@$(MAKE) --no-print-directory bench-macro
	@$(MAKE) --no-print-directory bench-report

# A fixed number of operations: a benchmark's warming up must not depend on the machine's speed. Only packages that have any are
# linked.
GUARD_RUNS := 20000x
GUARD_PACKAGES = $(sort $(dir $(shell grep -rl --include='*_test.go' '^func Benchmark' goside)))
GUARD_GO = ($(GO) test -run '^$$' -bench . -benchmem -benchtime $(GUARD_RUNS) $(GUARD_PACKAGES:%/=./%) && \
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(GUARD_RUNS) $(BENCH_BRIDGE)) >$(BENCH_OUT)/guard.txt 2>&1 || { cat $(BENCH_OUT)/guard.txt; exit 1; }
GUARD = $(GO) run ./$(BENCH_DIR)/guard -cc '$(CC)' -baseline $(BENCH_DIR)/baseline.txt -go $(BENCH_OUT)/guard.txt

.PHONY: bench-guard
bench-guard: $(BENCH_C) ## fail when a benchmark allocates more, or takes more instructions, than test/bench/baseline.txt says
	@mkdir -p $(BENCH_OUT)
	@$(GUARD_GO)
	$(GUARD) $(BENCH_C)

.PHONY: bench-baseline
bench-baseline: $(BENCH_C) ## record test/bench/baseline.txt
	@mkdir -p $(BENCH_OUT)
	@$(GUARD_GO)
	$(GUARD) -update $(BENCH_C)
