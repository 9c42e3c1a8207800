# The same verbs locally and in CI; `make help` lists them.
#
# Each one prepares $(VENV) itself and installs again only when pyproject.toml or the
# C core changes. PYTHON=... chooses the interpreter, else it is the newest CPython found.
# ARGS=... is passed on: make test ARGS="-k buffered -x"

VENV ?= .venv
PYTHON ?=
ARGS ?=

BIN := $(VENV)/bin
# What an editable install is made from; Python files are used where they lie.
BUILT_FROM := pyproject.toml setup.py $(wildcard src/headrace/_native/c/*)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-pure test-asan test-tsan test-engines test-all check fix docs bench clean FORCE

help:  ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' \
		$(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.has-demo  ## Measure headrace beside open(), aiofiles and anyio here
	$(BIN)/python -m headrace bench --quick $(ARGS)

bench: $(VENV)/.has-demo  ## The full measurement: make bench ARGS="PATH --chart FILE"
	$(BIN)/python -m headrace bench $(ARGS)

test: $(VENV)/.has-test  ## Run the tests
	$(BIN)/python -m pytest $(ARGS)

test-pure: $(VENV)/.has-test  ## Run the tests without the C core
	HEADRACE_NATIVE=0 $(BIN)/python -m pytest $(ARGS)

# The interpreter is built without the sanitizers, so their library is loaded first.
# Python keeps some memory until the process ends, which counts as no leak.
NATIVE := src/headrace/_native/c
# What runs in the native threads, and knows nothing of Python.
WORKERS := $(foreach part,workers work large inbox,$(NATIVE)/$(part).c)
SANITIZED := build/sanitized
ASAN_RUN = env PYTHONPATH=$(SANITIZED) PYTHONMALLOC=malloc \
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

test-asan: $(VENV)/.has-test  ## Run the tests with the C core under ASan and UBSan
	$(PIP_INSTALL) setuptools
	mkdir -p $(SANITIZED) && cp -r src/headrace $(SANITIZED)/
	rm -f $(SANITIZED)/headrace/_native/_core*.so
	HEADRACE_SANITIZE=address,undefined HEADRACE_WERROR=1 $(BIN)/python setup.py -q \
		build_ext --build-lib $(SANITIZED) --build-temp build/sanitized-objects
	$(ASAN_RUN) $(BIN)/python -c \
		'import headrace._native as n; assert n.NATIVE, n.NATIVE_REASON'
	$(ASAN_RUN) $(BIN)/python -m pytest -p no:cacheprovider $(ARGS)

test-tsan:  ## Run the native threads under ThreadSanitizer
	mkdir -p build
	$(CC) -std=c11 -g -O1 -fsanitize=thread -Wall -Wextra -Werror -I$(NATIVE) \
		tests/_native/drive_workers.c $(WORKERS) -o build/drive-workers -lpthread
	TSAN_OPTIONS=halt_on_error=1 build/drive-workers

test-engines: $(VENV)/.has-test  ## Run the tests on each engine: uring, workers, threads
	for engine in uring workers threads; do \
		HEADRACE_ENGINE=$$engine $(BIN)/python -m pytest $(ARGS) || exit 1; \
	done

test-all: $(VENV)/.has-nox  ## Run the tests on every CPython at hand
	$(BIN)/python -m nox --session test -- $(ARGS)

check: $(VENV)/.has-check  ## Lint, formatting, types, spelling; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/codespell

fix: $(VENV)/.has-check  ## Repair what ruff can repair, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.has-docs  ## Build the documentation into site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:  ## Remove what the other verbs made
	rm -rf .venv .nox .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf build dist htmlcov site src/*.egg-info
	rm -f src/headrace/_native/_core.*.so
	find src tests scripts docs -name __pycache__ -type d -prune -exec rm -rf {} +

# -- The environment ------------------------------------------------------------
# $(VENV)/.has-X says that what X needs is installed. A later pip run keeps what an
# earlier one installed, so the sets add up in one environment.

# Runs each time, but leaves the file's date alone where there is nothing to do.
$(VENV)/.ready: FORCE
	@PYTHON='$(PYTHON)' scripts/prepare-venv '$(VENV)'

$(VENV)/.has-demo: $(VENV)/.ready $(BUILT_FROM)
	$(PIP_INSTALL) --editable '.[cli]' --group peers
	@touch $@

$(VENV)/.has-test: $(VENV)/.ready $(BUILT_FROM)
	$(PIP_INSTALL) --editable '.[cli]' --group test
	@touch $@

# The tests' own types are checked too, so what they import has to be there.
$(VENV)/.has-check: $(VENV)/.ready $(BUILT_FROM)
	$(PIP_INSTALL) --editable '.[cli]' --group test --group lint --group nox
	@touch $@

$(VENV)/.has-docs: $(VENV)/.ready $(BUILT_FROM)
	$(PIP_INSTALL) --editable . --group docs
	@touch $@

$(VENV)/.has-nox: $(VENV)/.ready pyproject.toml
	$(PIP_INSTALL) --group nox
	@touch $@

FORCE:
