# bulkhead.workspace. `make demo` and `make test` do everything, set-up included; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

include tests/make/setup.mk
include tests/make/test.mk
include tests/make/demo.mk
include tests/make/bench.mk
include tests/make/record.mk
include tests/make/release.mk

.PHONY: help clean
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
	@printf '  make %-16s one of: %s\n' bench-NAME '$(BENCHMARKS)' long-NAME '$(LONG_RUNS)'

clean: ## Ends the VMs of this checkout and deletes all that was built (the image cache too)
	-python3 molecule/shared/vm down --all
	rm -rf build .venv .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis
