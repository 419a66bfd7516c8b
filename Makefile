# SPDX-License-Identifier: LGPL-3.0
# Everything runs in an environment of its own, made on first use.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEMO   := build/demo

# How many jobs the benchmarks' history has; LARGE adds a second one, to see what grows.
JOBS   ?= 200000
LARGE  ?= 0

# How much `make torture` does: its parts are bounded by these, and by nothing else.
SOAK_JOBS ?= 1000000
FUZZ_RUNS ?= 10000
KILL_SECONDS ?= 180

.PHONY: demo test test-more test-wheel test-flux torture mutants check format bench bench-flux clean

demo: $(READY)
	@BIN=$(BIN) DEMO=$(DEMO) sh docs/demo.sh

# On all cores; `make test WORKERS=0` runs the tests in one process.
WORKERS ?= auto
MORE := spark or browser

test: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "not ($(MORE))"

# Those that need Java, or a browser.
test-more: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "$(MORE)"

# All tests against the wheel, built from the sdist and installed in an environment of its own.
test-wheel: $(READY)
	$(BIN)/python -m tests.support.wheel

# In instances of Flux that are started for it: attacks by guests and by disks, too.
VERSION := import sys; print(*sys.version_info[:2])
test-flux: $(READY)
	@command -v flux >/dev/null || { echo "make test-flux: there is no flux on the PATH;" \
	    "PATH=/where/flux/is/bin:\$$PATH make test-flux" >&2; exit 1; }
	@test "$$(flux python -c '$(VERSION)')" = "$$($(BIN)/python -c '$(VERSION)')" || \
	    { echo "make test-flux: Flux has another Python than $(VENV); rm -r $(VENV) and" \
	    "make PYTHON=\$$(flux python -c 'import sys; print(sys.executable)') test-flux" >&2; \
	    exit 1; }
	LC_ALL=$${LC_ALL:-C.UTF-8} $(BIN)/python -m pytest -q -m flux

# What takes minutes: breaks the store on purpose, and fails when one thing is lost. Ends with a
# table: build/torture/table.md.
torture: $(READY)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[torture]' || \
	    echo "atheris cannot be installed here"
	@$(BIN)/python -m tests.reliability.torture --soak-jobs $(SOAK_JOBS) \
	    --fuzz-runs $(FUZZ_RUNS) --kill-seconds $(KILL_SECONDS)

# Which changes of the code no test notices: tests/mutants/. FILES are sources or folders, and
# SAMPLE is how many mutants are tried; all by default. The table is build/mutants/table.md.
FILES  ?=
SAMPLE ?= 0

mutants: $(READY)
	@$(BIN)/python -c 'import cosmic_ray, coverage' 2>/dev/null || \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mutants]'
	$(BIN)/python -m tests.mutants $(FILES) --sample $(SAMPLE)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy examples

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# bench/README.md says how to read the tables: build/bench.md, build/bench-flux.md
bench: $(READY)
	$(BIN)/python -m bench --jobs $(JOBS) --large $(LARGE)

bench-flux: $(READY)
	$(BIN)/python -m bench.live --jobs $(JOBS) --large $(LARGE)

clean:
	rm -rf $(VENV) build *.egg-info

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "flux-jobdb needs Python 3.10 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
