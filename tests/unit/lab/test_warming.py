"""The modules that the supervisor loads before it forks."""

import subprocess
import sys

from kube46.lab.supervisor import WARM

MODULES = [module for rank in WARM for module in rank]
CODE = """
import importlib, os, sys, threading
for module in sys.argv[1:]:
    importlib.import_module(module)
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
    sockets = [link for link in links if os.path.exists(link) and "socket" in os.readlink(link)]
    assert len(os.listdir("/proc/self/task")) == 1, f"{module} starts a thread"
    assert not sockets, f"{module} opens a socket"
"""


def test_modules_can_be_loaded_before_a_fork() -> None:
    """They exist, and importing them starts no thread and opens no socket: neither would survive the fork."""
    done = subprocess.run([sys.executable, "-c", CODE, *MODULES], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
