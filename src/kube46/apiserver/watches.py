"""Watch: a client's cursor through a resource's history, as a stream of events.

Source: the concepts page "Kubernetes API Concepts", KEP-956 (bookmarks), KEP-3157 (sendInitialEvents).
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kube46.apiserver import statuses
from kube46.apiserver.history import Compacted
from kube46.apiserver.options import flag, integer, optional_flag
from kube46.apiserver.reads import fresh, revision_of
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import decode
from kube46.apiserver.views import AT_ONCE, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kube46.apiserver.connections import Stream
    from kube46.apiserver.database import Event
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.selectors import Selector
    from kube46.apiserver.storage import Store
    from kube46.apiserver.views import View
    from kube46.apiserver.views_protobuf import ProtobufView

BOOKMARK_SECONDS = 60.0
TIMEOUT_SECONDS = (1800, 3600)  # of a watch that names none: random between, so that they don't all end at once
SHARED_EVENTS = 64  # a client that catches up with more has its bytes for itself
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Options:
    """What a watch asks for; `revision` None starts with what there is now."""

    revision: int | None
    any_revision: bool  # resourceVersion=0
    bookmarks: bool
    initial: bool | None  # sendInitialEvents
    seconds: float

    @classmethod
    def parse(cls, query: dict[str, str]) -> Options:
        """From the query, which `options` has let pass."""
        bookmarks, initial = flag(query, "allowWatchBookmarks"), optional_flag(query, "sendInitialEvents")
        asked = integer(query, "timeoutSeconds")
        version = query.get("resourceVersion", "")
        # not for secrets: spreads the moments at which clients come back
        seconds = asked or random.uniform(*TIMEOUT_SECONDS)  # noqa: S311
        return cls(revision_of(version), version == "0", bookmarks, initial, seconds)


class Watch:
    """One client's watch; `prepare` it, then let it `serve` a stream."""

    _out: Stream

    def __init__(
        self, store: Store, kind: Kind, namespace: str, selector: Selector, options: Options,
        view: View | ProtobufView, over: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._store, self._kind, self._selector = store, kind, selector
        self._namespace, self._prefix = namespace, f"{namespace}/" if namespace else ""
        self._options, self._view, self._over = options, view, over
        self._history = store.collection(kind.resource).history
        self._cursor = 0
        self._alike = f"{view.shared} {namespace} {selector}" if view.shared else ""
        self._attention, self._ended = asyncio.Event(), False
        self._refusal: StatusError | None = None

    async def prepare(self) -> None:
        """Wait for the revision that the present state is to be of; other refusals are events of the watch, too."""
        if self._options.initial:
            try:
                await fresh(self._store, self._options.revision)
            except StatusError as error:
                self._refusal = error

    async def serve(self, out: Stream) -> None:
        """Write events as they come, until the watch's time-out, the server's end, or that it falls behind.

        Most are written by `_push`, which the history calls; this coroutine only waits for what takes time: a client
        that reads slowly, bookmarks, the end. Raises TimeoutError for a client that does not read at all.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._options.seconds
        bookmark = loop.time() + BOOKMARK_SECONDS * random.uniform(0.8, 1.0)  # noqa: S311  spreads the load
        self._out = out
        if self._refusal is not None:
            out.write(self._view.error(self._refusal.body()))
            return
        if self._options.seconds < 0:
            return
        async for lines in self._initial():
            out.write(lines)
            await out.drained()
            await asyncio.sleep(0)
        self._history.listeners.add(self._push)
        try:
            while not self._over():
                await out.drained()
                await self._catch_up()
                if self._ended or loop.time() >= end:
                    break
                if self._options.bookmarks and loop.time() >= bookmark:
                    bookmark = loop.time() + BOOKMARK_SECONDS
                    out.write(self._bookmark())
                await self._wait(min(end, bookmark if self._options.bookmarks else end) - loop.time())
        finally:
            self._history.listeners.discard(self._push)
        # when the server stops there may be changes that this client was not told of: no bookmark must pass them
        if self._options.bookmarks and not self._ended and not self._over():
            out.write(self._bookmark())

    async def _catch_up(self) -> None:
        """Write what happened until now."""
        self._push()

    async def _selected(self, values: list[bytes]) -> list[bytes]:
        """Those of the stored objects that are watched, in the version that is asked for."""
        return [value for value in values if self._selector.matches(value)] if self._selector else values

    async def _wait(self, seconds: float) -> None:
        self._attention.clear()
        if self._out.full:
            return
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._attention.wait()
        except TimeoutError:
            pass

    def _push(self) -> None:
        """Write what happened since the last time; a client that does not keep up is left to `serve`."""
        if self._out.full or self._over() or self._ended:
            self._attention.set()
            return
        try:
            events = self._history.since(self._cursor)
        except Compacted as gone:
            self._out.write(self._view.error(too_old(self._cursor, gone.since).body()))
            self._ended = True
            self._attention.set()
            return
        if events and (lines := self._lines(events)):
            self._out.write(lines)

    def _lines(self, events: list[Event]) -> bytes:
        """The bytes for these events, made once for all watches that are shown the same."""
        key = (self._cursor, self._alike)
        self._cursor = events[-1].revision
        if self._alike and (found := self._history.shared.get(key)) is not None:
            return found
        lines = b"".join([self._line(event) for event in events])
        if self._alike and len(events) < SHARED_EVENTS:
            self._history.shared[key] = lines
        return lines

    async def _initial(self) -> AsyncIterator[bytes]:
        """The present state as ADDED events, unless the client continues from a revision it knows.

        Comes in pieces: others get their turn between them. What happens meanwhile is told afterwards.
        """
        if self._options.revision is not None and self._options.initial is not True:
            self._cursor = self._options.revision
            return
        self._cursor = self._store.revision
        if self._options.initial is False:
            return
        collection = self._store.collection(self._kind.resource)
        end = self._bookmark(initial=True) if self._options.initial and self._options.bookmarks else b""
        values = [collection.records[key].value for key in collection.under(self._namespace)]
        for start in range(0, len(values), AT_ONCE):
            some = await self._selected(values[start : start + AT_ONCE])
            yield b"".join([self._view.event("ADDED", value) for value in some])
        yield end

    def _line(self, event: Event) -> bytes:
        """What this client is told of a change; leaving the selection is a deletion, entering it an addition."""
        if not event.key.startswith(self._prefix):
            return b""
        if not self._selector:
            return self._view.event(event.type, event.value)
        was = event.old is not None and self._selector.matches(event.old)
        if event.type == "DELETED":
            return self._view.event("DELETED", event.value) if was else b""
        if self._selector.matches(event.value):
            return self._view.event("MODIFIED" if was else "ADDED", event.value)
        if was and event.old is not None:
            return self._view.event("DELETED", _at_revision(event.old, event.revision))
        return b""

    def _bookmark(self, *, initial: bool = False) -> bytes:
        """An empty object whose resourceVersion says how far the client has seen everything."""
        self._cursor = max(self._cursor, self._store.revision)
        meta: dict[str, object] = {"resourceVersion": str(self._cursor), "creationTimestamp": None}
        if initial:
            meta["annotations"] = {INITIAL_EVENTS_END: "true"}
        return self._view.bookmark(meta)


def _at_revision(value: bytes, revision: int) -> bytes:
    obj = decode.decode(value)
    obj["metadata"]["resourceVersion"] = str(revision)
    return encode(obj)


def too_old(revision: int, since: int) -> StatusError:
    """410 for a watch that has fallen behind what is kept."""
    return statuses.gone(f"too old resource version: {revision} ({since})")
