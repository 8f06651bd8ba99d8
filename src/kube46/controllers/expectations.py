"""Writes that a cache does not show yet.

A loop that decides from a cache must not decide while its own last writes are missing there, or it makes things twice.
It notes each write here and asks `pending` first. A write that never shows up is forgotten after `PATIENCE` seconds:
the object may have come and gone while the watch was broken.

Source: the idea of kubernetes/pkg/controller/controller_utils.go (`ControllerExpectations`) and
endpointslice/util/endpointslice_tracker.go; resourceVersions are compared as numbers (KEP-5504).
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kube46.api.objects import Object
from kube46.kubernetes.caches import Cache, Key

O = TypeVar("O", bound=Hashable)  # noqa: E741 – owner
T = TypeVar("T", bound=Object)
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class _Expected(Generic[O]):
    """`version` is the resourceVersion to see at least; None waits for the deletion of `uid`."""

    owner: O
    uid: str
    version: int | None
    deadline: float


class Expectations(Generic[O, T]):
    """Outstanding writes by the owner they were made for.

    `wake(owner)` is called when the last one has shown up, if `pending(owner)` was asked and true meanwhile.
    """

    def __init__(self, cache: Cache[T], wake: Callable[[O], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._cache, self._wake, self._clock = cache, wake, clock
        self._expected: dict[Key, _Expected[O]] = {}
        self._keys: dict[O, set[Key]] = {}
        self._asked: set[O] = set()

    def follow(self) -> None:
        """Listens to the cache from now on; call it after listeners that ask `expects`."""
        self._cache.listen(self._changed)

    def wrote(self, owner: O, written: T) -> None:
        """`written` is what the server answered to a create or update."""
        self._note(written.key, _Expected(owner, written.metadata.uid, _number(written), self._clock() + PATIENCE))

    def deleted(self, owner: O, target: T) -> None:
        """The server accepted the deletion of `target`."""
        self._note(target.key, _Expected(owner, target.metadata.uid, None, self._clock() + PATIENCE))

    def pending(self, owner: O) -> bool:
        """Whether a write for `owner` is still missing in the cache."""
        for key in list(self._keys.get(owner, ())):
            if self._expected[key].deadline < self._clock():
                self._forget(key)
        if owner not in self._keys:
            return False
        self._asked.add(owner)
        return True

    def expects(self, shown: T) -> bool:
        """Whether `shown` is exactly what was last written."""
        expected = self._expected.get(shown.key)
        return expected is not None and expected.version == _number(shown)

    def _note(self, key: Key, expected: _Expected[O]) -> None:
        self._forget(key)
        if not _shown(expected, self._cache.get(key)):
            self._expected[key] = expected
            self._keys.setdefault(expected.owner, set()).add(key)

    def _changed(self, old: T | None, new: T | None) -> None:
        key = (new if new is not None else old).key  # type: ignore[union-attr]
        expected = self._expected.get(key)
        # An object that vanished was created and deleted: waiting on would be in vain.
        if expected and (new is None or _shown(expected, new)):
            self._forget(key)
            if expected.owner not in self._keys and expected.owner in self._asked:
                self._asked.discard(expected.owner)
                self._wake(expected.owner)

    def _forget(self, key: Key) -> None:
        expected = self._expected.pop(key, None)
        if expected:
            keys = self._keys[expected.owner]
            keys.discard(key)
            if not keys:
                del self._keys[expected.owner]


def _shown(expected: _Expected[O], cached: T | None) -> bool:
    if expected.version is None:
        return cached is None or cached.metadata.uid != expected.uid or cached.metadata.deletion_timestamp is not None
    return cached is not None and _number(cached) >= expected.version


def _number(value: Object) -> int:
    text = value.metadata.resource_version
    return int(text) if text.isdigit() else 0
