PYTHON ?= $(firstword $(shell command -v python3.11 python3))
BIN := .venv/bin
# One more than there are cores: many tests wait for a server or for a process that they started.
TEST_PROCESSES = $(shell $(PYTHON) -c "import os; print(min(8, 1 + (os.cpu_count() or 1)))")

# Tests start hundreds of processes. Each would compile our modules anew where Python may not keep them.
test soak soak-short: export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test soak soak-short lint types bench clean

# Installed once, and again when what is declared changes.
.venv/installed: pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --config-settings editable_mode=compat --editable '.[dev]'
	touch $@

demo: .venv/installed  ## run the whole flow on the demonstration crawl
	$(BIN)/python -m pipeline.run --runner=DirectRunner

test: .venv/installed  ## the whole test suite, in up to eight processes (each takes 2 GB of memory)
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -m "not soak and not alone"

soak-short: .venv/installed  ## minutes, one test at a time: servers of others (Flink, Prism, a browser) that give up by the clock
	$(BIN)/python -m pytest -m "alone and not soak"

soak: .venv/installed  ## hours: 10,000 mutations at each border, a kill at every change of the disk, whole clusters; `test` and `soak-short` have a part of each
	$(BIN)/python -m pytest -m "soak or alone"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed
	$(BIN)/mypy

bench: .venv/installed  ## every benchmark in its quick form
	for benchmark in benchmarks/[a-z]*.py; do $(BIN)/python $$benchmark --quick || exit 1; done

clean:
	rm -rf .venv build dist *.egg-info
