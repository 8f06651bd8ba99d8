"""Get and list: resourceVersion and resourceVersionMatch, selectors, pages that show one consistent state.

Source: k8s.io/apiserver pkg/storage (GetList), the concepts page "Kubernetes API Concepts".
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from kube46.apiserver import statuses
from kube46.apiserver.history import Compacted
from kube46.apiserver.requests import UINT64, number_of
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.selectors import Selector
    from kube46.apiserver.storage import Store

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
    start: str  # keys after this one


class _Token(msgspec.Struct):
    """A continue token: the revision all pages show (-1: the newest, the list need not be consistent), the last key."""

    rv: Annotated[int, msgspec.Meta(le=(1 << 63) - 1)]
    start: str


def revision_of(text: str) -> int | None:
    """A resourceVersion parameter; None for "" and "0", which ask for the newest (or any) state."""
    if text in ("", "0"):
        return None
    digits = text.isascii() and text.isdecimal()
    if not digits or len(text) > 20 or int(text) >= UINT64:
        problem = "value out of range" if digits else "invalid syntax"
        message = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {problem}'
        raise statuses.bad_request(message)
    return int(text)


def page_of(query: dict[str, str]) -> Page:
    """The paging parameters of a list; refuses combinations that mean nothing, with Kubernetes' texts."""
    match, token = query.get("resourceVersionMatch", ""), query.get("continue", "")
    version = query.get("resourceVersion", "")
    limit = number_of(query, "limit")
    if match and (problem := _match_problem(match, version, token)):
        message = f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: {problem}'
        raise StatusError(422, "Invalid", message, {"group": "meta.k8s.io", "kind": "ListOptions"})
    if token:
        if version not in ("", "0"):
            raise statuses.bad_request("specifying resource version is not allowed when using continue")
        decoded = _decode(token)
        return Page(decoded.rv if decoded.rv > 0 else None, decoded.rv > 0, limit, decoded.start)
    revision = revision_of(version)
    # a first page at a named revision shows that revision, unless "not older" was asked for
    exact = match == "Exact" or (not match and limit > 0 and revision is not None)
    return Page(revision, exact, limit, "")


def _match_problem(match: str, version: str, token: str) -> str:
    if token:
        return "Forbidden: resourceVersionMatch is forbidden when continue is provided"
    if not version:
        return "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    if match not in ("Exact", "NotOlderThan"):
        return f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
    if match == "Exact" and version == "0":
        return 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    return ""


def _decode(token: str) -> _Token:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=_Token)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise statuses.bad_request("continue key is not valid: it was not made by this server") from None


def _encode(revision: int, start: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_Token(revision, start))).decode().rstrip("=")


async def fresh(store: Store, revision: int | None) -> None:
    """Wait until a revision exists; raises 504 when it does not come."""
    if revision is None or revision <= store.revision:
        return
    deadline = asyncio.get_running_loop().time() + FUTURE_SECONDS
    while revision > store.revision:
        if asyncio.get_running_loop().time() > deadline:
            raise _too_large(store, revision, 1)
        await asyncio.sleep(0.02)


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
        keys, value_of = collection.at(shown, namespace)
    except Compacted:
        raise _expired(page) from None
    return _cut(keys, value_of, selector, page, shown)


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


def _cut(
    keys: list[str], value_of: Callable[[str], bytes], selector: Selector, page: Page, shown: int
) -> tuple[list[bytes], dict[str, Any]]:
    metadata: dict[str, Any] = {"resourceVersion": str(shown)}
    found: list[bytes] = []
    for index in range(bisect_right(keys, page.start), len(keys)):
        key, value = keys[index], value_of(keys[index])
        if selector and not selector.matches(value):
            continue
        found.append(value)
        if page.limit and len(found) == page.limit:
            rest = len(keys) - index - 1
            if rest:
                metadata["continue"] = _encode(shown, key)
                if not selector:
                    metadata["remainingItemCount"] = rest
            break
    return found, metadata


def _expired(page: Page) -> StatusError:
    if page.start:
        return StatusError(410, "Expired", EXPIRED, metadata={"continue": _encode(-1, page.start)})
    return statuses.gone("The resourceVersion for the provided list is too old.")
