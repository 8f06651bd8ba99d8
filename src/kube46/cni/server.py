"""The agent's socket: requests that plugin executables hand over, carried out by a few threads.

Memory stays bounded when a whole node's pods start at once: a few requests at a time, a bounded queue behind
them, and an error «try again later» beyond that.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from prometheus_client import Counter, Gauge, Histogram

from kube46.cni.errors import CniError, Code
from kube46.cni.handover import ELSEWHERE, LARGEST_REQUEST, SLOWEST_REQUEST, Handover, listen, own_namespace, parse
from kube46.cni.masquerading import Masquerading
from kube46.cni.plugin import Answer, answer, refusal
from kube46.cni.settings import Settings

log = logging.getLogger(__name__)
requests_total = Counter("kube46_cni_requests", "CNI requests by result", ["plugin", "verb", "status"])
request_seconds = Histogram(
    "kube46_cni_request_seconds",
    "Time from the receipt of a CNI request to its answer",
    ["plugin", "verb"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
waiting = Gauge("kube46_cni_requests_waiting", "CNI requests in progress or in the queue")


class Server:
    """Carries out requests. `serve` runs until cancelled and leaves nothing unfinished."""

    def __init__(self, settings: Settings, masquerading: Masquerading) -> None:
        self._settings, self._masquerading = settings, masquerading
        self._slots = asyncio.Semaphore(settings.workers)
        self._waiting = 0
        self._turns: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}
        self._namespace = own_namespace()
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="cni")

    async def serve(self) -> None:
        """Answer requests on the socket until cancelled."""
        listening = listen(self._settings.socket)
        listening.setblocking(False)
        try:
            server = await asyncio.start_unix_server(self._connected, sock=listening)
            async with server:
                log.info("CNI requests are served socket=%s", self._settings.socket)
                await server.serve_forever()
        finally:
            self._threads.shutdown()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SLOWEST_REQUEST):
                handover = parse(await _whole(reader))
            writer.write(await self._answered(handover))
            await writer.drain()
        except (ValueError, TimeoutError, OSError) as error:
            log.warning("A CNI request was dropped error=%s", error)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answered(self, handover: Handover) -> bytes:
        if handover.is_elsewhere(self._namespace):
            return ELSEWHERE
        if self._waiting >= self._settings.workers + self._settings.queue:
            return _bytes(_busy(handover, f"{self._waiting} requests wait already"))
        self._waiting += 1
        waiting.inc()
        try:
            with request_seconds.labels(handover.plugin[:20], handover.verb).time():
                found = await self._in_turn(handover)
        finally:
            self._waiting -= 1
            waiting.dec()
        requests_total.labels(handover.plugin[:20], handover.verb, found.status).inc()
        if found.status:
            log.warning("A CNI request failed verb=%s answer=%s", handover.verb, found.output.decode().strip())
        return _bytes(found)

    async def _in_turn(self, handover: Handover) -> Answer:
        try:
            async with asyncio.timeout(self._settings.patience) as patience, self._turn(handover), self._slots:
                patience.reschedule(None)  # it is carried out now, and that has an end
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, answer, handover.plugin, handover.environment, handover.stdin, self._masquerading
                )
        except TimeoutError:
            return _busy(handover, f"it waited for {self._settings.patience:g} s")

    @asynccontextmanager
    async def _turn(self, handover: Handover) -> AsyncIterator[None]:
        """Inside, no other request about the attachment runs: a runtime that gave up on an ADD sends a DEL at once."""
        key = handover.attachment
        lock, users = self._turns.get(key, (asyncio.Lock(), 0))
        self._turns[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._turns.pop(key)
            if users > 1:
                self._turns[key] = lock, users - 1


async def _whole(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await reader.read(1 << 16):
        parts.append(part)
        size += len(part)
        if size > LARGEST_REQUEST:
            raise ValueError(f"the request is larger than {LARGEST_REQUEST} bytes")
    return b"".join(parts)


def _busy(handover: Handover, reason: str) -> Answer:
    return refusal(CniError(Code.TRY_AGAIN_LATER, "The node is busy", f"{reason}; try again later."), handover.stdin)


def _bytes(found: Answer) -> bytes:
    return f"{found.status}\n".encode() + found.output
