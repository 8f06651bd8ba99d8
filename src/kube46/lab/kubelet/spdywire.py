"""A SPDY connection on any pipe, the server's side: streams are accepted and pings answered, the rest is events."""

from collections.abc import AsyncIterator

from kube46.lab.kubelet.spdy import Event, Frames, Goodbye, Opened, Ping, SpdyError, Why
from kube46.lab.kubelet.wire import Closed, Pipe


class Spdy:
    """The sibling of `wire.WebSocket`: what comes is `events`, what goes is by stream."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe, self._frames = pipe, Frames()

    async def events(self) -> AsyncIterator[Event]:
        """What the client does until it says goodbye, breaks off, or sends what is no SPDY.

        As long as the consumer works on an event nothing more is read: the client then waits, by TCP's own window.
        """
        try:
            while data := await self._pipe.read():
                for event in self._frames.receive(data):
                    if isinstance(event, Ping):
                        await self._pipe.write(self._frames.ping(event.number))
                    elif isinstance(event, Goodbye):
                        return
                    else:
                        if isinstance(event, Opened):
                            await self._pipe.write(self._frames.reply(event.stream))
                        yield event
        except (SpdyError, Closed):
            return

    async def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Bytes on a stream; `end`: the last. Raises Closed."""
        await self._pipe.write(self._frames.data(stream, data, end=end))

    async def reset(self, stream: int, why: Why = Why.CANCEL) -> None:
        """Give a stream up. Raises Closed."""
        await self._pipe.write(self._frames.reset(stream, why))
