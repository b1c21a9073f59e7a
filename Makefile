# Green: two commands matter. `make run` sets up and runs the example; `make test` sets up and tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
COMPILED := $(VENV)/.compiled
PEERS  := .venv-bench
LOGS   ?= examples/quickstart
# progress bars where a person watches, few words where nobody does
SHOW   := $(shell if [ -t 2 ]; then echo --logger rich; else echo --quiet rules host reason; fi)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: run test lint coverage bench bench-peers lock clean help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ --/'

run: $(COMPILED)  ## set up, run the pipeline on LOGS (default examples/quickstart), show the verdicts
	@$(BIN)/snakemake $(SHOW) --config logs=$(LOGS) || { \
	  echo "make run: the pipeline stopped (see above). After a kill, '$(BIN)/snakemake --unlock' frees the folder." >&2; exit 1; }
	@$(BIN)/green report --format text

test: $(COMPILED) lint  ## set up, lint, type-check, run every test
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

lint: $(READY)  ## ruff, mypy --strict, snakefmt, sqlfluff, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/sqlfluff lint -q green/sql
	$(BIN)/lint-imports --no-cache

coverage: $(COMPILED)  ## measure statements and branches of green/ that the tests run (twice their time)
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n auto $(PYTEST_ARGS)
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report --skip-covered --sort cover
	@$(BIN)/python -m coverage json -q -o .coverage.json
	@$(BIN)/python -c 'import json; t = json.load(open(".coverage.json"))["totals"]; print("statements {percent_statements_covered:.1f} %, branches {percent_branches_covered:.1f} %".format(**t))'

bench: $(COMPILED)  ## print the ratios of docs/benchmarks.md; beside the other tools, where they are installed
	$(BIN)/python -m benchmarks

bench-peers: $(COMPILED) $(PEERS)/.ready  ## install the other tools into an environment of their own, and bench
	$(BIN)/python -m benchmarks

$(PEERS)/.ready: benchmarks/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -q --require-hashes --only-binary :all: -r $<
	@touch $@

$(READY): build.lock dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("make: Python 3.11 or newer is needed, %s.%s found; set PYTHON=" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r build.lock
	$(BIN)/python -m pip install -q --require-hashes --no-build-isolation -r dev.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

# What pip does for every package but one that is installed in place: seven short processes a run, none compiles.
$(COMPILED): $(READY) $(shell find green -name '*.py')
	@$(BIN)/python -m compileall -q green
	@touch $@

lock:  ## write the locks anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q -o dev.lock
	echo 'setuptools>=77' | uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q -o build.lock
	echo "duckdb==$$(sed -n 's/.*"duckdb>=\([0-9.]*\),.*/\1/p' pyproject.toml)" | uv pip compile - --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q -o oldest.lock
	uv pip compile benchmarks/requirements.in --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q -o benchmarks/requirements.txt

clean:  ## remove the environments and all results (the audit store stays)
	rm -rf $(VENV) $(PEERS) results .snakemake *.egg-info
