# Two commands: `make demo` and `make test`. Each sets up .venv when it has to, and not again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_PIP := $(BIN)/python -m uv pip install --quiet --python $(BIN)/python --constraint constraints.txt

.PHONY: demo test lint bench clean
.DEFAULT_GOAL := demo

# A current uv inside the venv: the pip that ships with Python 3.11 takes minutes over the same pins.
$(VENV)/uv: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("clinicenv needs Python 3.11 or newer; try: make PYTHON=python3.12 demo" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@touch $@

$(VENV)/core: $(VENV)/uv pyproject.toml
	$(UV_PIP) --editable .
	@touch $@

$(VENV)/dev: $(VENV)/core
	$(UV_PIP) --editable '.[models,gym]' --group dev
	@touch $@

## The main job: three scripted doctors over all bundled scenarios, seeded; no key, no GPU, no model.
demo: $(VENV)/core
	$(BIN)/clinicenv run --doctor random --doctor scripted --doctor guess --seed 0 --repeats 5

## All tests, and what must hold beside them.
test: $(VENV)/dev lint
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## Measures, and writes benchmarks/results.json, from which the README's figures come.
bench: $(VENV)/dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) dist build .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
