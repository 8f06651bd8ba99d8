"""Serves the health checks of Services (healthCheckNodePort): a small HTTP server for each and each family.

What a Service may ask for is a port; anything may be sent to it, so a request is read up to 8 KB and 5 seconds, and
answered once, whatever it says. A port that is taken is tried again with every pass.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address

from kube46.addresses.families import Family, Prefix
from kube46.proxy.checks import Answer, Check, service_answer

Owner = tuple[str, str]
Key = tuple[Owner, Family]
ANY = {Family.IPV4: "0.0.0.0", Family.IPV6: "::"}
Tell = Callable[[Owner, str, str], Awaitable[None]]
"""Makes an Event of a Service: its owner, the reason and the message."""
LONGEST, PATIENCE = 8192, 5.0
log = logging.getLogger(__name__)


class Probes:
    """The node's health checks of Services. Call `close` at the end."""

    def __init__(self, healthy: Callable[[], bool], tell: Tell | None = None) -> None:
        self._healthy, self._tell = healthy, tell
        self._wanted: dict[Key, Check] = {}
        self._servers: dict[Key, tuple[int, asyncio.Server]] = {}
        self._failed: set[Key] = set()
        self.addresses: Mapping[Family, tuple[Prefix, ...]] = {}
        """Those that answer for node ports, and so for these."""

    def want(self, owner: Owner, checks: Mapping[Family, Check]) -> None:
        """A Service's checks from now on; carried out by `sync`."""
        for family in Family:
            if family in checks:
                self._wanted[owner, family] = checks[family]
            else:
                self._wanted.pop((owner, family), None)

    async def sync(self) -> None:
        """Open what is missing and close what is wanted no more."""
        for key, (port, server) in list(self._servers.items()):
            if key not in self._wanted or self._wanted[key].port != port:
                server.close()
                del self._servers[key]
        for key in self._wanted.keys() - self._servers.keys():
            await self._open(key)
        self._failed &= self._wanted.keys()

    def close(self) -> None:
        """Close all."""
        for _, server in self._servers.values():
            server.close()
        self._servers.clear()

    async def _open(self, key: Key) -> None:
        (owner, family), port = key, self._wanted[key].port

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._talk(key, reader, writer)

        try:
            self._servers[key] = port, await asyncio.start_server(talk, ANY[family], port, limit=LONGEST)
        except OSError as error:
            if key not in self._failed:
                self._failed.add(key)
                log.error(
                    "Health check not served, tried again later service=%s family=%s port=%d error=%s",
                    "/".join(owner), family, port, error,
                )  # fmt: skip
                if self._tell is not None:
                    said = f"{family}: the health check of {'/'.join(owner)} on port {port} is not served: {error}"
                    await self._tell(owner, "FailedToStartServiceHealthcheck", said)

    async def _talk(self, key: Key, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            local = ip_address(writer.get_extra_info("sockname")[0])
            if key in self._wanted and any(local in prefix for prefix in self.addresses.get(key[1], ())):
                async with asyncio.timeout(PATIENCE):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(_text(service_answer(key[0], self._wanted[key], healthy=self._healthy())))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked so is owed no answer
        finally:
            writer.close()


def _text(answer: Answer) -> bytes:
    headers = {**answer.headers, "Content-Length": str(len(answer.body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + answer.body
