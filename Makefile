# `make help` says what there is. PYTHON chooses the interpreter: make PYTHON=python3.12 test
comma := ,
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
PY_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

RUN := .venv
DEV := .venv-dev
DOCS := .venv-docs
# A stamp bears the interpreter's version and comes last: another PYTHON, or a set-up that was cut short, starts anew.
RUN_READY := $(RUN)/.ready-$(PY_VERSION)
RUN_TESTS_READY := $(RUN)/.tests-ready-$(PY_VERSION)
DEV_READY := $(DEV)/.ready-$(PY_VERSION)
DOCS_READY := $(DOCS)/.ready-$(PY_VERSION)
export PYTHONPATH := $(CURDIR)/.view$(if $(PYTHONPATH),:$(PYTHONPATH))
# Tests of what a deployed machine has; they run where neither torch nor onnx is.
RUN_TESTS := tests/test_light_import.py tests/runtime $(wildcard tests/tools/test_rt_*.py tests/tools/verbs/test_demo*.py \
  tests/tools/terminal/test_check_opencv.py tests/tools/terminal/test_exits.py tests/tools/verbs/test_bench.py \
  tests/tools/verbs/test_doctor.py)

# A file's tests stay together, as they share what is dear to build.
PARALLEL := -n auto --dist loadscope

.PHONY: help demo test test-slow test-docs coverage check check-arm64 docs bench dist dist-check clean

help:
	@echo 'make demo       run the shipped detector on the shipped clip; writes demo_out/ (installs the runtime alone in $(RUN))'
	@echo 'make test       all tests but the slow ones (installs what they need, torch included, in $(DEV))'
	@echo 'make test-slow  the others: full sweeps, trainings in processes of their own'
	@echo 'make test-docs  every command of the documents, on small stand-ins for the data that they name'
	@echo 'make coverage   all tests, and which lines they never reach'
	@echo 'make check      format, lint and types, as CI runs them'
	@echo 'make check-arm64 the tests of what a deployed machine has, or TESTS=..., on an emulated arm64 (as root, on Debian)'
	@echo 'make docs       the documentation as a site, in site/ (installs its generator in $(DOCS))'
	@echo 'make dist       wheel and source of the last commit, in dist/'
	@echo 'make dist-check the wheel installed and run in a clean environment, of each of PYTHONS if given'
	@echo 'make bench      what the shipped detector costs, stage by stage; training throughput on DATA=DIR (a few small images if not given)'
	@echo 'make clean      remove what the commands above made'

demo: $(RUN_READY)
	@$(RUN)/bin/python -m singleshot demo

test: $(RUN_TESTS_READY) $(DEV_READY)
	@echo 'Tests take about 7 minutes on two cores.'
	$(RUN)/bin/python -m pytest -q $(PARALLEL) -m 'not slow and not documents' $(RUN_TESTS)
	$(DEV)/bin/python -m pytest -q $(PARALLEL) -m 'not slow and not documents'

test-slow: $(DEV_READY)
	@echo 'Slow tests take about 10 minutes on two cores.'
	$(DEV)/bin/python -m pytest -q $(PARALLEL) -m slow

test-docs: $(DEV_READY)
	@echo 'The commands of the documents take about a quarter of an hour on two cores.'
	$(DEV)/bin/python -m pytest -q $(PARALLEL) -m documents

coverage: $(DEV_READY)
	@echo 'All tests with coverage take about 20 minutes on two cores.'
	$(DEV)/bin/python -m pytest -q $(PARALLEL) -m 'not documents' --cov

check: $(DEV_READY)
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy

# Outside the normal CI: it takes long, and changes roots.
check-arm64:
	@PYTHON='$(PYTHON)' tools/check_arm64.sh $(TESTS)

docs: $(DOCS_READY)
	@$(DOCS)/bin/python -m singleshot.tools.site

# Labelled images that training is measured on: make bench DATA=VOCdevkit
DATA ?= tests/fixtures/VOCdevkit

bench: $(RUN_READY) $(DEV_READY)
	@$(RUN)/bin/python -m singleshot bench --video demo/dog.mp4
	@$(DEV)/bin/python -m singleshot bench-training --data '$(DATA)'

# From a copy: a build in place takes up what an older one left. The wheel is made of the source distribution.
dist: $(DEV_READY)
	rm -rf build dist
	mkdir -p build/source
	git archive HEAD | tar -x -C build/source
	$(DEV)/bin/python -m build --no-isolation --outdir dist build/source >build/log || { cat build/log; exit 1; }
	@rm -rf build
	@ls dist

PYTHONS ?= $(PYTHON)

dist-check: dist
	tools/check_dist.sh dist/*.whl $(PYTHONS)

clean:
	rm -rf $(RUN) $(DEV) $(DOCS) .view demo_out build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# Type checkers and Python see the root as `singleshot` through this link, whatever copy is installed beside it.
.view/singleshot:
	mkdir -p .view
	ln -sfn .. .view/singleshot

define make_environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo '$(PYTHON): expected Python 3.11 or newer, got $(or $(PY_VERSION),none). make PYTHON=python3.12 $(MAKECMDGOALS) uses another.' >&2; \
	  exit 2; }
	@if [ ! -e $(1)/.ready-$(PY_VERSION) ] || ! $(1)/bin/python -c '' 2>/dev/null; then \
	  echo 'Creating $(1) with Python $(PY_VERSION).'; $(PYTHON) -m venv --clear $(1); fi
	@echo "Installing $(2) in $(1)."
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(2)
	@touch $@
endef

$(RUN_READY): pyproject.toml | .view/singleshot
	$(call make_environment,$(RUN),-e .)

$(RUN_TESTS_READY): $(RUN_READY)
	$(call make_environment,$(RUN),'pytest>=8' 'pytest-xdist>=3.6' 'hypothesis>=6.100')

$(DEV_READY): pyproject.toml | .view/singleshot
	$(call make_environment,$(DEV),-e '.[train$(comma)rtx$(comma)openvino$(comma)scale$(comma)dev]')

$(DOCS_READY): pyproject.toml | .view/singleshot
	$(call make_environment,$(DOCS),-e '.[docs]')
