# What the module bears: hostile servers, servers that do not read, churn, and what happens to the process around it. On
# the stand-in host and on a real FreeSWITCH. `go doc ./test/torture` says how to run single cases and the long form.

BUILD ?= build
GO ?= go
# further flags: -full, -only '<cases>', -churn 10m
TORTURE_FLAGS ?=
# how long torture-hour takes, and calls a second
TORTURE_CHURN ?= 60m
TORTURE_RATE ?= 20

$(BUILD)/test/torture: $(wildcard test/torture/*.go test/e2e/switchtest/*.go goside/agent/*.go test/esl/*.go) go.mod
	@mkdir -p $(@D)
	$(GO) build -o $@ ./test/torture

.PHONY: torture torture-freeswitch torture-hour
torture: $(MODULE) $(BUILD)/test/fshost $(BUILD)/test/torture ## hostile servers, backpressure, churn on the stand-in host: a table of cases
	$(BUILD)/test/torture -module $(MODULE) -fshost $(BUILD)/test/fshost -dir $(BUILD)/test/log/torture $(TORTURE_FLAGS)

torture-freeswitch: $(MODULE) $(BUILD)/test/torture ## the same on FreeSWITCH
	$(BUILD)/test/torture -backend freeswitch -module $(MODULE) -dir $(BUILD)/test/log/torture-freeswitch $(TORTURE_FLAGS)

torture-hour: $(MODULE) $(BUILD)/test/torture ## an hour of mixed churn on FreeSWITCH at 20 calls a second: does memory stay flat? (TORTURE_CHURN, TORTURE_RATE)
	$(BUILD)/test/torture -backend freeswitch -module $(MODULE) -dir $(BUILD)/test/log/torture-hour -only '^mixed churn$$' \
		-churn $(TORTURE_CHURN) -rate $(TORTURE_RATE) $(TORTURE_FLAGS)
