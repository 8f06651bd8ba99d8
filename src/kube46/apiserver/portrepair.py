"""The repair loop of node ports: every 3 minutes, Services that hold a port twice or one outside the range are told.

Node ports have no record beside the Services that hold them, so none can be lost or leak, unlike upstream's bitmap;
only the range of the last start is kept, outside which upstream's bitmap held nothing.
Source: pkg/registry/core/service/portallocator/controller/repair.go (1.37); semantics 2.7.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from kube46.api.addressrepair import Meta
from kube46.api.services.nodeports import misplaced
from kube46.apiserver.addressrepair import AT_ONCE, RESYNC_SECONDS
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.recorder import Recorder
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import decode

if TYPE_CHECKING:
    from kube46.apiserver.writes import Registry

log = logging.getLogger(__name__)
SERVICES = BY_PLURAL["services"]
POOL = "node port range"
CONTROLLER, ACTION = "portallocator-repair-controller", "PortAllocation"


async def run(registry: Registry, ports: range) -> None:
    """Runs until cancelled."""
    events = Recorder(registry, CONTROLLER)
    before = await _range_before(registry, ports)
    while True:
        await look(registry, ports, events, before)
        before = ports
        await events.tidy()
        await asyncio.sleep(RESYNC_SECONDS)


async def _range_before(registry: Registry, ports: range) -> range:
    """The range of the last start, replaced by that of this one."""
    wanted = f"{ports.start}-{ports.stop}"
    with registry.store.begin() as txn:
        found = list(txn.reserved(POOL))
        if found == [wanted]:
            return ports
        for name in found:
            txn.release(POOL, name)
        txn.reserve(POOL, wanted, "")
    try:
        await registry.store.commit(txn)
    except StatusError as error:
        log.warning("range of node ports was not noted error=%s", error.message)
    return range(*map(int, found[0].split("-"))) if found else ports


async def look(registry: Registry, ports: range, events: Recorder, before: range) -> None:
    """One pass over all Services."""
    collection, seen = registry.store.collection("services"), set[int]()
    for number, key in enumerate(list(collection.keys)):
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)  # requests get their turn
        record = collection.records.get(key)
        if record is None or b'"nodePort"' not in record.value:
            continue
        service = decode.decode(record.value)
        meta = msgspec.convert(service["metadata"], Meta)
        for reason, note in misplaced(service["spec"], ports, seen, before):
            log.warning("service=%s %s", key, note)
            await events.about(SERVICES, meta, reason, ACTION, note)
