"""The request of a server-side apply: its config, its manager, and the merged object checked against the schema.

Source: k8s.io/apiserver pkg/endpoints/handlers/patch.go (applyPatcher), apimachinery meta/v1/validation.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from kube46.api.metadata import MANAGER_LIMIT
from kube46.apiserver import fieldvalidation_json as gojson
from kube46.apiserver import statuses
from kube46.apiserver.bodies import from_yaml, validation
from kube46.apiserver.customresources import bodies
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.fieldvalidation import Validation, as_warnings, prune, written_version
from kube46.apiserver.fieldvalidation_types import Mismatch
from kube46.apiserver.managedfields import typed
from kube46.apiserver.schemas import Schemas
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.requests import Request
    from kube46.apiserver.writes import Call

    Settle = Callable[["Object", Kind], "Object"]

Object = dict[str, Any]
MEDIA_TYPE = "application/apply-patch+yaml"
MOST_INTEGER = 1 << 63


def program(request: Request) -> str:
    """Who owns what a request without `fieldManager` writes: the program's name in User-Agent."""
    agent = request.headers.get(b"user-agent", b"").decode("latin-1").split("/")[0]
    return "".join(char for char in agent if char.isprintable())[:MANAGER_LIMIT] or "unknown"


async def _read(body: bytes) -> tuple[Any, str]:
    """The value of a body, and the complaint about keys that it repeats; raises 400."""
    if not gojson.SURROGATE.search(text := body.decode(errors="replace")):  # whose escapes YAML does not know
        try:
            return _JSON.decode(text), ""  # as kubectl and client-go send it
        except ValueError:
            pass
    read = await asyncio.to_thread(from_yaml, body)
    if read.problem:
        looks_like_json = body.lstrip().startswith(b"{")
        where = "decoding patch: error converting YAML to JSON" if looks_like_json else "encoding patch"
        raise statuses.bad_request(f"error {where}: {read.problem}")
    return msgspec.json.decode(read), read.repeated and f"error converting YAML to JSON: {read.repeated}"


def _once(pairs: list[tuple[str, Any]]) -> Object:
    """An object; raises ValueError where a key comes twice: YAML's reader then says on which line."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def _constant(text: str) -> NoReturn:
    raise ValueError(text)


_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_constant)


async def config_of(request: Request, call: Call) -> tuple[Object, Settle]:
    """The applied config of a body, and what checks what is merged with it; raises 400 for what is none."""
    config, repeated = await _read(await request.body())
    config = {} if config is None else whole(config)
    if not isinstance(config, dict):
        go = f"json: cannot unmarshal {gojson.described(config)} into Go value of type map[string]interface {{}}"
        raise statuses.bad_request(f"error decoding patch: error unmarshaling JSON: while decoding JSON: {go}")
    kind, (version, named) = call.kind, (_text(config.get(name)) for name in ("apiVersion", "kind"))
    if (written_version(version), named) != (kind.api_version, kind.kind):
        raise statuses.bad_request(f"invalid object type: {_told(version, named)}")
    meta = config.get("metadata")
    handed = meta.get("managedFields") if isinstance(meta, dict) else None
    if isinstance(handed, list) and all(isinstance(entry, dict) for entry in handed):  # Go reads no others
        raise statuses.bad_request("metadata.managedFields must be nil")
    if not isinstance(kind, CustomKind) and (text := typed.problem(config, kind.group, kind.version, kind.kind)):
        raise StatusError(500, "", f"failed to create typed patch object ({described(config, kind)}): {text}")
    if meta is not None and not isinstance(meta, dict):
        raise statuses.bad_request("error decoding YAML: metadata must be an object")
    config["metadata"] = meta or {}

    def settle(merged: Object, kind: Kind) -> Object:
        found = settled(merged, kind, config)
        if repeated and validation(request) == Validation.STRICT:
            raise statuses.bad_request(f"error strict decoding patch: {repeated}")
        if repeated and validation(request) == Validation.WARN:
            request.warnings += as_warnings([repeated])
        return found

    return config, settle


def whole(value: Any) -> Any:
    """YAML has one form of a number: 80.0 is 80."""
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < MOST_INTEGER else value


def _text(value: Any) -> str:
    """What Go reads of a value that is to be a text."""
    return value if isinstance(value, str) else ""


def _told(api_version: str, kind: str) -> str:
    """A foreign type as Go prints what it could read of it."""
    if api_version.count("/") > 1:
        return "/, Kind="
    return f"{api_version if '/' in api_version else '/' + api_version}, Kind={kind}"


def described(obj: Object, kind: Kind) -> str:
    """An object as upstream's apply names it: a new one says its namespace only if its config does."""
    meta = obj.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return f"{_text(meta.get('namespace'))}/{_text(meta.get('name'))}; {gvk(kind)}"


def gvk(kind: Kind) -> str:
    """A kind as Go prints it; the core group is empty."""
    return f"{kind.group}/{kind.version}, Kind={kind.kind}"


def settled(merged: Object, kind: Kind, config: Object) -> Object:
    """The merged object in stored form; raises 400 and 500 for values of a wrong type, which name the config."""
    try:
        if isinstance(kind, CustomKind):
            return bodies.coerce(merged, kind.version_of.schema)[0]
        schema = Schemas.load().kind(kind.group, kind.version, kind.kind)
        return prune(merged, schema, unstructured=not isinstance(kind, CustomKind))[0]
    except Mismatch as problem:
        text = f"to proper version: unable to convert unstructured object to {gvk(kind)}: {problem}"
        raise StatusError(500, "", f"failed to convert new object ({described(config, kind)}) {text}") from None
