"""Control groups as values: which hierarchies there are, what a container's limits are in their files (pure).

Source: cgroups(7), Documentation/admin-guide/cgroup-v{1,2}; pkg/kubelet/cm/helpers_linux.go for the numbers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from kube46.api.quantities import parse
from kube46.lab.kubelet.manifests import Container

V1, V2 = 1, 2
WANTED = ("cpu", "cpuacct", "memory", "pids")
LIMITING = ("cpu", "memory", "pids")  # cpuacct only counts
LEAST_SHARES, MOST_SHARES, SHARES_PER_CPU = 2, 262144, 1024
PERIOD, LEAST_QUOTA = 100_000, 1_000  # microseconds
NANOSECONDS, MICROSECONDS = 1_000_000_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A hierarchy of the machine: its version, and the controllers that it has, as its mount option names them."""

    version: int
    controllers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a control group may take. None: as much as there is. Memory in bytes, quota in µs of each 100 ms."""

    memory: int | None = None
    quota: int | None = None
    shares: int = LEAST_SHARES
    processes: int | None = None
    together: bool = False  # for lack of memory the kernel ends all of it, as half a container is of no use to anyone


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes took so far: seconds of CPU, bytes of memory that can't be given back at once."""

    cpu: float = 0.0
    memory: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu + other.cpu, self.memory + other.memory)


def kinds(own: str) -> list[Kind]:
    """The hierarchies of version 1 that have a wanted controller, and that of version 2, by /proc/self/cgroup."""
    found = []
    for line in own.splitlines():
        number, _, rest = line.partition(":")
        names = tuple(rest.partition(":")[0].split(","))
        if number == "0":
            found.append(Kind(V2, ()))
        elif any(name in WANTED for name in names):
            found.append(Kind(V1, names))
    return found


def shares(cpus: Decimal) -> int:
    """CPUs asked for as version 1's weight."""
    return max(LEAST_SHARES, min(int(cpus * SHARES_PER_CPU), MOST_SHARES))


def weight(given: int) -> int:
    """Version 1's shares as version 2's weight, 1 to 10000 (KEP-2254)."""
    return 1 + (given - LEAST_SHARES) * 9999 // (MOST_SHARES - LEAST_SHARES)


def limits(container: Container) -> Limits:
    """A container's limits. Raises ValueError on what is no quantity."""
    asked, most = container.resources.requests, container.resources.limits
    memory, cpu = most.get("memory"), most.get("cpu")
    wanted = parse(asked.get("cpu", cpu or 0))
    return Limits(
        memory=int(parse(memory)) if memory else None,
        quota=max(LEAST_QUOTA, int((parse(cpu) * PERIOD).to_integral_value(ROUND_CEILING))) if cpu else None,
        shares=shares(wanted),
        together=True,
    )


def pod_limits(containers: Iterable[Container], processes: int) -> Limits:
    """What all containers of a pod share: the weight of all that they ask for, and a bound of their processes."""
    asked = [parse(c.resources.requests.get("cpu", c.resources.limits.get("cpu", 0))) for c in containers]
    return Limits(shares=shares(sum(asked, Decimal(0))), processes=processes)


def files(wanted: Limits, kind: Kind) -> list[tuple[str, str]]:
    """(file, text) of what to write into a new group, in order; without the file there is nothing to limit."""
    found: list[tuple[str, str]] = []
    if "cpu" in kind.controllers:
        if kind.version == V1:
            found += [("cpu.shares", str(wanted.shares)), ("cpu.cfs_period_us", str(PERIOD))]
            found += [("cpu.cfs_quota_us", str(wanted.quota))] if wanted.quota else []
        else:
            found.append(("cpu.weight", str(weight(wanted.shares))))
            found += [("cpu.max", f"{wanted.quota} {PERIOD}")] if wanted.quota else []
    if "memory" in kind.controllers and wanted.memory:
        both = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        if kind.version == V1:
            found += [(name, str(wanted.memory)) for name in both]  # together: no swap
        else:
            found += [("memory.max", str(wanted.memory)), ("memory.swap.max", "0")]
    if "memory" in kind.controllers and kind.version == V2 and wanted.together:
        found.append(("memory.oom.group", "1"))
    if "pids" in kind.controllers and wanted.processes:
        found.append(("pids.max", str(wanted.processes)))
    return found


def numbers(text: str) -> dict[str, int]:
    """A file of lines `name number`, such as memory.stat."""
    pairs = [line.split() for line in text.splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def working_set(used: int, statistics: Mapping[str, int], version: int) -> int:
    """Memory without what the kernel can drop at once, as cadvisor counts it."""
    idle = statistics.get("total_inactive_file" if version == V1 else "inactive_file", 0)
    return max(0, used - idle)


def oom_score_adjustment(quality: str, asked: int, capacity: int) -> int:
    """Whom the kernel ends first when the machine has no memory left. Source: pkg/kubelet/qos/policy.go."""
    if quality == "Guaranteed":
        return -997
    if quality == "BestEffort":
        return 1000
    return max(3, min(1000 - 1000 * asked // max(1, capacity), 999))
