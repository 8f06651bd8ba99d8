"""Answers requests below `proxy`: finds the place, asks it, and hands on what it says.

Source: k8s.io/apimachinery pkg/util/proxy/upgradeaware.go; k8s.io/apiserver pkg/endpoints/handlers/rest.go
(ConnectResource).
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from kube46.addresses.families import bracketed
from kube46.apiserver import statuses
from kube46.apiserver.answers import Answer, correlation
from kube46.apiserver.proxying import exchange, headers
from kube46.apiserver.proxying.links import Links, clean, escaped, joined
from kube46.apiserver.proxying.locations import unavailable
from kube46.apiserver.requests import Disconnected
from kube46.apiserver.responses import BadResponse, Response
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator

    from kube46.apiserver.connections import Connection
    from kube46.apiserver.kubelets import Kubelets
    from kube46.apiserver.proxying.locations import Location, Locations
    from kube46.apiserver.requests import Request, Target

CLIENT_CLOSED = 499  # in metrics, of a request whose client went away or whose answer was cut
CONNECT_SECONDS = 30  # Go's dialer
REFUSAL_SECONDS = 10  # to hand on why a backend does not upgrade
NO_TLS = "tls: first record does not look like a TLS handshake"
HEAD_BYTES = 1 << 20
FETCHED_BYTES = 16 << 20  # of what this server itself asks
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
log = logging.getLogger(__name__)


class Proxy:
    """The way to nodes, pods and Services."""

    def __init__(self, locations: Locations, kubelets: Kubelets) -> None:
        self._locations, self._kubelets = locations, kubelets
        self._anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # a pod's certificate is for no address of it
        self._anyone.check_hostname, self._anyone.verify_mode = False, ssl.CERT_NONE
        self._open: set[StreamWriter] = set()

    def close(self) -> None:
        """End all that is under way, because the server stops."""
        for writer in self._open:
            writer.close()

    async def answer(self, request: Request, target: Target) -> Answer | None:
        """Redirections and refusals as an answer; None when the connection has become a pipe. Raises StatusError."""
        if "dryRun" in request.query:
            raise statuses.bad_request("dryRun is not supported")
        location, path = self._locations.of(target), _path(request, target)
        if _upgrades(request):
            return await self._upgrade(request, location, escaped(path or "/"))
        if not path and request.method in ("GET", "HEAD"):
            return _redirection(request)
        return await self._exchange(request, location, path or "/", _prefix(request, path))

    async def pass_on(self, request: Request, location: Location, given: headers.Headers) -> Answer | None:
        """A request to another API server as it is, but for its headers, which are these. Raises StatusError."""
        request.scope["headers"] = given
        path = unquote(request.scope["raw_path"].decode("latin-1"))
        if _upgrades(request):
            return await self._upgrade(request, location, _with_query(request, path))
        request.scope["headers"] = headers.towards(given, location.place, location.scheme)
        return await self._exchange(request, location, path, "")

    async def fetch(self, location: Location, path: str, given: headers.Headers) -> tuple[int, bytes]:
        """What this server itself asks: the code and the body. Raises StatusError."""
        async with self._reached(location) as (reader, writer):
            writer.write(headers.head("GET", path, [*given, (b"connection", b"close")]))
            response = Response(reader)
            try:
                await response.read_head()
                return response.code, await response.whole(FETCHED_BYTES)
            except (BadResponse, OSError) as error:
                raise unavailable(f"error trying to reach service: {error}") from error

    # One request, one answer

    async def _exchange(self, request: Request, location: Location, path: str, prefix: str) -> Answer:
        async with self._reached(location) as (reader, writer):
            length = exchange.length_of(request)
            uri = joined(prefix, escaped(path))
            told = headers.of_request(request.scope["headers"], _client(request), uri, length)
            writer.write(headers.head(request.method, _with_query(request, path), told))
            answer, refusal = Answer(code=CLIENT_CLOSED, sent=True), None
            try:
                async with asyncio.TaskGroup() as group:
                    feeding = group.create_task(exchange.feed(request, writer, chunked=length == b"chunked"))
                    response = await _begun(reader, writer, request)
                    links = Links(prefix, location.authority, _host(request))
                    answer = await self._relay(request, response, links, known=location.tls is not None)
                    feeding.cancel()
            except* StatusError as refused:
                refusal = refused.exceptions[0]
            except* (exchange.Broken, TimeoutError) as broken:
                log.info("proxied answer was cut place=%s error=%s", location.place, broken.exceptions[0])
                request.scope["state"]["cycle"].transport.abort()
            except* Disconnected:
                log.debug("client went away place=%s", location.place)
        if refusal is not None:  # raised here: within except* it would be wrapped in a group again
            raise refusal
        return answer

    async def _relay(self, request: Request, response: Response, links: Links, *, known: bool) -> Answer:
        page, location = None, response.header(b"location").decode("latin-1")
        if known and location and 300 <= response.code < 400:  # it would send who trusts this server anywhere
            text = "the backend attempted to redirect this request, which is not permitted"
            raise StatusError(502, "", text)
        if not location and not known:
            page = exchange.page_of(response, links.through)
        told = headers.of_answer(response.headers, rewritten=page is not None)
        if location:
            there = links.through(location).encode("latin-1")
            told = [(name, there if name == b"location" else value) for name, value in told]
        cycle = request.scope["state"]["cycle"]
        await exchange.relay(response, cycle, [*correlation(request), *told], page)
        return Answer(code=response.code, sent=True)

    # Upgrades

    async def _upgrade(self, request: Request, location: Location, uri: str) -> Answer | None:
        connection: Connection = request.scope["state"]["connection"]
        async with self._reached(location, upgrading=True) as (reader, writer):
            told = headers.of_upgrade(request.scope["headers"], _client(request))
            writer.write(headers.head(request.method, uri, told))
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
                raise StatusError(500, "", "unexpected EOF") from error
            found = STATUS_LINE.match(head)
            code = int(found[1]) if found else 0
            if code != 101 and code < 400:
                raise StatusError(500, "", f"invalid upgrade response: status code {code}")
            client_reader, client_writer = connection.take_over()
            client_writer.write(head)
            try:
                if code == 101:
                    await _joined((reader, writer), (client_reader, client_writer))
                else:
                    async with asyncio.timeout(REFUSAL_SECONDS):
                        await exchange.pump(reader, client_writer)
            except (OSError, TimeoutError) as broken:
                log.info("proxied stream broke place=%s error=%s", location.place, broken)
            finally:
                client_writer.close()
        return None

    # Connections

    @asynccontextmanager
    async def _reached(
        self, location: Location, *, upgrading: bool = False
    ) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await self._connect(location)
        except (OSError, TimeoutError) as error:
            raise _unreached(location, error, upgrading=upgrading) from error
        self._open.add(writer)
        try:
            yield reader, writer
        finally:
            self._open.discard(writer)
            writer.close()

    async def _connect(self, location: Location) -> tuple[StreamReader, StreamWriter]:
        family = socket.AF_INET6 if ":" in location.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        options: dict[str, Any] = {}
        if location.scheme == "https":
            context = location.tls or (self._kubelets.context if location.kubelet else self._anyone)
            options = {"ssl": context, "server_hostname": location.name or location.host}
        try:
            await asyncio.get_running_loop().sock_connect(sock, (location.host, location.port))
            return await asyncio.open_connection(sock=sock, limit=HEAD_BYTES, **options)
        except BaseException:
            sock.close()
            raise


async def _begun(reader: StreamReader, writer: StreamWriter, request: Request) -> Response:
    response = Response(reader, bodyless=request.method == "HEAD")
    try:
        await response.read_head()
    except BadResponse as error:
        raise unavailable(f"error trying to reach service: {error}") from error
    except OSError as error:
        ends = (bracketed(*writer.get_extra_info(name, ("", 0))[:2]) for name in ("sockname", "peername"))
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise unavailable(f"error trying to reach service: read tcp {'->'.join(ends)}: read: {why}") from error
    if not 200 <= response.code < 600:
        raise unavailable(f"error trying to reach service: malformed HTTP status code {response.code}")
    return response


async def _joined(one: tuple[StreamReader, StreamWriter], other: tuple[StreamReader, StreamWriter]) -> None:
    """Bytes both ways until one side has no more: that is the end of both, as upstream."""
    try:
        async with asyncio.TaskGroup() as group:
            ways = (one[0], other[1]), (other[0], one[1])
            pumps = [group.create_task(exchange.pump(source, sink)) for source, sink in ways]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
    except* OSError as broken:
        log.info("proxied stream broke error=%s", broken.exceptions[0])


def _unreached(location: Location, error: OSError | TimeoutError, *, upgrading: bool) -> StatusError:
    why = "i/o timeout" if isinstance(error, TimeoutError) else str(error)
    if isinstance(error, ssl.SSLError):
        text = NO_TLS if error.reason == "WRONG_VERSION_NUMBER" else f"tls: {error.reason or error}"
    elif isinstance(error, OSError) and error.errno:
        text = f"dial tcp {location.place}: connect: {os.strerror(error.errno).lower()}"
    else:
        text = f"dial tcp {location.place}: {why}"
    if upgrading:
        return StatusError(500, "", f"error dialing backend: {text}")
    return unavailable(f"error trying to reach service: {text}")


# What a request says


def _upgrades(request: Request) -> bool:
    return any(b"upgrade" in value.lower() for value in headers.values(request.scope["headers"], b"connection"))


def _path(request: Request, target: Target) -> str:
    """What stands behind `proxy`, decoded; empty or with a slash before it."""
    parts = unquote(request.scope["raw_path"].decode("latin-1")).strip("/").split("/")
    rest = "/".join(parts[_depth(target) :])
    ends = request.path.endswith("/")
    if not rest:
        return "/" if ends else ""
    whole = clean(rest)
    return f"{whole}/" if ends and not whole.endswith("/") else whole


def _depth(target: Target) -> int:
    return 7 if target.kind.namespaced else 5


def _prefix(request: Request, path: str) -> str:
    """The proxy's own path, as the client spelt it."""
    return request.path.removesuffix(path)


def _with_query(request: Request, path: str) -> str:
    query = request.scope["query_string"].decode("latin-1")
    return f"{escaped(path)}?{query}" if query else escaped(path)


def _client(request: Request) -> str:
    client = request.scope.get("client")
    return str(client[0]) if client else ""


def _host(request: Request) -> str:
    return request.headers.get(b"host", b"").decode("latin-1")


def _redirection(request: Request) -> Answer:
    """To the same with a slash at its end, so that a page's relative links lead to where it is."""
    query = request.scope["query_string"].decode("latin-1")
    there = f"{escaped(request.path)}/{f'?{query}' if query else ''}"
    return Answer(code=301, content_type=b"", headers=[(b"location", there.encode("latin-1"))])
