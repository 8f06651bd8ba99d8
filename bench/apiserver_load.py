"""The clients of bench/apiserver.py: a process that sends raw HTTP over TLS and measures, told what by lines of JSON.

No JSON is parsed and no object made for an answer: the figures are to be the server's. What the clients cost themselves
is measured, too.
"""

import asyncio
import json
import re
import resource
import ssl
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import httptools
import uvloop

STAMP = b"0000000000.000000"  # replaced by the time of sending
SENT = re.compile(rb'"bench/sent": ?"([0-9.]+)"')
ANSWER_SECONDS = 60
Json = dict[str, Any]


class Connection(asyncio.Protocol):
    """One connection that carries one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._parser = httptools.HttpResponseParser(self)
        self._done: asyncio.Future[int] | None = None
        self._size, self.delays, self._rest = 0, list[float](), b""
        self.stamped = self.lost = False

    async def ask(self, request: bytes) -> int:
        """Send a request; the size of the answer's body. Raises RuntimeError for a refusal."""
        self._size, self._done = 0, asyncio.get_running_loop().create_future()
        self._transport.write(request.replace(STAMP, b"%.6f" % time.time()) if STAMP in request else request)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._done

    def on_body(self, body: bytes) -> None:
        """Count; of a watch, note the delay of every stamp. A piece without an end of line waits for the next one."""
        self._size += len(body)
        if not self.stamped:
            return
        now = time.time()
        whole, _, self._rest = (self._rest + body).rpartition(b"\n")
        self.delays += [now - float(stamp) for stamp in SENT.findall(whole)]

    def on_headers_complete(self) -> None:
        """Of a watch, that it has begun."""
        if self.stamped and self._done is not None:
            self._done.set_result(0)

    def on_message_complete(self) -> None:
        """Let who asked go on."""
        status, done = self._parser.get_status_code(), self._done
        if done is None or done.done():
            return
        if status < 300:
            done.set_result(self._size)
        else:
            done.set_exception(RuntimeError(f"the server answered {status}"))

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        with suppress(httptools.HttpParserUpgrade):
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self.lost = True
        if self._done is not None and not self._done.done():
            self._done.set_exception(RuntimeError(f"the connection was lost: {exc}"))

    def close(self) -> None:
        """End."""
        self._transport.abort()


class Load:
    """Connections to one server, and what can be done with them."""

    def __init__(self, host: str, port: int, authority: str, token: str) -> None:
        self._place = (host, port)
        self._context = ssl.create_default_context(cafile=authority)
        self._token = token
        self._free: list[Connection] = []
        self._watches: list[Connection] = []

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, *self._place, ssl=self._context)
        return connection

    def _raw(self, job: Json, number: int) -> bytes:
        body = job.get("body", "").replace("NUMBER", str(number)).encode()
        path = job["path"].replace("NUMBER", str(number))
        headers = {"host": "localhost", "authorization": f"Bearer {self._token}", **job.get("headers", {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{job.get('method', 'GET')} {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def _requests(self, job: Json) -> Iterator[bytes]:
        """`count` different requests; again and again where the job has a time."""
        raw = [self._raw(job, number) for number in range(job.get("first", 0), job.get("first", 0) + job["count"])]
        end = time.monotonic() + job["seconds"] if "seconds" in job else None
        while True:
            for request in raw:
                if end is not None and time.monotonic() > end:
                    return
                yield request
            if end is None:
                return

    async def requests(self, job: Json) -> Json:
        """Sends requests from so many clients at once, each when its last one is answered, `interval` s apart."""
        self._free = [connection for connection in self._free if not connection.lost]
        while len(self._free) < job["clients"]:
            self._free.append(await self._connect())
        requests, times, sizes = self._requests(job), list[float](), 0
        interval = job.get("interval", 0)
        begun, cpu = time.monotonic(), time.process_time()

        async def work(connection: Connection) -> None:
            nonlocal sizes
            for index, request in enumerate(requests):
                if interval:
                    await asyncio.sleep(max(0.0, begun + index * interval - time.monotonic()))
                start = time.perf_counter()
                sizes += await connection.ask(request)
                times.append((time.perf_counter() - start) * 1000)

        async with asyncio.TaskGroup() as group:
            for connection in self._free[: job["clients"]]:
                group.create_task(work(connection))
        return {
            "seconds": time.monotonic() - begun, "client_cpu": time.process_time() - cpu, "count": len(times),
            "bytes": sizes / max(1, len(times)), **_quantiles(times),
        }  # fmt: skip

    async def idle(self, job: Json) -> Json:
        """Opens connections that ask nothing."""
        self._watches += [await self._connect() for _ in range(job["count"])]
        return {}

    async def watch(self, job: Json) -> Json:
        """Opens watches; `slow` ones read nothing of what comes."""
        request, opened = self._raw(job, 0), []
        for _ in range(job["count"]):
            connection = await self._connect()
            connection.stamped = True
            await connection.ask(request)
            if job.get("slow"):
                connection._transport.pause_reading()
            opened.append(connection)
        self._watches += opened
        return {}

    async def watched(self, _: Json) -> Json:
        """Ends the watches: what they have seen."""
        delays = [delay * 1000 for connection in self._watches for delay in connection.delays]
        for connection in self._watches:
            connection.close()
        self._watches = []
        return {"count": len(delays), **_quantiles(delays)}


def _quantiles(times: list[float]) -> Json:
    if not times:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else times * 99
    return {"p50": cuts[49], "p99": cuts[98] if len(times) >= 100 else max(times), "max": max(times)}


async def main() -> None:
    """Does jobs until standard input ends."""
    host, port, authority, token = sys.argv[1:]
    load = Load(host, int(port), authority, token)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = json.loads(line)
        try:
            answer = await getattr(load, job["do"])(job)
        except* (RuntimeError, TimeoutError) as group:
            answer = {"error": repr(group.exceptions[0])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(main())
