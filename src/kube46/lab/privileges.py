"""Commands that need root call themselves again through sudo."""

import os
import shutil
import sys

PASSED = ("KUBECONFIG", "NO_COLOR", "TERM", "LANG", "LC_ALL")


class NotRoot(RuntimeError):
    """Root is needed and sudo is not there; the message says so."""


def become_root() -> None:
    """Return when we are root; else become it by replacing this process. Raises NotRoot."""
    if os.geteuid() == 0:
        return
    sudo = shutil.which("sudo")
    if sudo is None:
        raise NotRoot("root is needed to make network namespaces: run this as root, or install sudo")
    passed = [f"{name}={os.environ[name]}" for name in PASSED if name in os.environ]
    # `env` carries the variables: sudo's own --preserve-env needs a permission that few have
    command = [sudo, "--", "/usr/bin/env", *passed, sys.executable, "-P", "-m", "kube46", *sys.argv[1:]]
    sys.stdout.flush()
    os.execv(sudo, command)  # noqa: S606 - no shell wanted
