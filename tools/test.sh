#!/usr/bin/env bash
# Runs the tests: all of them, or with --quick the pure ones. Anything else is handed to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
# Nothing owned by root is to stay in the clone.
caches=/tmp/kube46-caches-$(id -u)
export PYTHONPYCACHEPREFIX=$caches/pycache HYPOTHESIS_STORAGE_DIRECTORY=$caches/hypothesis
options=(-p no:cacheprovider)
if [ "${1:-}" = --quick ]; then
    shift
    exec .venv/bin/python -m pytest "${options[@]}" tests/unit -m "not root" "$@"
fi
.venv/bin/ruff check --no-cache .
.venv/bin/ruff format --no-cache --check .
.venv/bin/lint-imports --no-cache
.venv/bin/mypy --cache-dir="$caches/mypy"
exec tools/as-root.sh .venv/bin/python -m pytest "${options[@]}" "$@"
