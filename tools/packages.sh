#!/usr/bin/env bash
# Installs Debian's packages that kube46 needs, without starting their daemons. Arguments: `run`, `test`, `e2e`, or several.
set -euo pipefail
declare -A packages=(
    # bind9 serves names, crun runs containers, libnftables1 takes rules; the rest is mostly there already.
    [run]="bind9 busybox ca-certificates crun curl iproute2 libnftables1 nftables procps python3 python3-venv util-linux"
    # The reference CNI plugins are the peer of ours, podman and containerd (with runc) call ours; etcd is the real API
    # server's storage; strace shows what is synced to disk; nginx, postgresql and redis are what the examples run.
    [test]="bind9-dnsutils bind9-utils conntrack containerd containernetworking-plugins debootstrap etcd-server iputils-ping libnss-wrapper nginx-light podman postgresql-15 redis-server runc strace"
    # Of what the images of upstream's e2e specs are made.
    [e2e]="bind9-dnsutils bind9-host curl etcd-server gawk iproute2 netcat-openbsd nginx-light procps socat util-linux wget"
)
missing=()
for group in "$@"; do
    for package in ${packages[$group]}; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
done
if [ ${#missing[@]} = 0 ]; then exit 0; fi
echo "Installing Debian packages, a minute or two: ${missing[*]}"
# A policy of our own only while we install: bind9 must not take the host's port 53. See invoke-rc.d(8).
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/as-root.sh" bash -euc '
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap "rm -f $policy" EXIT
        printf "#!/bin/sh\nexit 101\n" >$policy
        chmod 755 $policy
    fi
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    if ! { apt-get update -qq && apt-get install -qq --no-install-recommends "$@"; } >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
    rm -f "$log"
' install "${missing[@]}"
