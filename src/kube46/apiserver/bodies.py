"""Bodies of requests as JSON, whatever they came as."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from kube46.apiserver import fieldvalidation_json as gojson
from kube46.apiserver import protobuf
from kube46.apiserver.negotiation import CUSTOM, OFFERED, PROTOBUF
from kube46.apiserver.protobuf_wire import MAGIC
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from kube46.apiserver.requests import Request

JSON_TYPES = ("application/json",)
YAML_TYPES = ("application/yaml",)


def validation(request: Request) -> str:
    """The fieldValidation parameter; the server's default is Warn."""
    return request.query.get("fieldValidation") or "Warn"


async def read_json(request: Request, *, protobuf_too: bool = True) -> bytes:
    """A body as JSON; YAML and protobuf are converted (`gojson.Converted`); raises 415 for anything else."""
    media = request.content_type
    offered = OFFERED if protobuf_too else CUSTOM
    if media not in (*offered, *JSON_TYPES, *YAML_TYPES):
        accepted = ", ".join(offered)
        text = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise StatusError(415, "UnsupportedMediaType", text)
    body = await request.body()
    if media == PROTOBUF:
        return from_protobuf(body)
    return await asyncio.to_thread(from_yaml, body) if media in YAML_TYPES else body


def from_protobuf(body: bytes) -> gojson.Converted:
    """Protobuf as JSON, or with what is wrong with it; raises 400 for what can't be decoded."""
    if not body or not body.startswith(MAGIC):
        prefix = " ".join(str(byte) for byte in MAGIC)
        text = f"provided data does not appear to be a protobuf message, expected prefix [{prefix}]"
        return gojson.converted(body, problem=text if body else "empty data")
    return gojson.converted(body, protobuf.decode(body))


def from_yaml(body: bytes) -> gojson.Converted:
    """YAML as JSON, or with what is wrong with it. Call it on a thread."""
    from kube46.apiserver import bodies_yaml  # rarely asked for

    try:
        value, repeated = bodies_yaml.load(body)
        return gojson.converted(body, msgspec.json.encode(value), repeated=repeated)
    except bodies_yaml.Problem as problem:
        return gojson.converted(body, problem=str(problem))
