"""OpenAPI of the kinds served: v3 by group, v2 as one document; enough for `kubectl explain`, validation and apply.

Documents are made on first use and kept as bytes; the prose they are made of is dropped again.
Source: kube-openapi pkg/handler, pkg/handler3; apiserver pkg/endpoints/installer.go (paths, operations, parameters).
"""

from __future__ import annotations

import json
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kube46.apiserver.customresources import documents
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.discovery import Document, Kind, etag
from kube46.apiserver.openapi_paths import paths
from kube46.apiserver.openapi_protobuf import encode_v2
from kube46.apiserver.schemas import Schemas, openapi_definitions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

DEFINITION, NAMES = "#/$defs/", "x-kubernetes-group-version-kind"
JSON, V2_PROTOBUF = "application/json", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# the media type's older spelling, which client-go asks for; the answer always has the newer one
V2_PROTOBUF_ASKED = ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", V2_PROTOBUF)
YEAR = 366 * 24 * 3600
# written by every kind's operations
SHARED = tuple(
    f"io.k8s.apimachinery.pkg.apis.meta.v1.{name}"
    for name in ("APIResourceList", "DeleteOptions", "Patch", "Status", "WatchEvent")
)
INFO = {"title": "Kubernetes", "version": "1.37"}


class OpenApi:
    """Answers below /openapi for a table of kinds. `answer` blocks some 30 ms on first use: call it on a thread."""

    def __init__(
        self,
        kinds: Sequence[Kind],
        made: Mapping[str, Document] | None = None,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        self._kinds, self._elsewhere = kinds, dict(elsewhere or {})
        self._lock = threading.Lock()
        self._groups = dict(made or {})
        self._index: Document | None = None
        self._v2: dict[str, Document] = {}

    def of(self, kinds: Sequence[Kind], elsewhere: Mapping[str, str] | None = None) -> OpenApi:
        """The answers for another table; documents of Kubernetes' own kinds are not made again.

        `elsewhere` are those that another server makes: `apis/GROUP/VERSION` → where, with a hash.
        """
        own = {name for name, listed in _by_group(kinds).items() if not any(kind.custom for kind in listed)}
        return OpenApi(kinds, {name: document for name, document in self._groups.items() if name in own}, elsewhere)

    def answer(self, path: str, accept: str = "", query: Mapping[str, str] | None = None) -> Document | None:
        """The document of a path, None when it is none of ours; status 406 and 301 are answers of their own."""
        path = path.rstrip("/")
        if path == "/openapi/v2":
            return self._second(accept)
        if path != "/openapi/v3" and not path.startswith("/openapi/v3/"):
            return None
        self._build_third()
        if path == "/openapi/v3":
            return self._index
        document = self._groups.get(path.removeprefix("/openapi/v3/"))
        if document is None:
            return None
        if not _accepts(accept, (JSON,)):
            return Document(b"", status=406)
        return _hashed(path, document, (query or {}).get("hash", ""))

    def _second(self, accept: str) -> Document:
        form = _accepts(accept, (JSON, *V2_PROTOBUF_ASKED))
        if not form:
            return Document(b"", status=406)
        form = JSON if form == JSON else V2_PROTOBUF
        with self._lock:
            if form not in self._v2:
                swagger = _swagger(self._kinds)
                body = _encoded(swagger)
                marked = etag(body)
                body = body if form == JSON else encode_v2(swagger)
                self._v2[form] = Document(body, form, marked, {"Vary": "Accept"})
            return self._v2[form]

    def _build_third(self) -> None:
        with self._lock:
            if self._index is not None:
                return
            definitions = openapi_definitions()
            for name, kinds in _by_group(self._kinds).items():
                if name in self._groups:
                    continue
                body = _encoded(_group_document(kinds, definitions))
                self._groups[name] = Document(body, JSON, etag(body), {"Vary": "Accept"})
            own = {name: f"/openapi/v3/{name}?hash={quote(d.etag)}" for name, d in self._groups.items()}
            urls = sorted((self._elsewhere | own).items())
            body = _encoded({"paths": {name: {"serverRelativeURL": url} for name, url in urls}})
            self._index = Document(body, JSON, etag(body))


def _hashed(path: str, document: Document, wanted: str) -> Document:
    """With `?hash=` an answer may be kept for ever; a stale hash is redirected to the current one."""
    if not wanted:
        return document
    if wanted != document.etag:
        return Document(b"", headers={"Location": f"{path}?hash={quote(document.etag)}"}, status=301)
    expires = formatdate(time.time() + YEAR, usegmt=True)
    headers = {**document.headers, "Cache-Control": "public, immutable", "Expires": expires}
    return Document(document.body, document.content_type, document.etag, headers)


def _accepts(accept: str, offered: Sequence[str]) -> str:
    """The first offered media type that the header takes, "" for none."""
    for clause in (accept or "*/*").split(","):
        media = clause.split(";")[0].strip()
        if media in ("*/*", "application/*"):
            return offered[0]
        if media in offered:
            return media
    return ""


def _by_group(kinds: Iterable[Kind]) -> dict[str, list[Kind]]:
    groups: dict[str, list[Kind]] = {}
    for kind in kinds:
        groups.setdefault(f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}", []).append(kind)
    return groups


def _group_document(kinds: Sequence[Kind], definitions: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    definitions = {**definitions, **_models(kinds, definitions, 3)}
    served = {("", "v1"), (kinds[0].group, kinds[0].version)}
    schemas = {name: _named(_third(definitions[name]), served) for name in _closure(_roots(kinds), definitions)}
    return {"openapi": "3.0.0", "info": INFO, "paths": paths(kinds, 3), "components": {"schemas": schemas}}


def _named(schema: dict[str, Any], served: Collection[tuple[str, str]]) -> dict[str, Any]:
    """Of the names of what every group has (DeleteOptions, WatchEvent), those of this document."""
    names = schema.get(NAMES, ())
    return schema if len(names) < 2 else {**schema, NAMES: [n for n in names if (n["group"], n["version"]) in served]}


def _swagger(kinds: Sequence[Kind]) -> dict[str, Any]:
    definitions = openapi_definitions()
    definitions |= _models(kinds, definitions, 2)
    found = {name: _second(definitions[name]) for name in _closure(_roots(kinds), definitions)}
    return {"swagger": "2.0", "info": INFO, "paths": paths(kinds, 2), "definitions": found}


def _models(kinds: Iterable[Kind], definitions: Mapping[str, dict[str, Any]], version: int) -> dict[str, Any]:
    """The definitions of custom kinds."""
    found: dict[str, Any] = {}
    for kind in kinds:
        if isinstance(kind, CustomKind):
            found |= documents.models(kind, definitions, version)
    return found


def _roots(kinds: Iterable[Kind]) -> set[str]:
    schemas = Schemas.load()
    kinds = tuple(kinds)
    roots = set(SHARED if any("watch" in kind.verbs for kind in kinds) else SHARED[:1])
    for kind in kinds:
        if kind.custom:
            roots |= {documents.model_name(kind.group, kind.version, name) for name in (kind.kind, kind.list_kind)}
        else:
            roots.add(schemas.definition(kind.group, kind.version, kind.kind))
        if schemas.knows(kind.group, kind.version, f"{kind.kind}List"):
            roots.add(schemas.definition(kind.group, kind.version, f"{kind.kind}List"))
        for sub in kind.subresources:
            identity = (sub.group or kind.group, sub.version or kind.version, sub.kind or kind.kind)
            if schemas.knows(*identity):
                roots.add(schemas.definition(*identity))
    return roots


def _closure(roots: Iterable[str], definitions: Mapping[str, dict[str, Any]]) -> list[str]:
    """The roots and everything they refer to, in the order of names."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(definitions[name])
    return sorted(found)


def _references(schema: Mapping[str, Any]) -> list[str]:
    found = [schema["$ref"].removeprefix(DEFINITION)] if "$ref" in schema else []
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += _references(schema[key])
    for value in schema.get("properties", {}).values():
        found += _references(value)
    return found


def _second(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of version 2: a reference stands alone but for its prose."""
    return _rewritten(schema, 2)


def _third(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of version 3: a reference with prose is wrapped in allOf."""
    return _rewritten(schema, 3)


def _rewritten(schema: Mapping[str, Any], version: int) -> dict[str, Any]:
    if version == 3 and "third" in schema:  # of another form, not only of another spelling
        third: dict[str, Any] = schema["third"]
        return third
    out = {key: value for key, value in schema.items() if key != "third"}
    if version == 2:
        out.pop("default", None)
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = _rewritten(out[key], version)
    if "properties" in out:
        out["properties"] = {name: _rewritten(value, version) for name, value in out["properties"].items()}
    if "$ref" in out:
        target = out.pop("$ref").removeprefix(DEFINITION)
        if version == 2:
            return {"$ref": f"#/definitions/{target}", **out}
        reference = {"$ref": f"#/components/schemas/{target}"}
        return {"allOf": [reference], **out} if out else reference
    if version == 3 and out.get("format") == "int-or-string":
        del out["type"]
        out["oneOf"] = [{"type": "integer"}, {"type": "string"}]
    return out


def _encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
