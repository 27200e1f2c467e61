# Set-up: Debian packages, the virtual environment, the collection importable from the checkout. Each is done once, keyed by content.
BIN := .venv/bin
COLLECTION := .ansible/collections/ansible_collections/bulkhead/workspace
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
APT_PACKAGES := $(shell sed 's/\#.*//' tests/debian-packages.txt)
VENV_STAMP := .venv/.made-from-$(shell sha256sum tests/requirements.txt | cut -c1-16)

export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_HOME := $(CURDIR)/.ansible
export MOLECULE_GLOB := molecule/*/molecule.yml

.PHONY: setup packages
setup: packages $(VENV_STAMP) $(COLLECTION) ## Installs what tests and demo need: Debian packages and .venv

packages:
	@# A name that an installed package provides counts as well: nodejs of its makers brings npm, and Debian's npm would remove it.
	@have=$$(dpkg-query -W -f='$${Status}, $${Package}, $${Provides}\n' | sed -n 's/^[a-z]* ok installed,//p' | tr -s ', ' '\n'); \
	missing=$$(for p in $(APT_PACKAGES); do grep -qxF -- "$$p" <<<"$$have" || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "set-up: installing Debian packages:" $$missing; \
	  $(SUDO) apt-get -o DPkg::Lock::Timeout=400 -qq update; \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=400 -qq install -y --no-install-recommends $$missing >build-apt.log 2>&1 \
	    || { tail -n 30 build-apt.log; exit 1; }; rm -f build-apt.log; \
	fi

$(VENV_STAMP): tests/requirements.txt | packages
	@echo "set-up: making .venv (about a minute)"
	@# Not --clear: what runs from it meanwhile, in another terminal, goes on.
	python3 -m venv .venv
	$(BIN)/pip install -qq --disable-pip-version-check -r tests/requirements.txt
	touch $@

$(COLLECTION):
	mkdir -p $(@D)
	ln -sfn ../../../.. $@
