"""Pods that fit nowhere: which filters refused them, when they are tried again, and what has been said of them.

A change that cannot help a pod does not wake it, and one that fails again and again waits longer each time.
Source: kubernetes/pkg/scheduler/backend/queue/scheduling_queue.go.
"""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from kube46.kubernetes.caches import Key

# Upstream begins at 1 s; a cluster on one machine is small and its people wait for it.
FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0
TELL_AGAIN_SECONDS = 60.0


@dataclass(slots=True)
class _Entry:
    """What is known of one pod; times are of the monotonic clock."""

    filters: Collection[str] = ()
    tries: int = 0
    tried: float = 0.0
    message: str = ""
    told: float = field(default=float("-inf"))


class Waiting:
    """The pods by key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}

    def refuse(self, key: Key, filters: Collection[str]) -> None:
        """A try has failed; changes that these filters look at may help."""
        entry = self._entries.setdefault(key, _Entry())
        entry.filters, entry.tries, entry.tried = filters, entry.tries + 1, self._clock()

    def tell(self, key: Key, message: str) -> bool:
        """Whether it is time to say this of a pod that was refused: it is new, or long ago."""
        entry = self._entries[key]
        if entry.message == message and self._clock() - entry.told < TELL_AGAIN_SECONDS:
            return False
        entry.message, entry.told = message, self._clock()
        return True

    def forget(self, key: Key) -> None:
        """The pod has a node, or is gone."""
        self._entries.pop(key, None)

    def wake(self, filters: Collection[str] | None = None) -> Iterator[tuple[Key, float]]:
        """The pods refused by one of the filters (None: by any), and seconds until each may be tried again."""
        now = self._clock()
        for key, entry in self._entries.items():
            if filters is None or any(name in filters for name in entry.filters):
                pause: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(entry.tries - 1, 20))
                yield key, max(0.0, entry.tried + pause - now)
