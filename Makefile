# Everything a newcomer types. Each target installs what it needs, prints how long it takes, and may be interrupted
# and run again; the second time set-up takes seconds.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The certificates that pip, git and Go trust, not uv's own list: behind a company's proxy only these are right.
export UV_SYSTEM_CERTS ?= 1

.DEFAULT_GOAL := help
.PHONY: kill-matrix fuzz fleet bench help demo demo-down test test-all test-fast setup lint bed-binaries pins fmt
.PHONY: wheel-test kind-docker kind-images test-kind test-kind-two test-kind-faults

help:
	@echo "make demo       bring up the embedded bed and run dfmc on the guide's topology (first time 10-25 min)"
	@echo "make demo-down  stop the demo's bed and delete everything it made"
	@echo "make test       install what the tests need and pass them all (under 8 min, the first time 10-25 more)"
	@echo "make test-all   the same, with every test on the bed instead of the day's fourteenth (20 min more)"
	@echo "make fleet      500 random fleets, killed and mended (about ten minutes)"
	@echo "make test-fast  lint, types and every test that needs no bed (under a minute)"
	@echo "make kill-matrix  kill dfmc up before and after every side effect, and run it once more (about 70 min; goes on where it stopped)"
	@echo "make kind-images  where no registry answers: build kind's node image and the chart's images (docs/kind.md)"
	@echo "make test-kind    the guide on kind's real nodes, with real pulls (about 5 min; docs/kind.md)"
	@echo "make test-kind-two     two kind clusters, three schedulers and seeds each (about 10 min; docs/kind.md)"
	@echo "make test-kind-faults  faults of real nodes, and what verify and doctor say (about 25 min; docs/kind.md)"
	@echo "make kind-docker  a Docker engine for machines with root but without an init system"
	@echo "make setup      only the Python environment in $(VENV)"

setup: $(STAMP)

$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml
	@echo "==> Python environment in $(VENV) (about half a minute, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "dfmc needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 4; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "python3 -m venv failed. On Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 4; }
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The bed's programs are built from packages where they cannot be downloaded; each is a step of its own.
bed-binaries: $(STAMP)
	@$(BIN)/python -m dfmc testbed binaries

# Only for machines without a registry: everybody else's kind pulls what it needs. Resumable; nothing else calls it.
kind-images: $(STAMP)
	@$(BIN)/python -m dfmc testbed images

# Only for machines with root, but neither a running Docker nor an init system to run one.
kind-docker: $(STAMP)
	@$(BIN)/python -m dfmc.testbed.kind.local_docker up

# The guide on real nodes, from nothing to nothing. Needs Docker, kind, and the images in the engine.
test-kind: $(STAMP)
	@$(BIN)/pytest -q -s tests/kind/guide_on_kind.py

# One Kubernetes cluster for each Dragonfly cluster.
test-kind-two: $(STAMP)
	@$(BIN)/pytest -q -s tests/kind/two_clusters_on_kind.py

# verify and doctor against faults among real programs, on one bed.
test-kind-faults: $(STAMP)
	@$(BIN)/pytest -q -s tests/kind/doctor_faults_on_kind.py tests/kind/faults_on_kind.py

demo: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh

demo-down: $(STAMP)
	@$(BIN)/dfmc testbed down

lint: $(STAMP)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

test-fast: lint
	@$(BIN)/pytest -m "not e2e" -n 2

# The main job on the bed every time; of what goes wrong on the bed a fourteenth, in turn by the day (tests/e2e/conftest.py).
DFMC_E2E_PART ?= $(shell expr $$(date -u +%j) % 14)

test: lint bed-binaries
	@echo "==> Tests without a bed (about three minutes on two cores)"
	@DFMC_REQUIRE_HELM=1 $(BIN)/pytest -q -m "not e2e" -n 2
	@echo "==> Tests on the embedded bed, part $(DFMC_E2E_PART) of 0 to 13 (about four minutes; make test-all runs all)"
	@DFMC_REQUIRE_HELM=1 DFMC_E2E_PART=$(DFMC_E2E_PART) $(BIN)/pytest -q -m e2e -n 4 --dist loadfile --no-loadscope-reorder

test-all: DFMC_E2E_PART := all
test-all: test

# kills (the default), faults, all, or one of kill-before kill-after 500 429 hang drop; HELM=3 or 4.
BLOWS ?= kills
HELM ?= 3

kill-matrix: $(STAMP) bed-binaries
	@PYTHONPATH="$(CURDIR)/tests" $(BIN)/python -m kill_matrix $(BLOWS) --helm $(HELM)

fuzz: $(STAMP)
	@DFMC_FUZZ_EXAMPLES=100000 $(BIN)/pytest -s -q tests/unit/test_topology_fuzz.py

fleet: $(STAMP)
	@DFMC_REQUIRE_HELM=1 DFMC_FLEET_SEQUENCES=500 $(BIN)/pytest -s -q tests/unit/test_fleet_machine.py

bench: $(STAMP)
	@$(BIN)/python tests/bench/offline.py && $(BIN)/python tests/bench/hostile.py

fmt: $(STAMP)
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

pins: $(STAMP)
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-header pyproject.toml --group dev -o requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-header pyproject.toml -o requirements/run.txt
	@echo 'uv>=0.13,<0.14' | $(BIN)/uv pip compile --quiet --generate-hashes --no-header - -o requirements/uv.txt
