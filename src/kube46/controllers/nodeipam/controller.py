"""Watches nodes and gives each one without pod CIDRs a block of every family.

What is taken is read from the nodes themselves at start; nothing else is stored. A node's CIDRs are never changed.
"""

import asyncio
import logging
from ipaddress import ip_network

from prometheus_client import Gauge

from kube46.api.objects import Node
from kube46.api.resources import NODES
from kube46.controllers.nodeipam.rules import Allocator, Blocks, Exhausted
from kube46.controllers.nodeipam.settings import Settings
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError, KubernetesError, NotFound, ServerUnavailable, Unreachable
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue

log = logging.getLogger(__name__)
TRIES = 3
# Blocks may be freed by a larger --cluster-cidr only after a restart, so a rare second look is enough.
LOOK_AGAIN_SECONDS = 30.0
USAGE = Gauge("kube46_nodeipam_blocks_taken", "Blocks of a cluster CIDR that are taken.", ["cluster_cidr"])
SIZE = Gauge("kube46_nodeipam_blocks", "Blocks that a cluster CIDR holds.", ["cluster_cidr"])


async def run(settings: Settings, client: Client, caches: Caches) -> None:
    """Runs until cancelled. Raises rules.OutOfRange when a node's CIDRs don't fit the settings, as upstream does."""
    nodes = caches.of(NODES)
    await nodes.synced.wait()
    loop = NodeIpam(settings, client, nodes)
    for node in nodes.values():
        loop.allocator.occupy(node.metadata.uid, node.metadata.name, blocks_of(node))
    nodes.listen(loop.changed)
    await loop.queue.run(loop.sync)


def blocks_of(node: Node) -> Blocks:
    """The pod CIDRs that a node has."""
    texts = node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())
    return tuple(ip_network(text, strict=False) for text in texts)


class NodeIpam:
    """The allocator joined to the nodes of a cluster."""

    def __init__(self, settings: Settings, client: Client, nodes: Cache[Node]) -> None:
        self.allocator = Allocator(settings)
        self.queue: WorkQueue[str] = WorkQueue("node-ipam")
        self._client, self._nodes = client, nodes
        self._events = EventRecorder(client, "cidrAllocator")
        self._waiting: set[str] = set()

    def changed(self, old: Node | None, new: Node | None) -> None:
        """Frees what a vanished node held, and looks at a new or changed one."""
        if old and (new is None or new.metadata.uid != old.metadata.uid):
            self._release(old.metadata.uid)
        if new:
            self.queue.add(new.metadata.name)

    async def sync(self, name: str) -> None:
        """Makes the node have its blocks."""
        node = self._nodes.get(("", name))
        self._waiting.discard(name)
        if node is None:
            return
        uid = node.metadata.uid
        try:
            if blocks := blocks_of(node):
                self.allocator.occupy(uid, name, blocks)
            else:
                await self._assign(node, self.allocator.allocate(uid))
        except Exhausted as error:
            self._waiting.add(name)
            log.warning("No block is left for a node node=%s error=%s", name, error)
            await self._events.record(NODES, node, "CIDRNotAvailable", str(error), "Warning")
            self.queue.add_after(name, LOOK_AGAIN_SECONDS)
        self._measure()

    async def _assign(self, node: Node, blocks: Blocks) -> None:
        """Patches both fields at once; the uid keeps us from touching a node made again under the same name."""
        cidrs = [str(block) for block in blocks]
        body = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
        for attempt in range(1, TRIES + 1):
            try:
                await self._client.patch(NODES, node.metadata.name, body, kind="strategic")
            except NotFound:
                return  # its deletion is on its way to us, and frees the blocks
            except KubernetesError as error:
                if attempt == TRIES or _refused(error):
                    await self._failed(node, error)
                    raise
                await asyncio.sleep(0.1 * attempt)
            else:
                log.info("Node got its pod CIDRs node=%s cidrs=%s", node.metadata.name, ",".join(cidrs))
                return

    async def _failed(self, node: Node, error: KubernetesError) -> None:
        """Gives the blocks back unless the write may yet have been carried out."""
        if _refused(error):
            self._release(node.metadata.uid)
        await self._events.record(NODES, node, "CIDRAssignmentFailed", str(error), "Warning")

    def _release(self, uid: str) -> None:
        if self.allocator.release(uid):
            for name in self._waiting:
                self.queue.add(name)
        self._measure()

    def _measure(self) -> None:
        for prefix, taken, size in self.allocator.usage():
            USAGE.labels(str(prefix)).set(taken)
            SIZE.labels(str(prefix)).set(size)


def _refused(error: KubernetesError) -> bool:
    """Whether the server certainly did not carry the write out."""
    return isinstance(error, ApiError) and not isinstance(error, ServerUnavailable | Unreachable)
