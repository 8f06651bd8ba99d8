#!/bin/sh
# Debian has it in a package of its own, as another name of the same program.
exec redis-server "$@" --sentinel
