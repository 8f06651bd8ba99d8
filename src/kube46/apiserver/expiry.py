"""Events are forgotten an hour after they were last written, as kube-apiserver's --event-ttl has it.

Their age is told by revisions that are noted as time goes by, so that neither a client's timestamps nor a change of the
clock matters. A restart forgets the notes: what it finds stays an hour from then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from kube46.apiserver.storage import Store

log = logging.getLogger(__name__)

EVENT_SECONDS = 3600.0
SWEEP_SECONDS = 300.0
AT_ONCE = 500  # deletions in one transaction, so that others get their turn


async def run(store: Store) -> None:
    """Sweep until cancelled."""
    notes: deque[tuple[float, int]] = deque()  # (when, the newest revision then)
    while True:
        notes.append((time.monotonic(), store.revision))
        expired = 0
        while notes and notes[0][0] <= time.monotonic() - EVENT_SECONDS:
            expired = notes.popleft()[1]
        if expired:
            try:
                await sweep(store, expired)
            except StatusError as error:  # a full disk, say: the next sweep finds what is left
                log.warning("events not expired error=%s", error.message)
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep(store: Store, revision: int) -> None:
    """Delete the Events last written at the revision or before."""
    records = store.collection("events").records
    old = [key for key, record in records.items() if record.revision <= revision]
    for start in range(0, len(old), AT_ONCE):
        with store.begin() as txn:
            for key in old[start : start + AT_ONCE]:
                staged = store.staged("events", key)
                if staged is not None and staged.revision <= revision:
                    namespace, _, name = key.partition("/")
                    txn.delete("events", name, namespace)
        await store.commit(txn)
