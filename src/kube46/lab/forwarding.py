"""The command `forward`: ports of the host's that lead to a Service or a pod of a stand-alone cluster.

The process opens its ports on the host, then moves into a node's network namespace and gives up root: what it connects
to from then on it reaches as the node does, through the node's Service proxy.
"""

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from errno import EADDRNOTAVAIL
from ipaddress import ip_address
from typing import Any

from kube46.addresses.families import bracketed
from kube46.api.objects import EndpointSlice
from kube46.api.resources import (
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from kube46.api.selectors import matches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import NotFound
from kube46.lab import cluster, forwardrules, listeners, readiness, starting, syscalls
from kube46.lab.cluster import ClusterError
from kube46.lab.forwardrules import Line, Target, Wish
from kube46.lab.listeners import PortTaken
from kube46.lab.paths import Paths
from kube46.lab.settings import BadSettings, Settings
from kube46.lab.splicing import DESCRIPTORS, Relay
from kube46.netlink import namespaces

NOBODY = 65534
MOST_FILES, SPARE = 65536, 100  # descriptors of this process; those that no connection gets
WORKLOADS: dict[str, Resource[Any]] = {
    "deploy": DEPLOYMENTS,
    "sts": STATEFUL_SETS,
    "ds": DAEMON_SETS,
    "rs": REPLICA_SETS,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What `forward` was asked for."""

    name: str
    namespace: str
    target: Target
    wishes: tuple[Wish, ...]
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where the connections go, and the node they start from."""

    lines: list[Line]
    node: str
    note: str = ""


def forward(options: Options, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Serve until interrupted. Raises BadSettings, PortTaken, ClusterError, KubernetesError, OSError."""
    paths = starting.existing(options.name)
    settings = cluster.kept_settings(paths)
    if settings is None or not cluster.is_running(paths):
        raise BadSettings(f"--name {options.name}: is stopped, start it with `kube46 up --name {options.name}`")
    route = asyncio.run(_route(options, paths))
    opened = [_open(line, options.addresses) for line in route.lines]
    for line, sockets in zip(route.lines, opened, strict=True):
        places = " and ".join(bracketed(*listener.getsockname()[:2]) for listener in sockets)
        say(f"Forwarding from {places} -> {options.target}:{line.remote}")
    if route.note:
        warn(route.note)
    _settle(settings, paths, route.node)
    asyncio.run(_serve(options, route.lines, opened, warn))


async def _route(options: Options, paths: Paths) -> Route:
    what, namespace = options.target, options.namespace
    async with readiness.client(paths.kubeconfig("admin")) as api:
        try:
            if what.kind == "svc":
                return await _to_service(api, options)
            if what.kind == "pod":
                pod = await api.get(PODS, what.name, namespace)
            else:
                workload = await api.get(WORKLOADS[what.kind].raw(), what.name, namespace)
                pods = (await api.list(PODS, namespace)).items
                selector = workload["spec"]["selector"]
                found = forwardrules.first_ready(p for p in pods if matches(selector, p.metadata.labels))
                if found is None:
                    raise BadSettings(f"{what}: has no running pod, see `kubectl -n {namespace} get pods`")
                pod = found
        except NotFound as error:
            raise BadSettings(f"{what}: {error} in namespace {namespace}, name another with -n") from None
    return Route(forwardrules.pod_lines(pod, what, options.wishes), pod.spec.node_name)


async def _to_service(api: Client, options: Options) -> Route:
    what, namespace = options.target, options.namespace
    service = await api.get(SERVICES, what.name, namespace)
    lines = forwardrules.service_lines(service, what, options.wishes)
    labels = f"kubernetes.io/service-name={what.name}"
    nodes = ready_nodes((await api.list(ENDPOINT_SLICES, namespace, labels=labels)).items)
    note = "" if nodes else f"{what} has no ready endpoint yet: connections are refused until it has"
    # From a node that has an endpoint, for the sake of internalTrafficPolicy: Local.
    return Route(lines, nodes[0] if nodes else "", note)


def ready_nodes(slices: Iterable[EndpointSlice]) -> list[str]:
    """The nodes of the endpoints that are ready."""
    endpoints = (endpoint for part in slices for endpoint in part.endpoints or ())
    return sorted({e.node_name or "" for e in endpoints if e.conditions.ready is not False})


def _open(line: Line, addresses: tuple[str, ...]) -> list[socket.socket]:
    """The listening sockets of one line, all on the same port."""
    wanted = _addresses(addresses)
    problem: OSError | None = None
    for port in line.candidates():
        opened: list[socket.socket] = []
        try:
            for address in wanted:
                descriptor = listeners.listener(address, port or (opened[0].getsockname()[1] if opened else 0))
                opened.append(socket.socket(fileno=descriptor))
        except OSError as error:
            problem = error
            for listener in opened:
                listener.close()
        else:
            return opened
    reason = problem.strerror.lower() if problem and problem.strerror else "no port is free"
    mend = (
        "name one of this machine's addresses" if problem and problem.errno == EADDRNOTAVAIL else "write LOCAL:REMOTE"
    )
    raise PortTaken(f"{_named(line)}: cannot listen on {' and '.join(wanted)}: {reason}, {mend}")


def _named(line: Line) -> str:
    return f"{line.local}:{line.remote}" if line.local else str(line.remote)


def _addresses(asked: tuple[str, ...]) -> list[str]:
    """The addresses to listen on; `localhost` is both loopbacks, as far as the machine has them."""
    found: list[str] = []
    for text in asked:
        if text == "localhost":
            found += filter(listeners.has_loopback, listeners.LOOPBACK)
            continue
        try:
            found.append(str(ip_address(text)))
        except ValueError:
            raise BadSettings(f"--address {text}: is no IP address, write one, or localhost") from None
    return list(dict.fromkeys(found))


def _settle(settings: Settings, paths: Paths, node: str) -> None:
    """Become a process of the node's network, and nobody: all that is left to do needs no rights."""
    place = node if node in settings.node_names else settings.node_names[0]
    syscalls.enter(namespaces.path_of(paths.namespace(place)), syscalls.CLONE_NEWNET)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _files() -> int:
    """How many files this process may open, from now on as many as the system allows, or MOST_FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(soft, min(hard, MOST_FILES) if hard != resource.RLIM_INFINITY else MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


async def _serve(
    options: Options, lines: list[Line], opened: list[list[socket.socket]], warn: Callable[[str], None]
) -> None:
    """Relay until SIGINT, or until the cluster's end, which comes as SIGTERM to who is in its namespaces."""
    ended, most = asyncio.Event(), (_files() - SPARE) // DESCRIPTORS
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with asyncio.TaskGroup() as group:
        tasks = []
        for line, sockets in zip(lines, opened, strict=True):
            label = f"{options.target}:{line.remote}"

            def failed(why: str, label: str = label) -> None:
                warn(f"{label}: {why}")

            relay = Relay(line.host, line.port, failed, most // len(lines))
            tasks.append(group.create_task(relay.run(sockets)))
        await ended.wait()
        for task in tasks:
            task.cancel()
    raise ClusterError(f"forwarding ended: cluster {options.name} was stopped, or this command was")
