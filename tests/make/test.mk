# Tests. `check` is the inner loop; `test` is everything, and what CI runs.
RELEASES ?= trixie
MOLECULE_WORKERS ?= 2
# Suites that need real servers on this machine, each started by its own tests; the longest first, for two run at a time.
SERVICES := s3 workloads proxy container playbooks browser
UNREAD_BY_ANSIBLE_LINT := *.md tests/*.py roles/*.py molecule/*.py benchmarks/*.py docs/*.py demo/*.py
# The scenario fleet wants three machines at once, and is a long run.
SCENARIOS ?= $(filter-out fleet,$(sort $(notdir $(patsubst %/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))))

.PHONY: check test lint lint-python lint-ansible lint-workflows unit vm services sanity importer molecule generate docs
check: setup ## The quick inner loop: lint and unit tests
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint-ansible lint-python lint-workflows unit

test: check docs sanity importer services vm molecule ## All tests

lint: lint-python lint-ansible lint-workflows ## All linters

lint-python: setup
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/python deployment/generate.py --check

lint-ansible: setup
	$(BIN)/yamllint --strict .
	$(BIN)/antsibull-changelog lint
	@# The slowest by far, so once for each content of what it reads: all but pages, and Python outside plugins/.
	@stamp=build/lint/ansible-$$(git ls-files -z --cached --others --exclude-standard -- . $(UNREAD_BY_ANSIBLE_LINT:%=':!%') \
	  | { xargs -0 sha256sum 2>/dev/null || true; } | sha256sum | cut -c1-16); \
	if [ ! -e "$$stamp" ]; then \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint -q --config-file .config/ansible-lint.yml; \
	  mkdir -p build/lint && rm -f build/lint/ansible-* && touch "$$stamp"; \
	fi

lint-workflows: setup
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --quiet --offline .github

unit: setup ## Unit tests: no daemon, no root, no network
	$(BIN)/pytest --numprocesses auto --dist worksteal

vm: setup ## The VM program with real machines
	$(BIN)/pytest tests/integration

services: setup ## The suites that start a server of this machine's: dockerd, S3, the proxy
	@$(MAKE) --no-print-directory --jobs 2 --output-sync $(SERVICES:%=services-%)

services-%: setup
	$(BIN)/pytest tests/$*

generate: setup ## Writes deployment/ anew from the roles' defaults
	$(BIN)/python deployment/generate.py

sanity: setup ## ansible-test sanity on the built collection
	tests/sanity/run

importer: setup ## galaxy-importer on the built collection
	tests/importer/run

molecule: setup ## Every Molecule scenario, each on a fresh VM (SCENARIOS="a b", RELEASES="trixie bookworm")
	tests/molecule/run --workers $(MOLECULE_WORKERS) --releases "$(RELEASES)" $(SCENARIOS)

docs: setup ## The documentation site: build/docs/html/index.html
	docs/build
