# mod_audio_stream. `make help` lists the targets.
#
# Variables that are worth setting: BUILD (where things are built), FREESWITCH_PREFIX (a FreeSWITCH outside the usual
# places), CC, GO, V=1 (show the commands).

BUILD ?= build
GO ?= go
ifeq ($(origin CC),default)
CC := gcc
endif
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= clang-format

# Where FreeSWITCH is looked for: FREESWITCH_PREFIX, pkg-config's own places, the prefix of a build from source.
FREESWITCH_PREFIX ?=
export FREESWITCH_PREFIX
export PKG_CONFIG_PATH := $(if $(FREESWITCH_PREFIX),$(FREESWITCH_PREFIX)/lib/pkgconfig:)$(PKG_CONFIG_PATH):/usr/local/freeswitch/lib/pkgconfig
# make hands exported variables to recipes only, not to $(shell)
FS_PKG_CONFIG := PKG_CONFIG_PATH='$(PKG_CONFIG_PATH)' $(PKG_CONFIG)
HAVE_FREESWITCH := $(shell $(FS_PKG_CONFIG) --exists freeswitch 2>/dev/null && echo yes)

Q := $(if $(V),,@)

WARN := -Wall -Wextra -Werror -std=gnu11
# Real headers where they are, as system headers: their warnings are not ours. FREESWITCH_ABI=1 builds against the slice in
# include/freeswitch_abi.h all the same.
ifeq ($(HAVE_FREESWITCH)$(FREESWITCH_ABI),yes)
FS_CFLAGS := -DAS_HAVE_FREESWITCH $(patsubst -I%,-isystem %,$(shell $(FS_PKG_CONFIG) --cflags freeswitch))
endif
SHIM_CFLAGS = $(CFLAGS) $(WARN) -D_GNU_SOURCE -fPIC -fno-plt -fvisibility=hidden -Iinclude -Imod $(FS_CFLAGS)

# netgo, osusergo: no resolver or user database of libc behind Go's back.
GO_TAGS := netgo,osusergo
GO_SOURCES := $(shell find goside bridge -name '*.go' -not -name '*_test.go' 2>/dev/null) go.mod go.sum
SHIM_SOURCES := $(wildcard mod/*.c)
SHIM_OBJECTS := $(SHIM_SOURCES:mod/%.c=$(BUILD)/mod/%.o)
HEADERS := $(wildcard include/*.h mod/*.h)
MODULE := $(BUILD)/mod_audio_stream.so

.PHONY: all
all: $(MODULE) ## build build/mod_audio_stream.so (the default)

# A different answer to "which headers" or other flags build the shim anew.
$(BUILD)/mod/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(SHIM_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(SHIM_CFLAGS)' > $@

$(BUILD)/mod/%.o: mod/%.c $(HEADERS) $(BUILD)/mod/flags
	@echo "cc   $<"
	$(Q)$(CC) $(SHIM_CFLAGS) -c $< -o $@

# Go's build cache does not look at headers outside the package; with their sum among the flags it builds anew when one changed.
HEADERS_SUM = $(shell cat include/*.h | cksum | cut -d' ' -f1)

# Go must not start when the .so is opened (mod/go_runtime.c says why), so the archive's .init_array gets another name, under
# which the shim finds it.
$(BUILD)/go/bridge.a: $(GO_SOURCES) $(wildcard include/*.h)
	@mkdir -p $(@D)
	@echo "go   bridge and goside (a minute the first time)"
	$(Q)CGO_ENABLED=1 CC='$(CC)' CGO_CFLAGS='-O2 -g -DAS_HEADERS=$(HEADERS_SUM)' $(GO) build -buildmode=c-archive -trimpath -tags $(GO_TAGS) $(GO_BUILD_FLAGS) -o $@.tmp ./bridge
	$(Q)$(OBJCOPY) --rename-section .init_array=as_go_init $@.tmp $@
	@rm -f $@.tmp $@.h

# nodelete: an unload leaves the Go runtime in place, since it cannot be stopped. Bsymbolic and the version script: one
# exported symbol, and no other module's symbols in our place.
$(MODULE): $(SHIM_OBJECTS) $(BUILD)/go/bridge.a mod/exports.map
	@echo "ld   $@"
	$(Q)$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $(SHIM_OBJECTS) $(BUILD)/go/bridge.a -lpthread \
		-Wl,-z,nodelete -Wl,-z,relro -Wl,-Bsymbolic -Wl,--version-script=mod/exports.map

.PHONY: FORCE
FORCE:

# ---- install ----

MODULES_DIR ?= $(shell $(FS_PKG_CONFIG) --variable=modulesdir freeswitch 2>/dev/null)
CONF_DIR ?= $(shell $(FS_PKG_CONFIG) --variable=confdir freeswitch 2>/dev/null)

.PHONY: install
install: $(MODULE) ## put the module and, if there is none yet, its XML into FreeSWITCH (MODULES_DIR, CONF_DIR, DESTDIR)
	@test -n "$(MODULES_DIR)" || { echo "No FreeSWITCH found by pkg-config. Say where: make install MODULES_DIR=/usr/lib/freeswitch/mod CONF_DIR=/etc/freeswitch"; exit 1; }
	install -d "$(DESTDIR)$(MODULES_DIR)"
	install -m 755 $(MODULE) "$(DESTDIR)$(MODULES_DIR)/mod_audio_stream.so"
	@test -n "$(CONF_DIR)" || { echo "CONF_DIR is not known; conf/autoload_configs/audio_stream.conf.xml was not installed"; exit 0; }; \
	xml="$(DESTDIR)$(CONF_DIR)/autoload_configs/audio_stream.conf.xml"; \
	if [ -n "$(CONF_DIR)" ] && [ -e "$$xml" ]; then echo "kept your $$xml"; \
	elif [ -n "$(CONF_DIR)" ]; then install -d "$$(dirname "$$xml")" && install -m 644 conf/autoload_configs/audio_stream.conf.xml "$$xml" && echo "installed $$xml"; fi

# ---- tests ----

include $(wildcard test/host/host.mk test/ring/ring.mk test/abi/abi.mk test/bench/bench.mk \
	test/model/model.mk test/faults/faults.mk test/sanitize/sanitize.mk test/torture/torture.mk)

.PHONY: deps
deps: ## install what building and testing need (apt, as root; otherwise it prints the line to run)
	@test/deps.sh build test

$(BUILD)/audio-agent: $(shell find goside/agent goside/cmd -name '*.go' 2>/dev/null) go.mod
	@mkdir -p $(@D)
	$(GO) build -o $@ ./goside/cmd/audio-agent

.PHONY: agent
agent: $(BUILD)/audio-agent ## build the sample agent, build/audio-agent

.PHONY: demo
demo: ## make a call, stream it, play the echo back: listen to build/demo/heard.wav
	@test/deps.sh build demo
	@$(MAKE) --no-print-directory $(MODULE) $(BUILD)/test/fshost
	@$(GO) run ./test/demo -build $(BUILD)

.PHONY: test
test: ## everything: lint, unit tests with -race, ring tests, the .so's shape, end-to-end on the stand-in and on FreeSWITCH, torture
	@test/deps.sh build test
	@BUILD='$(BUILD)' GO='$(GO)' MAKE='$(MAKE)' test/run.sh $(STEPS)

.PHONY: test-unit
test-unit: ## unit tests of the Go side with the race detector
	$(GO) test -race ./goside/...

.PHONY: test-e2e
test-e2e: $(MODULE) $(BUILD)/test/fshost ## the end-to-end suite, on the stand-in and on FreeSWITCH if there is one
	$(GO) test -count=1 -timeout 20m ./test/e2e/...

.PHONY: check-so
check-so: $(MODULE) ## the .so's shape: exported symbol, NODELETE, text relocations, undefined symbols
	@test/check-so.sh $(MODULE)

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

# The linter has a module file of its own, so that its many dependencies are not the module's.
GOLANGCI := $(GO) tool -modfile=test/tools/go.mod golangci-lint

.PHONY: lint
lint: vet fmt-check ## go vet, golangci-lint, clang-format
	$(GOLANGCI) run ./...

C_FILES = $(shell git ls-files '*.c' '*.h')

.PHONY: fmt
fmt: ## format Go and C
	gofmt -w $(shell git ls-files '*.go')
	$(CLANG_FORMAT) -i $(C_FILES)

.PHONY: fmt-check
fmt-check: ## fail if fmt would change anything
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change: $$(gofmt -l $$(git ls-files '*.go'))"; exit 1; }
	@$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)

FUZZ_TIME ?= 1m

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZ_TIME (1m)
	@test/fuzz.sh $(FUZZ_TIME)

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@echo "mod_audio_stream: make targets"
	@grep -hE '^[a-z0-9-]+:.* ## ' $(MAKEFILE_LIST) | sort -u | awk -F ':.* ## ' '{printf "  %-18s %s\n", $$1, $$2}'
