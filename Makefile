# Every command of the project; each sets up what it needs, on a fresh checkout with nothing but Python and make.

# PYTHON: the interpreter that makes the virtual environment.
PYTHON ?= python3
# VENV: where the virtual environment lies. Empty (make test VENV=) uses PYTHON as it is, with what it has installed.
VENV ?= .venv
# PIP_FLAGS: more flags for pip. On Linux the default build of PyTorch brings gigabytes of CUDA libraries;
# name an index that serves its CPU build (--extra-index-url URL) and pip prefers that one, at the same version.
PIP_FLAGS ?=
# SUBJECTS: the subjects to run, such as torch,keras; empty means refimpl, torch and jax.
SUBJECTS ?=
# ARGS: more arguments for `conformance run`.
ARGS ?=
# T: what `make one` runs. It reaches the shell through the environment, so that any id may stand in it as it is.
T ?=
export T

# SAMPLE, SEED: how many mutants `make mutation` judges, and the seed that draws them. ALL=1 judges all.
SAMPLE ?= 1000
SEED ?= 0
ALL ?=

# One thread per process: pytest-xdist fills the cores, and timings do not depend on how many there are.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export VECLIB_MAXIMUM_THREADS ?= 1

# JAX compiles every operation of its eager variant for every shape: workers and later runs share what one compiled.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/build/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES ?= -1

INTERPRETER := $(if $(VENV),$(VENV)/bin/python,$(PYTHON))
# The stamp carries the name of the interpreter, so that another PYTHON is not silently ignored.
STAMP := $(VENV)/.set-up-with-$(subst /,-,$(PYTHON))
READY := $(if $(VENV),$(STAMP),python-version)
# Keras, on JAX or on TensorFlow, is set up, once, by the first command that asks for it.
comma := ,
KERAS := $(if $(VENV),$(if $(filter keras,$(subst $(comma), ,$(SUBJECTS))),$(STAMP)-keras) \
	$(if $(filter keras-tensorflow,$(subst $(comma), ,$(SUBJECTS))),$(STAMP)-tensorflow))
CONFORMANCE = $(strip $(INTERPRETER) -m conformance run $(if $(SUBJECTS),--subject $(SUBJECTS)) $(ARGS))

.PHONY: help quick one lint test conformance claims faults false-alarms attack mutation test-accelerator clean \
	python-version
.DEFAULT_GOAL := help

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'
	@echo "variables: PYTHON=$(PYTHON) VENV=$(VENV) PIP_FLAGS=$(PIP_FLAGS) SUBJECTS=$(SUBJECTS) ARGS=$(ARGS) T=$(T)"

# Two processes, each busy for about as long as the other: on two cores faster than workers, which collect all tests twice.
quick: $(READY) ## what a change needs, in a minute: lint, quick tests, each case once on the reference
	@failed=0; mkdir -p build/quick; \
	$(INTERPRETER) -m pytest -q $$(grep -v '^#' tests/quick.txt) >build/quick/tests.txt 2>&1 & tests=$$!; \
	trap "kill $$tests; exit 1" INT TERM; \
	$(MAKE) --no-print-directory lint || failed=1; \
	$(INTERPRETER) -m conformance run --subject refimpl --examples 1 --no-claims --workers 0 \
		--report build/quick/report.json || failed=1; \
	wait $$tests || failed=1; cat build/quick/tests.txt; exit $$failed

one: $(if $(T),$(READY) $(KERAS)) ## one test or case: T=FILE, T=FILE::TEST, T=CASE.ID, or T=WORD of the names of tests
	@case "$$T" in \
	"") echo "make one needs T: T=tests/test_house_rules.py, T=FILE::TEST, T=adam.first_step (a case) or T=momentum"; exit 2;; \
	*::*|*/*|*.py) $(INTERPRETER) -m pytest "$$T";; \
	*.*) $(CONFORMANCE) --case "$$T";; \
	*) $(INTERPRETER) -m pytest -k "$$T";; \
	esac

lint: $(READY) ## ruff's rules, its format, and mypy
	$(INTERPRETER) -m ruff check .
	$(INTERPRETER) -m ruff format --check .
	$(INTERPRETER) -m mypy

conformance: $(READY) $(KERAS) ## hold PyTorch and JAX against the oracle; report in build/report
	$(CONFORMANCE) --no-claims

claims: $(READY) $(KERAS) ## what is said about gradients, and what is true: verdicts, and pictures in build/claims
	$(INTERPRETER) -m conformance claims $(if $(SUBJECTS),--subject $(SUBJECTS))

faults: $(READY) ## wrong versions of the reference, planted: which case catches each, and what survives
	$(INTERPRETER) -m conformance faults

false-alarms: $(READY) ## right subjects under 20 seeds, resumes; docs/false-alarms.md
	$(INTERPRETER) -m tests.conformance.false_alarms

attack: $(READY) ## an adversary's worst outcomes against every bound, resumes; docs/attack.md
	$(INTERPRETER) -m tests.attack

mutation: $(READY)$(if $(VENV),-mutation) ## mutants of the oracle that its tests kill: a sample of 1000; resumes; docs/mutation.md
	$(INTERPRETER) -m tests.mutation $(if $(ALL),--all,--sample $(SAMPLE)) --seed $(SEED)

test: $(READY) ## the tests of the oracle and of the suite, then the conformance cases but those of `make claims`
	@failed=0; \
	$(INTERPRETER) -m pytest -n auto --dist=worksteal || failed=1; \
	$(CONFORMANCE) --no-claims || failed=1; \
	exit $$failed

test-accelerator: $(READY) ## the conformance cases on a GPU or TPU; add VENV= to use your own PyTorch and JAX
	$(CONFORMANCE) --device accelerator

clean: ## remove what runs leave behind, but not the virtual environment
	rm -rf build *.egg-info .hypothesis .pytest_cache .ruff_cache .mypy_cache
	find refimpl conformance tests -name __pycache__ -prune -exec rm -rf {} +

python-version:
	@$(PYTHON) -c 'import sys; found = "%d.%d" % sys.version_info[:2]; sys.version_info >= (3, 11) or sys.exit( \
		"refimpl needs Python 3.11 or newer; $(PYTHON) is " + found + ". Name another: make PYTHON=...")'

# The stamp is written last: a set-up that broke off runs again.
$(STAMP): pyproject.toml constraints.txt | python-version
	@version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	if [ -e $(VENV)/bin/python ] && [ ! -e $(VENV)/bin/python$$version ]; then \
		echo "$(VENV) belongs to another Python than $(PYTHON), $$version: remove it, or name another place with VENV="; \
		exit 1; \
	fi
	@rm -f $(VENV)/.set-up-with-*
	$(PYTHON) -m venv $(VENV)
	$(INTERPRETER) -m pip install --disable-pip-version-check --quiet $(PIP_FLAGS) \
		-c constraints.txt -e '.[dev,torch,jax,report]'
	@touch $@

# Only mutation testing needs these: cosmic-ray brings twenty packages along.
$(STAMP)-mutation: $(STAMP)
	$(INTERPRETER) -m pip install --disable-pip-version-check --quiet $(PIP_FLAGS) -c constraints.txt -e '.[mutation]'
	@touch $@

$(STAMP)-keras $(STAMP)-tensorflow: $(STAMP)-%: $(STAMP)
	$(INTERPRETER) -m pip install --disable-pip-version-check --quiet $(PIP_FLAGS) -c constraints.txt -e '.[$*]'
	@touch $@
