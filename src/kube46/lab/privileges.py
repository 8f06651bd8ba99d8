"""Commands that need root call themselves again through sudo."""

import os
import shutil
import sys

# Debian's users have none of these in their PATH, and `su` without `-` keeps that: named and nft are there.
ADMINISTRATORS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
PASSED = ("KUBECONFIG", "NO_COLOR", "TERM", "LANG", "LC_ALL")


class NotRoot(RuntimeError):
    """Root is needed and sudo is not there; the message says so."""


def with_administrators(path: str) -> str:
    """The search path, with the directories of root's programs at its end."""
    parts = path.split(":")
    return ":".join([*parts, *(directory for directory in ADMINISTRATORS if directory not in parts)])


def become_root() -> None:
    """Return as root, with root's programs in PATH; who is not root is replaced by one who is. Raises NotRoot."""
    if os.geteuid() == 0:
        os.environ["PATH"] = with_administrators(os.environ.get("PATH", os.defpath))
        return
    sudo = shutil.which("sudo")
    if sudo is None:
        raise NotRoot("root is needed to make network namespaces: run this as root, or install sudo")
    passed = [f"{name}={os.environ[name]}" for name in PASSED if name in os.environ]
    # `env` carries the variables: sudo's own --preserve-env needs a permission that few have
    command = [sudo, "--", "/usr/bin/env", *passed, sys.executable, "-P", "-m", "kube46", *sys.argv[1:]]
    sys.stdout.flush()
    os.execv(sudo, command)  # noqa: S606 - no shell wanted
