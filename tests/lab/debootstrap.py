#!/usr/bin/env python3
"""Prove README's two commands on a minimal Debian 12, as a newcomer's machine is.

    tests/lab/debootstrap.py [--mirror URL] [--keep] [--test TARGET]

Makes a minimal bookworm (debootstrap's `minbase`, kept as /var/cache/kube46/bookworm.tar), and enters it in mount and
PID namespaces of its own. A clean clone of this repository's HEAD lies in it. Two phases:

1. set-up, with the machine's network: `apt-get install -y git make`, `make install develop` (Debian's packages, PyPI;
   `clients` in its place adds Go modules);
2. run, in a network namespace of its own with nothing but loopback: `make up`, `kube46 status`, `make TARGET`
   (default `test-quick`), `kube46 down`. So the cluster is seen to need no network of the machine's.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
CACHE = Path("/var/cache/kube46/bookworm.tar")
MIRROR = "http://deb.debian.org/debian"
CLONE = "/home/newcomer/kube46"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# pivot_root rather than chroot: setns(2) into a mount namespace goes to its root, not to a chroot's
ENTER = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
cd "$root"
mkdir -p old
pivot_root . old
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
umount --lazy /old
rmdir /old
cd /
exec "$@"
"""
SET_UP = """
set -eu
echo 'deb {mirror} bookworm main' >/etc/apt/sources.list
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends git make >/dev/null
git clone --quiet /source {clone}
cd {clone}
make install {prepared}
"""
RUN = """
set -eu
ip link set lo up
cd {clone}
make up || {{ status=$?; kube46 status; kube46 logs | tail -n 60; exit $status; }}
kube46 status
make {target}
kube46 down
test -z "$(git status --porcelain)" || {{ git status --short; echo 'make left files in the clone'; exit 1; }}
"""


def main() -> int:
    """Exit status of the first step that fails, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mirror", default=MIRROR)
    parser.add_argument("--keep", action="store_true", help="leave the tree, and print where it is")
    parser.add_argument("--tree", type=Path, help="a tree that --keep left: only the run phase, with its old clone")
    parser.add_argument("--test", default="test-quick", metavar="TARGET", help="the Makefile's target to run")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("debootstrap.py: root is needed", file=sys.stderr)
        return 2
    words = {"mirror": options.mirror, "clone": CLONE, "target": options.test}
    words["prepared"] = "clients" if options.test == "test" else "develop"  # the Go modules too
    if options.tree:
        return enter(options.tree, RUN.format(**words), "run", "--net")
    root = Path(tempfile.mkdtemp(prefix="kube46-bookworm-", dir="/var/tmp"))
    try:
        minimal_system(root, options.mirror)
        prepare(root)
        return enter(root, SET_UP.format(**words), "set-up") or enter(root, RUN.format(**words), "run", "--net")
    finally:
        if options.keep:
            print(f"kept: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


def minimal_system(root: Path, mirror: str) -> None:
    """Unpack the cached system, making it first when there is none."""
    if not CACHE.exists():
        made = Path(tempfile.mkdtemp(prefix="kube46-debootstrap-", dir="/var/tmp"))
        try:
            run("debootstrap", "--variant=minbase", "bookworm", str(made), mirror)
            CACHE.parent.mkdir(parents=True, exist_ok=True)
            fresh = CACHE.with_suffix(".new")
            # without device nodes: the machine's /dev is mounted over them
            run("tar", "--create", "--exclude=./dev/*", "--file", str(fresh), "--directory", str(made), ".")
            fresh.replace(CACHE)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    run("tar", "--extract", "--file", str(CACHE), "--directory", str(root))
    root.chmod(0o755)  # it is `/` there; the temporary directory was for root only


def prepare(root: Path) -> None:
    """What set-up needs of this machine: names, certificate authorities, and the repository's commits."""
    for name in ("resolv.conf", "hosts"):
        if Path("/etc", name).exists():
            (root / "etc" / name).write_bytes(Path("/etc", name).read_bytes())
    if AUTHORITIES.exists():
        (root / "authorities.crt").write_bytes(AUTHORITIES.read_bytes())
    run("git", "clone", "--quiet", "--bare", "--no-local", str(HERE), str(root / "source"))


def enter(root: Path, script: str, phase: str, *namespaces: str) -> int:
    """Run a script inside, in mount and PID namespaces and those given; prints how long it took."""
    start = time.monotonic()
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        **({"PIP_CERT": "/authorities.crt"} if AUTHORITIES.exists() else {}),
    }
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", *namespaces]
    command += ["bash", "-c", ENTER, "enter", str(root), "bash", "-c", script]
    status = subprocess.run(command, env=environment, check=False).returncode
    print(f"{phase}: status {status} after {time.monotonic() - start:.0f} s", flush=True)
    return status


def run(*command: str) -> None:
    """A command of the machine's; its failure is ours."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
