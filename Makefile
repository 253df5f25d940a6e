# The things one does with soulmesh. `make` alone lists them.
#
# Every target sets up what it needs by itself, once: a virtual environment beside this file, filled by pip.
# Required: Python 3.11 or newer (PYTHON=... chooses which), make, git. Nothing is installed outside this
# folder.

SHELL := /bin/sh
PYTHON ?=
ARGS ?=
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 60
# Tests of one file stay together and in order; three files are run at a time, as many tests wait for processes
# and browsers (WORKERS=0: one after the other).
WORKERS ?= 3
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

# Paths are relative throughout, so that the folder may have a name with spaces.
BIN := .venv/bin
RUN := .venv/.ready-run
DEV := .venv/.ready-dev
BENCH := .venv-bench/.ready
FUZZ := .venv-fuzz/.ready
SETUP := PYTHON="$(PYTHON)" sh scripts/venv

.PHONY: help demo test quick check lint format bench fuzz clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(RUN) ## a whole network on this machine: a real file travels (ARGS=--web, ARGS="--share DIR", ARGS=--help)
	@$(BIN)/soulmesh demo $(ARGS)

test: $(DEV) ## all tests
	@$(PYTEST) $(ARGS)

quick: $(DEV) ## the tests that take little time
	@$(PYTEST) -m "not slow and not interop" $(ARGS)

lint: $(DEV) ## format, lint, types, and the import direction
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python scripts/check_page.py
	@$(BIN)/python -m pytest tests/test_layers.py

check: lint ## what lint looks at, and the quick tests
	@$(PYTEST) -m "not slow and not interop" --ignore=tests/test_layers.py

format: $(DEV) ## let ruff put the code in shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(BENCH) ## measure, beside aioslsk and Nicotine+ (ARGS=benchmarks/codec.py runs one)
	@for script in $(or $(ARGS),$(shell grep -l "^if __name__" benchmarks/*.py 2>/dev/null)); do \
		echo "== $$script"; .venv-bench/bin/python "$$script" || exit 1; \
	done

fuzz: $(FUZZ) ## throw bytes at the wire for FUZZ_SECONDS, guided by coverage
	@.venv-fuzz/bin/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) $(ARGS)

clean: ## remove everything that was made here
	@rm -rf .venv .venv-bench .venv-fuzz .venv-interop* .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist .coverage \
		src/soulmesh/daemon/page/vendor
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One folder serves both: what the tests need comes on top of what the program needs.
$(RUN): pyproject.toml constraints.txt scripts/venv hatch_build.py npm/package-lock.json
	@$(SETUP) .venv -e '.[all]'
	@touch $@

$(DEV): pyproject.toml constraints.txt scripts/venv hatch_build.py npm/package-lock.json
	@$(SETUP) .venv -e '.[all,dev]'
	@touch $(RUN) $@

# Nicotine+ asks for GTK, which its protocol code does not use.
$(BENCH): pyproject.toml constraints.txt scripts/venv
	@$(SETUP) .venv-bench -e '.[all]' aioslsk playwright pytest
	@$(SETUP) .venv-bench --no-deps nicotine-plus
	@touch $@

$(FUZZ): pyproject.toml constraints.txt scripts/venv
	@$(SETUP) .venv-fuzz -e . atheris
	@touch $@
