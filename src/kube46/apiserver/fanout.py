"""Telling a thousand listeners without letting anybody else wait: a few at a time, requests are served between.

A listener that is told late finds all that happened meanwhile, so when changes come faster than the listeners can be
told, each is told less often, of more at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = 50  # listeners in a row: about a millisecond


class Fanout:
    """The listeners of one resource; each is a function that must not fail or wait."""

    def __init__(self) -> None:
        self._listeners: dict[Callable[[], None], None] = {}
        self._todo: deque[Callable[[], None]] = deque()
        self._again = self._running = False

    def add(self, listener: Callable[[], None]) -> None:
        """Tell this one, too."""
        self._listeners[listener] = None

    def discard(self, listener: Callable[[], None]) -> None:
        """No longer."""
        self._listeners.pop(listener, None)

    def wake(self) -> None:
        """Tell all of them, soon."""
        self._again = True
        if not self._running and self._listeners:
            self._running = True
            asyncio.get_running_loop().call_soon(self._some)

    def _some(self) -> None:
        if not self._todo and self._again:
            self._again = False
            self._todo.extend(self._listeners)
        for _ in range(min(AT_ONCE, len(self._todo))):
            listener = self._todo.popleft()
            if listener in self._listeners:
                listener()
        self._running = bool(self._todo) or self._again
        if self._running:
            asyncio.get_running_loop().call_soon(self._some)
