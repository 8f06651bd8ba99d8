#!/bin/sh
# What the redis image of a stand-alone kube46 cluster starts with: arguments may leave the server's name out.
# Source: the redis image's documentation on Docker Hub.
set -eu
case ${1:-} in -* | *.conf | '') set -- redis-server "$@" ;; esac
exec "$@"
