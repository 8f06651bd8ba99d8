"""Server-side Tables: what `kubectl get` prints, and metadata-only views (`as=Table`, `as=PartialObjectMetadata`).

Source: kube-apiserver pkg/printers/internalversion/printers.go (cells are always the wide ones) and
apiserver pkg/endpoints/handlers/response.go. Any field of an object may be absent.
"""

from __future__ import annotations

import datetime
import functools
from typing import TYPE_CHECKING, Any

from kube46.api.errors import go_quote
from kube46.apiserver.customresources import columns as custom
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.schemas import Schemas
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.tables_cells import CELLS, generic
from kube46.apiserver.tables_columns import COLUMNS, GENERIC, Column
from kube46.apiserver.tables_pods import conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kube46.apiserver.discovery import Kind

# kinds whose rows are not in the order of names: FlowSchemas come as they are tried
ORDERS = {
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): lambda found: (
        (found.get("spec") or {}).get("matchingPrecedence") or 0,
        found["metadata"]["name"],
    )
}
NONE, METADATA, OBJECT = "None", "Metadata", "Object"


def table(
    kind: Kind,
    objects: Sequence[dict[str, Any]],
    *,
    include: str = METADATA,
    list_metadata: dict[str, Any] | None = None,
    columns: bool = True,
    now: datetime.datetime | None = None,
    version: str = "v1",
) -> dict[str, Any]:
    """A Table of a list (with the list's metadata) or of one object (without).

    `include` is `?includeObject=`; `columns` is false for all but the first event of a watch. Raises StatusError 400.
    """
    if include not in (NONE, METADATA, OBJECT, ""):
        raise bad_include(include)
    moment = now or datetime.datetime.now(datetime.UTC)
    cells = _cells(kind)
    pods = (kind.group, kind.plural) == ("", "pods")
    rows = []
    if order := ORDERS.get((kind.group, kind.plural)):
        objects = sorted(objects, key=order)
    for found in objects:
        row: dict[str, Any] = {"cells": cells(found, moment)}
        if pods and (states := conditions(found)):
            row["conditions"] = states
        row["object"] = _included(kind, found, include, version)
        rows.append(row)
    if list_metadata is None:
        list_metadata = (
            {k: v for k, v in (objects[0].get("metadata") or {}).items() if k == "resourceVersion"} if objects else {}
        )
    api = f"meta.k8s.io/{version}"
    definitions = _heads(kind) if columns else None
    return {
        "kind": "Table",
        "apiVersion": api,
        "metadata": list_metadata,
        "columnDefinitions": definitions,
        "rows": rows or (None if cells is generic else []),  # upstream's general converter makes no empty list
    }


def bad_include(include: str) -> StatusError:
    """400 for an includeObject that is none."""
    problem = f"includeObject: Invalid value: {go_quote(include)}: must be 'Metadata', 'Object', 'None', or empty"
    return StatusError(400, "BadRequest", f"Unable to convert to Table as requested: {problem}")


def _cells(kind: Kind) -> Callable[[dict[str, Any], datetime.datetime], list[Any]]:
    if isinstance(kind, CustomKind):
        return functools.partial(custom.cells, kind)
    return CELLS.get((kind.group, kind.plural), generic)


def _heads(kind: Kind) -> list[dict[str, Any]]:
    if not isinstance(kind, CustomKind):
        return _definitions(kind.group, kind.plural)
    prose = Schemas.load().prose
    heads = custom.definitions(kind)
    return [{**head, "description": prose.get(head["description"], head["description"])} for head in heads]


def partial_metadata(found: dict[str, Any], version: str = "v1") -> dict[str, Any]:
    """An object with nothing but its metadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": found.get("metadata") or {},
    }


def partial_metadata_list(
    objects: Sequence[dict[str, Any]], list_metadata: dict[str, Any], version: str = "v1"
) -> dict[str, Any]:
    """A list of such objects."""
    items = [partial_metadata(found, version) for found in objects]
    api = f"meta.k8s.io/{version}"
    return {"kind": "PartialObjectMetadataList", "apiVersion": api, "metadata": list_metadata, "items": items or None}


def _included(kind: Kind, found: dict[str, Any], include: str, version: str) -> dict[str, Any] | None:
    if include == NONE:
        return None
    if include == OBJECT:
        api = f"{kind.group}/{kind.version}" if kind.group else kind.version
        return {"kind": kind.kind, "apiVersion": api, **found}
    return partial_metadata(found, version)


@functools.cache
def _definitions(group: str, plural: str) -> list[dict[str, Any]]:
    prose = Schemas.load().prose
    return [
        _definition(column, prose.get(column.text, column.text)) for column in COLUMNS.get((group, plural), GENERIC)
    ]


def _definition(column: Column, text: str) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": text,
        "priority": column.priority,
    }
