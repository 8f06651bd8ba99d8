# Two commands for users: `make up` and `make test`. They become root by themselves.
SHELL := /bin/bash
PYTEST := .venv/bin/python -m pytest

.PHONY: help up install test test-quick test-debian test-kills test-durability test-cni differential check mutations format develop clients kubernetes conversations e2e e2e-quick e2e-page clean

help: ## Show this list
	@grep -hE '^[a-z0-9%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9%-]+):.*## /\1\t/' | expand -t 18

up: install ## Install what is missing, start a dual-stack cluster, print its connectivity matrix
	kube46 up

install: ## Install Debian's packages and kube46 itself below /opt/kube46
	tools/install.sh

test: clients kubernetes ## Run all tests, as root
	tools/test.sh

test-quick: develop ## Run the pure tests only, in under a minute
	tools/test.sh --quick

test-debian: TARGET ?= test-quick
test-debian: develop ## Prove `make up` and `make TARGET` (test-quick, or test) on a minimal Debian 12, in namespaces of its own
	tools/as-root.sh .venv/bin/python tests/lab/debootstrap.py --test $(TARGET)

test-kills: develop ## Kill `up` 200 times and see that `down` leaves nothing
	tools/as-root.sh .venv/bin/python tests/lab/kill_up.py --count 200

differential: COUNT ?= 10000
differential: SEED ?= 1
differential: kubernetes ## Hold COUNT random conversations with kube46's API server and the real one
	PYTHONPATH=tests .venv/bin/python -m cluster.conversations --count $(COUNT) --seed $(SEED)

test-durability: develop ## Kill the API server, cut its power and fill its log for half an hour
	tools/test.sh --long --timeout 3600 -s tests/server/durability

mutations: develop ## Bring back each of sixteen bugs of Service proxies, and see its test fail
	cd tests && ../tools/as-root.sh ../.venv/bin/python -m kernel.proxy.mutations

test-cni: develop ## Kill requests to host-local at random, and the agent, for an hour or less
	tools/test.sh --long --timeout 3600 -s tests/kernel/cni/test_host_local.py

check: develop ## Lint, types and layers
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/lint-imports && .venv/bin/mypy

format: develop ## Format the code
	.venv/bin/ruff check --fix . ; .venv/bin/ruff format .

develop: ## Make the development environment .venv, and install what tests need
	tools/develop.sh

clients: develop ## Build the Go clients that tests run: a minute or two, once
	tools/go-programs.sh clients

kubernetes: develop ## Build the real kube-apiserver that tests compare with: five minutes, once
	tools/go-programs.sh kubernetes

conversations: COUNT ?= 10000
conversations: SEED ?= 1
conversations: kubernetes ## Play all conversations, and COUNT random ones, on the real API server and on kube46
	KUBE46_CONVERSATIONS=$(COUNT) KUBE46_SEED=$(SEED) $(PYTEST) tests/cluster/test_machinery.py

e2e: FAMILIES ?= ipv4,ipv6
e2e: SUITE ?= network
e2e: PROCESSES ?= 4
e2e: develop ## Run Kubernetes' own e2e specs (SUITE, or FOCUS=REGEX) on clusters of FAMILIES; `all` is each setting
	tools/packages.sh e2e
	tools/as-root.sh env PATH="$(CURDIR)/.venv/bin:$$PATH" PYTHONPATH=tests .venv/bin/python -m upstream --families '$(FAMILIES)' --suite '$(SUITE)' --focus '$(FOCUS)' --processes '$(PROCESSES)'

e2e-quick: ## Run a part of them, in five minutes on a quiet machine
	$(MAKE) e2e SUITE=quick PROCESSES=8

e2e-page: develop ## Write docs/reference/conformance.md from the results of `make e2e`
	PYTHONPATH=tests .venv/bin/python -m upstream --page

bench-%: develop ## Run bench/NAME.py: a table and, last, one line of JSON
	tools/as-root.sh .venv/bin/python bench/$*.py

clean: ## Remove the development environment and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
