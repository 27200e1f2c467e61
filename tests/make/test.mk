# Tests. `check` is the inner loop; `test` is everything, and what CI runs.
RELEASES ?= trixie
MOLECULE_WORKERS ?= 2
SCENARIOS ?= $(sort $(notdir $(patsubst %/molecule.yml,%,$(wildcard molecule/*/molecule.yml))))

.PHONY: check test lint unit sanity importer molecule generate
check: setup lint unit ## The quick inner loop: lint and unit tests

test: setup lint unit sanity importer molecule ## All tests

lint: setup ## ruff, mypy, yamllint, ansible-lint, changelog, generated files
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	$(BIN)/python deployment/generate.py --check
	$(BIN)/antsibull-changelog lint
	$(BIN)/ansible-lint --config-file .config/ansible-lint.yml

unit: setup ## Unit tests: no daemon, no root, no network
	$(BIN)/pytest -n 2

generate: setup ## Writes deployment/ anew from the roles' defaults
	$(BIN)/python deployment/generate.py

sanity: setup ## ansible-test sanity on the built collection
	tests/sanity/run

importer: setup ## galaxy-importer on the built collection
	tests/importer/run

molecule: setup ## Every Molecule scenario, each on a fresh VM (SCENARIOS="a b", RELEASES="trixie bookworm")
	tests/molecule/run --workers $(MOLECULE_WORKERS) --releases "$(RELEASES)" $(SCENARIOS)
