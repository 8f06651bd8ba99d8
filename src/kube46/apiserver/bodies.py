"""Bodies of requests as JSON, whatever they came as."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from kube46.apiserver import protobuf, statuses
from kube46.apiserver.negotiation import CUSTOM, OFFERED, PROTOBUF
from kube46.apiserver.requests import MAX_BODY
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from kube46.apiserver.requests import Request

JSON_TYPES = ("application/json",)
YAML_TYPES = ("application/yaml",)


def validation(request: Request) -> str:
    """The fieldValidation parameter; the server's default is Warn."""
    return request.query.get("fieldValidation") or "Warn"


async def read_json(request: Request, *, protobuf_too: bool = True) -> bytes:
    """A body as JSON; YAML and protobuf are converted; raises 415 for anything else."""
    media = request.content_type
    offered = OFFERED if protobuf_too else CUSTOM
    if media not in (*offered, *JSON_TYPES, *YAML_TYPES):
        accepted = ", ".join(offered)
        text = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise StatusError(415, "UnsupportedMediaType", text)
    body = await request.body()
    if media == PROTOBUF and body:
        return protobuf.decode(body)
    return await asyncio.to_thread(from_yaml, body) if media in YAML_TYPES else body


def from_yaml(body: bytes) -> bytes:
    """YAML as JSON; raises 400, also for aliases that unfold to more than a body may hold. Call it on a thread."""
    import yaml  # rarely asked for

    try:
        value = yaml.load(body, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  is safe
        if _unfolded(value, {}) > MAX_BODY:
            raise statuses.bad_request("error converting YAML to JSON: document contains excessive aliasing")
        return msgspec.json.encode(value)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise statuses.bad_request(f"error converting YAML to JSON: {error}") from None


def _unfolded(value: object, sizes: dict[int, int]) -> int:
    """How many values and characters a document writes out to; a shared part counts wherever it stands."""
    if isinstance(value, str):
        return len(value) + 1
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in sizes:
        sizes[id(value)] = MAX_BODY + 1  # found again within itself: endless
        inner = (part for pair in value.items() for part in pair) if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_unfolded(part, sizes) for part in inner)
    return sizes[id(value)]
