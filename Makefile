# `make` alone lists the targets. Every one can be repeated.

VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
CODE    = $(wildcard sloproof digital_human fault_injectors load_profiles benchmarks tests)
MINIMUM := 3.11

# The first Python that is new enough; PYTHON=… names another.
NEW_ENOUGH = import sys; sys.exit(sys.version_info < tuple(map(int, "$(MINIMUM)".split("."))))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && { echo $$python; break; }; done)

# Without a home folder that can be written or made, caches live in the environment.
ifneq ($(shell place="$$HOME/.cache"; until test -e "$$place"; do place=$$(dirname "$$place"); done; \
	test -w "$$place" && echo yes),yes)
export XDG_CACHE_HOME ?= $(CURDIR)/$(VENV)/cache
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test test-truth lint fmt bench dist clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## install everything into .venv, and the Toxiproxy server
	@$(PY) -m digital_human.toxiproxy

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(NEW_ENOUGH)' || { \
		echo "sloproof needs Python $(MINIMUM) or later: install one, or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3" >&2; \
		exit 1; }
	@$(PY) -c '$(NEW_ENOUGH)' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet -c constraints.txt hatchling editables
	$(PY) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[reference,dev]'
	@touch $@

demo: setup ## kill the reference system's primary and judge how it recovers, start to report
	$(PY) -m sloproof run experiments/primary-kill.yaml

# CI reads pytest's closing lines from the end, so there the total stays away.
test: BEGAN := $(shell date +%s)
test: lint ## check style, types and imports, then run the tests
	@echo "ready to test after $$(($$(date +%s) - $(BEGAN))) s"; \
	$(PY) -m pytest $(ARGS) && { test -n "$(ARGS)" || $(PY) -m pytest experiments; }; status=$$?; \
	test -n "$$CI" || echo "make test took $$(($$(date +%s) - $(BEGAN))) s"; \
	exit $$status

test-truth: setup ## the truth suite, whole: every step, signal and moment (about 45 minutes)
	SLOPROOF_TRUTH=full $(PY) -m pytest tests/truth $(ARGS)

lint: setup ## check style and types (imports are checked by the tests)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy $(CODE)

fmt: setup ## format the code and repair what ruff can
	$(VENV)/bin/ruff format
	$(VENV)/bin/ruff check --fix

bench: setup ## measure sloproof beside what one would use instead
	$(PY) -m benchmarks

dist: setup ## build the sdist and the wheel, and look into the wheel
	rm -rf dist
	$(PY) -m build --no-isolation
	@$(PY) -m zipfile --list dist/*.whl > dist/contents; \
	for folder in fault_injectors load_profiles reports/templates; do \
		files=$$(cd $$folder 2>/dev/null && find . -type f -not -path '*/.*' -not -name '*.pyc' | cut -c 3-); \
		test -n "$$files" || { echo "$$folder has no file for the wheel to carry" >&2; exit 1; }; \
		for file in $$files; do \
			grep -q "^sloproof/_builtin/$$(basename $$folder)/$$file " dist/contents \
			|| { echo "the wheel lacks $$folder/$$file" >&2; exit 1; }; \
		done; \
	done; \
	if grep -E '^(digital_human|tests|benchmarks|fault_injectors|load_profiles|reports)/' dist/contents >&2; \
	then echo "that does not belong in the wheel" >&2; exit 1; fi; \
	rm dist/contents; ls -l dist

clean: ## remove builds and caches (not .venv, nor the records of runs)
	rm -rf dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
