"""Custom kinds in OpenAPI: their schemas, with what every object has, in the forms of version 2 and 3.

Source: apiextensions-apiserver pkg/controller/openapi/{builder/builder.go,v2/conversion.go}.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from kube46.apiserver.customresources.pruning import EMBEDDED, PRESERVE
from kube46.apiserver.customresources.structure import INT_OR_STRING, INT_OR_STRING_ANY_OF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube46.apiserver.customresources.kinds import CustomKind

Object = dict[str, Any]
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
DEFINITION = "#/$defs/"
CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
METADATA_TEXT = f"Standard object's metadata. More info: {CONVENTIONS}#metadata"


def model_name(group: str, version: str, kind: str) -> str:
    """`org.example.v1.Widget`."""
    return ".".join((*reversed(group.split(".")), version, kind))


def models(kind: CustomKind, definitions: Mapping[str, Object], version: int) -> dict[str, Object]:
    """The definitions of a kind and its list; `definitions` are Kubernetes' own, for their prose."""
    typed = {name: _prose(definitions, "PartialObjectMetadata", name) for name in ("apiVersion", "kind")}
    schema = copy.deepcopy(kind.version_of.schema)
    if version == 2 and schema.get(PRESERVE):  # kubectl would refuse what is not among the properties
        schema = {"type": "object"}
    else:
        _settle(schema, version, typed)
        reference = {"$ref": f"{DEFINITION}{META}ObjectMeta", "description": METADATA_TEXT}
        schema["properties"] = {**(schema.get("properties") or {}), **typed, "metadata": reference}
    identity = {"group": kind.group, "version": kind.version}
    schema["x-kubernetes-group-version-kind"] = [{**identity, "kind": kind.kind}]
    if kind.fields:
        schema["x-kubernetes-selectable-fields"] = [{"fieldPath": name} for name in kind.fields]
    own = model_name(kind.group, kind.version, kind.kind)
    text = f"List of {kind.plural}. More info: {CONVENTIONS}"
    items = {"type": "array", "items": {"$ref": DEFINITION + own}, "description": text}
    metadata = {
        "$ref": f"{DEFINITION}{META}ListMeta",
        "description": f"Standard list metadata. More info: {CONVENTIONS}#types-kinds",
    }
    listed = {
        "type": "object", "description": f"{kind.list_kind} is a list of {kind.kind}", "required": ["items"],
        "properties": {**typed, "items": items, "metadata": metadata},
        "x-kubernetes-group-version-kind": [{**identity, "kind": kind.list_kind}],
    }  # fmt: skip
    return {own: schema, model_name(kind.group, kind.version, kind.list_kind): listed}


def _prose(definitions: Mapping[str, Object], kind: str, name: str) -> Object:
    """A field as Kubernetes' own kinds describe it."""
    found = definitions.get(f"{META}{kind}") or definitions[f"{META}Status"]
    inner: Object = found["properties"][name]
    return {"type": inner.get("type", "string"), "description": inner.get("description", "")}


def _settle(schema: Object, version: int, typed: Object) -> None:
    """One schema and those within it, in place."""
    for inner in (schema.get("properties") or {}).values():
        _settle(inner, version, typed)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            _settle(schema[name], version, typed)
    if schema.get(EMBEDDED) and not (version == 2 and schema.get(PRESERVE)):
        reference = {"$ref": f"{DEFINITION}{META}ObjectMeta", "description": METADATA_TEXT}
        schema["properties"] = {**(schema.get("properties") or {}), **typed, "metadata": reference}
        schema["required"] = list(dict.fromkeys([*(schema.get("required") or ()), "kind", "apiVersion"]))
    if version == 2:
        _second(schema)
    elif schema.get(INT_OR_STRING) and not any(schema.get(name) for name in ("anyOf", "allOf")):
        schema["anyOf"] = INT_OR_STRING_ANY_OF


def _second(schema: Object) -> None:
    """What version 2, or kubectl's reading of it, knows not."""
    for name in ("allOf", "oneOf", "anyOf", "not"):
        schema.pop(name, None)
    nullable = {name for name, inner in (schema.get("properties") or {}).items() if inner.get("nullable")}
    if left := [name for name in schema.get("required") or () if name not in nullable]:
        schema["required"] = left
    else:
        schema.pop("required", None)
    untyped = schema.pop("nullable", False)
    if untyped or schema.get(PRESERVE):
        schema.pop("items", None)
        schema.pop("properties", None)
    if (
        untyped
        or (schema.get("type") == "array" and "items" not in schema)
        or (schema.get(PRESERVE) and schema.get("type") == "object")
    ):
        schema.pop("type", None)
