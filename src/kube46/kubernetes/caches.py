"""A copy of the cluster's objects, kept up to date by list and watch.

A `Cache` survives everything: it lists, watches from there, resumes after a broken watch, and lists again when its
revision is too old. Listeners hear of differences only, also after a second list.
"""

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

import msgspec

from kube46.api.objects import Object
from kube46.api.resources import Resource
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError, Gone, KubernetesError
from kube46.kubernetes.queues import delay, keep

T = TypeVar("T")
Key = tuple[str, str]
Listener = Callable[[T | None, T | None], None]
log = logging.getLogger(__name__)


def key_of(value: Any) -> Key:
    """(namespace, name) of an object, typed or a dictionary."""
    if isinstance(value, msgspec.Struct):
        return sys.intern(value.metadata.namespace), value.metadata.name  # type: ignore[attr-defined]
    metadata = value["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(value: Any) -> str:
    """The resourceVersion of an object, typed or a dictionary."""
    if isinstance(value, Object):
        return value.metadata.resource_version
    return cast("str", value["metadata"].get("resourceVersion", ""))


class Cache(Mapping[Key, T], Generic[T]):
    """The objects of one resource by (namespace, name).

    Where the resource says what is `kept`, an object is a few hundred bytes, read anew each time that it is asked for.
    """

    def __init__(
        self, client: Client, resource: Resource[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> None:
        self.resource = resource
        self.synced = asyncio.Event()
        self._client, self._namespace, self._labels, self._fields = client, namespace, labels, fields
        self._fetched: Resource[Any] = resource
        if resource.kept:
            self._fetched = replace(self._fetched, type=cast("Any", resource.kept))
        self._reader = msgspec.msgpack.Decoder(resource.type) if resource.kept else None
        self._objects: dict[Key, Any] = {}  # objects, or what `_packed` made of them
        self._listeners: list[Listener[T]] = []

    def __getitem__(self, key: Key) -> T:
        return self._read(self._objects[key])

    def __contains__(self, key: object) -> bool:
        return key in self._objects

    def __iter__(self) -> Iterator[Key]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def listen(self, listener: Listener[T]) -> None:
        """Calls `listener(old, new)` on each change from now on, and once for each object already here."""
        self._listeners.append(listener)
        for value in list(self._objects.values()):
            listener(None, self._read(value))

    async def run(self) -> None:
        """Keeps the copy up to date; never returns. A listener that fails is told again, after a new list."""
        await keep(f"cache of {self.resource.plural}", self._follow)

    async def _follow(self) -> None:
        failures = 0
        version = said = ""
        while True:
            try:
                if not version:
                    version = await self._list()
                    said = ""
                async for event in self._client.watch(
                    self._fetched,
                    self._namespace,
                    resource_version=version,
                    labels=self._labels,
                    fields=self._fields,
                ):
                    failures, said = 0, ""
                    version = event.resource_version
                    if event.type != "BOOKMARK":
                        gone = event.type == "DELETED" or event.object is None
                        self._set(event.key, None if gone else self._packed(event.object))
                # A server that ends watches at once must not make us spin.
                await asyncio.sleep(0.05)
            except Gone:
                version = ""
                await asyncio.sleep(0.05)
            except KubernetesError as error:
                failures += 1
                if str(error) != said:  # a server that is away for a while would fill the log
                    said = str(error)
                    log.warning("Watch broke and is resumed resource=%s error=%s", self.resource.plural, error)
                told = error.retry_after if isinstance(error, ApiError) else 0.0
                await asyncio.sleep(max(min(delay(failures), 2.0), told))

    async def _list(self) -> str:
        fresh: dict[Key, Any] = {}
        version = ""
        async for page in self._client.pages(self._fetched, self._namespace, labels=self._labels, fields=self._fields):
            fresh.update((key_of(item), self._packed(item)) for item in page.items)
            version = page.resource_version
        for gone in self._objects.keys() - fresh.keys():
            self._set(gone, None)
        for key, value in fresh.items():
            if key not in self._objects or version_of(self[key]) != version_of(self._read(value)):
                self._set(key, value)
        self.synced.set()
        return version

    def clear(self) -> None:
        """Forget everything: the resource is no longer served."""
        for key in list(self._objects):
            self._set(key, None)

    def _packed(self, value: Any) -> Any:
        return value if self._reader is None else msgspec.msgpack.encode(value)

    def _read(self, value: Any) -> T:
        return cast("T", value) if self._reader is None else self._reader.decode(value)

    def _set(self, key: Key, new: Any) -> None:
        old = self._objects.pop(key, None)
        if new is not None:
            self._objects[key] = new
        if old is None and new is None:
            return
        try:
            before, after = (None if value is None else self._read(value) for value in (old, new))
            for listener in self._listeners:
                listener(before, after)
        except Exception:
            self._objects.pop(key, None)  # as it was: the difference is still to be told
            if old is not None:
                self._objects[key] = old
            raise


class Caches:
    """One cache a resource, shared by all parts of a process and started when first asked for."""

    def __init__(self, client: Client, group: asyncio.TaskGroup) -> None:
        self._client, self._group = client, group
        self._caches: dict[tuple[Any, ...], Cache[Any]] = {}
        self._running: dict[tuple[Any, ...], asyncio.Task[None]] = {}

    def of(self, resource: Resource[T], namespace: str = "", *, labels: str = "", fields: str = "") -> Cache[T]:
        """The cache of a resource (in all namespaces when none is named) and selectors."""
        place = (resource.group, resource.plural, resource.type, resource.kept, namespace, labels, fields)
        if place not in self._caches:
            cache = Cache(self._client, resource, namespace, labels=labels, fields=fields)
            self._caches[place] = cache
            self._running[place] = self._group.create_task(cache.run())
        return self._caches[place]

    def drop(self, resource: Resource[Any]) -> None:
        """End the cache of a resource that is gone, all of it; its listeners are told that its objects are."""
        place = (resource.group, resource.plural, resource.type, resource.kept, "", "", "")
        if (task := self._running.pop(place, None)) is not None:
            task.cancel()
            self._caches.pop(place).clear()

    async def filled(self, *resources: Resource[Any]) -> None:
        """Returns when the caches of these resources hold a first full list."""
        for cache in [self.of(resource) for resource in resources]:
            await cache.synced.wait()

    async def synced(self) -> None:
        """Returns when every cache asked for so far holds a first full list."""
        for cache in list(self._caches.values()):
            await cache.synced.wait()
        # What is here now stays for long: a full collection over 100,000 objects would stop the process for seconds.
        gc.collect()
        gc.freeze()
