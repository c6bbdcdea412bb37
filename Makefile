# Cartable: every word of this file is explained by `make help`.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= $(if $(CARTABLE_VENV),$(CARTABLE_VENV),.venv)
RUN = $(VENV)/bin/python
JOBS ?= 3
TIMES ?= 10
# Processes that are killed, a database or a broker that is away or full, and the seeds of the simulation.
FAULTS = tests/simulation tests/stories/test_worker_faults.py tests/deploy/test_compose_processes.py tests/mdm/worker tests/mdm/api/test_outages.py tests/cartable/test_limited_process.py
# Compiled modules are kept, whatever the shell says: without them each process that a test starts compiles all of Cartable.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup run worker simulate check test test-all test-fast story interop pictures faults soak bench migrate revision openapi messages catalog-check clean

help: ## Show this list
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

faults: setup ## The tests of faults again and again, TIMES=10 times; ends at the first that fails
	@number=0; while [ $$number -lt $(TIMES) ]; do number=$$((number + 1)); echo "faults, run $$number of $(TIMES)"; \
		$(RUN) -m pytest -q -n $(JOBS) --dist worksteal $(FAULTS) || exit 1; done

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
