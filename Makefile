# Cartable: every word of this file is explained by `make help`.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= $(if $(CARTABLE_VENV),$(CARTABLE_VENV),.venv)
RUN = $(VENV)/bin/python
JOBS ?= 3
# Compiled modules are kept, whatever the shell says: without them each process that a test starts compiles all of Cartable.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup run worker simulate check test test-all test-fast story interop pictures soak bench migrate revision openapi messages catalog-check clean

help: ## Show these words
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make the virtual environment with everything, tests included
	@$(PYTHON) deploy/bootstrap.py dev

run: ## Start Cartable here: database, certificates, a demo town, HTTPS, worker, a class of simulated tablets; DEMO=0 without the demo town, DNS=1 with the filtering resolver
	@$(PYTHON) deploy/bootstrap.py run
	@exec $(RUN) -m mdm up $(if $(filter 0 no off,$(DEMO)),--empty) $(if $(filter 1 yes on,$(DNS)),--dns)

worker: ## Start a worker beside a server that uses a broker (CARTABLE_BROKER_URL)
	@$(PYTHON) deploy/bootstrap.py run
	@exec $(RUN) -m mdm worker

simulate: ## Let N more simulated tablets enrol with the running server: make simulate N=30, TOWN=short-name, BEHAVIOUR=mix
	@$(PYTHON) deploy/bootstrap.py run
	@exec $(RUN) -m mdm simulate --count $(or $(N),30) $(if $(TOWN),--town $(TOWN)) $(if $(BEHAVIOUR),--behaviour $(BEHAVIOUR))

check: setup ## Lint, format, types, import contracts, migrations, generated API description
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check --quiet .
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports
	@$(RUN) -m mdm.cli.checks

test: setup ## The whole suite, on SQLite and PostgreSQL, with a real broker
	@$(RUN) -m pytest -n $(JOBS) --dist worksteal

test-all: setup ## The same, with every case of the tests of which `make test` tries a share that changes daily
	@TEST_EVERY_CASE=1 $(RUN) -m pytest -n $(JOBS) --dist worksteal

test-fast: setup ## Only the tests that need no server process
	@$(RUN) -m pytest -n $(JOBS) --dist worksteal --ignore tests/stories --ignore tests/interop --ignore tests/browser --ignore tests/deploy

story: setup ## The stories, over real HTTPS with simulated tablets
	@$(RUN) -m pytest tests/stories -v

interop: ## Install the independent programs (SCEP and ACME clients, a browser, a resolver, a proxy; Debian packages, needs root) that tests use
	@sh deploy/install-interop.sh

pictures: setup ## Take the pictures of docs/pictures anew, in French and in English
	@TEST_EVERY_CASE=1 CARTABLE_PICTURES=$(CURDIR)/docs/pictures $(RUN) -m pytest -q -p no:randomly tests/browser/test_main_story.py tests/browser/test_years.py -k 'not Keyboard'

soak: setup ## Simulate faults from random seeds, and kill real processes under load: make soak MINUTES=60, half of it for each
	@$(RUN) -m tests.simulation --seconds $$(( $(or $(MINUTES),20) * 30 ))
	@CARTABLE_SOAK_SECONDS=$$(( $(or $(MINUTES),20) * 30 )) $(RUN) -m pytest -q -s tests/stories/test_worker_faults.py --timeout 0

bench: setup ## Measure the device channel here, on PostgreSQL and SQLite; see bench/README.md
	@$(RUN) -m bench

migrate: ## Bring the database to the newest migration
	@$(PYTHON) deploy/bootstrap.py run
	@$(RUN) -m mdm migrate

revision: setup ## Write a new migration from the tables: make revision M="what changes"
	@scratch=$$(mktemp -d) && export CARTABLE_DATA_DIR=$$scratch && $(VENV)/bin/alembic upgrade head \
		&& $(VENV)/bin/alembic revision --autogenerate -m "$(M)"; status=$$?; rm -rf "$$scratch"; exit $$status

openapi: setup ## Write anew what is made of the code: docs/openapi.json, docs/operator/settings.md
	@$(RUN) -m mdm.cli.checks --write

messages: setup ## Collect the texts that people read into the catalogues of cartable/locale; L=pt_BR begins a language
	@$(RUN) -m mdm.cli.messages $(L)

catalog-check: setup ## Compare the catalogue of settings with Apple's schema (../shared/apple-schema, CARTABLE_APPLE_SCHEMA)
	@$(RUN) -m mdm.cli.catalog_check

clean: ## Remove the environment and caches; data/ is kept
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
