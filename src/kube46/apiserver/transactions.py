"""A transaction: several objects changed in one atomic commit (the `Transaction` that strategies are given)."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from kube46.apiserver import statuses
from kube46.apiserver.database import Event, Write
from kube46.apiserver.kinds import stored_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kube46.apiserver.storage import Store
    from kube46.apiserver.strategy import Object, Transaction

T = TypeVar("T")
decode: msgspec.json.Decoder[Object] = msgspec.json.Decoder(dict)


_frozen = ""


def now() -> str:
    """The present second as Kubernetes writes it."""
    return _frozen or f"{datetime.now(UTC).isoformat()[:19]}Z"  # strftime asks the file system for the time zone


@contextmanager
def frozen(instant: str) -> Iterator[None]:
    """Within, `now` is this instant; nothing may be awaited."""
    global _frozen
    before, _frozen = _frozen, instant
    try:
        yield
    finally:
        _frozen = before


def copied(obj: Object) -> Object:
    """A copy of an object of JSON, whose numbers and texts JSON can hold; a tenth of the time of `copy.deepcopy`."""
    return decode.decode(msgspec.json.encode(obj))


def key_of(namespace: str, name: str) -> str:
    """An object's key within its resource."""
    return f"{namespace}/{name}" if namespace else name


class Txn:
    """Changes on top of the newest staged state, not seen by anyone until committed; never await while one is open."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.base = self.revision = store.head
        self._changes: dict[tuple[str, str], tuple[int, Object | None]] = {}
        self._pools: dict[tuple[str, str], str | None] = {}
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> Txn:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.abandon()

    def abandon(self) -> None:
        """Throw the changes away and let those who asked take back what they did beside them."""
        while self._undo:
            self._undo.pop()()

    def undo(self, callback: Callable[[], None]) -> None:
        """Call back if the changes are thrown away."""
        self._undo.append(callback)

    def memory(self, name: str, build: Callable[[Transaction], T]) -> T:
        """An object that lives as long as the store."""
        if name not in self._store.memories:
            self._store.memories[name] = build(self)
        found: T = self._store.memories[name]
        return found

    # Reading

    def get(self, plural: str, name: str, namespace: str = "") -> Object | None:
        """A fresh copy of an object, or None."""
        return self._get(plural, key_of(namespace, name))

    def _get(self, plural: str, key: str) -> Object | None:
        if (plural, key) in self._changes:
            found = self._changes[plural, key][1]
            return None if found is None else decode.decode(msgspec.json.encode(found))
        record = self._store.staged(plural, key)
        return None if record is None else decode.decode(record.value)

    def exists(self, plural: str, name: str, namespace: str = "") -> bool:
        """Whether there is such an object; cheap."""
        key = key_of(namespace, name)
        if (plural, key) in self._changes:
            return self._changes[plural, key][1] is not None
        return self._store.staged(plural, key) is not None

    def list(self, plural: str, namespace: str = "") -> Iterator[Object]:
        """Fresh copies of all objects, by key."""
        keys = set(self._store.staged_keys(plural, namespace))
        prefix = f"{namespace}/" if namespace else ""
        keys |= {key for resource, key in self._changes if resource == plural and key.startswith(prefix)}
        for key in sorted(keys):
            if (obj := self._get(plural, key)) is not None:
                yield obj

    # Writing

    def create(self, plural: str, obj: Object) -> Object:
        """Add an object; fills uid and creationTimestamp; raises StatusError 409 AlreadyExists."""
        meta = obj.setdefault("metadata", {})
        name, namespace = meta["name"], meta.get("namespace", "")
        if self.exists(plural, name, namespace):
            raise statuses.already_exists(stored_as(plural), name)
        meta.setdefault("uid", str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", now())
        return self._put(plural, obj)

    def update(self, plural: str, obj: Object) -> Object:
        """Replace an object, which gets a new resourceVersion."""
        return self._put(plural, obj)

    def _put(self, plural: str, obj: Object) -> Object:
        self.revision += 1
        obj.pop("apiVersion", None)  # stored without: lists and single answers differ only in them
        obj.pop("kind", None)
        meta = obj["metadata"]
        meta["resourceVersion"] = str(self.revision)
        self._change((plural, key_of(meta.get("namespace", ""), meta["name"])), obj)
        return obj

    def delete(self, plural: str, name: str, namespace: str = "") -> bool:
        """Remove an object at once; False if there was none."""
        if not self.exists(plural, name, namespace):
            return False
        self.revision += 1
        self._change((plural, key_of(namespace, name)), None)
        return True

    def _change(self, place: tuple[str, str], obj: Object | None) -> None:
        self._changes.pop(place, None)  # the order of changes is the order of revisions
        self._changes[place] = (self.revision, obj)

    # Pools

    def reserve(self, pool: str, name: str, owner: str) -> bool:
        """Take a name of a durable pool; False if it is taken."""
        if self._owner(pool, name) is not None:
            return False
        self._pools[pool, name] = owner
        return True

    def _owner(self, pool: str, name: str) -> str | None:
        if (pool, name) in self._pools:
            return self._pools[pool, name]
        return self._store.pool(pool).get(name)

    def release(self, pool: str, name: str) -> None:
        """Give a name back."""
        if self._owner(pool, name) is not None:
            self._pools[pool, name] = None

    def reserved(self, pool: str) -> Mapping[str, str]:
        """name → owner of everything taken."""
        base = self._store.pool(pool)
        changed = {name: owner for (where, name), owner in self._pools.items() if where == pool}
        if not changed:
            return base
        return {name: owner for name, owner in ({**base, **changed}).items() if owner is not None}

    # The result

    def writes(self) -> tuple[Write, ...]:
        """What is to be committed, in order of revision."""
        pools = tuple(
            Write(f"!{pool}", name, self.base, None if owner is None else owner.encode(), None)
            for (pool, name), owner in self._pools.items()
        )
        if pools and not self._changes:
            self.revision += 1
        objects = (self._write(*place, *change) for place, change in self._changes.items())
        return pools + tuple(write for write in objects if write is not None)

    def _write(self, plural: str, key: str, revision: int, obj: Object | None) -> Write | None:
        before = self._store.staged(plural, key)
        old = None if before is None else before.value
        if obj is None:
            if old is None:  # created and removed in the same transaction
                return None
            last = decode.decode(old)
            last["metadata"]["resourceVersion"] = str(revision)
            return Write(plural, key, revision, None, Event(revision, "DELETED", key, msgspec.json.encode(last), old))
        value = msgspec.json.encode(obj)
        event = Event(revision, "ADDED" if old is None else "MODIFIED", key, value, old)
        return Write(plural, key, revision, value, event)
