# Panics in every goroutine and export: the module with the build tag "faults", in the stand-in host.

GO ?= go
BUILD ?= build

FAULTS_BUILD := $(BUILD)/faults

.PHONY: faults
faults: $(BUILD)/test/fshost ## have every goroutine and every export of the module panic once, in calls on the stand-in
	$(MAKE) --no-print-directory BUILD=$(FAULTS_BUILD) GO_TAGS='$(GO_TAGS),faults' $(FAULTS_BUILD)/mod_audio_stream.so
	FAULTS_SO='$(abspath $(FAULTS_BUILD)/mod_audio_stream.so)' FSHOST='$(abspath $(BUILD)/test/fshost)' \
		$(GO) test -count=1 -timeout 5m ./test/faults
	$(GO) test -count=1 -race -tags faults -timeout 5m -run Fault ./goside/worker ./goside/module ./goside/wsclient ./goside/netpoll
