# `make demo` and `make test` need Python >= 3.11, Node >= 20 with npm, and make; they set everything else up here:
# Python packages in .venv, the chain's binaries and the Solidity compiler in contracts/node_modules.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FORGE := contracts/node_modules/.bin/forge

# Fast tests keep the cores busy; integration tests mostly wait, a file after the other in each of three processes.
FAST := $(BIN)/python -m pytest -q -n logical --maxprocesses 4 $(wildcard tests/unit tests/properties tests/protocol)
INTEGRATION := $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests/integration

# A stamp is named after what was installed, so a fresh clone, a switched branch and a deleted folder all do the right
# thing whatever the files' dates.
hash = $(shell cat $(1) 2>/dev/null | cksum | cut -d' ' -f1)
PYTHON_READY := $(VENV)/.ready-$(call hash,pyproject.toml requirements-uv.lock requirements.lock)
DOCS_READY := .venv-docs/.ready-$(call hash,requirements-docs.lock)
CHAIN_READY := contracts/node_modules/.ready-$(call hash,contracts/package-lock.json)

# Built once for all clones of this user.
KUBO_VERSION := 0.42.0
KUBO := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rayfed/kubo-$(KUBO_VERSION)/ipfs
RELAY_VERSION := 1.4.1
RELAY := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rayfed/iroh-relay-$(RELAY_VERSION)/iroh-relay
GETH_VERSION := 1.17.10
# Where tests/integration/geth.py looks for it, too.
GETH := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rayfed/geth-$(GETH_VERSION)/geth

.DEFAULT_GOAL := help
.PHONY: help demo symbolic test test-fast test-long test-contracts test-integration lint format docs bench ui kubo geth relay setup lock clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/make \1\t\2/p' Makefile | expand -t 24

demo: setup  ## set up, then train four nodes on handwritten digits (about a minute); ARGS="..." adds settings
	@$(BIN)/python -m rayfed $(ARGS)

test: setup $(DOCS_READY)  ## set up, then all tests
	@echo "== fast tests"
	@$(FAST)
	@echo "== contracts"
	@cd contracts && node_modules/.bin/forge test --offline
	@echo "== integration tests"
	@$(INTEGRATION)

test-fast: setup  ## the tests that need neither a chain nor Ray
	@$(FAST)

test-long: setup  ## hours: a thousand histories on both ledgers, every state of small federations, guesses in larger ones, a solver
	@RAYFED_SEQUENCES=1000 $(BIN)/python -m pytest tests/integration/test_ledgers_agree.py
	@$(BIN)/python -m rayfed chaos adversary
	@$(BIN)/python -m rayfed chaos adversary --guided
	@$(MAKE) symbolic

symbolic: setup  ## what holds of the contracts' pure libraries for every input, by a solver; minutes
	@test -x .venv-symbolic/bin/halmos || { $(PYTHON) -m venv .venv-symbolic && \
		.venv-symbolic/bin/python -m pip install -q --disable-pip-version-check halmos==0.3.3; }
	@cd contracts && PATH="$$PWD/node_modules/.bin:$$PWD/../.venv-symbolic/bin:$$PATH" FOUNDRY_PROFILE=symbolic \
		halmos --forge-build-out out-symbolic --loop 40 --solver-timeout-assertion 0

test-contracts: setup  ## the contracts' own tests
	@cd contracts && node_modules/.bin/forge test --offline

test-integration: setup  ## real chain, real Ray, real stores
	@$(INTEGRATION)

lint: setup  ## ruff, mypy --strict, forge fmt
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict rayfed
	@cd contracts && node_modules/.bin/forge fmt --check

format: setup  ## let ruff and forge lay out the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@cd contracts && node_modules/.bin/forge fmt

docs: $(DOCS_READY)  ## the documents as a site in site/, or an error where a link is dead
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict --quiet
	@echo "the site is in site/index.html; with its search: python3 -m http.server --directory site"

bench: setup  ## the benchmarks; tables and JSON go to benchmarks/results
	@$(BIN)/python -m benchmarks $(ARGS)

ui: setup  ## MLflow's pages on the runs so far
	@$(BIN)/python -m rayfed ui $(ARGS)

kubo: $(KUBO)  ## build the IPFS node that tests of store=ipfs run; needs Go 1.24 or newer
	@echo "$(KUBO)"

# Not `go install`: that takes no module whose go.mod excludes versions.
$(KUBO):
	@command -v go >/dev/null || { echo "make kubo needs Go 1.24 or newer" >&2; exit 1; }
	@echo "== Kubo $(KUBO_VERSION) from its Go module (two minutes) into $(KUBO)"
	@mkdir -p $(dir $(KUBO))build
	@cd $(dir $(KUBO))build && rm -f go.mod go.sum && go mod init kubo 2>/dev/null && \
		{ go get -tool github.com/ipfs/kubo/cmd/ipfs@v$(KUBO_VERSION) >get.log 2>&1 || { cat get.log; exit 1; }; } && \
		go build -trimpath -ldflags=-s -o ../ipfs.part github.com/ipfs/kubo/cmd/ipfs
	@mv $(KUBO).part $(KUBO) && rm -rf $(dir $(KUBO))build

geth: $(GETH)  ## build the Ethereum node that tests of other chains run; needs Go 1.24 or newer
	@echo "$(GETH)"

# Its source says what lies at a chain's system contracts: the tests' genesis is made from it.
$(GETH):
	@command -v go >/dev/null || { echo "make geth needs Go 1.24 or newer" >&2; exit 1; }
	@echo "== geth $(GETH_VERSION) from its Go module (two minutes) into $(GETH)"
	@mkdir -p $(dir $(GETH))build
	@GOBIN=$(dir $(GETH))build go install github.com/ethereum/go-ethereum/cmd/geth@v$(GETH_VERSION)
	@cp "$$(go env GOMODCACHE)/github.com/ethereum/go-ethereum@v$(GETH_VERSION)/params/protocol_params.go" $(dir $(GETH))
	@chmod u+w $(dir $(GETH))protocol_params.go && mv $(dir $(GETH))build/geth $(GETH) && rmdir $(dir $(GETH))build

relay: $(RELAY)  ## build the relay that tests of store=p2p run; needs Rust 1.91 or newer
	@echo "$(RELAY)"

$(RELAY):
	@command -v cargo >/dev/null || { echo "make relay needs Rust 1.91 or newer" >&2; exit 1; }
	@echo "== iroh-relay $(RELAY_VERSION) from its crate (three minutes or more) into $(RELAY)"
	@mkdir -p $(dir $(RELAY))build
	@cargo install iroh-relay --version $(RELAY_VERSION) --features server --locked --quiet \
		--root $(dir $(RELAY))build --target-dir $(dir $(RELAY))build/target
	@mv $(dir $(RELAY))build/bin/iroh-relay $(RELAY) && rm -rf $(dir $(RELAY))build

setup: $(PYTHON_READY) $(CHAIN_READY)  ## only set up

$(PYTHON_READY): | $(VENV)/.uv-$(call hash,requirements-uv.lock)
	@echo "== Python packages, as locked in requirements.lock, into $(VENV) (the first time takes minutes: torch is large)"
	@# Compiled once here rather than by each of a run's processes that may not write beside the sources.
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --offline --editable .
	@rm -f $(VENV)/.ready-*
	@touch $@

$(VENV)/.uv-$(call hash,requirements-uv.lock):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "rayfed needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "== a virtual environment in $(VENV), and uv to fill it"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-uv.lock
	@touch $@

$(DOCS_READY): | $(VENV)/.uv-$(call hash,requirements-uv.lock)
	@echo "== what builds the documents, as locked in requirements-docs.lock, into .venv-docs"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-docs
	@$(BIN)/uv pip sync -q --python .venv-docs/bin/python --require-hashes requirements-docs.lock
	@touch $@

$(CHAIN_READY):
	@command -v npm >/dev/null || { echo "rayfed needs Node 20 or newer with npm" >&2; exit 1; }
	@node -e 'process.exit(+(parseInt(process.versions.node) < 20))' || \
		{ echo "rayfed needs Node 20 or newer; this is $$(node --version)" >&2; exit 1; }
	@echo "== the chain's binaries and the Solidity compiler, as locked in contracts/package-lock.json"
	@# Not `npm ci`: it refuses a lock that lacks the binaries of a platform other than this one.
	@cd contracts && npm install --no-save --ignore-scripts --no-audit --no-fund
	@touch $@

lock:  ## write the lock files anew from pyproject.toml
	@$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
		--extra dev pyproject.toml -o requirements.lock
	@# Only the extra: what builds the site reads rayfed's sources and runs what needs no package.
	@sed -n '/^docs = \[/,/^\]/s/^ *"\(.*\)",.*/\1/p' pyproject.toml | $(BIN)/uv pip compile -q --universal \
		--generate-hashes --python-version 3.11 --no-header --no-annotate - -o requirements-docs.lock
	@echo "uv" | $(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
		- -o requirements-uv.lock
	@! grep -nE '://|^-|find-links' requirements.lock requirements-uv.lock requirements-docs.lock

clean:  ## remove what set-up and runs have made (the results of runs too)
	rm -rf $(VENV) .venv-docs site contracts/node_modules contracts/out contracts/cache build dist outputs mlruns mlflow.db*
