"""Get and list: resourceVersion and resourceVersionMatch, selectors, pages that show one consistent state.

Source: k8s.io/apiserver pkg/storage (GetList), the concepts page "Kubernetes API Concepts".
"""

from __future__ import annotations

import asyncio
import base64
import posixpath
import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from kube46.api.errors import go_quote
from kube46.apiserver import fieldvalidation_json as gojson
from kube46.apiserver import statuses
from kube46.apiserver.history import Compacted
from kube46.apiserver.options import integer
from kube46.apiserver.requests import UINT64
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.selectors import Selector
    from kube46.apiserver.storage import Collection, Store

AT_ONCE = 1000  # objects that a selector looks at before others get their turn: 2 ms
FUTURE_SECONDS = 3.0  # so long a read waits for a revision that does not exist yet
EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a list asks for beside its selector: `revision` None means the newest."""

    revision: int | None
    exact: bool
    limit: int
    start: str  # keys from here on, below the namespace that is listed


class _Token(msgspec.Struct, omit_defaults=False):
    """A continue token: the revision all pages show (-1: the newest, the list need not be consistent), the next key."""

    v: str = ""
    rv: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] = 0
    start: str = ""


TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105  no password
BASE64 = re.compile(r"[-_0-9A-Za-z]*")


def revision_of(text: str) -> int | None:
    """A resourceVersion parameter; None for "" and "0", which ask for the newest (or any) state. Raises 500."""
    if text in ("", "0"):
        return None
    digits = text.isascii() and text.isdecimal()
    if not digits or len(text) > 20 or int(text) >= UINT64:
        problem = "value out of range" if digits else "invalid syntax"
        quoted = go_quote(text)
        message = f"resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: {problem}"
        raise StatusError(500, "", message)  # upstream forgets that it is the client's mistake
    return int(text)


def page_of(query: dict[str, str]) -> Page:
    """The paging parameters of a list, which `options` has let pass."""
    match, token = query.get("resourceVersionMatch", ""), query.get("continue", "")
    version = query.get("resourceVersion", "")
    limit = 0 if version == "0" else max(0, integer(query, "limit") or 0)
    if token:
        decoded = _decode(token)
        if version not in ("", "0"):
            raise statuses.bad_request("specifying resource version is not allowed when using continue")
        return Page(decoded.rv if decoded.rv > 0 else None, decoded.rv > 0, limit, decoded.start)
    try:
        revision = revision_of(version)
    except StatusError as problem:
        raise statuses.bad_request(f"invalid resource version: {problem.message}") from None
    # a first page at a named revision shows that revision, unless "not older" was asked for
    exact = match == "Exact" or (not match and limit > 0 and revision is not None)
    return Page(revision, exact, limit, "")


def _decode(token: str) -> _Token:
    """What a continue token holds; raises 400 with the texts of storage.DecodeContinue."""
    right = BASE64.match(token)
    wrong = right.end() if right is not None else 0
    if wrong < len(token) or len(token) % 4 == 1:
        place = wrong if wrong < len(token) else len(token) - 1
        raise _bad_token(f": illegal base64 data at input byte {place}")
    try:
        found = gojson.parse(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        decoded = msgspec.convert(gojson.plain(found), _Token)
    except gojson.SyntaxProblem as problem:
        raise _bad_token(f": {problem}") from None
    except msgspec.ValidationError as problem:
        raise _bad_token(f": {problem}") from None
    if decoded.v != TOKEN_VERSION:
        raise _bad_token(f": server does not recognize this encoded version {decoded.v}")
    if decoded.rv == 0:
        raise _bad_token(f": incorrect encoded start resourceVersion (version {TOKEN_VERSION})")
    if not decoded.start:
        raise _bad_token(f": encoded start key empty (version {TOKEN_VERSION})")
    if posixpath.normpath(f"/{decoded.start.lstrip('/')}") != f"/{decoded.start.lstrip('/')}":
        raise _bad_token(f": {decoded.start}")
    return decoded


def _bad_token(text: str) -> StatusError:
    return statuses.bad_request(f"invalid continue token: continue key is not valid{text}")


def _encode(revision: int, start: str) -> str:
    token = msgspec.json.encode(_Token(TOKEN_VERSION, revision, start))
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


async def fresh(store: Store, revision: int | None) -> None:
    """Wait until a revision exists; raises 504 when it does not come."""
    if revision is None or revision <= store.revision:
        return
    if not await store.reached(revision, FUTURE_SECONDS):
        raise _too_large(store, revision, 1)


def _too_large(store: Store, revision: int, retry_after: int | None = None) -> StatusError:
    text = f"Timeout: Too large resource version: {revision}, current: {store.revision}"
    details: dict[str, Any] = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    }
    if retry_after is not None:
        details["retryAfterSeconds"] = retry_after
    return StatusError(504, "Timeout", text, details, retry_after=retry_after)


async def listing(
    store: Store, kind: Kind, namespace: str, selector: Selector, page: Page
) -> tuple[list[bytes], dict[str, Any]]:
    """The objects of a list and its metadata."""
    if page.exact and page.revision is not None and page.revision > store.revision:
        raise _too_large(store, page.revision)  # etcd is asked, which does not wait
    await fresh(store, page.revision)
    collection = store.collection(kind.resource)
    shown = page.revision if page.exact and page.revision is not None else store.revision
    if shown == store.revision and not page.limit and not page.start:
        values = _whole(store, kind, namespace, selector)
        return await _selected(values, selector), {"resourceVersion": str(shown)}
    try:
        return await _page(collection, namespace, selector, page, shown)
    except Compacted:
        raise _expired(page) from None


async def _selected(values: list[bytes], selector: Selector) -> list[bytes]:
    """Those that match; others get their turn between a thousand and the next."""
    if not selector:
        return values
    found: list[bytes] = []
    for start in range(0, len(values), AT_ONCE):
        if start:
            await asyncio.sleep(0)
        found += [value for value in values[start : start + AT_ONCE] if selector.matches(value)]
    return found


def _whole(store: Store, kind: Kind, namespace: str, selector: Selector) -> list[bytes]:
    """All that may match."""
    collection = store.collection(kind.resource)
    name = selector.only_name() if selector else None
    if name and (namespace or not kind.namespaced):
        record = collection.records.get(f"{namespace}/{name}" if kind.namespaced else name)
        return [] if record is None else [record.value]
    return [collection.records[key].value for key in collection.under(namespace)]


async def _page(
    collection: Collection, namespace: str, selector: Selector, page: Page, shown: int
) -> tuple[list[bytes], dict[str, Any]]:
    """What matches from the page's start on, until it is full; raises Compacted."""
    prefix = f"{namespace}/" if namespace else ""
    keys, value_of = collection.at(shown, namespace)
    index = bisect_left(keys, prefix + page.start) if page.start else 0
    metadata: dict[str, Any] = {"resourceVersion": str(shown)}
    found: list[bytes] = []
    looked = 0
    while index < len(keys) and not (page.limit and len(found) == page.limit):
        if selector and looked and looked % AT_ONCE == 0:
            await asyncio.sleep(0)  # objects change meanwhile, but not how they were at a revision
            keys, value_of = collection.at(shown, namespace)
        value = value_of(keys[index])
        index, looked = index + 1, looked + 1
        if not selector or selector.matches(value):
            found.append(value)
    if rest := len(keys) - index:
        metadata["continue"] = _encode(shown, keys[index - 1].removeprefix(prefix) + "\0")
        if not selector:
            metadata["remainingItemCount"] = rest
    return found, metadata


def _expired(page: Page) -> StatusError:
    if page.start:
        return StatusError(410, "Expired", EXPIRED, metadata={"continue": _encode(-1, page.start)})
    return statuses.gone("The resourceVersion for the provided list is too old.")
