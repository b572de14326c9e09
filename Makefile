# Every target sets itself up: a virtual environment in .venv, with Rushes installed from this checkout.
# Needs Python 3.11 or newer with pip and venv, and nothing else.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed-dev
# The local AWS server pins a botocore of its own; the linter of templates lives beside it.
VENV_AWS := .venv-aws
INSTALLED_AWS := $(VENV_AWS)/.installed
# What Lambda runs a handler with, and the events that it sends: a runtime client of its own.
VENV_LAMBDA := .venv-lambda
INSTALLED_LAMBDA := $(VENV_LAMBDA)/.installed
INSTALLED_BENCH := $(VENV)/.installed-bench
# A Python newer than the oldest has other libraries, PyAV 19 for one; images on AWS are of 3.12.
NEWER ?= $(shell for p in python3.13 python3.12 $(HOME)/.pyenv/versions/3.1[23].*/bin/python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$p && break; done)
VENV_NEWER := .venv-newer
INSTALLED_NEWER := $(VENV_NEWER)/.installed
# What reads clips, starts tools and encodes: what such a library changes is seen here first.
NEWER_TESTS := $(addprefix tests/media/test_,forks.py inspection.py inspection_facts.py reader.py ranged.py process.py \
	guard.py verify.py dialect.py) tests/functions tests/authoring tests/runtime/test_direct_scratch.py
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
# Two test processes, for small machines have two cores; no two tests share state.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help demo test test-newer print-newer lint check bench soak clean

help:
	@echo "make demo    inspect and proxy real clips into ./demo"
	@echo "make test    the tests (ARGS='-k name' chooses)"
	@echo "make test-newer  what reads and encodes, on a newer Python"
	@echo "make check   lint, types, layers, then the tests"
	@echo "make bench   ours beside peers, in one run"
	@echo "make soak    the tests with their full counts"
	@echo "make clean   remove what these made (not .venv)"

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Rushes needs Python 3.11 or newer: put one on PATH, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) has no venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "installing into $(VENV) ..."
	@$(PIP) -e ".[dev]"
	@touch $@

$(INSTALLED_AWS): $(INSTALLED)
	@echo "installing the AWS server and the template linter of the tests into $(VENV_AWS) ..."
	@$(BIN)/python -m venv $(VENV_AWS)
	@$(VENV_AWS)/bin/python -m pip install -qq --disable-pip-version-check "ministack==1.5.33" "cfn-lint==1.58.0"
	@touch $@

# Of aws-sam-cli only the emulator and the events are wanted: without its 300 MB of dependencies. Linux has it.
$(INSTALLED_LAMBDA): $(INSTALLED)
	@echo "installing Lambda's runtime and its emulator for the tests into $(VENV_LAMBDA) ..."
	@test "$$(uname)" != Linux || { $(BIN)/python -m venv $(VENV_LAMBDA) \
		&& $(VENV_LAMBDA)/bin/python -m pip install -qq --disable-pip-version-check "awslambdaric==4.2.2" "chevron==0.14.0" \
		&& $(VENV_LAMBDA)/bin/python -m pip install -qq --disable-pip-version-check --no-deps "aws-sam-cli==1.170.0"; }
	@mkdir -p $(VENV_LAMBDA) && touch $@

$(INSTALLED_BENCH): $(INSTALLED)
	@echo "installing the peers that the benchmarks run beside ..."
	@$(PIP) -e ".[bench]"
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/python samples/demo.py demo

test: $(INSTALLED) $(INSTALLED_AWS) $(INSTALLED_LAMBDA)
	$(PYTEST) $(ARGS)

$(INSTALLED_NEWER): pyproject.toml
	@test -n "$(NEWER)" || { echo "no Python newer than 3.11: put one on PATH, or name it: make NEWER=/path/to/python3.12" >&2; exit 1; }
	@echo "installing into $(VENV_NEWER), of $(NEWER) ..."
	@$(NEWER) -m venv $(VENV_NEWER)
	@$(VENV_NEWER)/bin/python -m pip install -qq --disable-pip-version-check -e ".[dev]"
	@touch $@

test-newer: $(INSTALLED_NEWER)
	$(VENV_NEWER)/bin/python -m pytest -n 2 --dist loadgroup $(NEWER_TESTS) $(ARGS)

print-newer:
	@echo "$(NEWER)"

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: $(INSTALLED_BENCH)
	$(BIN)/python benchmarks/run.py $(ARGS)

# The longest of the full counts takes its time: the limit on one test is an hour here.
soak: $(INSTALLED) $(INSTALLED_AWS) $(INSTALLED_LAMBDA)
	$(PYTEST) --soak --timeout 3600 $(ARGS)

clean:
	rm -rf demo .media build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find framework functions samples tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
