"""What a request asks for: path and query taken apart as Kubernetes' RequestInfo does; the body, read within limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from kube46.apiserver import options, statuses
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.strategy import User

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube46.apiserver.catalog import Catalog
    from kube46.apiserver.kinds import Kind

MAX_BODY = 3 << 20  # bytes; kube-apiserver's limit
BODY_SECONDS = 60  # a client has so long to send its body
UINT64 = 1 << 64
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
PROXIED = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Target:
    """The object, collection or subresource that a path names."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


@dataclass(slots=True)
class Request:
    """One request; `user` is filled by authentication, `target` is None for paths that are no resource."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[bytes, bytes]
    scope: dict[str, Any]
    receive: Callable[[], Awaitable[dict[str, Any]]]
    target: Target | None = None
    verb: str = ""
    user: User = field(default_factory=lambda: User("system:anonymous", ("system:unauthenticated",)))
    warnings: list[str] = field(default_factory=list)
    seated: bool = False  # whether it holds a seat of those in flight

    @property
    def accept(self) -> str:
        """The Accept header."""
        return self.headers.get(b"accept", b"").decode("latin-1")

    @property
    def content_type(self) -> str:
        """The body's media type without parameters; JSON when the client names none."""
        return self.headers.get(b"content-type", b"application/json").decode("latin-1").split(";")[0].strip().lower()

    def flag(self, name: str) -> bool:
        """A boolean query parameter, as Go's converter reads it."""
        return options.flag(self.query, name)

    def every(self, name: str) -> list[str]:
        """All values of a query parameter."""
        if name not in self.query:
            return []
        pairs = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return [value for key, value in pairs if key == name]

    @property
    def has_body(self) -> bool:
        """Whether the client announces a body."""
        return self.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self.headers

    async def body(self) -> bytes:
        """The whole body; raises 413 when it is too big and 408 when it comes too slowly."""
        if int(self.headers.get(b"content-length", b"0")) > MAX_BODY:
            raise _too_large()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read()
        except TimeoutError:
            text = f"the request body did not arrive within {BODY_SECONDS} seconds"
            raise StatusError(408, "Timeout", text, {}) from None

    async def _read(self) -> bytes:
        parts, size, more = [], 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            size += len(part)
            if size > MAX_BODY:
                raise _too_large()
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)


class Disconnected(Exception):
    """The client went away before its request was complete."""


def _too_large() -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")


def parse(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], catalog: Catalog) -> Request:
    """A request from its ASGI scope; an unknown resource leaves `target` None and `verb` the lower-case method."""
    raw_query: bytes = scope["query_string"]
    pairs = parse_qsl(raw_query.decode("latin-1"), keep_blank_values=True) if raw_query else []
    query: dict[str, str] = {}
    for name, value in pairs:
        query.setdefault(name, value)
    request = Request(scope["method"], scope["path"], query, dict(scope["headers"]), scope, receive)
    request.target = _target(scope["raw_path"].decode("latin-1"), catalog)
    request.verb = _verb(request)
    return request


def _verb(request: Request) -> str:
    method, target = request.method, request.target
    if target is None:
        return method.lower()
    if method == "OPTIONS" and target.subresource == "proxy":
        return ""  # as upstream: only who may do everything may ask so
    if method in ("GET", "HEAD"):
        if target.name:
            return "get"
        return "watch" if request.flag("watch") else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return VERBS.get(method, method.lower())


def _target(raw_path: str, catalog: Catalog) -> Target | None:
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest and group:
            pass
        case _:
            return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not (len(rest) == 3 and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    kind = catalog.find(group, version, rest[0])
    if len(rest) > 3 and rest[2] == "proxy":  # what follows is somebody else's path
        rest = rest[:3]
    if kind is None or len(rest) > 3 or "" in rest or any("/" in part for part in rest):
        return None
    name, subresource = [*rest[1:], "", ""][:2]
    if subresource and kind.subresource(subresource) is None:
        return None
    if kind.namespaced:
        if name and not namespace:
            return None
    elif namespace:
        return None
    return Target(kind, namespace, name, subresource)


def check_method(request: Request, target: Target) -> None:
    """Refuse verbs that the resource does not have."""
    if target.subresource == "proxy" and request.method in PROXIED:
        return
    if target.subresource:
        subresource = target.kind.subresource(target.subresource)
        assert subresource is not None
        verbs = subresource.verbs
    else:
        verbs = target.kind.allowed
    if (
        request.method == "HEAD"
        or request.verb not in verbs
        or (request.verb == "create" and target.name and not target.subresource)
    ):
        raise statuses.method_not_allowed()
    if request.verb in ("update", "patch") and not target.name:
        raise statuses.method_not_allowed()
    if request.verb in ("create", "deletecollection") and target.kind.namespaced and not target.namespace:
        raise statuses.method_not_allowed()
