#!/usr/bin/env bash
# Makes .venv, the development environment of this clone, owned by whoever calls. Quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/packages.sh run test
stamp=.venv/.made-from
wanted=$(cat pyproject.toml constraints.txt hatch_build.py tools/build_schemas.py tools/go_types.txt src/kube46/apiserver/{kinds,tables_columns}.py | sha256sum)
if [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then exit 0; fi
echo "Making the development environment in .venv, a minute or two"
/usr/bin/python3 -m venv .venv
.venv/bin/pip install --quiet --upgrade 'pip>=25.1'
.venv/bin/pip install --quiet --constraint constraints.txt --group dev --editable .
echo "$wanted" >$stamp
