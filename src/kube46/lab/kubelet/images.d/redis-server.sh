#!/bin/sh
# Debian's redis-server as its image has it: with protected mode off unless the configuration speaks of it, since a
# pod's clients are never on its loopback.
set -eu
server=/usr/bin/redis-server
case " $* " in *protected-mode* | *' --sentinel '* | *' --version '* | *' -v '* | *' --help '*) exec $server "$@" ;; esac
if [ -f "${1:-}" ] && grep -qs protected-mode "$1"; then exec $server "$@"; fi
exec $server "$@" --protected-mode no
