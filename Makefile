# Sieve. `make` alone lists what there is. To run and to test it needs no root, no Docker and no running service.
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
.PHONY: help setup setup-dev setup-torch setup-openvino setup-llama setup-integrations run test test-slow test-browser test-postgres lint format check bench evaluate golden lock clean opensearch opensearch-stop test-opensearch vllm vllm-stop test-vllm test-torch test-integrations compose-env compose-test

PY := .venv/bin/python
SETUP := sh scripts/python.sh scripts/setup.py
export PORT SIEVE_PYTHON

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv from the lock and pull the models (quick when nothing changed)
	@$(SETUP)

setup-dev: # The same, with what tests and linters need
	@$(SETUP) --dev

setup-torch: ## Also torch, transformers and sentence-transformers, 5 GB: for a GPU worker, or to compare
	@$(SETUP) --dev --extra torch

setup-openvino: # Also OpenVINO
	@$(SETUP) --dev --extra openvino

setup-llama: ## Also xllamacpp, 90 MB, and Qwen2.5-Coder 1.5B, 1.1 GB: a model in this process that writes answers
	@$(SETUP) --dev --extra llama
	@$(PY) manage.py models pull qwen2.5-coder-1.5b-instruct-q4_k_m

setup-integrations: # Also the client libraries that integrations/ are tested against
	@$(SETUP) --dev --extra integrations

run: ## Start everything: PORT=8000 is the default
	@$(SETUP) --then scripts.run

test: setup-dev ## Run the tests, with the real models: ARGS="-k fuse" narrows them
	@$(PY) -m pytest -m "not slow and not browser" $(ARGS)

test-slow: setup-dev ## Run the slow tests: kill -9 in an ingest, damaged files, ...
	@$(PY) -m pytest -m "slow and not browser" $(ARGS) || [ $$? -eq 5 ]

test-browser: setup-dev ## Run the tests in a real Chromium
	@$(PY) -m pytest -m browser $(ARGS) || [ $$? -eq 5 ]

test-postgres: setup-dev ## Run the application's tests on a PostgreSQL of their own
	@sh scripts/postgres.sh $(PY) -m pytest -m "not slow and not browser" tests/search_app $(ARGS)

opensearch: ## Start a real OpenSearch on loopback, without Docker: ARGS=2.19.1 or all
	@sh scripts/python.sh -m scripts.opensearch start $(ARGS)

opensearch-stop: ## End what make opensearch started
	@sh scripts/python.sh -m scripts.opensearch stop $(ARGS)

test-opensearch: setup-dev ## Run the tests that need OpenSearch, slow ones too, on what make opensearch started
	@$(PY) -m pytest -m opensearch $(ARGS) || [ $$? -eq 5 ]

vllm: setup ## Start a real vLLM on the CPU, in an environment of its own: ARGS="chat rerank", ARGS=all
	@sh scripts/python.sh -m scripts.vllm start $(ARGS)

vllm-stop: ## End what make vllm started
	@sh scripts/python.sh -m scripts.vllm stop $(ARGS)

test-vllm: setup-dev ## Run the tests that need vLLM, on what make vllm started
	@$(PY) -m pytest -m vllm $(ARGS) || [ $$? -eq 5 ]

test-torch: setup-torch ## Run the tests that need torch: small models of each architecture, and the torch copy
	@$(PY) manage.py models torch-copy >/dev/null
	@$(PY) -m pytest -m torch $(ARGS)

test-integrations: setup-integrations ## Run the tests of integrations/ with the real LlamaIndex, LangChain and Cohere
	@$(PY) -m pytest -m integrations $(ARGS)

compose-env: ## Write .env with random secrets for docker compose up
	@sh docker/secrets.sh

compose-test: ## Start docker-compose.yml for real, ask, restart each part: ARGS=--stand-ins
	@sh scripts/python.sh -m scripts.compose_test $(ARGS)

lint: setup-dev ## Check style, types and that imports only go down
	@status=0; \
	for check in "ruff check ." "ruff format --check ." mypy lint-imports; do \
		echo "$$check"; .venv/bin/$$check || status=1; \
	done; exit $$status

format: setup-dev ## Let ruff mend and format
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

check: lint test ## lint and test

bench: bench-road ## Time ingest, search and rerank; a table, and var/bench/road.json

bench-%: setup-dev ## Run another benchmark, benchmarks/NAME.py: make bench-NAME
	@test -f benchmarks/$*.py || { echo "There is no benchmarks/$*.py. There are:" benchmarks/[a-z]*.py; exit 1; }
	@$(PY) benchmarks/$*.py $(ARGS)

evaluate: setup ## Measure every stage on a BEIR folder: DIR=... ARGS="--limit 50"; what is written: ARGS=--answers
	@test -n "$(DIR)" || { echo 'Say which BEIR folder: make evaluate DIR=path/to/scifact'; exit 1; }
	@$(PY) manage.py migrate --verbosity 0
	@$(PY) manage.py evaluate "$(DIR)" $(ARGS)

golden: setup-dev ## Write the golden traces anew, after a change that is meant to move a rank
	@$(PY) -m tests.rag.golden

lock: ## Write the lock files from pyproject.toml (needs uv): ARGS=--upgrade takes newer versions
	@sh scripts/lock.sh

clean: ## Take away .venv and caches; var/ (documents, index, models) stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .setup.lock
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
