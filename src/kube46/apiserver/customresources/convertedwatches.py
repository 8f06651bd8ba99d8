"""Watches of kinds that a webhook converts: events are told in their order, once they are converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kube46.apiserver.history import Compacted
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.views import AT_ONCE
from kube46.apiserver.watches import Watch, too_old

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kube46.apiserver.connections import Stream
    from kube46.apiserver.customresources.conversions import Conversions
    from kube46.apiserver.database import Event


class ConvertedWatch(Watch):
    """Waits for each batch of events to be converted before it is written."""

    conversions: Conversions

    async def serve(self, out: Stream) -> None:
        """As `Watch`; what can't be converted ends the watch with an error that says why."""
        try:
            await super().serve(out)
        except StatusError as error:
            out.write(self._view.error(error.body()))

    def _push(self) -> None:
        """Only wake the one who may wait."""
        self._attention.set()

    async def _catch_up(self) -> None:
        while not self._ended and self._history.newest > self._cursor:
            try:
                events = self._history.since(self._cursor)[:AT_ONCE]
            except Compacted as gone:
                self._out.write(self._view.error(too_old(self._cursor, gone.since).body()))
                self._ended = True
                return
            some = await self._converted(events)
            self._out.write(b"".join([self._line(event) for event in some]))
            self._cursor = events[-1].revision
            await self._out.drained()

    async def _converted(self, events: Sequence[Event]) -> list[Event]:
        """What they show now and, for who selects, what they showed before: all in the version that is asked for."""
        values = iter(await self.conversions.shown(self._kind, [event.value for event in events]))
        olds = [event.old for event in events if event.old is not None] if self._selector else []
        before = iter(await self.conversions.shown(self._kind, olds))
        return [
            msgspec.structs.replace(
                event, value=next(values), old=next(before) if self._selector and event.old is not None else event.old
            )
            for event in events
        ]

    async def _selected(self, values: list[bytes]) -> list[bytes]:
        early, late = self._selector.parted(self._kind.fields)
        shown = await self.conversions.shown(self._kind, [value for value in values if early.matches(value)])
        return [value for value in shown if late.matches(value)]

    async def _wait(self, seconds: float) -> None:
        if self._history.newest <= self._cursor:
            await super()._wait(seconds)
