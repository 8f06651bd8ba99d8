#!/usr/bin/env python3
"""Change the same objects again and again, with watchers and lists by pages, and report sizes as lines of JSON.

    churn.py FILE UPDATES KEEP

Drives the store as the server does, 64 writers at a time; every watcher checks that it misses no revision of its kind.
"""

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path

from kube46.apiserver import reads
from kube46.apiserver.history import Compacted
from kube46.apiserver.kinds import Kind
from kube46.apiserver.selectors import Selector
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.storage import Store

RESOURCES = ("configmaps", "leases", "endpointslices")
OBJECTS, WRITERS, BYTES, REPORTS = 300, 64, 600, 8


class Churn:
    """Writers and readers of one store."""

    def __init__(self, store: Store, updates: int) -> None:
        self._store, self._left, self._updates = store, updates, updates
        self.told = dict.fromkeys(RESOURCES, 0)
        self.written = dict.fromkeys(RESOURCES, 0)
        self.pages = self.expired = self.behind = 0

    async def run(self) -> None:
        """Until all updates are written and every watcher was told all."""
        readers = [asyncio.ensure_future(self._page(resource)) for resource in RESOURCES]
        for resource in RESOURCES:
            history = self._store.collection(resource).history
            history.listeners.add(self._watcher(resource))
        async with asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(self._write(number))
        await asyncio.sleep(0.1)
        for reader in readers:
            reader.cancel()

    def _watcher(self, resource: str) -> "Watcher":
        return Watcher(self, self._store, resource)

    async def _write(self, number: int) -> None:
        turn = number
        while self._left > 0:
            self._left -= 1
            if self._left % (self._updates // REPORTS) == 0:
                self.report()
            resource, name = RESOURCES[turn % 3], f"o{turn % OBJECTS}"
            with self._store.begin() as txn:
                obj = {"metadata": {"name": name, "namespace": "n"}, "data": {"turn": str(turn), "x": "y" * BYTES}}
                if turn % 97 == 0 and txn.exists(resource, name, "n"):
                    txn.delete(resource, name, "n")
                elif txn.exists(resource, name, "n"):
                    txn.update(resource, obj)
                else:
                    txn.create(resource, obj)
            self.written[resource] += 1
            await self._store.commit(txn)
            turn += WRITERS

    async def _page(self, resource: str) -> None:
        """List by pages, slowly, for ever."""
        kind, start = Kind("", "v1", resource, "X"), ""
        while True:
            try:
                page = reads.page_of({"limit": "50", **({"continue": start} if start else {})})
                _, metadata = await reads.listing(self._store, kind, "n", Selector(), page)
                self.pages += 1
                start = metadata.get("continue", "")
            except StatusError as error:
                assert error.code == 410
                self.expired += 1
                start = error.metadata["continue"]
            await asyncio.sleep(random.choice((0.0, 0.02, 0.1)))

    def report(self) -> None:
        """One line of what is in use now."""
        path = self._store.path
        sizes = {"file": path.stat().st_size, "log": path.with_name(f"{path.name}-wal").stat().st_size}
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        print(json.dumps({"updates": self._updates - self._left, "resident": resident, **sizes}), flush=True)


class Watcher:
    """A cursor, as `watches.Watch` has one."""

    def __init__(self, churn: Churn, store: Store, resource: str) -> None:
        self._churn, self._resource = churn, resource
        self._history, self._cursor = store.collection(resource).history, store.revision

    def __call__(self) -> None:
        try:
            events = self._history.since(self._cursor)
        except Compacted as gone:
            self._churn.behind += 1
            self._cursor = gone.since
            return
        for event in events:
            assert event.revision > self._cursor
            self._cursor = event.revision
            self._churn.told[self._resource] += 1


async def main(path: Path, updates: int, keep: int) -> None:
    """Open, change, report, close."""
    started = time.process_time()
    store = Store(path, keep)
    opened = time.process_time() - started
    store.start()
    churn = Churn(store, updates)
    await churn.run()
    assert churn.behind or churn.told == churn.written
    started = time.process_time()
    store.close()
    closed = time.process_time() - started
    facts = {"pages": churn.pages, "expired": churn.expired, "behind": churn.behind, "told": sum(churn.told.values())}
    sizes = {"file": path.stat().st_size, "opened": opened, "closed": closed}
    print(json.dumps({**facts, **sizes}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
