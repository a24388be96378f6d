# Every target sets up what it needs: a virtual environment in .venv, from the lock files in requirements/.
#
# On Linux torch comes with several gigabytes of CUDA packages. Without an NVIDIA device its build for the CPU is taken;
# TORCH=cuda or TORCH=cpu decides otherwise. Who has told pip where to look for packages (PIP_INDEX_URL,
# PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, pip.conf) gets them from there.

PYTHON ?= python3
# More arguments for the command of a target: make test-unit ARGS="-k store"
ARGS ?=
TORCH ?= auto
export TORCH
# What is installed is compiled when it is first imported. Some images of containers forbid that it is kept: every
# process would compile torch anew, which takes longer than to load it.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
INSTALL := @$(BIN)/python scripts/install
# One thread of arithmetic for each test process, or they get in each other's way.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal
# Two commands of which neither keeps two cores busy.
BESIDE := $(BIN)/python scripts/beside
STACK := .venv/.stack-stamp
RUNTIME := .venv/.runtime-stamp
DEV := .venv/.dev-stamp
BENCH := .venv/.bench-stamp
STOCK := .venv/.stock-stamp

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo up test check check-and-smoke test-unit test-integration test-acceptance faults faults-long fuzz test-servers bench-servers \
        compose-env compose-gpus gpu-check bench bench-own format lock train-smoke weights-check audit-dependencies sbom clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STACK) ## generate images, segment them through the whole stack, show the masks; leaves nothing running
	@rm -rf demo-output
	@exec $(BIN)/admin standalone --temporary -- $(BIN)/producer demo \
	    --count 24 --severity 0:1 --seed 7 --to demo-output --contact-sheet $(ARGS)

up: $(STACK) ## run the whole stack on this machine until Ctrl-C
	@exec $(BIN)/admin standalone $(ARGS)

test: test-servers check-and-smoke test-unit test-integration test-acceptance faults ## everything that CI runs

check-and-smoke: $(DEV)
	$(BESIDE) check "$(MAKE) --no-print-directory check" smoke "$(MAKE) --no-print-directory train-smoke"

check: $(DEV) ## lint, format, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-unit: $(DEV) ## tests without servers
	$(PYTEST) -m "not integration and not acceptance" $(ARGS)

test-integration: $(DEV) ## tests on real Redis, PostgreSQL and S3 servers, which each process of tests has of its own
	$(PYTEST) -m integration $(ARGS)

# All of them lie in one folder; the modules of the other tiers take a while to import.
test-acceptance: $(DEV) ## tests of the whole stack, as its users meet it
	$(PYTEST) -m acceptance tests/acceptance $(ARGS)

# The same faults each time, so that a red run is about the change; ARGS="--seed 7" takes others. Each stack has half of
# the machine, and so twice the time to end.
faults: $(DEV) ## kill, stop, starve and flush both stacks for some minutes, then audit what became of every image
	$(BESIDE) full "$(BIN)/python -m tests.faults --short --seed 1 --patience 600 --stack full $(ARGS)" \
	    embedded "$(BIN)/python -m tests.faults --short --seed 1 --patience 600 --stack embedded $(ARGS)"

faults-long: $(DEV) ## the same at length, on one stack: make faults-long ARGS="--seed 7 --minutes 30 --stack embedded"
	@exec $(BIN)/python -m tests.faults $(ARGS)

fuzz: $(DEV) ## decode broken images by the thousand: make fuzz ARGS="--count 20000 --seed 7"
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

# On a machine that does nothing else: ARGS="--only efficiency,latency" for some of it, ARGS="--quick" to see it run.
bench: bench-servers $(BENCH) ## measure everything in docs/performance.md, and write its tables
	@exec $(BIN)/python -m benchmarks $(ARGS)

bench-own: $(STOCK) ## train on images of one's own beside a stock U-Net, and write the table of docs/own-images.md
	@exec $(BIN)/python -m benchmarks.own_images --into docs/own-images.md $(ARGS)

compose-gpus: $(RUNTIME) ## a worker for each of several GPUs, for docker compose: make compose-gpus ARGS=4
	@$(BIN)/python scripts/compose-gpus $(ARGS)

compose-env: ## write .env with fresh secrets, for docker compose
	@scripts/compose-env

gpu-check: $(RUNTIME) ## is this GPU right and fast? prints a report to send; without one: make gpu-check ARGS="--device cpu"
	@exec $(BIN)/python -m benchmarks.gpu_check $(ARGS)

audit-dependencies: $(DEV) ## look for known vulnerabilities in everything that is pinned
	@$(BIN)/python scripts/audit-dependencies $(ARGS)

sbom: $(DEV) ## write sbom.json, a bill of materials in CycloneDX, of what is pinned for running
	@cat requirements/runtime.lock requirements/torch.txt | PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements - \
	    --pyproject pyproject.toml --output-reproducible --output-file sbom.json
	@echo "Wrote sbom.json"

test-servers:
	@scripts/test-servers

# Before anything is installed, which would be in vain without them.
bench-servers:
	@scripts/test-servers --required

format: $(DEV) ## put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(DEV) ## write the lock files anew from pyproject.toml
	scripts/lock $(ARGS)

train-smoke: $(RUNTIME) ## train for half a minute on the CPU, to see that training works
	@exec $(BIN)/python -m training.train --config training/configs/smoke.yaml $(ARGS)

weights-check: $(RUNTIME) ## score the weights that ship with the code on scenes that they never saw
	@exec $(BIN)/python -m training.evaluate --checkpoint shared/weights/default $(ARGS)

clean: ## remove the environment and all caches; jobs, results and training runs stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis demo-output
	find admin devservers producer shared tests training worker -name __pycache__ -prune -exec rm -rf {} +

# A stamp is as new as the files that it was installed from: a second run has nothing to do.

.venv/.created:
	@scripts/create-venv $(PYTHON)
	@touch $@

# Each says what it fetches. Training's packages are not needed to run the stack.
$(STACK): .venv/.created requirements/build.lock requirements/stack.lock requirements/torch.txt pyproject.toml
	$(INSTALL) stack
	@touch $@

$(RUNTIME): $(STACK) requirements/runtime.lock
	$(INSTALL) runtime
	@touch $@

$(DEV): $(RUNTIME) requirements/dev.lock
	$(INSTALL) dev
	@touch $@

$(BENCH): $(DEV) requirements/bench.lock
	$(INSTALL) bench
	@touch $@

$(STOCK): $(DEV) requirements/stock.txt
	$(INSTALL) stock
	@touch $@
