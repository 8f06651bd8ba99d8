"""What a definition's schema may say beside being structural: types, list types, defaults' places, rules' form.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kube46.api.errors import FieldError, forbidden, invalid, not_supported, required
from kube46.apiserver.customresources.structure import EMBEDDED, PREFIX, PRESERVE, key

Object = dict[str, Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
NOT_AT_ALL = (
    ("id", "id is not supported"), ("additionalItems", "additionalItems is not supported"),
    ("patternProperties", "patternProperties is not supported"), ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"), ("$ref", "$ref is not supported"),
)  # fmt: skip
AT_ROOT_WITH_STATUS = (
    "Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum",
    "MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required", "Items",
    "Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations",
)  # fmt: skip
LIST_TYPE, LIST_KEYS, MAP_TYPE, RULES = (
    f"{PREFIX}{name}" for name in ("list-type", "list-map-keys", "map-type", "validations")
)
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a schema stands, as far as it matters to what it may say."""

    root: bool = True
    metadata: bool = False  # within an object's own or an embedded resource's metadata
    no_defaults: str = ""  # why not


def problems(schema: Object, path: str, place: Place = Place()) -> list[FieldError]:
    """The errors of a schema and of those within it."""
    found = _standard(schema, path, place)
    more, properties, items = schema.get("additionalProperties"), schema.get("properties") or {}, schema.get("items")
    inner = replace(place, root=False)
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(forbidden(f"{path}.uniqueItems", text))
    if "additionalProperties" in schema:
        if properties and more is not True:
            text = "additionalProperties and properties are mutual exclusive"
            found.append(forbidden(f"{path}.additionalProperties", text))
        if isinstance(more, dict):
            within = "inside additionalProperties applying to object metadata"
            below = replace(inner, no_defaults=within) if place.metadata else inner
            found += problems(more, f"{path}.additionalProperties", below)
    for name, one in properties.items():
        below = inner
        if (place.root or schema.get(EMBEDDED)) and name in ("metadata", "kind", "apiVersion"):
            reason = f"in top-level {name}" if place.root else inner.no_defaults
            below = replace(inner, metadata=True, no_defaults=reason)
        found += problems(one, key(path, name), below)
    if "not" in schema:
        found += problems(schema["not"], f"{path}.not", inner)
    for junctor in ("allOf", "oneOf", "anyOf"):
        for index, one in enumerate(schema.get(junctor) or ()):
            found += problems(one, f"{path}.{junctor}[{index}]", inner)
    if isinstance(items, dict):
        found += problems(items, f"{path}.items", inner)
    return found + _collections(schema, path) + _rules(schema, path)


def _standard(schema: Object, path: str, place: Place) -> list[FieldError]:
    found: list[FieldError] = []
    kind = schema.get("type", "")
    if kind and kind not in TYPES:
        found.append(not_supported(f"{path}.type", kind, TYPES))
    if "default" in schema and place.no_defaults:
        found.append(forbidden(f"{path}.default", f"must not be set {place.no_defaults}"))
    found += [forbidden(f"{path}.{name}", text) for name, text in NOT_AT_ALL if schema.get(name) not in (None, "", {})]
    if kind == "null":
        found.append(forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
    if isinstance(schema.get("items"), list):
        found.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if place.metadata and schema.get(EMBEDDED):
        found.append(forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta"))
    if schema.get(PRESERVE) is False:
        found.append(invalid(f"{path}.{PRESERVE}", False, "must be true or undefined"))
    return found


def _collections(schema: Object, path: str) -> list[FieldError]:
    """x-kubernetes-map-type, -list-type and -list-map-keys."""
    found: list[FieldError] = []
    map_type, list_type = schema.get(MAP_TYPE), schema.get(LIST_TYPE)
    if map_type is not None:
        found += _typed(schema, path, "object", "must be object if x-kubernetes-map-type is specified")
        if map_type not in ("atomic", "granular"):
            found.append(not_supported(f"{path}.{MAP_TYPE}", map_type, ("atomic", "granular")))
    items = schema.get("items") if isinstance(schema.get("items"), dict) else None
    if list_type is not None:
        wrong = _typed(schema, path, "array", "must be array if x-kubernetes-list-type is specified")
        found += wrong or _set_items(list_type, items, path)
        if list_type not in ("atomic", "set", "map"):
            found.append(not_supported(f"{path}.{LIST_TYPE}", list_type, ("atomic", "set", "map")))
    keys = schema.get(LIST_KEYS) or []
    if keys and list_type != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        where = f"{path}.{LIST_TYPE}"
        found.append(required(where, text) if list_type is None else invalid(where, list_type, text))
    if list_type == "map":
        found += _map_list(keys, items, path)
    if items is not None and list_type in ("set", "map"):
        found += _keys_and_nulls(list_type, keys, items, path)
    return found


def _typed(schema: Object, path: str, wanted: str, text: str) -> list[FieldError]:
    kind = schema.get("type", "")
    if kind == wanted:
        return []
    return [invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)]


def _set_items(list_type: str, items: Object | None, path: str) -> list[FieldError]:
    if list_type != "set" or items is None:
        return []
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "array" and items.get(LIST_TYPE, "atomic") != "atomic":
        return [invalid(f"{path}.items.{LIST_TYPE}", items.get(LIST_TYPE), text)]
    if items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
        return [invalid(f"{path}.items.{MAP_TYPE}", items.get(LIST_TYPE), text)]
    return []


def _map_list(keys: list[str], items: Object | None, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    where = f"{path}.{LIST_KEYS}"
    if not keys:
        found.append(required(where, "must not be empty if x-kubernetes-list-type is map"))
    if items is None:
        return [*found, required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")]
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        return [*found, invalid(f"{path}.items.type", items.get("type", ""), text)]
    properties = items.get("properties") or {}
    for index, name in enumerate(keys):
        if name not in properties:
            found.append(invalid(where, keys, "entries must all be names of item properties"))
        elif properties[name].get("type") in ("array", "object"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            found.append(invalid(f"{key(f'{path}.items', name)}.type", "object", text))
        if name in keys[:index]:
            found.append(invalid(where, keys, "must not contain duplicate entries"))
    return found


def _keys_and_nulls(list_type: str, keys: list[str], items: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if items.get("nullable"):
        text = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        found.append(forbidden(f"{path}.items.nullable", text))
    properties, needed = items.get("properties") or {}, items.get("required") or ()
    for name in keys if list_type == "map" else ():
        if name not in properties:
            continue
        where, about = key(f"{path}.items", name), "this property is in x-kubernetes-list-map-keys, so it"
        if name not in needed and "default" not in properties[name]:
            found.append(required(f"{where}.default", f"{about} must have a default or be a required property"))
        if properties[name].get("nullable"):
            found.append(forbidden(f"{where}.nullable", f"{about} cannot be nullable"))
    return found


def _rules(schema: Object, path: str) -> list[FieldError]:
    """The form of validation rules; whether they compile is asked elsewhere."""
    found: list[FieldError] = []
    for index, rule in enumerate(schema.get(RULES) or ()):
        where = f"{path}.{RULES}[{index}]"
        text, message, expression = rule.get("rule", ""), rule.get("message", ""), rule.get("messageExpression", "")
        if not text.strip():
            found.append(required(f"{where}.rule", "rule is not specified"))
        elif message and not message.strip():
            found.append(invalid(f"{where}.message", message, "must be non-empty if specified"))
        elif _broken(message.strip()):
            found.append(invalid(f"{where}.message", message, "must not contain line breaks"))
        elif _broken(text.strip()) and not message.strip():
            found.append(required(f"{where}.message", "message must be specified if rule contains line breaks"))
        if expression and not expression.strip():
            found.append(required(f"{where}.messageExpression", "messageExpression must be non-empty if specified"))
        if rule.get("reason") is not None and rule["reason"] not in REASONS:
            found.append(not_supported(f"{where}.reason", rule["reason"], REASONS))
        if field := rule.get("fieldPath", ""):
            found += _field_path(field, schema, f"{where}.fieldPath")
    return found


def _field_path(field: str, schema: Object, where: str) -> list[FieldError]:
    from kube46.apiserver.customresources.fieldpaths import schema_at

    found = []
    if not field.strip():
        found.append(invalid(where, field, "must be non-empty if specified"))
    if _broken(field):
        found.append(invalid(where, field, "must not contain line breaks"))
    if isinstance(schema_at(field, schema), str):
        found.append(invalid(where, field, "must be a valid path"))
    return found


def _broken(text: str) -> bool:
    return "\n" in text or "\r" in text


def at_root_with_status(schema: Object, path: str) -> list[FieldError]:
    """A root schema whose status is validated apart may only say what that keeps whole."""
    if schema.get("type", "") not in ("", "object"):
        text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        return [invalid(f"{path}.type", schema["type"], text)]
    for name, value in schema.items():
        if value not in (None, "", [], {}, False) and _go_name(name) not in AT_ROOT_WITH_STATUS:
            listed = " ".join(AT_ROOT_WITH_STATUS)
            text = f"only [{listed}] fields are allowed at the root of the schema if the status subresource is enabled"
            return [invalid(path, schema, text)]
    return []


def _go_name(name: str) -> str:
    """`x-kubernetes-validations` → `XValidations`, `maxItems` → `MaxItems`."""
    words = name.replace("x-kubernetes-", "x-").split("-")
    return "".join(word[:1].upper() + word[1:] for word in words)
