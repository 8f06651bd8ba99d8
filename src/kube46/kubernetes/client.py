"""One HTTP client for any Kubernetes API: get, list, watch and the writes, typed by `Resource`.

Only the fields of the resource's type are decoded; `Resource.raw()` gives whole dictionaries.
"""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from urllib.parse import urlencode

import httpx2
import msgspec

from kube46 import __version__
from kube46.api.resources import Resource
from kube46.kubernetes import errors
from kube46.kubernetes.config import ClusterConfig

T = TypeVar("T")
log = logging.getLogger(__name__)

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
APPLY_TYPE = "application/apply-patch+yaml"  # of which JSON is a part
PAGE = 500
# How often a request is repeated that the server was too busy for, and said when to come back; client-go's number.
MOST_ATTEMPTS = 10
# A watch is renewed by us after this many seconds; the read timeout above it finds a peer that vanished in silence.
WATCH_SECONDS = 300
Body = msgspec.Struct | dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """All objects of a list, and the revision to watch on from."""

    items: list[T]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK; a bookmark has no object, nor has one that can't be read."""

    type: str
    object: T | None
    resource_version: str
    key: tuple[str, str] = ("", "")


class _HeadMeta(msgspec.Struct, rename="camel", frozen=True):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Head(msgspec.Struct):
    metadata: _HeadMeta = _HeadMeta()


class _RawEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _ListMeta(msgspec.Struct, rename="camel", frozen=True):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _RawList(msgspec.Struct):
    metadata: _ListMeta = _ListMeta()
    items: list[msgspec.Raw] | None = None


class Client:
    """An async context manager. Every call raises `errors.ApiError` on a refusal, `errors.Unreachable` on silence."""

    def __init__(self, config: ClusterConfig, *, component: str) -> None:
        self.config = config
        self._agent = f"kube46-{component}/{__version__}"
        self._http = httpx2.AsyncClient(
            base_url=config.server,
            verify=config.ssl_context() if config.server.startswith("https") else False,
            headers={"User-Agent": self._agent, "Accept": "application/json"},
            timeout=httpx2.Timeout(30, read=60),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Body | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """The body of a successful answer. A server that is too busy is asked again when it wants to (Retry-After)."""
        content = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        kind = {"Content-Type": "application/json"} if content is not None else {}
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                answer = await self._http.request(
                    method, _url(path, params), content=content, headers={**kind, **self._identity(), **(headers or {})}
                )
            except httpx2.HTTPError as error:
                refused = errors.NotConnected if isinstance(error, httpx2.ConnectError) else errors.Unreachable
                raise refused(f"{method} {self.config.server}{path}: {str(error) or type(error).__name__}") from error
            if answer.status_code < 400:
                return answer.content
            refusal = errors.from_answer(answer.status_code, answer.content, _retry_after(answer))
            busy = isinstance(refusal, errors.TooManyRequests | errors.ServerUnavailable) and refusal.retry_after
            if not busy or attempt == MOST_ATTEMPTS:
                raise refusal
            log.info("The API server is busy seconds=%d error=%s", refusal.retry_after, refusal)
            await asyncio.sleep(refusal.retry_after)
        raise AssertionError("the last attempt returns or raises")

    async def get(self, resource: Resource[T], name: str, namespace: str = "") -> T:
        """One object."""
        return self._decode(resource, await self.request("GET", resource.path(namespace, name)))

    async def list(
        self, resource: Resource[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Listing[T]:
        """All objects that both selectors match, but those that can't be read."""
        items: list[T] = []
        version = ""
        async for page in self.pages(resource, namespace, labels=labels, fields=fields):
            items += page.items
            version = page.resource_version
        return Listing(items, version)

    async def pages(
        self, resource: Resource[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Listing[T]]:
        """The same, some at a time, of one consistent state; the last page's revision is the one to watch on from."""
        decoder = msgspec.json.Decoder(resource.type)
        params = {"limit": str(PAGE), "labelSelector": labels, "fieldSelector": fields, "continue": ""}
        while True:
            page = msgspec.json.decode(
                await self.request("GET", resource.path(namespace), params=params), type=_RawList
            )
            found = (_readable(decoder, resource, item) for item in page.items or ())
            yield Listing([item for item in found if item is not None], page.metadata.resource_version)
            if not page.metadata.continue_:
                return
            params["continue"] = page.metadata.continue_

    async def create(self, resource: Resource[T], body: Body, namespace: str = "") -> T:
        """The object as the server made it. Raises AlreadyExists."""
        content = _typed(resource, body)
        return self._decode(resource, await self.request("POST", resource.path(namespace), body=content))

    async def replace(
        self, resource: Resource[T], name: str, body: Body, namespace: str = "", *, subresource: str = ""
    ) -> T:
        """PUT of a whole object. Raises Conflict when it names an older resourceVersion."""
        path = resource.path(namespace, name, subresource)
        return self._decode(resource, await self.request("PUT", path, body=_typed(resource, body)))

    async def patch(
        self,
        resource: Resource[T],
        name: str,
        body: Body,
        namespace: str = "",
        *,
        subresource: str = "",
        kind: str = "merge",
    ) -> T:
        """A patch of kind `merge` (RFC 7386), `strategic` or `json` (RFC 6902)."""
        path = resource.path(namespace, name, subresource)
        headers = {"Content-Type": PATCH_TYPES[kind]}
        return self._decode(resource, await self.request("PATCH", path, body=body, headers=headers))

    async def apply(
        self,
        resource: Resource[T],
        body: Body,
        namespace: str = "",
        *,
        manager: str,
        subresource: str = "",
        dry_run: bool = False,
    ) -> T:
        """Server-side apply (KEP-555): makes the object or merges it in; its fields become `manager`'s."""
        content = _typed(resource, body)
        path = resource.path(namespace, content["metadata"]["name"], subresource)
        params = {"fieldManager": manager, "force": "true", "dryRun": "All" if dry_run else ""}
        headers = {"Content-Type": APPLY_TYPE}
        return self._decode(resource, await self.request("PATCH", path, params=params, body=content, headers=headers))

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_period_seconds: int | None = None,
        propagation: str = "",
    ) -> None:
        """Deletes one object, if it still is the one of `uid` and `resource_version`. Raises NotFound, Conflict."""
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid or resource_version:
            conditions = {"uid": uid, "resourceVersion": resource_version}
            body["preconditions"] = {key: value for key, value in conditions.items() if value}
        if grace_period_seconds is not None:
            body["gracePeriodSeconds"] = grace_period_seconds
        if propagation:
            body["propagationPolicy"] = propagation
        await self.request("DELETE", resource.path(namespace, name), body=body)

    async def watch(
        self, resource: Resource[T], namespace: str = "", *, resource_version: str, labels: str = "", fields: str = ""
    ) -> AsyncIterator[WatchEvent[T]]:
        """Changes after `resource_version`, until the server ends the watch. Raises Gone when that is too old."""
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_SECONDS),
            "labelSelector": labels,
            "fieldSelector": fields,
        }
        decoder = msgspec.json.Decoder(resource.type)
        timeout = httpx2.Timeout(30, read=WATCH_SECONDS + 30)
        try:
            async with self._http.stream(
                "GET", _url(resource.path(namespace), params), headers=self._identity(), timeout=timeout
            ) as answer:
                if answer.status_code >= 400:
                    raise errors.from_answer(answer.status_code, await answer.aread(), _retry_after(answer))
                async for line in _lines(answer):
                    yield _event(decoder, resource, line)
        except httpx2.HTTPError as error:
            raise errors.Unreachable(
                f"watch of {resource.plural} at {self.config.server}: {str(error) or type(error).__name__}"
            ) from error

    def _identity(self) -> dict[str, str]:
        token = self.config.bearer_token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    @staticmethod
    def _decode(resource: Resource[T], body: bytes) -> T:
        return msgspec.json.decode(body, type=resource.type)


def _typed(resource: Resource[Any], body: Body) -> dict[str, Any]:
    """The body with its `apiVersion` and `kind`, which our object types do not carry."""
    plain = msgspec.to_builtins(body)
    return {"apiVersion": resource.api_version, "kind": resource.kind, **plain}


def _url(path: str, params: dict[str, str] | None) -> str:
    given = {key: value for key, value in (params or {}).items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def _retry_after(answer: httpx2.Response) -> float:
    value = answer.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else 0.0


async def _lines(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """The stream cut at newlines, each chunk looked at once."""
    rest: list[bytes] = []
    async for chunk in answer.aiter_bytes():
        first, *more = chunk.split(b"\n")
        rest.append(first)
        for part in more:
            if line := b"".join(rest):
                yield line
            rest = [part]


def _readable(decoder: msgspec.json.Decoder[T], resource: Resource[Any], raw: msgspec.Raw) -> T | None:
    """The object; None for one that does not fit our type: it alone is left out, and the log says why."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        meta = msgspec.json.decode(raw, type=_Head).metadata
        name = f"{meta.namespace}/{meta.name}"
        log.error("An object can't be read and is left out resource=%s name=%s error=%s", resource.plural, name, error)
        return None


def _event(decoder: msgspec.json.Decoder[T], resource: Resource[Any], line: bytes) -> WatchEvent[T]:
    raw = msgspec.json.decode(line, type=_RawEvent)
    if raw.type == "ERROR":
        status = json.loads(bytes(raw.object))
        raise errors.from_answer(int(status.get("code") or 500), bytes(raw.object))
    meta = msgspec.json.decode(raw.object, type=_Head).metadata
    value = None if raw.type == "BOOKMARK" else _readable(decoder, resource, raw.object)
    return WatchEvent(raw.type, value, meta.resource_version, (sys.intern(meta.namespace), meta.name))
