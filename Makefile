# Five verbs: run, test, fix, check, bench. Each does all of its own set-up.
PYTHON ?= python3.11
PORT ?= 8000
BIN := .venv/bin

.PHONY: run test fix check bench soak hostile audit graphiql lock clean
.DEFAULT_GOAL := run

run: .venv/.runtime graphiql
	$(BIN)/farebox migrate
	$(BIN)/farebox demo
	$(BIN)/farebox serve --demo --port $(PORT)

test: .venv/.dev graphiql
	$(BIN)/pytest -n 3 --dist worksteal $(ARGS)

fix: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/farebox schema --check

# Minutes; make bench FULL=1 takes hours, make bench PART=reading measures one part and prints it alone.
bench: .venv/.dev
	$(BIN)/python -m benchmarks $(PART) $(if $(FULL),--full)

# Kills servers for some twenty minutes, and sends them oddities: docs/reliability.md and security.md have the numbers.
soak: .venv/.dev
	$(BIN)/python -m tests.fire.soak --engine sqlite --kills $(or $(KILLS),50)
	$(BIN)/python -m tests.fire.soak --engine postgresql --kills $(or $(KILLS),50)
	$(MAKE) hostile

# Documents made up from the schema, sent to a production start for ten minutes: docs/security.md.
hostile: .venv/.dev
	$(BIN)/python -m tests.attack.hostile_clients --seconds $(or $(SECONDS),600)

# Known vulnerabilities in what Farebox runs on; pip-audit has an environment of its own, as it needs other versions.
audit: .venv/audit/.ready
	@.venv/audit/bin/python .ci/audit.py

# GraphiQL's own files, pinned; without npm the page falls back to a pinned CDN.
graphiql: .venv/.runtime
	@$(BIN)/python -m api.graphiql_assets

# Pins everything anew, with hashes and without index addresses.
lock: .venv/.dev
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --generate-hashes --no-header --universal --python-version 3.11 \
		--no-emit-index-url -o requirements/runtime.txt
	$(BIN)/uv pip compile -q pyproject.toml --extra dev --generate-hashes --no-header --universal --python-version 3.11 \
		--no-emit-index-url -c requirements/runtime.txt -o requirements/dev.txt
	echo pip-audit | $(BIN)/uv pip compile -q - --generate-hashes --no-header --universal --python-version 3.11 \
		--no-emit-index-url --no-annotate -o requirements/audit.txt

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { command -v python3 >/dev/null 2>&1 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; } \
		|| { echo "Farebox needs Python 3.11 or newer: say which with make PYTHON=/path/to/python"; exit 1; }
	@if command -v $(PYTHON) >/dev/null 2>&1; then $(PYTHON) -m venv .venv; else python3 -m venv .venv; fi

.venv/.runtime: .venv/bin/python requirements/build.txt requirements/runtime.txt pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.venv/audit/.ready: .venv/bin/python requirements/audit.txt
	$(BIN)/python -m venv .venv/audit
	.venv/audit/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
