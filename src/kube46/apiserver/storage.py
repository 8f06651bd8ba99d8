"""All objects, as JSON bytes in memory, and the way of a change: staged, made durable, then seen by readers.

Everything here runs on the event loop; only `Database` has a thread. Readers see committed state only. A transaction
reads committed state with all staged changes on top, so requests are served one after the other without waiting for
the disk. When a commit fails (full disk), everything staged is dropped and every waiting request is refused.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left, insort
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kube46.apiserver.database import Batch, Database, Write
from kube46.apiserver.history import KEEP_EVENTS, History
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import Txn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

NO_SPACE = "etcdserver: mvcc: database space exceeded"  # what kube-apiserver hands on


class Record(msgspec.Struct, gc=False, frozen=True):
    """A stored object: JSON without apiVersion and kind, its revision within.

    The garbage collector does not look at it: with 100,000 objects its rounds would stop the server for half a second.
    """

    revision: int
    value: bytes


class Collection:
    """The committed objects of one resource, ordered by key (`namespace/name`, or `name` when cluster-scoped)."""

    def __init__(self, compacted: int = 0, keep: int = KEEP_EVENTS) -> None:
        self.records: dict[str, Record] = {}
        self.keys: list[str] = []
        self.history = History(compacted, keep)

    def put(self, key: str, record: Record) -> None:
        """Add or replace."""
        if key not in self.records:
            insort(self.keys, key)
        self.records[key] = record

    def drop(self, key: str) -> None:
        """Remove, if present."""
        if self.records.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]

    @property
    def changed(self) -> int:
        """A number that differs after every change: the revision of the newest one that is known."""
        return self.history.newest

    def under(self, namespace: str) -> list[str]:
        """The keys in a namespace; all keys for ""."""
        if not namespace:
            return self.keys
        # "0" is the character after "/"
        return self.keys[bisect_left(self.keys, f"{namespace}/") : bisect_left(self.keys, f"{namespace}0")]

    def at(self, revision: int, namespace: str = "") -> tuple[list[str], Callable[[str], bytes]]:
        """The objects as they were at a revision: keys in order, and a key's value; raises Compacted.

        Costs what changed since then, not what there is: a page is asked for as often as there are pages.
        """
        prefix = f"{namespace}/" if namespace else ""
        later = self.history.since(revision)
        old = {event.key: event.old for event in reversed(later) if event.key.startswith(prefix)}
        keys = self.under(namespace)
        made = {key for key, value in old.items() if value is None}
        gone = old.keys() - made - self.records.keys()
        if made or gone:
            keys = sorted((set(keys) - made) | gone)
        return keys, lambda key: old.get(key) or self.records[key].value


class _Staged(NamedTuple):
    batch: Batch
    future: asyncio.Future[None]


class Store:
    """The storage of the server; open one per data file. `keep`: how many changes of a resource stay at least."""

    def __init__(self, path: Path, keep: int = KEEP_EVENTS) -> None:
        self.path = path
        self._keep = keep
        self._database = Database(path)
        self._compacted = self._database.compacted()
        self._collections: dict[str, Collection] = {}
        self.listeners: dict[str, Callable[[], None]] = {}  # resource → who is told of commits before those who wait
        self.memories: dict[str, Any] = {}  # indexes that strategies keep (Transaction.memory)
        self._pools: dict[str, dict[str, str]] = {}  # with everything staged; only transactions read pools
        self._committed_pools: dict[str, dict[str, str]] = {}
        self._overlay: dict[tuple[str, str], Record | None] = {}
        self._overlay_revisions: dict[tuple[str, str], int] = {}
        self._pending: list[_Staged] = []
        self._awaited: dict[asyncio.Future[None], int] = {}  # who waits for a revision
        self._epoch = 0
        self._known: set[str] = set()  # resources that there are or were objects of
        self._trim: dict[str, list[int]] = {}  # what is gone from memory, and is to go from the file
        self.revision = 1  # of the newest commit
        self._load()
        self.head = self.revision  # of the newest staged change

    def _load(self) -> None:
        for resource, key, revision, value in self._database.objects():
            if resource.startswith("!"):
                self._committed_pools.setdefault(resource[1:], {})[key] = value.decode()
            else:
                collection = self.collection(resource)
                collection.records[key] = Record(revision, value)
        for resource, collection in self._collections.items():
            collection.keys = sorted(collection.records)
            self._known.add(resource)
        self._load_events()
        self._pools = {name: dict(pool) for name, pool in self._committed_pools.items()}
        self.revision = max(1, int(self._database.meta("revision") or 0))

    def _load_events(self) -> None:
        """The log; a state that stands in it twice is in memory once, as when it came about."""
        newest: dict[tuple[str, str], bytes] = {}
        for resource, event in self._database.events():
            collection, old = self.collection(resource), newest.get((resource, event.key))
            record, value = collection.records.get(event.key), event.value
            if record is not None and record.revision == event.revision:
                value = record.value
            collection.history.append(
                msgspec.structs.replace(event, value=value, old=old if old == event.old else event.old)
            )
            newest[resource, event.key] = value

    def back_up(self) -> None:
        """Write FILE.backup: what is committed now, perhaps more."""
        self._database.back_up()

    def start(self) -> None:
        """Begin to accept writes; needs the running event loop."""
        loop = asyncio.get_running_loop()

        def done(batches: list[Batch], error: Exception | None) -> None:
            loop.call_soon_threadsafe(self._committed, batches, error)

        self._database.start(done)

    def close(self) -> None:
        """Commit what is staged and close the file."""
        self._database.close()

    # Reading committed state

    def collection(self, resource: str) -> Collection:
        """The committed objects of a resource (its plural name)."""
        if resource not in self._collections:
            compacted = self._compacted.get(resource, self._compacted.get("", 0))
            self._collections[resource] = Collection(compacted, self._keep)
        return self._collections[resource]

    def get(self, resource: str, key: str) -> Record | None:
        """One committed object."""
        return self.collection(resource).records.get(key)

    def counts(self) -> dict[str, int]:
        """resource → number of its objects."""
        return {resource: len(c.records) for resource, c in self._collections.items()}

    async def reached(self, revision: int, seconds: float) -> bool:
        """Wait until a revision is committed; False when it was not in so many seconds."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited[future] = revision
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        finally:
            del self._awaited[future]
        return True

    def wake_all(self) -> None:
        """Let every watcher look, because the server stops."""
        for collection in self._collections.values():
            collection.history.wake()

    # Reading with everything staged on top, for transactions

    def staged(self, resource: str, key: str) -> Record | None:
        """One object as the next transaction sees it."""
        if (resource, key) in self._overlay:
            return self._overlay[resource, key]
        return self.get(resource, key)

    def staged_keys(self, resource: str, namespace: str = "") -> Iterator[str]:
        """The keys of a resource as the next transaction sees them, in order."""
        keys = self.collection(resource).under(namespace)
        changed = {key: record for (name, key), record in self._overlay.items() if name == resource}
        if not changed:
            yield from tuple(keys)
            return
        prefix = f"{namespace}/" if namespace else ""
        added = {key for key, record in changed.items() if record is not None and key.startswith(prefix)}
        removed = {key for key, record in changed.items() if record is None}
        yield from sorted((set(keys) | added) - removed)

    def held(self, resource: str) -> bool:
        """Whether there are, or were since the start, objects of a resource."""
        return resource in self._known

    def holds(self, resource: str, namespace: str) -> bool:
        """Whether the next transaction may see an object of a resource in a namespace; asked at each write."""
        if resource not in self._known:
            return False
        keys, start = self.collection(resource).keys, f"{namespace}/"
        place = bisect_left(keys, start)
        if place < len(keys) and keys[place].startswith(start):
            return True
        return any(name == resource and key.startswith(start) for name, key in self._overlay)

    def pool(self, name: str) -> Mapping[str, str]:
        """A pool's names and their owners."""
        return MappingProxyType(self._pools.get(name, {}))

    # Writing

    def begin(self) -> Txn:
        """A transaction over the newest staged state; use it without awaiting, then `commit` it or drop it."""
        return Txn(self)

    async def commit(self, txn: Txn) -> None:
        """Make a transaction durable, then visible; raises StatusError 500 when the disk refuses."""
        writes = txn.writes()
        if not writes:
            return
        if txn.base != self.head:  # a programming error: somebody awaited between begin and commit
            message = f"transaction began at revision {txn.base}, storage is at {self.head}"
            raise RuntimeError(message)
        self.head = txn.revision
        for write in writes:
            self._stage(write)
        trim, self._trim = self._trim, {}
        batch = Batch(self._epoch, txn.revision, writes, trim)
        staged = _Staged(batch, asyncio.get_running_loop().create_future())
        self._pending.append(staged)
        self._database.submit(batch)
        # a client that goes away must not cancel what others' commits wait for
        await asyncio.shield(staged.future)

    def _stage(self, write: Write) -> None:
        if write.resource.startswith("!"):
            _put_in(self._pools, write)
            return
        place = write.resource, write.key
        self._known.add(write.resource)
        self._overlay[place] = None if write.value is None else Record(write.revision, write.value)
        self._overlay_revisions[place] = write.revision

    def _committed(self, batches: list[Batch], error: Exception | None) -> None:
        if error is not None:
            self._lost(error)
            return
        changed: set[str] = set()
        for batch in batches:
            for write in batch.writes:
                self._publish(write)
                changed.add(write.resource)
            self.revision = batch.revision
        for awaiting, revision in self._awaited.items():
            if revision <= self.revision and not awaiting.done():
                awaiting.set_result(None)
        try:
            for resource in changed:
                if not resource.startswith("!"):
                    self._tell(resource)
                if resource in self.listeners:
                    self.listeners[resource]()
        finally:  # what is durable is answered, even if a listener has a bug
            for _ in batches:
                future = self._pending.pop(0).future
                if not future.done():
                    future.set_result(None)

    def _publish(self, write: Write) -> None:
        if write.event is None:
            _put_in(self._committed_pools, write)
            return
        collection = self.collection(write.resource)
        if write.value is None:
            collection.drop(write.key)
        else:
            collection.put(write.key, Record(write.revision, write.value))
        collection.history.append(write.event)
        place = write.resource, write.key
        if self._overlay_revisions.get(place) == write.revision:
            del self._overlay[place], self._overlay_revisions[place]

    def _tell(self, resource: str) -> None:
        history = self.collection(resource).history
        if cut := history.trim():
            self._trim.setdefault(resource, []).extend(cut)
        history.wake()

    def _lost(self, error: Exception) -> None:
        """Drop everything staged: it rests on writes that the disk refused."""
        lost, self._pending = self._pending, []
        self._epoch += 1
        self._overlay.clear()
        self._overlay_revisions.clear()
        self.memories.clear()
        self.head = self.revision
        self._pools = {name: dict(pool) for name, pool in self._committed_pools.items()}
        for staged in lost:
            for resource, revisions in staged.batch.trim.items():
                self._trim[resource] = revisions + self._trim.get(resource, [])
            if not staged.future.done():
                staged.future.set_exception(self._refusal(error))

    def _refusal(self, error: Exception) -> StatusError:
        if "full" in str(error):
            text = f"{NO_SPACE}: the disk that holds {self.path} is full, nothing was written"
            return StatusError(500, "", text)
        text = f"Internal error occurred: {self.path} can't be written: {error}"
        return StatusError(500, "InternalError", text, {"causes": [{"message": str(error)}]})


def _put_in(pools: dict[str, dict[str, str]], write: Write) -> None:
    pool = pools.setdefault(write.resource[1:], {})
    if write.value is None:
        pool.pop(write.key, None)
    else:
        pool[write.key] = write.value.decode()
