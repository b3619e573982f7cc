# `make quickstart` and `make test` need only python3 (with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUICK_TO_COMPILE := --xla_backend_optimization_level=0 \
  --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false
INSTALL := pip install --no-compile --no-deps --quiet --disable-pip-version-check

# Modules are compiled when they are first imported, and that is kept, whatever the shell
# says: else every process would compile all of JAX again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help setup dev quickstart benchmark estimation liquid test test-all lint format clean
help:            ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

# The stamps are younger than everything that the environment depends on. Compiling every
# module of every package would take as long as installing them; few are ever imported.
# The pins are complete, so that pip need not work out who needs whom.
$(VENV)/stamp: requirements/pins.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m $(INSTALL) -r requirements/pins.txt
	$(BIN)/python -m $(INSTALL) --editable .
	@touch $@

$(VENV)/dev-stamp: requirements/dev-pins.txt $(VENV)/stamp
	$(BIN)/python -m $(INSTALL) -r requirements/dev-pins.txt
	@touch $@

setup: $(VENV)/stamp    ## a virtual environment with exact pins
dev: $(VENV)/dev-stamp  ## the same with what tests, linters and notebooks need

# A run of minutes compiles for more than one of them, and the page for most of its time;
# these flags save a fifth of that and no step is slower. Longer runs do as well without.
quickstart benchmark: export XLA_FLAGS += \
  --xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false
quickstart: setup ## train a small model and judge it: under 10 minutes on 2 cores
	$(BIN)/python train.py configs/quickstart.py
	$(BIN)/python eval.py runs/quickstart

# Released models are judged; those whose names do not begin with wlam are peers, as are
# the families of peers/. Estimators and generators have pages of their own.
# Sionna, the other simulator, and its ray tracer are needed once, to make their channels.
# The tracer may die for want of a libLLVM, for which nobody should lose the page.
SIONNA := $(or $(WLAM_SIONNA_DIR),data/sionna_csi)
RAYTRACED := $(or $(WLAM_RAYTRACED_DIR),data/raytraced_csi)
RELEASED := $(patsubst models/%/config.json,%,$(wildcard models/*/config.json))
MODELS := $(filter-out %estimator %generator %tracker %beamformer,$(filter wlam%,$(RELEASED)))
PEERS := $(filter-out wlam%,$(RELEASED)) $(patsubst %/,%,$(wildcard models/peers/*/))
ABLATIONS := $(patsubst %/config.json,%,$(wildcard models/ablations/*/config.json))
SEEDS := $(patsubst %/config.json,%,$(wildcard models/seeds/*/config.json))

benchmark: dev   ## judge models/ on all sets that are found: docs/benchmark.md and .html
	@if [ -d "$(SIONNA)" ]; then :; \
	elif $(BIN)/python -c "import sionna.phy" 2> /dev/null; then \
	  $(BIN)/python -m benchmarks.leaderboard.sionna_channels "$(SIONNA)"; \
	else \
	  echo "no $(SIONNA) and no extra [peers] to make it: its rows will say so"; \
	fi
	@$(BIN)/python -m benchmarks.leaderboard.raytraced_channels "$(RAYTRACED)" || \
	  echo "rows of scenes that are not in $(RAYTRACED) will say so"
	$(BIN)/python -m benchmarks.leaderboard $(MODELS) --sionna "$(SIONNA)" \
	  --raytraced "$(RAYTRACED)" \
	  $(if $(PEERS),--peers $(PEERS)) $(if $(ABLATIONS),--ablations $(ABLATIONS)) \
	  $(if $(SEEDS),--seeds wlam_tiny $(SEEDS))

estimation: dev  ## estimators on all kinds of pilots: tables and pictures of docs/estimation.md
	$(BIN)/python benchmarks/fill.py estimation
	$(BIN)/python -m benchmarks.pictures.estimation

liquid: dev      ## liquid networks: train what has no run, tables and pictures of docs/liquid.md
	$(BIN)/python benchmarks/fill.py liquid
	$(BIN)/python -m benchmarks.pictures.liquid

# Tests compile far longer than they run, so they do without LLVM's optimiser and with
# XLA's older emitters, which takes half the time. Two workers, each with whole files,
# since tests of a file share what they compile, in the order of tests/conftest.py.
test: dev        ## the tests that take under a minute each
	XLA_FLAGS="$(QUICK_TO_COMPILE)" \
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-all: dev    ## all tests
	$(BIN)/python -m pytest

lint: dev        ## format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python

format: dev      ## rewrite the code in house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:           ## remove the environment and caches; runs stay
	rm -rf $(VENV) tests/.jax_cache build *.egg-info
