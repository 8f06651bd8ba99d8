"""The end of a definition: its objects are deleted, then its finalizer is taken off.

Source: apiextensions-apiserver pkg/controller/finalizer/crd_finalizer.go.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from kube46.apiserver import deletes
from kube46.apiserver.customresources.definitions import DEFINITIONS, FINALIZER, terminating
from kube46.apiserver.deleteoptions import DeleteOptions
from kube46.apiserver.history import told
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import decode
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    from kube46.apiserver.catalog import Catalog
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.writes import Registry

log = logging.getLogger(__name__)
LOOK_AGAIN_SECONDS = 0.5  # while objects wait for their own finalizers
RETRY_SECONDS = 5.0  # after the disk refused
Object = dict[str, Any]


async def run(registry: Registry, catalog: Catalog) -> None:
    """Runs until cancelled."""
    collection, read = registry.store.collection(DEFINITIONS), 0
    changed = asyncio.Event()
    waits: float | None = None
    with told(changed, collection.history):
        while True:
            changed.clear()
            while read != registry.store.revision:  # also what was written meanwhile
                read = registry.store.revision
                dying = [name for name, record in collection.records.items() if _waits(record.value)]
                after = [await _one(registry, catalog, name) for name in dying]
                waits = min((seconds for seconds in after if seconds is not None), default=None)
            try:
                async with asyncio.timeout(waits):
                    await changed.wait()
            except TimeoutError:
                read = 0


def _waits(value: bytes) -> bool:
    if FINALIZER.encode() not in value:  # most definitions, and not to be decoded for this
        return False
    meta = decode.decode(value)["metadata"]
    return bool(meta.get("deletionTimestamp")) and FINALIZER in (meta.get("finalizers") or ())


async def _one(registry: Registry, catalog: Catalog, name: str) -> float | None:
    """A step towards the end of one definition; seconds until the next, None when it is done."""
    try:
        return await _step(registry, catalog, name)
    except StatusError as error:
        log.warning("a definition's objects can't be deleted name=%s error=%s", name, error.message)
        return RETRY_SECONDS


async def _step(registry: Registry, catalog: Catalog, name: str) -> float | None:
    kind = next(iter(catalog.made_by(name)), None)
    call = Call(BY_PLURAL[DEFINITIONS], name)
    if kind is not None and registry.store.collection(kind.resource).keys:
        text = "CustomResource deletion is in progress"
        await registry.change_directly(call, lambda crd: terminating(crd, "True", "InstanceDeletionInProgress", text))
        await _delete_all(registry, kind)
        if registry.store.collection(kind.resource).keys:
            return LOOK_AGAIN_SECONDS
    await registry.change_directly(call, _finished)
    log.info("definition deleted name=%s", name)
    return None


def _finished(crd: Object) -> None:
    crd["metadata"]["finalizers"] = [f for f in crd["metadata"].get("finalizers") or () if f != FINALIZER]
    terminating(crd, "False", "InstanceDeletionCompleted", "removed all instances")


async def _delete_all(registry: Registry, kind: Kind) -> None:
    """Ask for the deletion of every object, in all namespaces; those with finalizers stay for a while."""
    records = registry.store.collection(kind.resource).records
    await deletes.delete_all(registry, Call(kind), DeleteOptions(), [record.value for record in records.values()])
