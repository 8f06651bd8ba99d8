"""POSTs JSON to webhooks over TLS: connections are kept for the next call, each call ends in its time.

Source: client-go rest/request.go and Go's net/http, whose texts the errors have.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
import ssl
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.addresses.families import bracketed
from kube46.api.errors import go_quote
from kube46.apiserver.responses import BadResponse, Response
from kube46.apiserver.webhooks.places import NoPlace, Place, address_of, place_of

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from kube46.apiserver.storage import Store

IDLE_SECONDS = 60.0  # a connection that nobody used for so long is closed before its peer does
IDLE_EACH = 8  # connections kept to one place
MOST_BYTES = 16 << 20  # of an answer
HEAD = "POST {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: kube46-apiserver\r\n"
REST = "accept: application/json, */*\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
UNKNOWN_AUTHORITY = "x509: certificate signed by unknown authority"


class CallFailed(Exception):
    """There is no usable answer; the text is upstream's, `code` the HTTP status that it had, if any."""

    def __init__(self, text: str, code: int = 503) -> None:
        super().__init__(text)
        self.code = code


class _Stale(Exception):
    """A kept connection had ended."""


class _Link:
    """A connection that stands."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.used = asyncio.get_running_loop().time()


class Caller:
    """Calls webhooks; one a server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._idle: dict[tuple[Place, str, int], list[_Link]] = {}

    def close(self) -> None:
        """End all kept connections, because the server stops."""
        for links in self._idle.values():
            for link in links:
                link.writer.close()
        self._idle.clear()

    async def post(self, config: dict[str, Any], body: bytes, seconds: float, *, told: bool = True) -> bytes:
        """The answer's body; raises CallFailed, also after `seconds`, of which the webhook is `told`."""
        try:
            place = place_of(config)
        except NoPlace as error:
            raise CallFailed(str(error)) from None
        query = f"?timeout={math.ceil(seconds)}s" if told else ""
        shown = f'Post "{place.url}{query}"'
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(place, body, query)
        except TimeoutError:
            raise CallFailed(f"{shown}: context deadline exceeded") from None
        except (NoPlace, BadResponse, ssl.SSLError, OSError, ValueError) as error:
            raise CallFailed(f"{shown}: {_told(error)}") from None

    async def _exchange(self, place: Place, body: bytes, query: str) -> bytes:
        host, port = address_of(self._store, place)
        key = (place, host, port)
        while True:
            kept = self._kept(key)
            link = kept or _Link(*await _connected(place, host, port))
            try:
                response, answer = await _spoken(link, place, body, query)
            except _Stale:
                link.writer.close()
                if kept is None:
                    raise BadResponse("EOF") from None
                continue
            except BaseException:
                link.writer.close()
                raise
            if _reusable(response) and len(self._idle.setdefault(key, [])) < IDLE_EACH:
                link.used = asyncio.get_running_loop().time()
                self._idle[key].append(link)
            else:
                link.writer.close()
            if not 200 <= response.code < 300:
                raise CallFailed(_refusal(response, answer), response.code)
            return answer

    def _kept(self, key: tuple[Place, str, int]) -> _Link | None:
        """A connection of before; those that are too old go, of whatever place."""
        now = asyncio.get_running_loop().time()
        for one, links in list(self._idle.items()):
            for link in [link for link in links if now - link.used > IDLE_SECONDS or link.reader.at_eof()]:
                links.remove(link)
                link.writer.close()
            if not links:
                del self._idle[one]
        return self._idle[key].pop() if self._idle.get(key) else None


async def _spoken(link: _Link, place: Place, body: bytes, query: str) -> tuple[Response, bytes]:
    """The answer and its body; raises _Stale where nothing came back."""
    head = HEAD.format(path=place.path + query, host=place.authority) + REST.format(length=len(body))
    response = Response(link.reader)
    try:
        link.writer.write(head.encode("latin-1") + body)
        await link.writer.drain()
        await response.read_head()
    except (ConnectionError, BadResponse) as error:
        if isinstance(error, BadResponse) and str(error) != "EOF":
            raise
        raise _Stale from None
    return response, await response.whole(MOST_BYTES)


def _reusable(response: Response) -> bool:
    """Whether the connection may serve another call."""
    framed = response.header(b"content-length") or response.header(b"transfer-encoding")
    return bool(framed) and response.header(b"connection").lower() != b"close"


async def _connected(place: Place, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
    context = _context(place.ca)
    try:
        return await asyncio.open_connection(host, port, ssl=context, server_hostname=place.server)
    except ssl.SSLError:
        raise
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise NoPlace(f"dial tcp {bracketed(host, port)}: connect: {why}") from None


@functools.lru_cache(maxsize=256)
def _context(ca: bytes) -> ssl.SSLContext:
    """Who is trusted: the bundle, or where there is none, whom the machine trusts."""
    context = ssl.create_default_context(cadata=ca.decode("latin-1")) if ca else ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _told(error: Exception) -> str:
    """What went wrong, as Go says it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if "ostname mismatch" in error.verify_message or "IP address mismatch" in error.verify_message:
            return f"tls: failed to verify certificate: x509: {error.verify_message}"
        if "expired" in error.verify_message:
            return "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"
        return f"tls: failed to verify certificate: {UNKNOWN_AUTHORITY}"
    if isinstance(error, ssl.SSLError):
        wrong = error.reason == "WRONG_VERSION_NUMBER"
        return "http: server gave HTTP response to HTTPS client" if wrong else f"tls: {error.reason or error}"
    return str(error)


TEXTS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    406: "the server was unable to respond with a content type that the client supports",
    413: "the request is too large",
    415: "the body of the request was in an unknown format",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


def _refusal(response: Response, body: bytes) -> str:
    """What client-go makes of an HTTP status that is none of success (NewGenericServerResponse)."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError, AttributeError):
        status = msgspec.json.decode(body)
        if status.get("kind") == "Status" and status.get("message"):
            return str(status["message"])
    readable = response.header(b"content-type").startswith(b"text/")
    text = (body.decode(errors="replace").strip() if readable else "") or "unknown"
    code = response.code
    if code == 403:
        return text
    if code in TEXTS:
        return TEXTS[code]
    if code >= 500:
        return f"an error on the server ({go_quote(text)}) has prevented the request from succeeding"
    return f"the server responded with the status code {code} but did not return more information"
