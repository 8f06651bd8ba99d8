"""`kubectl apply --server-side` of what `kubectl apply` made: whose annotation says which fields pass on unasked.

Source: apimachinery managedfields/internal/lastappliedmanager.go, lastappliedupdater.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver.managedfields import sets
from kube46.apiserver.managedfields.values import UnknownField, compare, set_of

if TYPE_CHECKING:
    from kube46.apiserver.managedfields.merging import Merging
    from kube46.apiserver.managedfields.sets import Set

Object = dict[str, Any]
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "kubectl"  # of a server-side apply; whoever wants none of this takes another name
SIZE_LIMIT = 256 * 1024  # bytes of all annotations
ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}  # as Go does


def given_up(live: Object, api_version: str, way: Merging) -> Set:
    """The fields that client-side apply holds as it last applied them; none where its annotation is no such config."""
    try:
        last = msgspec.json.decode((live.get("metadata") or {}).get("annotations", {}).get(ANNOTATION) or "null")
        if not isinstance(last, dict) or last.get("apiVersion") != api_version:
            return {}
        last = {name: value for name, value in last.items() if name not in ("apiVersion", "kind")}
        changes = compare(last, live, way)
        changed = sets.union(sets.union(changes.modified, changes.added), changes.removed)
        return sets.difference(set_of(last, way), changed)
    except (msgspec.DecodeError, UnknownField):
        return {}


def remember(obj: Object, config: Object) -> None:
    """Keep the annotation of an object that has one in step with what is applied, for client-side applies to come."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    if not annotations.get(ANNOTATION):
        return
    meta = dict(config.get("metadata") or {})
    if meta.get("annotations"):
        meta["annotations"] = {name: text for name, text in meta["annotations"].items() if name != ANNOTATION}
    text = msgspec.json.encode({**config, "metadata": meta}, order="deterministic").decode() + "\n"
    for char, escaped in ESCAPED.items():
        text = text.replace(char, escaped)
    annotations[ANNOTATION] = text
    if sum(len(name.encode()) + len(value.encode()) for name, value in annotations.items()) > SIZE_LIMIT:
        del annotations[ANNOTATION]
