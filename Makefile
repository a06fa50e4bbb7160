# `make demo` and `make test` do all their set-up: Python 3.11 or newer, git and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test check unit lint types contracts workflows soak bugs mutants people side-by-side figures reliability-doc bench large fuzz format clean

help: ## Print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tuneops needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## Only set up

demo: $(READY) ## Run the sample specs on the built-in emulator
	@$(BIN)/tuneops demo

test: check unit ## Lint, types, import contracts and all tests

check: lint types contracts workflows ## All but the tests

lint: $(READY) ## Style
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

types: $(READY) ## Types
	$(BIN)/mypy

contracts: $(READY) ## Who may import whom
	$(BIN)/lint-imports --no-cache

workflows: $(READY) ## The workflow files
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --pedantic .github/workflows

unit: $(READY) ## All tests
	$(BIN)/python -m pytest -n auto --dist loadfile

SEEDS ?= 1000000
START ?= 0
soak: bugs ## The seeded bugs, then SEEDS random worlds (a million), from seed START on
	@$(BIN)/python -m tests.support.soak --seeds $(SEEDS) --start $(START) --json soak.json

STARTS ?= 5
bugs: $(READY) ## Search for each seeded bug, from STARTS seeds on (5); fails when one is not found
	@FIGURES=1 $(BIN)/python -m tests.support.bugs --starts $(STARTS) --json bugs.json

mutants: $(READY) ## Break the protocol's modules line by line (hours)
	@FIGURES=1 $(BIN)/python -m tests.support.mutants --json mutants.json

people: $(READY) ## Anything that people do, in any order, for hours
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/simulation/test_anything_people_do.py

side-by-side: $(READY) ## The same accidents, with terraform (if there is one) and with tuneops
	@$(BIN)/python -m tests.side_by_side

bench: $(READY) ## The dataset checks beside their peers, and commands over many stages: MEGABYTES (100), RUNS (5)
	@MEGABYTES=$(or $(MEGABYTES),100) RUNS=$(or $(RUNS),5) $(BIN)/python -m tests.bench.datasets
	@RUNS=$(or $(RUNS),5) $(BIN)/python -m tests.bench.specs

large: $(READY) ## A dataset of 1 GB in little memory (minutes)
	$(BIN)/python -m pytest tests/bench/large.py

fuzz: $(READY) ## The laws of datasets, two hundred times as often (twenty minutes)
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/properties/test_dataset_laws.py

figures: $(READY) ## Measure what docs/reliability.md shows (minutes)
	FIGURES=1 $(BIN)/python -m tests.reliability.measure

reliability-doc: $(READY) ## Write docs/reliability.md anew
	$(BIN)/python -m tests.reliability

format: $(READY) ## Put the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what was set up
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
