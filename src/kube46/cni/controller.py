"""A node's part: its network configuration, the requests of its runtime, its routes to the pods of the other nodes."""

import asyncio
import logging
import os
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from kube46.api.objects import Node
from kube46.api.resources import NODES
from kube46.cni import routing, rules
from kube46.cni.handover import Handover
from kube46.cni.masquerading import Masquerading
from kube46.cni.plugin import PLUGINS, Answer
from kube46.cni.server import Server
from kube46.cni.settings import Settings
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.queues import Trigger
from kube46.netlink import Monitor

__all__ = ["Settings", "run"]

COALESCE_SECONDS = 0.05

log = logging.getLogger(__name__)
routes_gauge = Gauge("kube46_cni_routes", "Routes to the pods of other nodes")
skipped_gauge = Gauge("kube46_cni_routes_skipped", "Pod prefixes of other nodes without a route")
changes_total = Counter("kube46_cni_route_changes", "Routes added and deleted", ["change"])
requests_total = Counter("kube46_cni_requests", "CNI requests by result", ["plugin", "verb", "status"])
request_seconds = Histogram(
    "kube46_cni_request_seconds",
    "Time from the receipt of a CNI request to its answer",
    ["plugin", "verb"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
in_progress = Gauge("kube46_cni_requests_in_progress", "CNI requests that are being carried out")


async def run(settings: Settings, client: Client, caches: Caches) -> None:
    """Keeps the node's part of the pod network right, and serves the CNI socket, until cancelled."""
    masquerading = Masquerading()
    nodes = caches.of(NODES)
    trigger = Trigger("cni")
    passes = Passes(settings, nodes, masquerading)
    await nodes.synced.wait()
    nodes.listen(lambda old, new: trigger.set() if _matters(old) != _matters(new) else None)
    trigger.set()
    server = Server(settings, masquerading, _report)
    in_progress.set_function(lambda: server.busy)
    server.start()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch(trigger, settings.resync))
            group.create_task(trigger.run(passes.run, COALESCE_SECONDS))
    finally:
        await asyncio.to_thread(server.stop)
        masquerading.close()


class Passes:
    """One look at all nodes and the kernel, and what follows from it."""

    def __init__(self, settings: Settings, nodes: Cache[Node], masquerading: Masquerading) -> None:
        self._settings, self._nodes, self._masquerading = settings, nodes, masquerading
        self._reported: tuple[str, ...] = ()

    async def run(self) -> None:
        """Apply what the nodes say now. Raises OSError or CniError when the machine refuses."""
        nodes = tuple(self._nodes.values())
        found = rules.routes(self._settings.node_name, nodes)
        change = await asyncio.to_thread(routing.apply, found.wanted)
        self._report(found, change)
        # Before the configuration: a runtime that sees it starts pods at once.
        await asyncio.to_thread(self._masquerading.set_cluster, rules.cluster_prefixes(nodes))
        own = self._nodes.get(("", self._settings.node_name))
        if own is not None and rules.pod_prefixes(own):
            await asyncio.to_thread(self._configure, own)

    def _configure(self, own: Node) -> None:
        prefixes = rules.pod_prefixes(own)
        for prefix in rules.too_small(prefixes):
            log.error("A pod prefix is too small; enlarge the cluster CIDR's node mask prefix=%s", prefix)
        mtu = routing.mtu_towards(rules.node_addresses(own).values())
        text = rules.configuration(self._settings, prefixes, mtu)
        if write(self._settings.configuration, text):
            log.info("The network configuration was written path=%s", self._settings.configuration)

    def _report(self, found: rules.Routes, change: routing.Change) -> None:
        skipped = found.skipped + change.refused
        routes_gauge.set(len(found.wanted) - len(change.refused))
        skipped_gauge.set(len(skipped))
        for name, count in (("added", change.added), ("deleted", change.deleted)):
            changes_total.labels(name).inc(count)
        if change.added or change.deleted:
            log.info("Routes to pods changed added=%d deleted=%d", change.added, change.deleted)
        for reason in skipped:
            if reason not in self._reported:  # once, not on every pass
                log.warning("A node's pods have no route reason=%s", reason)
        self._reported = skipped


def write(path: Path, text: str) -> bool:
    """Write a file atomically unless it has that text already; returns whether it was written."""
    try:
        if path.read_text() == text:
            return False
    except FileNotFoundError:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")  # runtimes read *.conf, *.conflist and *.json only
    aside.write_text(text)
    aside.chmod(0o644)
    aside.replace(path)
    return True


async def _watch(trigger: Trigger, resync: float) -> None:
    """Ask for a pass when a route of ours may be lost, and every `resync` seconds."""
    loop = asyncio.get_running_loop()
    with Monitor() as monitor:
        loop.add_reader(monitor.fileno(), lambda: trigger.set() if monitor.lost_routes() else None)
        try:
            while True:
                await asyncio.sleep(resync)
                trigger.set()
        finally:
            loop.remove_reader(monitor.fileno())


def _report(request: Handover, found: Answer, seconds: float) -> None:
    """Count a request, and log one that failed."""
    plugin = request.plugin if request.plugin in PLUGINS else "other"
    request_seconds.labels(plugin, request.verb).observe(seconds)
    requests_total.labels(plugin, request.verb, found.status).inc()
    if found.status:
        log.warning("A CNI request failed verb=%s answer=%s", request.verb, found.output.decode().strip())


def _matters(node: Node | None) -> object:
    """What of a node concerns the routes of others; its heartbeats don't."""
    return node and (node.metadata.name, node.spec.pod_cidrs, node.spec.pod_cidr, node.status.internal_ips)
