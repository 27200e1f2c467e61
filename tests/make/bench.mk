# Benchmarks: each beside its peers in the same run; figures in build/bench/NAME.json. Long runs: what does not fit into `make test`.
BENCHMARKS := $(filter-out frame peers,$(patsubst benchmarks/%.py,%,$(wildcard benchmarks/*.py)))
LONG_RUNS := $(notdir $(wildcard tests/long/*))

.PHONY: bench $(BENCHMARKS:%=bench-%) $(LONG_RUNS:%=long-%)
bench: $(BENCHMARKS:%=bench-%) ## All benchmarks, one after another (make bench-NAME for one)

$(BENCHMARKS:%=bench-%): bench-%: setup
	@PYTHONPATH=tests $(BIN)/python benchmarks/$*.py

$(LONG_RUNS:%=long-%): long-%: setup
	@tests/long/$*
