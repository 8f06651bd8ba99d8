"""Tables of custom objects: the name, and the columns that the definition names.

Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kube46.api.errors import go_json
from kube46.apiserver import tables_text
from kube46.apiserver.customresources.jsonpaths import find
from kube46.apiserver.tables_columns import AGE, NAME

if TYPE_CHECKING:
    import datetime

    from kube46.apiserver.customresources.kinds import CustomKind

Object = dict[str, Any]
AGE_ONLY: list[Object] = [
    {"name": "Age", "type": "date", "description": AGE.text, "jsonPath": ".metadata.creationTimestamp"}
]


def columns(kind: CustomKind) -> list[Object]:
    """The columns after the name; only the age where the definition names none."""
    return kind.version_of.content.get("additionalPrinterColumns") or AGE_ONLY


def definitions(kind: CustomKind) -> list[Object]:
    """The columns' heads; a text that begins with `@` names the OpenAPI field whose prose it is."""
    name = {"name": NAME.name, "type": NAME.type, "format": NAME.format, "description": NAME.text, "priority": 0}
    return [name, *(_head(column) for column in columns(kind))]


def _head(column: Object) -> Object:
    text = f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
    return {
        "name": column["name"], "type": column["type"], "format": column.get("format", ""),
        "description": column.get("description") or text, "priority": column.get("priority", 0),
    }  # fmt: skip


def cells(kind: CustomKind, obj: Object, now: datetime.datetime) -> list[Any]:
    """One row."""
    name = (obj.get("metadata") or {}).get("name", "")
    return [name, *(_cell(column, obj, now) for column in columns(kind))]


def _cell(column: Object, obj: Object, now: datetime.datetime) -> Any:
    found = find(obj, column["jsonPath"])
    value = found[0] if found else None
    if value is None:
        return None
    match column["type"]:
        case "string":
            return _text(value)
        case "integer" if _is_number(value):
            return int(value)
        case "number" if _is_number(value):
            return float(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            try:
                return tables_text.since(value, now)
            except ValueError:
                return "<invalid>"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return go_json(value) if isinstance(value, dict | list) else json.dumps(value)
