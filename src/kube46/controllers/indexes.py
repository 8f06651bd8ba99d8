"""Indexes over a cache: from a property of objects to the keys of the objects that have it.

A change of one object costs the number of its own properties, whatever the number of objects.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from kube46.api.objects import Object
from kube46.kubernetes.caches import Cache, Key

T = TypeVar("T", bound=Object)
P = TypeVar("P", bound=Hashable)


class Index(Generic[P, T]):
    """Keys of the cache's objects by property; made before any listener that reads it, so that it is never behind."""

    def __init__(self, cache: Cache[T], properties: Callable[[T], Iterable[P]]) -> None:
        self._cache, self._properties = cache, properties
        self._keys: dict[P, set[Key]] = {}
        cache.listen(self._changed)

    def keys(self, value: P) -> set[Key]:
        """The keys of the objects that have the property; not to be changed by the caller."""
        return self._keys.get(value, set())

    def objects(self, value: P) -> list[T]:
        """The objects that have the property."""
        return [self._cache[key] for key in self.keys(value) if key in self._cache]

    def _changed(self, old: T | None, new: T | None) -> None:
        before = set(self._properties(old)) if old is not None else set()
        after = set(self._properties(new)) if new is not None else set()
        key = (new if new is not None else old).key  # type: ignore[union-attr]
        for value in before - after:
            keys = self._keys[value]
            keys.discard(key)
            if not keys:
                del self._keys[value]
        for value in after - before:
            self._keys.setdefault(value, set()).add(key)
