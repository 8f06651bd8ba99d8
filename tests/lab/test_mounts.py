"""A place's mount namespace, made by the kernel."""

import os
import subprocess
import sys

import pytest

CODE = """
from kube46.lab import mounts, rules, settings, topology
from kube46.lab.paths import Paths

paths = Paths("dt-mounts")
place = rules.Place("edge", (), (), ())
paths.mount_namespaces.mkdir(parents=True)
topology.build([place], paths)
mounts.build([place], paths)
print(mounts.call_in(paths.mount_namespace("edge"), lambda: open("/proc/self/mountinfo").read()))
"""


@pytest.mark.root
@pytest.mark.parametrize("cpu", sorted(os.sched_getaffinity(0))[:2])
def test_a_mount_namespace_is_kept_whichever_cpu_made_ours(cpu: int) -> None:
    """Inside a mount namespace made on any CPU, new ones can be bound (Linux 6.18 orders them by CPU)."""
    every = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    steps = [
        "mount -t tmpfs kube46-test /run",
        f"taskset -pc {every} $$ >/dev/null",
        f"exec {sys.executable} -c '{CODE}'",
    ]
    command = ["taskset", "-c", str(cpu), "unshare", "--mount", "--net", "--propagation", "private", "sh", "-c"]
    command.append(" && ".join(steps))
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert " /sys/fs/cgroup " in done.stdout
    assert "dt-mounts/mnt" not in done.stdout
