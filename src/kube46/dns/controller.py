"""The node's DNS server: Services and EndpointSlices into BIND.

It also publishes the node itself as an endpoint of the DNS Service, once its zones are loaded.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from kube46.addresses import prefixes
from kube46.addresses.families import Family, by_family
from kube46.api.objects import EndpointSlice, Node, Service
from kube46.api.resources import ENDPOINT_SLICES, NODES, ROUTED_SERVICES, ROUTED_SLICES, SERVICE_CIDRS
from kube46.dns.bind import Bind, BindError, load_secret, supervise
from kube46.dns.configuration import Named
from kube46.dns.records import RecordSet, changes
from kube46.dns.rules import Record, fixed_records, service_records
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import NotFound
from kube46.kubernetes.queues import Trigger

log = logging.getLogger(__name__)
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL, MANAGED_BY = "endpointslice.kubernetes.io/managed-by", "dns.kube46"
# One pass for all that changes within these seconds; a change alone waits no longer.
COALESCE = 0.002
FIXED = ("", "")

sync_seconds = Histogram("kube46_dns_sync_duration_seconds", "Time to bring changed records to BIND, seconds.")
record_count = Gauge("kube46_dns_records", "Records served for Services and endpoints.")
restarts = Counter("kube46_dns_named_restarts", "Times that named ended and was started again.")


@dataclass(frozen=True, slots=True)
class Settings:
    """`cluster_cidrs`: where endpoints live, for their PTR records; `service`: (namespace, name) of the DNS Service."""

    node_name: str
    domain: str = "cluster.local"
    cluster_cidrs: tuple[str, ...] = ()
    forwarders: tuple[str, ...] = ()
    service: tuple[str, str] = ("kube-system", "kube-dns")
    directory: Path = Path("/var/cache/bind/kube46")
    log_file: Path = Path("/run/kube46/agent/named.log")
    port: int = 53


class Server:
    """Keeps BIND's records equal to the cluster's Services."""

    def __init__(self, settings: Settings, services: Cache[Service], slices: Cache[EndpointSlice]) -> None:
        self._settings, self._services, self._slices = settings, services, slices
        self._slices_of: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._stale = False
        self.changed = Trigger("dns")
        self.records = RecordSet(())

    async def start(self, addresses: tuple[str, ...], service_cidrs: tuple[str, ...]) -> Bind:
        """Starts or adopts named with all records of this moment, and listens to changes from then on."""
        settings = self._settings
        reverse = [
            zone
            for cidr in (*service_cidrs, *settings.cluster_cidrs)
            for zone in prefixes.reverse_zones(prefixes.parse(cidr))
        ]
        zones = tuple(dict.fromkeys([settings.domain, *reverse]))
        self.records.zones = frozenset(zones)
        self._addresses = addresses
        self._services.listen(self._on_service)
        self._slices.listen(self._on_slice)
        self._recompute()
        settings.directory.mkdir(parents=True, exist_ok=True)
        named = Named(
            settings.directory, zones, addresses, settings.forwarders, load_secret(settings.directory), settings.port
        )
        self._bind = Bind(named, settings.domain, settings.log_file)
        await self._bind.start(self.records.all())
        return self._bind

    async def sync(self) -> None:
        """Brings what changed to BIND; after a failure, compares everything."""
        with sync_seconds.time():
            removed, added = self._recompute()
            try:
                if self._stale:
                    await self._bind.repair(self.records.all())
                else:
                    await self._bind.apply(changes(self.records.zones, removed, added))
                self._stale = False
            except BindError:
                self._stale = True
                raise

    def _recompute(self) -> tuple[set[Record], set[Record]]:
        """The records that went and came with the Services marked dirty. O(their records)."""
        touched: dict[Record, bool] = {}
        for key in self._dirty | {FIXED}:
            before = self.records.of(key)
            after = self._of_service(key)
            for record in before ^ after:
                touched.setdefault(record, self.records.has(record))
            self.records.replace(key, after)
        self._dirty.clear()
        record_count.set(len(self.records))
        removed = {record for record, was in touched.items() if was and not self.records.has(record)}
        added = {record for record, was in touched.items() if not was and self.records.has(record)}
        return removed, added

    def _of_service(self, key: tuple[str, str]) -> frozenset[Record]:
        if key == FIXED:
            service = self._services.get(self._settings.service)
            own = [address for address in service.spec.cluster_ips if address != "None"] if service else []
            return fixed_records(self._settings.domain, own or self._addresses)
        service = self._services.get(key)
        if service is None:
            return frozenset()
        slices = [self._slices[name] for name in sorted(self._slices_of.get(key, ())) if name in self._slices]
        return service_records(service, slices, self._settings.domain)

    def _on_service(self, old: Service | None, new: Service | None) -> None:
        for value in (old, new):
            if value:
                self._mark(value.key)

    def _on_slice(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for value, present in ((old, False), (new, True)):
            if value and (name := value.metadata.labels.get(SERVICE_LABEL)):
                key = (value.metadata.namespace, name)
                names = self._slices_of.setdefault(key, set())
                (names.add if present else names.discard)(value.key)
                if not names:
                    del self._slices_of[key]
                self._mark(key)

    def _mark(self, key: tuple[str, str]) -> None:
        self._dirty.add(key)
        self.changed.set()


def own_slice(settings: Settings, service: Service, family: Family, address: str) -> dict[str, Any]:
    """The EndpointSlice of one family by which the DNS Service finds this node's server."""
    name = f"{service.metadata.name}-{settings.node_name}-{family.lower()}"
    return {
        "metadata": {
            "name": name,
            "labels": {
                SERVICE_LABEL: service.metadata.name,
                MANAGED_LABEL: MANAGED_BY,
            },
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": service.metadata.name, "uid": service.metadata.uid}
            ],
        },
        "addressType": str(family),
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": settings.node_name,
            }
        ],
        "ports": [{"name": port.name, "protocol": port.protocol, "port": settings.port} for port in service.spec.ports],
    }


async def publish(settings: Settings, client: Client, service: Service | None, addresses: Mapping[Family, str]) -> None:
    """Makes this node's slices of the DNS Service what they should be."""
    if service is None:
        return
    for family, address in addresses.items():
        wanted = own_slice(settings, service, family, address)
        name, namespace = wanted["metadata"]["name"], service.metadata.namespace
        try:
            present = await client.get(ENDPOINT_SLICES.raw(), name, namespace)
        except NotFound:
            await client.create(ENDPOINT_SLICES, wanted, namespace)
            continue
        if any(present.get(field) != wanted[field] for field in ("endpoints", "ports")) or (
            present["metadata"].get("ownerReferences") != wanted["metadata"]["ownerReferences"]
        ):
            await client.patch(ENDPOINT_SLICES, name, wanted, namespace)


async def _node_addresses(nodes: Cache[Node]) -> tuple[str, ...]:
    """The node's own addresses, as soon as its kubelet has told them."""
    told = asyncio.Event()
    found: list[str] = []

    def on_node(_: Node | None, node: Node | None) -> None:
        if node and node.status.internal_ips and not found:
            found.extend(str(ip_address(text)) for text in node.status.internal_ips)
            told.set()

    nodes.listen(on_node)
    await told.wait()
    return tuple(found)


async def _service_cidrs(client: Client) -> tuple[str, ...]:
    """The Service ranges, whose reverse zones are ours; none where the API does not tell (Kubernetes before 1.33)."""
    try:
        ranges = (await client.list(SERVICE_CIDRS)).items
    except NotFound:
        log.warning("The API has no ServiceCIDRs: addresses of Services have no PTR records")
        return ()
    return tuple(cidr for item in ranges for cidr in item.spec.cidrs)


async def run(settings: Settings, client: Client, caches: Caches) -> None:
    """Serves the cluster's names on this node until cancelled."""
    services, slices = caches.of(ROUTED_SERVICES), caches.of(ROUTED_SLICES)
    nodes = caches.of(NODES, fields=f"metadata.name={settings.node_name}")
    await caches.synced()
    addresses = await _node_addresses(nodes)

    server = Server(settings, services, slices)
    bind = await server.start(addresses, await _service_cidrs(client))
    published = Trigger("dns-endpoints")

    def on_service(old: Service | None, new: Service | None) -> None:
        if any(value and value.key == settings.service for value in (old, new)):
            published.set()

    def on_slice(old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if any(value and value.metadata.labels.get(MANAGED_LABEL) == MANAGED_BY for value in (old, new)):
            published.set()

    services.listen(on_service)
    slices.listen(on_slice)

    async def announce() -> None:
        await publish(settings, client, services.get(settings.service), by_family(addresses))

    async with asyncio.TaskGroup() as group:
        group.create_task(server.changed.run(server.sync, COALESCE))
        group.create_task(published.run(announce))
        group.create_task(supervise(bind, server.records.all, restarts.inc))
