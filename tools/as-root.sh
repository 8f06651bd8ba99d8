#!/bin/sh
# Runs a command as root: as it is when we are root already, through sudo otherwise.
set -e
if [ "$(id -u)" = 0 ]; then exec "$@"; fi
if ! command -v sudo >/dev/null; then
    echo "kube46: root is needed for: $* - run this as root, or install sudo" >&2
    exit 2
fi
exec sudo --preserve-env=NO_COLOR,CI,KUBECONFIG,HYPOTHESIS_STORAGE_DIRECTORY env PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" PYTHONPYCACHEPREFIX=/tmp/kube46-caches-0/pycache "$@"
