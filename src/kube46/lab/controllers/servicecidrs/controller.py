"""Watches ServiceCIDRs, and IPAddresses once one is deleted, and writes finalizer and condition.

Most clusters never delete one, so the copy of all IPAddresses is only begun when that happens.
"""

from collections.abc import Iterator
from ipaddress import ip_address

from kube46.addresses.families import Address
from kube46.api.ipaddresses import ALLOCATOR, MANAGED_LABEL
from kube46.api.objects import IPAddress, ServiceCIDR
from kube46.api.resources import IP_ADDRESSES, SERVICE_CIDRS
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock
from kube46.lab.controllers.servicecidrs import rules

MANAGER = "service-cidr-controller"
LOOK_AGAIN_SECONDS = 0.1


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(SERVICE_CIDRS)
    loop = ServiceCIDRs(client, caches)
    await loop.queue.run(loop.sync)


class ServiceCIDRs:
    """The rules joined to a cluster's ServiceCIDRs and the addresses in use."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[str] = WorkQueue("service-cidr")
        self._client, self._caches = client, caches
        self._cidrs = caches.of(SERVICE_CIDRS)
        self._addresses: Cache[IPAddress] | None = None
        self._cidrs.listen(self._cidr_changed)

    async def sync(self, name: str) -> None:
        """Looks at one ServiceCIDR."""
        cidr = self._cidrs.get(("", name))
        if cidr is None:
            return
        try:
            if cidr.metadata.deletion_timestamp is None:
                await self._keep(cidr)
            else:
                await self._end(cidr)
        except NotFound:
            return
        except Conflict:
            self.queue.add_after(name, LOOK_AGAIN_SECONDS)

    async def _keep(self, cidr: ServiceCIDR) -> None:
        if rules.FINALIZER not in cidr.metadata.finalizers:
            body = {"metadata": {"uid": cidr.metadata.uid, "finalizers": [rules.FINALIZER]}}
            await self._client.patch(SERVICE_CIDRS, cidr.metadata.name, body, kind="strategic")
        await self._say(cidr, rules.READY)

    async def _end(self, cidr: ServiceCIDR) -> None:
        name = cidr.metadata.name
        await self._watch_addresses()
        all_cidrs = {one.metadata.name: one for one in self._cidrs.values()}
        if not rules.may_go(name, all_cidrs, self._in_use()):
            await self._say(cidr, rules.BLOCKED)
            return
        age = clock.seconds_since(cidr.metadata.deletion_timestamp, clock.now())
        if age < rules.GRACE_SECONDS:
            self.queue.add_after(name, rules.GRACE_SECONDS - age)
        elif rules.FINALIZER in cidr.metadata.finalizers:
            meta = {"uid": cidr.metadata.uid, "$deleteFromPrimitiveList/finalizers": [rules.FINALIZER]}
            await self._client.patch(SERVICE_CIDRS, name, {"metadata": meta}, kind="strategic")

    async def _say(self, cidr: ServiceCIDR, said: rules.Said) -> None:
        if condition := rules.condition(cidr, said, clock.text(clock.now())):
            body = {"metadata": {"name": cidr.metadata.name}, "status": {"conditions": [condition]}}
            await self._client.apply(SERVICE_CIDRS, body, manager=MANAGER, subresource="status")

    async def _watch_addresses(self) -> None:
        if self._addresses is None:
            self._addresses = self._caches.of(IP_ADDRESSES, labels=f"{MANAGED_LABEL}={ALLOCATOR}")
            self._addresses.listen(self._address_changed)
        await self._addresses.synced.wait()

    def _in_use(self) -> Iterator[Address]:
        for _, name in self._addresses or ():
            yield ip_address(name)

    def _cidr_changed(self, old: ServiceCIDR | None, new: ServiceCIDR | None) -> None:
        if new is not None:
            self.queue.add(new.metadata.name)
        if old is None or new is None:  # another range may free those that go, or hold them
            self._look_at_the_dying()

    def _look_at_the_dying(self) -> None:
        for cidr in self._cidrs.values():
            if cidr.metadata.deletion_timestamp is not None:
                self.queue.add(cidr.metadata.name)

    def _address_changed(self, old: IPAddress | None, new: IPAddress | None) -> None:
        if old is not None and new is not None:
            return
        for one in filter(None, (old, new)):
            for cidr in self._cidrs.values():
                if rules.of_interest(cidr, ip_address(one.metadata.name)):
                    self.queue.add(cidr.metadata.name)
