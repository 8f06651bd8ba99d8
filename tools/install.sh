#!/usr/bin/env bash
# Installs Debian's packages and kube46 itself: /opt/kube46, /usr/local/bin/kube46. Quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/packages.sh run
target=/opt/kube46
# What goes into the wheel, and the interpreter: when neither changed, neither does the installation.
wanted=$({
    /usr/bin/python3 --version
    find src constraints.txt hatch_build.py pyproject.toml tools/build_schemas.py -type f \
        ! -path '*/__pycache__/*' ! -name 'schemas.*' -print0 | sort -z | xargs -0 cat
} | sha256sum | cut -d' ' -f1)
if [ "$(cat $target/.made-from 2>/dev/null)" = "$wanted" ]; then exit 0; fi
echo "Installing kube46 into $target, a minute or two:"
# The wheel is built as the caller, from a copy: nothing root-owned is left in the clone.
echo "  1 of 3: building its package"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
tar --create --exclude=.venv --exclude=.git --exclude=__pycache__ . | tar --extract --directory "$build"
/usr/bin/python3 -m venv "$build/.venv"
"$build/.venv/bin/pip" install --quiet --upgrade 'pip>=25.1'
"$build/.venv/bin/pip" wheel --quiet --no-deps --wheel-dir "$build/wheel" "$build"
tools/as-root.sh bash -euc '
    target=$1 wheel=$2 constraints=$3 wanted=$4
    umask 022 # unprivileged pods may run what is here
    # A running cluster keeps the old files open; the new environment takes their place at once.
    rm -rf "$target.new"
    echo "  2 of 3: making its environment"
    /usr/bin/python3 -m venv "$target.new"
    "$target.new/bin/pip" install --quiet --upgrade "pip>=25.1"
    echo "  3 of 3: installing it with $(grep -c == "$constraints") Python packages at most"
    "$target.new/bin/pip" install --quiet --constraint "$constraints" "$wheel"
    grep -lIZ "$target.new" "$target.new"/bin/* "$target.new/pyvenv.cfg" | xargs -0 sed -i "s|$target.new|$target|g"
    rm -rf "$target.old"
    if [ -e "$target" ]; then mv "$target" "$target.old"; fi
    mv "$target.new" "$target"
    rm -rf "$target.old"
    "$target/bin/kube46" cni install --bin-dir "$target/cni/bin" >/dev/null
    echo "$wanted" >"$target/.made-from"
    ln -sfn "$target/bin/kube46" /usr/local/bin/kube46
' install "$target" "$build"/wheel/*.whl "$PWD/constraints.txt" "$wanted"
