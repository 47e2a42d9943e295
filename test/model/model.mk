# The algorithms of the rings and of the doorbell as models for spin: each is verified in all its states, and with each of
# its fences or checks taken out spin must find the fault. Needs Debian's spin.

BUILD ?= build

MODEL_DIR := test/model

.PHONY: model
model: ## verify the rings' and the doorbell's algorithms with spin, with and without each fence
	@command -v spin >/dev/null || { echo "model: spin is not here (apt-get install spin)"; exit 1; }
	@CC='$(CC)' $(MODEL_DIR)/check.sh $(BUILD)/test/model $(sort $(wildcard $(MODEL_DIR)/*.pml))
