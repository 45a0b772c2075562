# Every target sets up what it needs: a virtualenv with the pinned dependencies of requirements.lock.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Hundreds of processes are started by tests and by a worker: none of them compiles everything anew.
export PYTHONDONTWRITEBYTECODE =
# Many tests wait for processes and answers: more of them at once than a small machine has cores.
SPREAD := -n 4 --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo replay test soak chaos lint format bench serve lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  \033[1m%-8s\033[0m %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Pushpull needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (a minute or two, once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## Make the virtualenv and install the pinned dependencies

demo: $(READY) ## Play the example campaign for six simulated weeks, on this machine alone
	@$(BIN)/pushpull demo

replay: $(READY) ## Replay real learner data (../shared/data/oulad) day by day and check the promises
	@$(BIN)/pushpull replay

test: $(READY) ## Run the tests, on SQLite and on a real PostgreSQL
	@$(BIN)/pytest $(SPREAD)

soak: $(READY) ## Run the long tests too
	@$(BIN)/pytest $(SPREAD) --soak

chaos: $(READY) ## Kill 500 workers while providers fail, and count what arrived
	@$(BIN)/python -m tests.faults.chaos

lint: $(READY) ## Check style, types, imports and content
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

format: $(READY) ## Put the code into shape
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

bench: $(READY) ## Measure planning, importing and delivery on PostgreSQL
	@$(BIN)/python -m benchmarks

serve: $(READY) ## Start the Prefect server, a worker, the web app and played providers
	@$(BIN)/pushpull serve

lock: $(READY) ## Compile requirements.lock and the image's part of it anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --constraint requirements.lock pyproject.toml -o deployments/image.lock

clean: ## Remove the virtualenv and what runs leave behind
	rm -rf $(VENV) var build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
