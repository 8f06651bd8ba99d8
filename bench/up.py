"""How long a cluster takes from nothing to a green matrix: `kube46 up` of two dual-stack nodes, packages installed.

Medians and extremes of five runs; wall time, and CPU time of all its processes together (from their cgroup-free
accounting: the supervisor's and its children's times in /proc, and what `up` itself used).
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 5
NAME = f"bench-{os.getpid()}"
KUBE46 = str(Path(sys.executable).parent / "kube46")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """User and system time so far of all processes of the cluster, their ended children included."""
    total = 0
    mark = f"KUBE46_CLUSTER={NAME}".encode()
    for directory in Path("/proc").iterdir():
        try:
            if directory.name.isdigit() and mark in (directory / "environ").read_bytes().split(b"\0"):
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
                total += sum(int(value) for value in fields[11:15])
        except OSError:
            continue
    return total / TICKS


def once() -> dict[str, float]:
    """One cluster, from nothing and back."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    done = subprocess.run([KUBE46, "up", "--name", NAME], capture_output=True, text=True, check=False)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cpu = own + cpu_seconds()
    start = time.monotonic()
    subprocess.run([KUBE46, "down", "--name", NAME], capture_output=True, check=done.returncode == 0)
    if done.returncode:
        raise SystemExit(f"up failed:\n{done.stdout}\n{done.stderr}")
    return {"up_seconds": wall, "up_cpu_seconds": cpu, "down_seconds": time.monotonic() - start}


def main() -> None:
    """Prints a table and, last, one line of JSON."""
    runs = [once() for _ in range(RUNS)]
    print(f"{'':16}{'median':>9}{'fastest':>9}{'slowest':>9}")
    result = {}
    for key in runs[0]:
        values = [run[key] for run in runs]
        result[key] = round(statistics.median(values), 2)
        print(f"{key:16}{statistics.median(values):9.2f}{min(values):9.2f}{max(values):9.2f}")
    print(json.dumps({"bench": "up", "nodes": 2, "families": "ipv4,ipv6", "runs": RUNS, **result}))


if __name__ == "__main__":
    main()
