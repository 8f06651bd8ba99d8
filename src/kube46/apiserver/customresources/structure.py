"""Whether a schema is structural: every field has a type outside of allOf, anyOf, oneOf and not, which only restrict.

Source: apiextensions-apiserver pkg/apiserver/schema/{validation,complete}.go.
"""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, forbidden, invalid, required
from kube46.apiserver.customresources import patterns

Object = dict[str, Any]
PREFIX = "x-kubernetes-"
PRESERVE, EMBEDDED, INT_OR_STRING = (
    f"{PREFIX}preserve-unknown-fields",
    f"{PREFIX}embedded-resource",
    f"{PREFIX}int-or-string",
)
INT_OR_STRING_ANY_OF = [{"type": "integer"}, {"type": "string"}]
ROOT, ITEM, FIELD = "at the root", "for specified array items", "for specified object fields"
# what the branches of allOf, anyOf, oneOf and not may not say
NOT_IN_BRANCHES = (
    ("type", "must be empty to be structural"), ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"), ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"), (PRESERVE, "must be false to be structural"),
    (EMBEDDED, "must be false to be structural"), (INT_OR_STRING, "must be false to be structural"),
    (f"{PREFIX}list-map-keys", "must be empty to be structural"),
    (f"{PREFIX}list-type", "must be undefined to be structural"),
    (f"{PREFIX}map-type", "must be undefined to be structural"),
    (f"{PREFIX}validations", "must be empty to be structural"),
)  # fmt: skip


def problems(schema: Object, path: str) -> list[FieldError]:
    """Everything that keeps a schema from being structural, sorted by text."""
    found = _invariants(schema, ROOT, path) + _complete(schema, schema, path, path)
    return sorted(found, key=lambda error: error.text)


def key(path: str, name: str) -> str:
    """`path.properties[name]`."""
    return f"{path}.properties[{name}]"


def _invariants(schema: Object, level: str, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    items, more = schema.get("items"), schema.get("additionalProperties")
    if schema.get("type") == "array" and items is None:
        found.append(required(f"{path}.items", "must be specified"))
    if items is not None:
        found += _invariants(items, ITEM, f"{path}.items")
    for name, inner in (schema.get("properties") or {}).items():
        found += _invariants(inner, FIELD, key(path, name))
    if more is not None:
        if level == ROOT:
            found.append(forbidden(f"{path}.additionalProperties", "must not be used at the root"))
        if isinstance(more, dict):
            found += _invariants(more, FIELD, f"{path}.additionalProperties")
    return found + _extensions(schema, path) + _junctors(schema, path, exempt=True) + _types(schema, level, path)


def _extensions(schema: Object, path: str) -> list[FieldError]:
    if not schema.get(INT_OR_STRING):
        return []
    return [
        invalid(f"{path}.{name}", True, "must be false if x-kubernetes-int-or-string is true")
        for name in (PRESERVE, EMBEDDED)
        if schema.get(name)
    ]


def _types(schema: Object, level: str, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    kind, embedded = schema.get("type", ""), schema.get(EMBEDDED)
    properties = schema.get("properties") or {}
    if embedded and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        found.append(invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text))
    elif not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        found.append(required(f"{path}.type", f"must not be empty {level}"))
    if embedded and "additionalProperties" in schema:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        found.append(forbidden(f"{path}.additionalProperties", text))
    if level == ROOT and kind and kind != "object":
        found.append(invalid(f"{path}.type", kind, "must be object at the root"))
    if level == ROOT or embedded:
        found += [
            invalid(f"{key(path, name)}.type", properties[name].get("type", ""), "must be string")
            for name in ("kind", "apiVersion")
            if name in properties and properties[name].get("type") != "string"
        ]
        if "metadata" in properties:
            found += _metadata(properties["metadata"], level, key(path, "metadata"))
    if embedded and not schema.get(PRESERVE) and not properties:
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        found.append(required(f"{path}.properties", text))
    return found


def _metadata(schema: Object, level: str, path: str) -> list[FieldError]:
    found = []
    if schema.get("type", "") != "object":
        found.append(invalid(f"{path}.type", schema.get("type", ""), "must be object"))
    named = set(schema.get("properties") or {}) <= {"name", "generateName"}
    if level == ROOT and (set(schema) - {"type", "default", "properties"} or not named):
        text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        found.append(forbidden(path, text))
    return found


def _junctors(schema: Object, path: str, *, exempt: bool = False) -> list[FieldError]:
    """The branches; `exempt`: anyOf may spell out what x-kubernetes-int-or-string means, itself or within allOf[0]."""
    found: list[FieldError] = []
    if not (exempt and schema.get("anyOf") == INT_OR_STRING_ANY_OF):
        for index, branch in enumerate(schema.get("anyOf") or ()):
            found += _branch(branch, f"{path}.anyOf[{index}]")
    for index, branch in enumerate(schema.get("allOf") or ()):
        found += _branch(branch, f"{path}.allOf[{index}]", exempt=exempt and index == 0)
    for index, branch in enumerate(schema.get("oneOf") or ()):
        found += _branch(branch, f"{path}.oneOf[{index}]")
    if "not" in schema:
        found += _branch(schema["not"], f"{path}.not")
    if schema.get("pattern") and (problem := patterns.problem(schema["pattern"])):
        text = f"must be a valid regular expression, but isn't: {problem}"
        found.append(invalid(f"{path}.pattern", schema["pattern"], text))
    return found


def _branch(schema: Object, path: str, *, exempt: bool = False) -> list[FieldError]:
    found = _junctors(schema, path, exempt=exempt)
    properties = schema.get("properties") or {}
    if isinstance(schema.get("items"), dict):
        found += _branch(schema["items"], f"{path}.items")
    for name, inner in properties.items():
        found += _branch(inner, key(path, name))
    if schema.get("additionalProperties"):
        found.append(forbidden(f"{path}.additionalProperties", "must be undefined to be structural"))
    found += [forbidden(f"{path}.{name}", text) for name, text in NOT_IN_BRANCHES if schema.get(name)]
    if "metadata" in properties:
        found.append(forbidden(key(path, "metadata"), "must not be specified in a nested context"))
    return found


def _complete(restriction: Object, schema: Object | None, path: str, where: str) -> list[FieldError]:
    """Each field that a branch names is to be there outside of branches, too."""
    if schema is None:
        return [required(path, f"because it is defined in {where}")]
    found: list[FieldError] = []
    if "not" in restriction:
        found += _complete_branch(restriction["not"], schema, path, f"{where}.not")
    for junctor in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(restriction.get(junctor) or ()):
            found += _complete_branch(branch, schema, path, f"{where}.{junctor}[{index}]")
    return found


def _complete_branch(branch: Object, schema: Object | None, path: str, where: str) -> list[FieldError]:
    found = _complete(branch, schema, path, where)
    if schema is None:
        return found
    if isinstance(branch.get("items"), dict):
        found += _complete_branch(branch["items"], schema.get("items"), f"{path}.items", f"{where}.items")
    for name, inner in (branch.get("properties") or {}).items():
        outer = (schema.get("properties") or {}).get(name)
        if outer is None:
            found.append(required(key(path, name), f"because it is defined in {key(where, name)}"))
        else:
            found += _complete_branch(inner, outer, key(path, name), key(where, name))
    return found
