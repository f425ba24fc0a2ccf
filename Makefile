# Everything a developer does, by name. `make` alone lists it.
# The environment is made when first needed, and again only when its requirements change.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TYPESCRIPT := clients/typescript
PACKAGES := $(TYPESCRIPT)/node_modules/.ready
SCANNERS := .venv-scan
export SAM_CLI_TELEMETRY := 0
# Bytecode is kept, whatever the shell says: a run that compiles everything anew takes far longer.
export PYTHONDONTWRITEBYTECODE :=
export AWS_DEFAULT_REGION ?= us-east-1

# sam build looks for python3.13 itself on PATH: the environment's, before any shim.
SAM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sam

HOST := $(subst aarch64,arm64,$(shell uname -m))
CODE := layers/core functions local tools clients/python tests

.PHONY: help run logs test unit integration e2e browser demo soak live-show bench openapi typescript migrate check format lint types template scan audit validate build sam-local deploy ffmpeg lock clean

help:  ## Lists these commands
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The first Python that really runs, 3.13 before newer and older ones; a shim may be there and not run.
$(READY): requirements-dev.txt
	@for python in python3.13 python3.14 python3.12 python3.11 python3; do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then echo "Python 3.11, 3.12, 3.13 or 3.14 is needed (3.13 is best), and none was found on PATH." >&2; exit 1; fi; \
	echo "Making $(VENV) with $$($$found --version) - a minute or two, once"; \
	rm -rf $(VENV); $$found -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements-dev.txt)"; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --requirement requirements-dev.txt; \
	printf '%s\n' "$(CURDIR)/layers/core" "$(CURDIR)/clients/python" \
	  > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/serverless-audio.pth"
	@touch $@

run: $(READY)  ## Starts the whole stack on port PORT (8000) and streams a sample through it
	@exec $(BIN)/python -m local run --port $(PORT) $(if $(STRICT),--strict)

demo: $(READY)  ## Streams FILE through a stack of its own, checks the WAV, and ends
	@exec $(BIN)/python -m local demo $(if $(FILE),"$(FILE)",local/samples/speech.wav)

logs: $(READY)  ## Shows what functions wrote: FN=JobsWorkerFunction, FOLLOW=1, SINCE=10m, FILTER=text
	@exec $(BIN)/python -m local logs $(FN) $(if $(FOLLOW),--follow) $(if $(SINCE),--since $(SINCE)) $(if $(FILTER),--filter "$(FILTER)")

test: $(READY) $(PACKAGES)  ## Runs every test
	$(BIN)/pytest --numprocesses 2 --ignore tests/browser
	$(MAKE) typescript

unit integration e2e browser: $(READY)  ## Runs the tests of one kind; browser needs Chromium or Chrome
	$(BIN)/pytest --numprocesses 2 tests/$@

soak: $(READY)  ## Runs the random, long and crowded tests for SOAK_SECONDS (600), large; tells seeds and counts
	SOAK_SECONDS=$(or $(SOAK_SECONDS),600) $(BIN)/pytest -s -m soak

live-show: $(READY)  ## Streams a conversation of MINUTES (10) live, at real time and ten times it, with drops
	for speed in 1 10; do $(BIN)/python -m tests.e2e.show --minutes $(or $(MINUTES),10) --speed $$speed; done

bench: $(READY)  ## Measures side by side with plain ways; each table is printed as it ends, and kept in .bench/latest.json
	$(BIN)/python -m tests.bench

openapi: $(READY)  ## Writes docs/openapi.json anew from the functions; check compares it
	$(BIN)/python -m tools.openapi > docs/openapi.new && mv docs/openapi.new docs/openapi.json

typescript: $(READY) $(PACKAGES)  ## Checks the TypeScript client and runs its tests; needs Node 20.19 or newer
	cd $(TYPESCRIPT) && npm run --silent check && npm test --silent

$(PACKAGES): $(TYPESCRIPT)/package.json $(TYPESCRIPT)/package-lock.json
	cd $(TYPESCRIPT) && npm ci --no-audit --no-fund
	@touch $@

# The URL goes by the environment: everybody on a machine may read a command's arguments.
migrate: $(READY)  ## Brings the schema at DATABASE_URL, else the running stack's, to the newest revision
	@if [ -z "$${DATABASE_URL:-}" ]; then \
	  [ -f .local/stack.json ] || { echo "Start the stack with make run, or give DATABASE_URL=postgresql://…" >&2; exit 1; }; \
	  export DATABASE_URL="$$($(BIN)/python -c 'import json; print(json.load(open(".local/stack.json"))["database_url"])')"; \
	fi; exec $(BIN)/python -m audioapi.migrations

check: format lint types template scan audit  ## Checks format, lint, types, templates and dependencies, as CI does

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy layers/core/audioapi local tools clients/python/audio_client tests functions/*/app.py

template: $(READY)
	$(BIN)/python -m tools.validate

# In an environment of their own, for their versions of boto3 and others are not ours.
$(SCANNERS)/.ready: requirements-scan.txt | $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SCANNERS)
	$(BIN)/uv pip install --quiet --python $(SCANNERS)/bin/python --requirement requirements-scan.txt
	@touch $@

scan: $(SCANNERS)/.ready  ## Looks for unsafe settings in the templates
	$(SCANNERS)/bin/checkov --config-file .checkov.yaml --file template.yaml own_database.yaml observability.yaml

audit: $(SCANNERS)/.ready  ## Asks for known holes in dependencies; AUDIT=required fails where nobody answers
	@$(BIN)/python -m tests.audit $(SCANNERS)/bin/pip-audit

validate: $(READY)  ## Validates the template with SAM, and its translation with cfn-lint
	$(SAM) validate
	$(SAM) validate --lint
	$(BIN)/python -m tools.validate

# SAM gets the processor as a parameter, the layers' own makefiles by the environment.
build: export ARCH ?= x86_64
build: export CROSS_PREFIX ?= $(if $(filter-out $(HOST),$(ARCH)),$(subst arm64,aarch64,$(ARCH))-linux-gnu-)
build: $(READY)  ## Builds functions and layers for a deployment, for ARCH, and tells their sizes
	$(SAM) build --parallel --cached --parameter-overrides Architecture=$(ARCH)
	$(BIN)/python -m tools.sizes

sam-local: $(READY)  ## Compares sam local, which needs Docker, with the local stack and with AWS's events
	@tests/sam_local/run

deploy: build  ## Deploys what was built (sam deploy --guided)
	$(SAM) deploy --guided

ffmpeg:  ## Builds the FFmpeg layer's binaries, which the local stack then uses too
	$(MAKE) -C layers/ffmpeg

# Branches for Pythons that we don't support only make noise.
lock: $(READY)  ## Pins requirements-dev.txt and requirements-scan.txt anew from their .in
	@for kind in dev scan; do \
	  { echo "# Exact versions for every Python from 3.11 to 3.14, made from requirements-$$kind.in by \`make lock\`."; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate requirements-$$kind.in \
	  | sed -E "s/ ; python_full_version < '3.15'$$//; s/python_full_version < '3.15' and //; s/ and python_full_version < '3.15'//"; \
	  } > requirements.new && mv requirements.new requirements-$$kind.txt; \
	done

clean:  ## Removes what was made: environment, builds, local state
	rm -rf $(VENV) $(SCANNERS) .aws-sam .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench layers/ffmpeg/.build $(TYPESCRIPT)/node_modules $(TYPESCRIPT)/dist
