# Everything a person or CI does with this project. Needs Python 3.11 to 3.13 and make; what else a target needs it says.
SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first that is in range and can make an environment: a shim of a version manager may exist and not run, and
# Debian's python3 comes without ensurepip until python3-venv is installed.
PYTHONS := python3.11 python3.12 python3.13 python3
FIND_PYTHON := for python in $(PYTHONS); do \
	  $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	    2>/dev/null && break; python=; done

VENV := .venv
BIN := $(VENV)/bin
# Read from the lock's own input, so that the pin stands in one place.
UV_PIN := $(shell sed -n 's/^ *"\(uv==[^"]*\)".*/\1/p' pyproject.toml)
UV := UV_HTTP_TIMEOUT=180 UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv
# One stamp for what the program needs, one for what its developers need on top.
RUNTIME := $(VENV)/.runtime-is-current
EVERYTHING := $(VENV)/.everything-is-current

# What Seamwatch is measured against needs other versions of Kafka's client than Seamwatch does.
YARDSTICKS := build/yardsticks

.PHONY: help setup demo test fuzz torture soak lint audit bench bench-detect bench-models bench-real kafka clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(EVERYTHING) ## make .venv with everything that development needs

demo: $(RUNTIME) ## watch an incident form, fire and resolve: make demo ARGS=--exit-when-done
	$(BIN)/seamwatch demo $(ARGS)

# Two at a time: each worker of pytest has a Kafka of its own. A file stays on one worker, with what it set up.
test: $(EVERYTHING) ## run all tests: make test ARGS='-k kafka'
	tests/integration/install-services.sh
	$(BIN)/pytest -q -n 2 --dist loadfile $(ARGS)

torture: $(EVERYTHING) ## kill, freeze and starve workers and brokers, and compare with a calm run: make torture ARGS='--seed 7'
	@$(BIN)/python -m tests.torture $(ARGS)

soak: $(EVERYTHING) ## a worker under a steady stream, and its figures: make soak ARGS='--minutes 20 --rate 10000'
	@$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(EVERYTHING) ## throw bytes at the adapters for a while: make fuzz ARGS='--seconds 600'
	$(BIN)/python -m tests.fuzz.adapters $(ARGS)

lint: $(EVERYTHING) ## format, lint, types and layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

audit: $(EVERYTHING) ## known vulnerabilities and licences of what is locked
	@$(BIN)/python -m tests.supply
	@$(BIN)/pip-licenses --from=mixed --format=markdown --order=license

# Numbers are small arrays: threads of a BLAS would only wait for each other.
bench-detect: $(EVERYTHING) ## false pages, delays, scopes: make bench-detect ARGS='--seeds 1-3 --scenarios order --no-null'
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.detect $(ARGS)

bench-models: $(EVERYTHING) ## what each model costs per update and in memory
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.models

bench-real: $(EVERYTHING) ## what is said of recorded data, where they are: make bench-real ARGS=nab
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.real $(ARGS)

bench: $(EVERYTHING) ## what an event costs, beside what others cost: make bench ARGS='--events 100000 --rounds 1'
	@$(MAKE) --no-print-directory $(YARDSTICKS)/.is-current || echo "Quix Streams and Bytewax are left out" >&2
	$(BIN)/python -m tests.bench $(ARGS)

$(YARDSTICKS)/.is-current: tests/bench/yardsticks/pyproject.toml tests/bench/yardsticks/uv.lock | $(BIN)/uv
	$(subst =$(VENV),=$(abspath $(YARDSTICKS)),$(UV)) sync --quiet --frozen --project tests/bench/yardsticks --group bench
	@touch $@

kafka: $(EVERYTHING) ## run an Apache Kafka at 127.0.0.1:9092 until Ctrl-C: make kafka ARGS='--brokers 3 --port 19092'
	@$(BIN)/python -m tests.integration.kafka_cluster $(ARGS)

clean: ## remove what was made here, the environment included
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find models pipeline tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/uv:
	@$(FIND_PYTHON); if [[ -z $$python ]]; then \
	  echo "seamwatch needs Python 3.11, 3.12 or 3.13 with venv (Debian: apt-get install python3-venv); tried: $(PYTHONS)" >&2; \
	  exit 1; fi; \
	echo "using $$($$python --version) ($$($$python -c 'import sys; print(sys.executable)'))"; \
	$$python -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV_PIN)

# --inexact: does not take away what a developer's environment has beyond it.
$(RUNTIME): pyproject.toml uv.lock | $(BIN)/uv
	$(UV) sync --quiet --frozen --no-dev --inexact
	@touch $@

$(EVERYTHING): pyproject.toml uv.lock | $(BIN)/uv
	$(UV) sync --quiet --frozen --all-groups
	@touch $@ $(RUNTIME)
