# Everything a working copy needs, from nothing but Python 3.11+ (with venv and pip) and make.
# PYTHON=python3.12 picks the interpreter; ARGS='…' goes to the command behind the target.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# A file's tests stay together. Most of the time is waiting: two processes are nearly twice as fast, on two cores too.
PARALLEL := -n 2 --dist loadfile
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-gpu-stack lint format docs bench faults lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/.installed-demo ## Ads through a broker, a store and the real consumer, on this machine (ARGS=--keep)
	$(BIN)/advet demo $(ARGS)

test: .venv/.installed-test ## Every test but the fault schedules; Apache Kafka where there are a JDK and Maven
	$(BIN)/pytest $(PARALLEL) -m "not gpu" --ignore tests/faults $(ARGS)

test-fast: .venv/.installed-dev ## Unit, contract and pipeline tests: no torch, no JVM
	$(BIN)/pytest $(PARALLEL) -m "not gpu and not kafka" tests/unit tests/contracts tests/pipeline $(ARGS)

test-gpu-stack: .cache/gpu-stack/.installed ## Tests of the GPU judge with the oldest torch and transformers, on the CPU
	.cache/gpu-stack/bin/python -m pytest -m "not gpu" tests/gpu tests/unit/inference $(ARGS)

lint: .venv/.installed-dev ## ruff, mypy, import contracts, dead code, undeclared dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/deptry .

format: .venv/.installed-dev ## Formats and fixes what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.installed-dev ## Writes what is generated: the README's settings, infra/METRICS.md, Grafana dashboards
	$(BIN)/python infra/dev/settings_table.py
	$(BIN)/python infra/dev/metrics_page.py
	$(BIN)/python infra/dev/dashboards.py

bench: .venv/.installed-dev .cache/bench/.installed ## One benchmark: make bench ARGS='NAME …'
	$(BIN)/python infra/dev/bench.py $(ARGS)

faults: .venv/.installed-dev ## Seeded fault schedules on three brokers (ARGS="--kills 500 --seed 7 --minutes 60")
	$(BIN)/pytest -m "not gpu" tests/faults $(ARGS)

lock: .venv/.installed-dev ## Writes requirements/*.txt anew (ARGS=--upgrade moves the pins)
	infra/dev/lock.sh $(ARGS)

clean: ## Removes .venv and every cache; keeps what git tracks
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The frameworks that benchmarks run beside advet pin versions that it has left behind: an environment of their own.
.cache/bench/.installed: requirements/bench.txt .venv/.installed-dev
	infra/dev/install_environment.sh bench

# The other end of the range of versions that the GPU judge supports; .venv has the newest.
.cache/gpu-stack/.installed: requirements/gpu-stack.txt .venv/.installed-dev
	infra/dev/install_environment.sh gpu-stack --advet

.venv/.installed-%: requirements/%.txt requirements/build.txt pyproject.toml infra/dev/install.sh
	infra/dev/install.sh $*
