# The one command list. `make` or `make help` prints it; every command makes the environment it needs by itself.

PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
    $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
READY := .venv/.ready
JOBS ?= 2
DATA ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast check format docs bench soak clean

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-10s %s\n", $$1, $$2 }'

setup: $(READY)  ## make the environment in .venv (the other commands do so when they need it)

$(READY): pyproject.toml
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found: make PYTHON=path"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0  # before what depends on it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY)  ## learn from an invented world, or from DATA=events.parquet, and recommend
	$(BIN)/ritornello demo $(if $(DATA),--data '$(DATA)') $(ARGS)

test: $(READY)  ## all tests but the soak ones
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m 'not soak and not gpu' $(ARGS)

test-fast: $(READY)  ## the tests that take less than a minute together
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m 'not slow and not soak and not gpu and not real' $(ARGS)

check: $(READY)  ## format, lint, types, import order, generated documents
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml
	$(BIN)/python docs/generate.py --check

format: $(READY)  ## format the code and sort its imports
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

docs: $(READY)  ## write the generated documents anew
	$(BIN)/python docs/generate.py

bench: $(READY)  ## compare with tuned peers: DATA=events.parquet HARNESS=harness.py NAME=30music
	@test -n "$(DATA)" -a -n "$(HARNESS)" -a -n "$(NAME)" || { sed -n '/^## Run it/,/^## /p' benchmarks/README.md; exit 2; }
	$(BIN)/python benchmarks/window_peers.py --harness '$(HARNESS)' --data '$(DATA)' --name '$(NAME)' $(ARGS)

soak: $(READY)  ## long tests: every property with many more examples, and what runs for minutes
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m 'not gpu' --hypothesis-profile soak $(ARGS)

clean:  ## remove the environment and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build
