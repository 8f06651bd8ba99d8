"""The Service proxy alone, in kube-proxy's place: its configuration, its addresses for health and metrics."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from kube46.api.resources import NODES, SERVICES
from kube46.controllers import health
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.events import EventRecorder
from kube46.proxy import controller, sysctls
from kube46.proxy.checks import Answer
from kube46.proxy.configuration import Configuration, Conntrack
from kube46.proxy.reports import Report

log = logging.getLogger(__name__)


async def run(configuration: Configuration, config: ClusterConfig) -> None:
    """Runs until cancelled."""
    _set_oom_score(configuration.oom_score)
    limit_connections(configuration.conntrack)
    ready, report = asyncio.Event(), Report(patience=2 * configuration.sync_period)
    pages = {**report.pages(), "/proxyMode": lambda: Answer(200, b"nftables")}
    with ExitStack() as stack:
        places = {configuration.metrics: "metricsBindAddress"}
        places[configuration.healthz or everywhere(10256)] = "healthzBindAddress"
        for address, name in places.items():
            stack.enter_context(served(name, address, ready, pages, hard=configuration.hard_fail))
        async with Client(config, component="proxy") as client, asyncio.TaskGroup() as group:
            caches, events = (
                Caches(client, group),
                EventRecorder(client, "kube-proxy", configuration.settings.node_name),
            )
            tell = partial(_tell, events)
            group.create_task(controller.run(configuration.settings, client, caches, report, tell))
            await asyncio.sleep(0)
            await caches.synced()
            ready.set()
            node = report.node or {"metadata": {"name": configuration.settings.node_name}}
            await events.record(NODES, node, "Starting", "")


async def _tell(events: EventRecorder, service: tuple[str, str], reason: str, message: str) -> None:
    namespace, name = service
    await events.record(SERVICES, {"metadata": {"namespace": namespace, "name": name}}, reason, message, "Warning")


def initialize(configuration: Configuration) -> None:
    """Set what only root may, for a proxy that runs with CAP_NET_ADMIN alone. Raises OSError."""
    limit_connections(configuration.conntrack)
    sysctls.prepare(sysctls.families(), bridged=configuration.settings.bridged_pods)


def everywhere(port: int) -> str:
    """A port on every address of the node: one socket for both families where the kernel has both."""
    return f"[::]:{port}" if socket.has_dualstack_ipv6() else f"0.0.0.0:{port}"


@contextmanager
def served(
    name: str, address: str, ready: asyncio.Event, pages: Mapping[str, Callable[[], Answer]], *, hard: bool
) -> Iterator[None]:
    """Health and metrics are served inside the block, at an address that a field of that name gave; a port that is
    taken ends the process only if that is wished: then this raises BadAddress."""
    with ExitStack() as stack:
        try:
            stack.enter_context(health.served(address, ready.is_set, pages))
        except health.BadAddress as error:
            said = f"{name} {address}: {error.__cause__ or error}; choose another port"
            if hard:
                raise health.BadAddress(said) from error
            log.error("Health and metrics are not served: %s", said)
        yield


def limit_connections(wanted: Conntrack, root: Path = Path("/proc/sys/net/netfilter")) -> None:
    """Set the limits of connection tracking that differ, as kube-proxy does; a switch that can't be set is named."""
    values = {name: str(int(seconds)) for name, seconds in wanted.timeouts.items()}
    if wanted.liberal:
        values["nf_conntrack_tcp_be_liberal"] = "1"
    most = max((wanted.max_per_core or 0) * (os.cpu_count() or 1), wanted.least or 0)
    for name, value in values.items():
        _write(root / name, value)
    try:
        if wanted.max_per_core and int((root / "nf_conntrack_max").read_text()) < most:
            _write(root / "nf_conntrack_max", str(most))
    except OSError as error:
        log.warning("Limit of tracked connections not read error=%s", error)


def _write(path: Path, value: str) -> None:
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
            log.info("Sysctl set path=%s value=%s", path, value)
    except OSError as error:
        log.warning("Sysctl not set path=%s value=%s error=%s", path, value, error)


def _set_oom_score(score: int) -> None:
    try:
        Path("/proc/self/oom_score_adj").write_text(str(score))
    except OSError as error:
        log.warning("oom_score_adj not set value=%d error=%s", score, error)


def with_own_node_name(configuration: Configuration, name: str) -> Configuration:
    """--hostname-override has the last word, also over a configuration file."""
    return replace(configuration, settings=replace(configuration.settings, node_name=name.strip().lower()))
