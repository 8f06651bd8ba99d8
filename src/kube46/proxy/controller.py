"""Joins watch, rules and drivers: what changed since the last pass becomes one transaction.

A pass looks only at Services that changed, or all of them when the node did. Killed at any moment it starts again from
the objects and the table it finds; nothing is flushed on the way in or out.
"""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from typing import Any, TypeVar

from kube46.addresses.families import Family, Prefix, family_of
from kube46.api.objects import EndpointSlice, Node, Service, ServiceCIDR
from kube46.api.resources import NODES, ROUTED_SERVICES, ROUTED_SLICES, SERVICE_CIDRS, Resource
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Forbidden, KubernetesError, NotFound
from kube46.kubernetes.queues import Trigger, delay
from kube46.netlink import conntrack
from kube46.nftables import Nft, give_back_memory
from kube46.proxy import flows, metrics, nftables, ranks, sysctls
from kube46.proxy.checks import Check, service_checks
from kube46.proxy.claims import NOBODY, NOTHING, Changes, Claims, Owner, merge
from kube46.proxy.endpoints import directed
from kube46.proxy.nftables import ProxyTable
from kube46.proxy.probes import Probes, Tell
from kube46.proxy.reports import Report
from kube46.proxy.rules import Elements, cluster_ips, service_elements, static_elements
from kube46.proxy.settings import Settings, node_view
from kube46.proxy.usage import Usage

__all__ = ["Settings", "clean", "run"]

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
NO_RANGES = (
    "The API has no ServiceCIDRs for us (Kubernetes 1.33 has, and kube-proxy's role may list them): packets to"
    " unallocated Service addresses aren't dropped"
)
T = TypeVar("T")
log = logging.getLogger(__name__)


async def run(
    settings: Settings, client: Client, caches: Caches, report: Report | None = None, tell: Tell | None = None
) -> None:
    """Keep the node's table as the cluster's Services want it, until cancelled. The table stays when this ends.

    `report` is told how that fares, and `tell` what people should hear of a Service.
    """
    nft = Nft()
    proxy = Proxy(settings, caches, nft, report or Report(), tell)
    try:
        await proxy.synced()  # with the right to see these the one to see ranges comes, if ever
        if await served(client, SERVICE_CIDRS):
            proxy.watch_service_cidrs()
            await proxy.synced()
        else:
            log.warning(NO_RANGES)
        proxy.begin()
        with proxy.usage:
            async with asyncio.TaskGroup() as group:
                group.create_task(proxy.trigger.run(proxy.sync, settings.min_sync_period))
                group.create_task(proxy.resync_now_and_then(client))
    finally:
        proxy.probes.close()
        nft.close()


async def served(client: Client, resource: Resource[Any]) -> bool:
    """Whether the API server has a resource for us. Asks until it answers: a cache of one it lacks is never synced. Who
    may not list it can't tell whether there is one: before 1.33 kube-proxy's role has no ServiceCIDRs."""
    failures = 0
    while True:
        try:
            await client.list(resource)
        except (NotFound, Forbidden):
            return False
        except KubernetesError as error:
            failures += 1
            log.warning("Resource asked for again resource=%s error=%s", resource.plural, error)
            await asyncio.sleep(min(delay(failures), 2.0))
        else:
            return True


async def clean() -> None:
    """Remove all that the part has put on the node: it is turned off here."""
    nft = Nft()
    try:
        await nftables.clean(nft)
    finally:
        nft.close()


class Proxy:
    """One node's proxy: the objects by Service, the claims made from them, and the table."""

    def __init__(self, settings: Settings, caches: Caches, nft: Nft, report: Report, tell: Tell | None = None) -> None:
        self.trigger = Trigger("proxy")
        self.report = report
        self.probes = Probes(report.is_healthy, tell)
        self._settings = settings
        self._services: Cache[Service] = caches.of(ROUTED_SERVICES)
        self._slices: Cache[EndpointSlice] = caches.of(ROUTED_SLICES)
        self._nodes: Cache[Node] = caches.of(NODES, fields=f"metadata.name={settings.node_name}")
        self._cidrs: Cache[ServiceCIDR] | None = None
        self._caches = caches
        self._slice_names: dict[Owner, tuple[str, ...]] = {}  # in the Service's namespace
        self._claims = Claims()
        self._table = ProxyTable(nft, settings)
        self._flows = flows.Flows()
        self.usage = Usage(nft, self._claims, self._services, settings.counted_ports)
        self._view = node_view(None, settings)
        self._dirty: set[Owner] = set()
        self._node_changed = True
        self._pending: Changes = {}
        self._trigger_times: list[str] = []
        self._others: set[str] = set()
        self._begun = False
        self._services.listen(self._service_changed)
        self._slices.listen(self._slice_changed)
        self._nodes.listen(self._surroundings_changed)
        self._due()

    def watch_service_cidrs(self) -> None:
        """Know the Service ranges, so that packets to unallocated addresses of theirs are dropped."""
        self._cidrs = self._caches.of(SERVICE_CIDRS)
        self._cidrs.listen(self._surroundings_changed)

    async def synced(self) -> None:
        """Returns when all that the proxy looks at is here; caches of other parts don't hold it up."""
        for cache in (self._services, self._slices, self._nodes, self._cidrs):
            if cache is not None:
                await cache.synced.wait()

    def begin(self) -> None:
        """From now on what is due counts."""
        self._begun = True
        self.report.queued()

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self._dirty.add((new or old).key)  # type: ignore[union-attr]  # one of them is there
        metrics.SERVICE_CHANGES.inc()
        metrics.SERVICES_PENDING.inc()
        self._due()

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for part in filter(None, (old, new)):
            owner, name = (sys.intern(part.metadata.namespace), directed(part)), part.metadata.name
            others = [other for other in self._slice_names.get(owner, ()) if other != name]
            present = [*others, name] if part is new and owner[1] else others
            if present:
                self._slice_names[owner] = tuple(sorted(present))
            else:
                self._slice_names.pop(owner, None)
            self._dirty.add(owner)
        if new is not None and (changed := new.metadata.annotations.get(TRIGGER_TIME)):
            self._trigger_times.append(changed)
        metrics.ENDPOINT_CHANGES.inc()
        metrics.ENDPOINTS_PENDING.inc()
        self._due()

    def _surroundings_changed(self, old: object, new: object) -> None:
        self._node_changed = True
        self._due()

    def _due(self) -> None:
        if self._begun:  # who waits for the API is not late: to be killed for that would help nobody
            self.report.queued()
        self.trigger.set()

    async def sync(self) -> None:
        """One pass. Raises NftError when the kernel refuses it; what was to be done is done by the next."""
        begin, full = time.perf_counter(), not self._table.is_trusted
        self.report.began()
        metrics.SERVICES_PENDING.set(0)
        metrics.ENDPOINTS_PENDING.set(0)
        try:
            if full:  # before the table is filled: libnftables reads all elements of the node to list its tables
                await self._name_others()
            await self._decide()
            await self._table.apply(self._pending, self._claims, self._view)
        except BaseException:
            for family in self._view.families:
                metrics.SYNC_FAILURES.labels(family).inc()
            raise
        self._pending = {}
        times, self._trigger_times = self._trigger_times, []
        self.report.done(self._view.families, time.perf_counter() - begin, times, full=full)
        metrics.ELEMENTS.set(len(self._claims))
        if full:
            gc.collect()
            gc.freeze()  # what is here stays: a collection would look through all of it in the middle of a pass
            await asyncio.to_thread(give_back_memory)
        await self.probes.sync()
        await self._forget(everything=full)

    async def _name_others(self) -> None:
        """Warn of each other proxy once, as long as it is there."""
        found = set(await self._table.others())
        for table in sorted(found - self._others):
            log.warning("Another Service proxy works on this node, stop it and delete its table table=%s", table)
        self._others = found

    async def _forget(self, *, everything: bool) -> None:
        """Delete the connections that have become stale; at the start, and now and then, look at all there are: what
        went while nobody looked, or was not forgotten any more, left no other trace."""
        for family in Family:
            if mine := {flow for flow in self._flows.stale if flow.family is family}:
                await self._forgotten(family, conntrack.forget, mine)
                self._flows.stale -= mine
            if everything:
                judge = partial(self._flows.known().is_stale, ranges=self._ranges(family))
                await self._forgotten(family, partial(forget_unknown, judge), family)

    async def _forgotten(self, family: Family, work: Callable[[T], int], what: T) -> None:
        with metrics.FLOWS_SECONDS.labels(family).time():
            metrics.FLOWS_FORGOTTEN.labels(family).inc(await asyncio.to_thread(work, what))

    def _ranges(self, family: Family) -> list[Prefix]:
        """The Services' ranges of a family."""
        texts = [text for cidr in (self._cidrs or {}).values() for text in cidr.spec.cidrs]
        return [prefix for prefix in map(ip_network, texts) if family_of(prefix) is family]

    async def _decide(self) -> None:
        """Bring the claims up to date with the objects, and gather what that changes."""
        if self._node_changed:
            self._node_changed = False
            try:
                await self._look_at_node()
            except BaseException:
                self._node_changed = True
                raise
        held = await self._table.held()
        dirty, self._dirty = self._dirty, set()
        owner = NOBODY
        try:
            while dirty:
                owner = dirty.pop()
                self._take(owner, held)
        except BaseException:  # none is forgotten for another's sake
            self._dirty |= {owner, *dirty}
            raise

    def _take(self, owner: Owner, held: Elements) -> None:
        """Bring one Service's claims up to date."""
        service = self._services.get(owner)
        before = ranks.claimed(self._claims, owner) or held
        keys = [(owner[0], name) for name in self._slice_names.get(owner, ())]
        slices = [self._slices[key] for key in keys if key in self._slices]
        claims = NOTHING if service is None else service_elements(service, slices, self._view, before)
        changes = ranks.replace(self._claims, owner, service, claims)
        self.report.count(owner, claims)
        if self._table.is_trusted:  # else all elements are compared: there is no need to know the changes
            merge(self._pending, changes)
        self._flows.replace(owner, flows.NONE if service is None else flows.live(service, slices, self._view))
        self.probes.want(owner, {} if service is None else self._checks(service, slices))

    def _checks(self, service: Service, slices: list[EndpointSlice]) -> dict[Family, Check]:
        if not service.spec.health_check_node_port:  # of nearly all Services
            return {}
        return service_checks(service, slices, self._view, cluster_ips(service))

    async def _look_at_node(self) -> None:
        before, node = self.report.node, self._nodes.get(("", self._settings.node_name))
        self.report.node = node
        if node is None and before is None:
            log.info(
                "The Node has not registered yet: its addresses and pod ranges are to come node=%s", self._view.name
            )
        elif node is None:
            log.warning("The Node is gone: its last addresses and pod ranges count node=%s", self._view.name)
        view = self._view if node is None else node_view(node, self._settings)
        if not view.addresses:  # a kubelet that registers anew has not told them yet
            known = self._view.addresses, self._view.nodeport_addresses
            view = replace(view, addresses=known[0], nodeport_addresses=known[1])
        self.probes.addresses = view.nodeport_addresses
        if view.families != self._view.families:
            await self._prepare(view.families)
        if (view.name, view.zone, view.addresses) != (self._view.name, self._view.zone, self._view.addresses):
            self._dirty.update(self._services)
        if view != self._view:  # a heartbeat of the node is no change: the table's text is written anew for each view
            self._view = view
        cidrs = () if self._cidrs is None else self._cidrs.values()
        merge(self._pending, self._claims.replace(NOBODY, static_elements(view, cidrs)))

    async def _prepare(self, families: Sequence[Family]) -> None:
        """Switch the kernel's forwarding on; where we may not, others may have: Services are served in any case."""
        try:
            await asyncio.to_thread(sysctls.prepare, families, bridged=self._settings.bridged_pods)
        except OSError as error:
            log.error("Kernel's switches not set, node ports may not be forwarded: %s", error)

    async def resync_now_and_then(self, client: Client) -> None:
        """Read the table every `resync_period` seconds: somebody else may have changed it. The server may have been
        upgraded, too."""
        while True:
            await asyncio.sleep(self._settings.resync_period)
            self._table.distrust()
            self._due()
            if self._cidrs is None and await served(client, SERVICE_CIDRS):
                self.watch_service_cidrs()


def forget_unknown(judge: Callable[..., bool], family: Family) -> int:
    """Look at every tracked connection of a family, in this thread's namespace, and delete those that are judged so."""
    own = conntrack.own_addresses()
    return sum(conntrack.forget_if(family, kind, partial(judge, kind, own)) for kind in flows.ENDLESS.values())
