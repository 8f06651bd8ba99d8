#!/usr/bin/env bash
# Runs the tests: all of them, or with --quick the pure ones. Anything else is handed to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
# Nothing owned by root is to stay in the clone.
caches=/tmp/kube46-caches-$(id -u)
export PYTHONPYCACHEPREFIX=$caches/pycache HYPOTHESIS_STORAGE_DIRECTORY=$caches/hypothesis
pytest=(.venv/bin/python -m pytest -p no:cacheprovider)
if [ "${1:-}" = --quick ]; then
    shift
    exec "${pytest[@]}" -n 2 tests/unit -m "not root" "$@"
fi
.venv/bin/ruff check --no-cache .
.venv/bin/ruff format --no-cache --check .
.venv/bin/lint-imports --no-cache
.venv/bin/mypy --cache-dir="$caches/mypy"
if [ $# -gt 0 ]; then
    exec tools/as-root.sh "${pytest[@]}" "$@"
fi
# Tests wait more than they work, so two run at a time; those that measure a whole cluster run alone.
status=0
tools/as-root.sh "${pytest[@]}" -n 2 --dist loadfile -m "not alone" || status=$?
tools/as-root.sh "${pytest[@]}" -m alone || status=$?
exit $status
