# Every command of the project. Each sets up what it needs; a fresh checkout needs only Python and make.

# PYTHON: the interpreter that makes the virtual environment (python3)
PYTHON ?= python3
# VENV: the folder of the virtual environment (.venv); VENV= uses PYTHON as it is and installs nothing
VENV ?= .venv
# PIP_FLAGS: more flags for pip, such as --extra-index-url https://download.pytorch.org/whl/cpu
# On Linux the default build of PyTorch brings gigabytes of CUDA libraries. pip prefers the CPU build of that index.
PIP_FLAGS ?=
# SUBJECTS: the subjects to run, such as torch,keras (refimpl,torch,jax)
SUBJECTS ?=
# ARGS: more arguments for `conformance run`, such as --seed 7
ARGS ?=
# T: what `make one` runs: a file, FILE::TEST, the id of a case, or a word of the names of tests
# It reaches the shell through the environment, so that any id may stand in it as it is.
T ?=
export T
# SAMPLE: how many mutants `make mutation` judges (1000)
SAMPLE ?= 1000
# SEED: the seed that draws them (0)
SEED ?= 0
# ALL: ALL=1 judges all mutants
ALL ?=

# One thread per process: pytest-xdist fills the cores, and timings do not depend on how many there are.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export VECLIB_MAXIMUM_THREADS ?= 1

# JAX compiles every operation of its eager variant for every shape. Workers and later runs share the compiled code.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/build/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES ?= -1

INTERPRETER := $(if $(VENV),$(VENV)/bin/python,$(PYTHON))
# The stamp has the name of the interpreter, so that another PYTHON is not silently ignored.
STAMP := $(VENV)/.set-up-with-$(subst /,-,$(PYTHON))
READY := $(if $(VENV),$(STAMP),python-version)
# The first command that needs Keras, on JAX or on TensorFlow, sets it up.
comma := ,
KERAS := $(if $(VENV),$(if $(filter keras,$(subst $(comma), ,$(SUBJECTS))),$(STAMP)-keras) \
	$(if $(filter keras-tensorflow,$(subst $(comma), ,$(SUBJECTS))),$(STAMP)-tensorflow))
CONFORMANCE = $(strip $(INTERPRETER) -m conformance run $(if $(SUBJECTS),--subject $(SUBJECTS)) $(ARGS))

.PHONY: help quick one lint test conformance claims faults false-alarms attack mutation test-accelerator clean \
	python-version
.DEFAULT_GOAL := help

help: ## list commands and variables
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'
	@printf '\nVariables, with their defaults: make COMMAND NAME=VALUE\n'
	@sed -n 's/^# \([A-Z_]*\): /  \1|/p' Makefile | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

# Two processes that take about as long as each other. On two cores this is faster than workers, which collect all tests
# twice.
quick: $(READY) ## check a change in a minute: lint, quick tests, each case once on the reference
	@failed=0; mkdir -p build/quick; \
	$(INTERPRETER) -m pytest -q $$(grep -v '^#' tests/quick.txt) >build/quick/tests.txt 2>&1 & tests=$$!; \
	trap "kill $$tests; exit 1" INT TERM; \
	$(MAKE) --no-print-directory lint || failed=1; \
	$(INTERPRETER) -m conformance run --subject refimpl --examples 1 --no-claims --workers 0 \
		--report build/quick/report.json || failed=1; \
	wait $$tests || failed=1; cat build/quick/tests.txt; exit $$failed

one: $(if $(T),$(READY) $(KERAS)) ## run one test or case, which T names
	@case "$$T" in \
	"") echo "make one needs T: T=tests/test_house_rules.py, T=FILE::TEST, T=adam.first_step (a case) or T=momentum"; exit 2;; \
	*::*|*/*|*.py) $(INTERPRETER) -m pytest "$$T";; \
	*.*) $(CONFORMANCE) --case "$$T";; \
	*) $(INTERPRETER) -m pytest -k "$$T";; \
	esac

lint: $(READY) ## run ruff, its format check and mypy
	$(INTERPRETER) -m ruff check .
	$(INTERPRETER) -m ruff format --check .
	$(INTERPRETER) -m mypy

conformance: $(READY) $(KERAS) ## check PyTorch and JAX against the reference; report in build/report
	$(CONFORMANCE) --no-claims

claims: $(READY) $(KERAS) ## judge common claims about gradients; page with pictures in build/claims
	$(INTERPRETER) -m conformance claims $(if $(SUBJECTS),--subject $(SUBJECTS))

faults: $(READY) ## seed faults in the reference and show which case catches each; report in build/faults
	$(INTERPRETER) -m conformance faults

false-alarms: $(READY) ## run correct subjects under 20 seeds (an hour; resumes); writes docs/false-alarms.md
	$(INTERPRETER) -m tests.conformance.false_alarms

attack: $(READY) ## attack every bound with the worst roundings allowed (an hour; resumes); writes docs/attack.md
	$(INTERPRETER) -m tests.attack

mutation: $(READY)$(if $(VENV),-mutation) ## run the tests of the reference on a sample of mutants (half an hour; resumes); writes docs/mutation.md
	$(INTERPRETER) -m tests.mutation $(if $(ALL),--all,--sample $(SAMPLE)) --seed $(SEED)

test: $(READY) ## run the tests of reference and suite, then the cases except those of `make claims`
	@failed=0; \
	$(INTERPRETER) -m pytest -n auto --dist=worksteal || failed=1; \
	$(CONFORMANCE) --no-claims || failed=1; \
	exit $$failed

test-accelerator: $(READY) ## run the cases on a GPU or TPU; add VENV= to use your own PyTorch and JAX
	$(CONFORMANCE) --device accelerator

clean: ## remove the output of all commands, but not the virtual environment
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
