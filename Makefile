# The tasks of this project. `make` alone lists them.

# Any Python from 3.11 on, 3.11 to 3.13 preferred: the tokenizer has no build for 3.14 yet.
FITS = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $(1)))
PYTHON ?= $(shell for most in 13 99; do \
	for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3 /usr/local/bin/python3; do \
	$$python -c '$(call FITS,'$$most')' 2>/dev/null && echo $$python && exit; done; done)
VENV ?= .venv
BIN = $(VENV)/bin
# The real clients of the tests: an environment for each lock file.
CLIENTS = $(basename $(notdir $(wildcard tests/clients/python/*.txt)))
NODE_CLIENTS = tests/clients/node tests/clients/node/agents
CODE = langfast_wsgi tests benchmarks setup.py gunicorn.conf.py

.DEFAULT_GOAL := help
.PHONY: help run test test-fast lint format types imports lock clean
.PHONY: bench bench-docs bench-quick bench-profile faults soak fuzz agents

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

run: $(VENV)/.run ## start the gateway on 127.0.0.1:8000 (with the embedded emulator if nothing is configured)
	$(if $(PORT),HOST=$${HOST:-127.0.0.1}) exec $(BIN)/gunicorn langfast_wsgi.wsgi:app

test: $(VENV)/.test $(CLIENTS:%=.venv-clients/%/.lock) $(NODE_CLIENTS:%=%/node_modules/.lock) ## run all tests, three files at a time; what fails is tried once more (R)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --reruns 1 -raR

test-fast: $(VENV)/.test ## run the tests that start no servers
	$(BIN)/python -m pytest tests/unit tests/dialects

lint: $(VENV)/.test ## check style
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

format: $(VENV)/.test ## put the code in form
	$(BIN)/ruff check --fix-only -q $(CODE)
	$(BIN)/ruff format $(CODE)

types: $(VENV)/.test ## check types
	$(BIN)/mypy

imports: $(VENV)/.test ## check that imports go one way
	$(BIN)/lint-imports

bench: $(VENV)/.bench ## measure against the targets and print the table (8 minutes)
	$(BIN)/python -m benchmarks full

bench-docs: $(VENV)/.bench ## write the last figures into docs/performance.md and .svg
	$(BIN)/python -m benchmarks docs

bench-quick: $(VENV)/.test ## count what a chunk costs, and print short figures
	$(BIN)/python -m benchmarks quick

bench-profile: $(VENV)/.bench ## where the worker's time goes
	$(BIN)/python -m benchmarks profile

faults: $(VENV)/.test ## the whole fault catalogue, kills at every chunk, histories under a nemesis (an hour)
	$(BIN)/python -m tests.faults catalogue
	$(BIN)/python -m tests.faults all

soak: $(VENV)/.test ## ten minutes over tokens that live a minute and sockets that live half of one
	$(BIN)/python -m tests.faults soak

fuzz: $(VENV)/.test ## 10,000 requests and 5,000 upstream payloads that nobody thought of (8 minutes)
	FUZZ=long $(BIN)/python -m pytest tests/system/test_fuzzed_requests.py \
		tests/unit/providers/langfast/test_fuzzed_upstream.py

agents: $(VENV)/.test tests/clients/node/heavy/node_modules/.lock ## try the coding agents that are too heavy for make test (1 GB)
	AGENTS=all $(BIN)/python -m pytest tests/clients/test_node_agents.py

lock: $(VENV)/.test ## resolve the ranges of setup.cfg, and the Python clients, anew into the locked lists
	$(BIN)/pip-compile $(LOCK) --extra redis --output-file requirements.txt setup.py
	$(BIN)/pip-compile $(LOCK) --extra test --extra dev --output-file requirements-test.txt setup.py
	cd tests/clients/python && for name in $(CLIENTS); do \
		$(abspath $(BIN))/pip-compile $(LOCK) --output-file $$name.txt $$name.in || exit; done

LOCK = --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean: ## remove what was built or installed here
	rm -rf $(VENV) .venv-clients build *.egg-info .mypy_cache .ruff_cache .hypothesis tests/js/node_modules
	rm -rf $(NODE_CLIENTS:%=%/node_modules) tests/clients/node/heavy/node_modules

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with venv is needed (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.run: requirements.txt setup.cfg | $(BIN)/python
	@echo "installing into $(VENV) …"
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.test: requirements-test.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-test.txt
	@touch $@

# The stamp is a copy of the lock: a lock that was only touched installs nothing anew. Where it cannot
# be installed, the tests that need it are skipped, or fail where everything is required.
.venv-clients/%/.lock: tests/clients/python/%.txt | $(VENV)/.test
	@cmp -s $< $@ && touch $@ || { echo "installing the clients of $< …"; rm -rf $(@D); \
		$(BIN)/python -m venv --without-pip $(@D) && \
		$(BIN)/python -m pip --python $(@D)/bin/python install --quiet --require-hashes -r $< && \
		cp $< $@; } || echo "not installed: the clients of $<"

%/node_modules/.lock: %/package-lock.json
	@cmp -s $< $@ && touch $@ || { echo "installing the clients of $< …"; \
		(cd $* && npm ci --ignore-scripts --no-audit --no-fund --silent) && cp $< $@; } || \
		echo "not installed: the clients of $<"

$(VENV)/.bench: setup.cfg $(VENV)/.test
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@
