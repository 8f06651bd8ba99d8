"""When a probe runs and what its results mean (pure). Source: pkg/kubelet/prober/worker.go."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from kube46.lab.kubelet.manifests import Container, Port, Probe


class Kind(StrEnum):
    """The three probes of a container."""

    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"


@dataclass(frozen=True, slots=True)
class Track:
    """The results so far: how many equal ones in a row, and the verdict (None until a threshold was reached once)."""

    verdict: bool | None = None
    last: bool | None = None
    run: int = 0


def probes(container: Container) -> dict[Kind, Probe]:
    """The container's probes."""
    given = {
        Kind.STARTUP: container.startup_probe,
        Kind.READINESS: container.readiness_probe,
        Kind.LIVENESS: container.liveness_probe,
    }
    return {kind: probe for kind, probe in given.items() if probe is not None}


def judged(track: Track, probe: Probe, success: bool) -> Track:
    """The track after one more result: a verdict changes only when its threshold of results in a row is reached."""
    run = track.run + 1 if track.last is success else 1
    needed = probe.success_threshold if success else probe.failure_threshold
    moved = replace(track, last=success, run=run)
    return replace(moved, verdict=success) if run >= needed else moved


def port_number(port: int | str, ports: Iterable[Port]) -> int:
    """A probe's port: a number, or the name of one of the container's. Raises ValueError on an unknown name."""
    if isinstance(port, int):
        return port
    if port.isdigit():
        return int(port)
    found = next((p.container_port for p in ports if p.name == port), None)
    if found is None:
        raise ValueError(f"port: the container has no port named {port!r}")
    return found


def http_success(status: int) -> bool:
    """Whether an HTTP probe's answer is good: 200 to 399."""
    return 200 <= status < 400
