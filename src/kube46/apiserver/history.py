"""The recent changes of one resource: what watches read, each with a cursor of its own.

No queue per watcher: a watcher that falls behind the kept window is told so (410 Gone) and lists again, so a slow
client can't make the server grow.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kube46.apiserver.fanout import Fanout

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from kube46.apiserver.database import Event

KEEP_EVENTS = 2048  # at least so many stay, unless they are bigger than so many times KEEP_BYTES
KEEP_BYTES = 2048


class Compacted(Exception):
    """The revision asked for is older than the kept window, which starts at `since`."""

    def __init__(self, since: int) -> None:
        super().__init__(since)
        self.since = since


class History:
    """Events in order of revision; `compacted` is the newest revision that is gone, `keep` how many stay."""

    def __init__(self, compacted: int = 0, keep: int = KEEP_EVENTS) -> None:
        self.compacted = compacted
        self._keep, self._keep_bytes = keep, keep * KEEP_BYTES
        self._events: list[Event] = []
        self._bytes = 0
        self.listeners = Fanout()
        self.shared: dict[object, bytes] = {}  # what several watches send alike, until the next change

    @property
    def newest(self) -> int:
        """The revision of the newest change, 0 when there was none."""
        return self._events[-1].revision if self._events else self.compacted

    def append(self, event: Event) -> None:
        """Add a committed change; call `wake` when all of its transaction are added."""
        self._events.append(event)
        self._bytes += _size(event)

    def wake(self) -> None:
        """Let watchers look."""
        self.shared.clear()
        self.listeners.wake()

    def since(self, revision: int) -> list[Event]:
        """All events after a revision; raises Compacted when some of them are gone."""
        if revision < self.compacted:
            raise Compacted(self.compacted)
        if not self._events or self._events[-1].revision <= revision:
            return []
        return self._events[bisect_right(self._events, revision, key=_revision) :]

    def trim(self) -> list[int]:
        """Forget the older half when the window is overfull; the revisions that are gone."""
        if len(self._events) <= 2 * self._keep and self._bytes <= 2 * self._keep_bytes:
            return []
        cut = 0
        last = len(self._events) - 1
        while len(self._events) - cut > self._keep or (self._bytes > self._keep_bytes and cut < last):
            self._bytes -= _size(self._events[cut])
            cut += 1
        gone = [event.revision for event in self._events[:cut]]
        del self._events[:cut]
        self.compacted = gone[-1]
        return gone


@contextmanager
def told(changed: asyncio.Event, *histories: History) -> Iterator[None]:
    """Inside the block an event is set after each change of these resources."""
    for history in histories:
        history.listeners.add(changed.set)
    try:
        yield
    finally:
        for history in histories:
            history.listeners.discard(changed.set)


def _revision(event: Event) -> int:
    return event.revision


def _size(event: Event) -> int:
    return len(event.value)
