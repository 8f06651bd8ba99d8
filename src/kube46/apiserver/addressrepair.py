"""The repair loop of Service addresses: after every change of a Service or IPAddress, and all of them every 3 minutes.

It follows the histories as watches do. A Service and its records are one commit here, so the loop finds something only
where users changed records, ranges changed between two starts, or the data came from elsewhere (semantics 2.7).
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, TypeVar

import msgspec

from kube46.api import ipaddresses
from kube46.api.addressrepair import CIDR, Finding, Mend, Record, Service, of_record, of_service
from kube46.api.allocation import AddressRange
from kube46.apiserver import deletes
from kube46.apiserver.deleteoptions import DeleteOptions
from kube46.apiserver.history import Compacted, told
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.recorder import Recorder
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import key_of, now
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kube46.apiserver.writes import Registry

log = logging.getLogger(__name__)
T = TypeVar("T", Service, Record)

RESYNC_SECONDS = 180.0
PAUSE_SECONDS = 0.1  # what changes together is looked at together
RETRY_SECONDS = 5.0  # after a write was refused
AT_ONCE = 200  # objects looked at before requests get their turn
SERVICES, ADDRESSES = BY_PLURAL["services"], BY_PLURAL["ipaddresses"]
CONTROLLER = "ipallocator-repair-controller"
_service, _record = msgspec.json.Decoder(Service), msgspec.json.Decoder(Record)
_cidr = msgspec.json.Decoder(CIDR)


class _Cursor:
    """How far the changes of one resource have been looked at."""

    def __init__(self, registry: Registry, resource: str) -> None:
        self._collection = registry.store.collection(resource)
        self._read: int | None = None

    def keys(self) -> list[str]:
        """The keys of what changed since the last time; all keys at first and when too much did."""
        since, self._read = self._read, self._collection.changed
        if since is not None:
            try:
                return list({event.key: None for event in self._collection.history.since(since)})
            except Compacted:
                pass
        return list(self._collection.keys)


class AddressRepair:
    """One pass after the other; `run` never ends by itself."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self._store = registry, registry.store
        self._events = Recorder(registry, CONTROLLER)
        self._due: dict[str, float] = {}  # addresses to look at again, and when (monotonic)
        self._late: set[str] = set()  # Services whose mend was refused
        self._ranges: tuple[int, tuple[AddressRange, ...]] = (-1, ())

    async def run(self) -> None:
        """Runs until cancelled."""
        changed, services, records = asyncio.Event(), *self._cursors()
        with told(changed, *(self._store.collection(name).history for name in ("services", "ipaddresses"))):
            resync = 0.0
            await self._pass(
                services.keys(), records.keys()
            )  # as upstream: all once, then all that was queued meanwhile
            while True:
                changed.clear()
                if time.monotonic() >= resync:
                    services, records = self._cursors()
                    resync = time.monotonic() + RESYNC_SECONDS
                    await self._events.tidy()
                await self._pass([*services.keys(), *self._retried()], [*records.keys(), *self._ripe()])
                wait = min([resync, *self._due.values()]) - time.monotonic()
                if self._late:
                    wait = min(wait, RETRY_SECONDS)
                try:
                    async with asyncio.timeout(max(0.0, wait)):
                        await changed.wait()
                except TimeoutError:
                    pass
                await asyncio.sleep(PAUSE_SECONDS)

    def _cursors(self) -> tuple[_Cursor, _Cursor]:
        return _Cursor(self._registry, "services"), _Cursor(self._registry, "ipaddresses")

    def _ripe(self) -> list[str]:
        ripe = [name for name, moment in self._due.items() if moment <= time.monotonic()]
        for name in ripe:
            del self._due[name]
        return ripe

    def _retried(self) -> list[str]:
        late, self._late = list(self._late), set()
        return late

    async def _pass(self, services: list[str], records: list[str]) -> None:
        for number, key in enumerate(services):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            await self._look_at_service(key)
        for number, name in enumerate(records):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            await self._look_at_record(name)

    async def _look_at_service(self, key: str) -> None:
        service = self._read("services", key, _service)
        if service is None:
            return
        for finding in of_service(service, self._all_ranges(), self._record, self._service):
            if finding.reason:
                log.warning("service=%s %s", key, finding.note)
                await self._events.about(SERVICES, service.metadata, finding.reason, finding.action, finding.note)
            if not await self._mended(finding, service):
                self._late.add(key)

    async def _look_at_record(self, name: str) -> None:
        record = self._record(name)
        verdict = record and of_record(record, self._service, datetime.now(UTC))
        if isinstance(verdict, float):
            self._due[name] = time.monotonic() + verdict + 1  # creationTimestamp counts whole seconds
        if record is None or not isinstance(verdict, Finding):
            return
        log.warning("%s", verdict.note)
        await self._events.about(ADDRESSES, record.metadata, verdict.reason, verdict.action, verdict.note)
        if not await self._done(self._delete(record)):
            self._due[name] = time.monotonic() + RETRY_SECONDS

    # Mending

    async def _mended(self, finding: Finding, service: Service) -> bool:
        steps = []
        if finding.mend is Mend.RECREATE and (record := self._record(finding.address)) is not None:
            steps.append(self._delete(record))
        if finding.mend is not Mend.NOTHING:
            steps.append(self._create(finding.address, service))
        # staged one right after the other: no request can take the address between the two
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._done(step)) for step in steps]
        return all(task.result() for task in tasks)

    @staticmethod
    async def _done(step: Coroutine[None, None, None]) -> bool:
        try:
            await step
        except StatusError as error:  # a full disk, or a request was faster: the next pass finds what is left
            log.info("service address not repaired error=%s", error.message)
            return False
        return True

    async def _create(self, name: str, service: Service) -> None:
        obj = ipaddresses.of_service(ip_address(name), service.metadata.namespace, service.metadata.name, now())
        await self._registry.create(Call(ADDRESSES, name), obj)

    async def _delete(self, record: Record) -> None:
        options = DeleteOptions(uid=record.metadata.uid)  # not one that a request has made meanwhile
        await deletes.delete(self._registry, Call(ADDRESSES, record.metadata.name), options)

    # Reading what is committed

    def _read(self, resource: str, key: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        stored = self._store.get(resource, key)
        return None if stored is None else decoder.decode(stored.value)

    def _service(self, namespace: str, name: str) -> Service | None:
        return self._read("services", key_of(namespace, name), _service)

    def _record(self, name: str) -> Record | None:
        return self._read("ipaddresses", name, _record)

    def _all_ranges(self) -> tuple[AddressRange, ...]:
        collection = self._store.collection("servicecidrs")
        if self._ranges[0] != collection.changed:
            texts = [text for one in collection.records.values() for text in _cidr.decode(one.value).spec.cidrs]
            self._ranges = collection.changed, tuple(AddressRange(ip_network(text)) for text in texts)
        return self._ranges[1]
