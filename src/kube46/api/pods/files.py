"""Files of volumes, one by one: where they lie and who may read them."""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, invalid, required

Object = dict[str, Any]


def item_errors(field: str, place: str, item: Object) -> list[FieldError]:
    """Errors of one file: of a key, or of a field of the pod."""
    downward, path = field.endswith("downwardAPI"), item.get("path") or ""
    found = [] if downward or item.get("key") else [required(f"{place}.key")]
    if downward:  # as upstream names its fields
        found += relative(f"{field}.path", path) if path else [required(f"{field}.path")]
        if item.get("fieldRef") is None and item.get("resourceFieldRef") is None:
            found.append(required(field, "one of fieldRef and resourceFieldRef is required"))
        return found + mode_errors(f"{field}.mode", item.get("mode"))
    found += relative(f"{place}.path", path) if path else [required(f"{place}.path")]
    return found + mode_errors(f"{place}.mode", item.get("mode"))


def mode_errors(field: str, mode: int | None) -> list[FieldError]:
    """Errors of permission bits."""
    fine = mode is None or 0 <= mode <= 0o777
    text = "must be a number between 0 and 0777 (octal), both inclusive"
    return [] if fine else [invalid(field, mode, text)]


def relative(field: str, path: str) -> list[FieldError]:
    """Errors of a path that must stay below where it begins."""
    if path.startswith("/"):
        return [invalid(field, path, "must be a relative path")]
    parts = path.split("/")
    if ".." in parts:
        return [invalid(field, path, "must not contain '..'")]
    return [invalid(field, path, "must not start with '..'")] if parts[0].startswith("..") else []
