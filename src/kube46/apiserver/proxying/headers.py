"""Which headers pass a proxy, and which it adds.

Source: RFC 9110, 7.6.1; Go's net/http/httputil (ReverseProxy); k8s.io/apimachinery pkg/util/proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]
# for the next hop only
HOP = (
    b"connection", b"proxy-connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
)  # fmt: skip
OWN = (b"authorization", b"expect", b"impersonate-")  # and what begins so: between the client and this server
FORWARDED_FOR, FORWARDED_URI = b"x-forwarded-for", b"x-forwarded-uri"
FORWARDED_HOST, FORWARDED_PROTO = b"x-forwarded-host", b"x-forwarded-proto"
TRAILERS = (b"te", b"trailers")  # what gRPC asks for
CORS = tuple(b"access-control-allow-" + name for name in (b"credentials", b"headers", b"methods", b"origin"))


def of_request(headers: Headers, client: str, uri: str, length: bytes) -> Headers:
    """What a backend is told; `length` is the framing of the body, if there is one."""
    kept = [(name, value) for name, value in end_to_end(headers) if not name.startswith((*OWN, b"content-length"))]
    kept = [(name, value) for name, value in forwarded(kept, client) if name != FORWARDED_URI]
    trailers = [TRAILERS] if any(b"trailers" in value.lower() for value in values(headers, b"te")) else []
    return [*kept, *trailers, (FORWARDED_URI, uri.encode()), *framing(length), (b"connection", b"close")]


def of_upgrade(headers: Headers, client: str) -> Headers:
    """What a backend is told when the client asks to leave HTTP: that, too."""
    return forwarded([(name, value) for name, value in headers if not name.startswith(OWN)], client)


def framing(length: bytes) -> Headers:
    """How a body's end is told."""
    if length == b"chunked":
        return [(b"transfer-encoding", length)]
    return [(b"content-length", length)] if length else []


def forwarded(headers: Headers, client: str) -> Headers:
    """With the client's address after those that earlier proxies noted."""
    before = [value for name, value in headers if name == FORWARDED_FOR]
    others = [(name, value) for name, value in headers if name != FORWARDED_FOR]
    return [*others, (FORWARDED_FOR, b", ".join([*before, client.encode()]))]


def towards(given: Headers, host: str, scheme: str) -> Headers:
    """With the place that is asked, in place of what earlier proxies noted of theirs."""
    own = [(FORWARDED_HOST, host.encode()), (FORWARDED_PROTO, scheme.encode())]
    return [*((name, value) for name, value in given if name not in (FORWARDED_HOST, FORWARDED_PROTO)), *own]


def of_answer(headers: Headers, *, rewritten: bool) -> Headers:
    """What the client is told: no permission for pages of other origins; no length of a page that changes."""
    dropped = (*CORS, *((b"content-length",) if rewritten else ()))
    return [(name, value) for name, value in end_to_end(headers) if name not in dropped]


def end_to_end(headers: Headers) -> Headers:
    """Without those for this hop, which a Connection header may name."""
    named = {part.strip().lower() for part in values(headers, b"connection") for part in part.split(b",")}
    return [(name, value) for name, value in headers if name not in HOP and name not in named]


def values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    """All values of a header."""
    return [value for name, value in headers if name == wanted]


def head(method: str, path: str, headers: Headers) -> bytes:
    """The bytes that begin a request."""
    lines = [f"{method} {path} HTTP/1.1".encode(), *(name + b": " + value for name, value in headers)]
    return b"\r\n".join([*lines, b"", b""])
