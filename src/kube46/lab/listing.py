"""The command `status`: which clusters there are, what runs of them, how their nodes are."""

import asyncio
import time

import msgspec

from kube46.api.resources import NODES
from kube46.kubernetes.errors import KubernetesError
from kube46.lab import cluster, hostpaths, processes, readiness, summary, supervisor, userconfig
from kube46.lab.paths import Paths
from kube46.lab.settings import BadSettings, families_text

API_SECONDS = 2.0


class PartLine(msgspec.Struct):
    """A part as shown: `restarts` since the supervisor began, `seconds` that it has run."""

    name: str
    place: str
    pid: int
    running: bool
    restarts: int
    seconds: float
    log: str = ""


class NodeLine(msgspec.Struct, rename="camel"):
    """A node as shown."""

    name: str
    ready: bool
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]


class ClusterLine(msgspec.Struct, rename="camel"):
    """A cluster as shown; `state` is running, stopped, unsupervised or broken; `programs`: of a real control plane."""

    name: str
    state: str
    families: str = ""
    pod_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    context: str = ""
    kubeconfig: str = ""
    host_paths: tuple[str, ...] = ()
    programs: dict[str, str] = {}
    nodes: list[NodeLine] = []
    parts: list[PartLine] = []


def clusters(only: str | None) -> list[ClusterLine]:
    """All clusters of the machine, or one. Raises BadSettings when that one does not exist."""
    found = cluster.names()
    if only is not None and only not in found:
        raise BadSettings(f"--name {only}: there is no such cluster, `kube46 status` lists them")
    return [_line(Paths(name)) for name in found if only in (None, name)]


def text(lines: list[ClusterLine]) -> str:
    """The table form."""
    if not lines:
        return "There is no cluster: `kube46 up` starts one."
    return "\n\n".join(_text(line) for line in lines)


def _line(paths: Paths) -> ClusterLine:
    try:
        settings = cluster.kept_settings(paths)
    except BadSettings:
        settings = None
    if settings is None:
        return ClusterLine(paths.name, "broken")
    running = cluster.is_running(paths)
    state = "running" if running else "unsupervised" if paths.built.exists() else "stopped"
    return ClusterLine(
        paths.name,
        state,
        families_text(settings.families),
        settings.pod_cidrs,
        settings.service_cidrs,
        cluster.context(paths),
        userconfig.location(paths),
        tuple(map(str, hostpaths.allowed(paths.host_paths))),
        settings.upstream.programs if settings.upstream else {},
        _nodes(paths) if running else [],
        _parts(paths) if running else [],
    )


def _parts(paths: Paths) -> list[PartLine]:
    report = supervisor.read_report(paths)
    now = time.time()
    return [
        PartLine(
            part.name,
            part.place,
            part.pid,
            bool(part.pid) and processes.is_alive(part.pid, part.started),
            part.restarts,
            round(now - part.since, 1) if part.pid else 0,
            str(paths.log(part.place, part.name)),
        )
        for part in (report.parts if report else [])
    ]


def _nodes(paths: Paths) -> list[NodeLine]:
    """From the API server; none when it does not answer, which its part's line shows."""
    try:
        return asyncio.run(_asked(paths))
    except (KubernetesError, TimeoutError, OSError):
        return []


async def _asked(paths: Paths) -> list[NodeLine]:
    async with asyncio.timeout(API_SECONDS), readiness.client(paths.kubeconfig("admin")) as api:
        return [
            NodeLine(node.metadata.name, summary.is_ready(node), node.status.internal_ips, node.spec.pod_cidrs)
            for node in (await api.list(NODES)).items
        ]


def _text(line: ClusterLine) -> str:
    blocks = [f"{line.name}: {line.state}" + (f", {line.families}" if line.families else "")]
    hints = {
        "unsupervised": f"its supervisor is gone: `kube46 up --name {line.name}` starts it again",
        "broken": f"it was never complete: `kube46 down --name {line.name}` deletes it",
    }
    if line.state in hints:
        blocks.append(hints[line.state])
    if line.programs:
        blocks.append(f"control plane: {', '.join(line.programs.values())}")
    if line.host_paths:
        blocks.append(f"pods may mount: {', '.join(line.host_paths)}")
    if line.nodes:
        rows = [("NODE", "STATUS", "ADDRESSES", "PODS")]
        rows += [
            (node.name, "Ready" if node.ready else "NotReady", ",".join(node.addresses), ",".join(node.pod_cidrs))
            for node in line.nodes
        ]
        blocks.append(summary.table(rows))
    if line.parts:
        rows_ = [("PART", "PLACE", "PID", "RUNS", "RESTARTS")]
        rows_ += [
            (
                part.name,
                part.place,
                str(part.pid or "-"),
                _age(part.seconds) if part.running else "no",
                str(part.restarts),
            )
            for part in line.parts
        ]
        blocks.append(summary.table(rows_))
    return "\n".join(blocks)


def _age(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole}s" if whole < 120 else f"{whole // 60}m" if whole < 7200 else f"{whole // 3600}h"
