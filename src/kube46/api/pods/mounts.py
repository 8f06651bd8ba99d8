"""Where a container mounts volumes: validation."""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, forbidden, invalid, not_found, not_supported, required
from kube46.api.pods.files import relative

Object = dict[str, Any]
PROPAGATION = ("Bidirectional", "HostToContainer", "None")
RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def mounts(container: Object, known: set[str], field: str) -> list[FieldError]:
    """Errors of a container's volumeMounts; some name the list alone, as upstream's do."""
    found: list[FieldError] = []
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        place, name, path = f"{field}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            found.append(required(f"{place}.name"))
        if name not in known:
            found.append(not_found(f"{place}.name", name))
        if not path:
            found.append(required(f"{place}.mountPath"))
        if path in paths:
            found.append(invalid(f"{place}.mountPath", path, "must be unique"))
        paths.add(path)
        found += _sub_paths(mount, field, place) + _propagation(mount, container, field) + _recursive(mount, field)
    return found


def _sub_paths(mount: Object, field: str, place: str) -> list[FieldError]:
    plain, expression = mount.get("subPath"), mount.get("subPathExpr")
    found = relative(f"{field}.subPath", plain) if plain else []
    if expression and plain:
        found.append(invalid(f"{place}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive"))
    return found + (relative(f"{field}.subPathExpr", expression) if expression else [])


def _propagation(mount: Object, container: Object, field: str) -> list[FieldError]:
    mode, place = mount.get("mountPropagation"), f"{field}.mountPropagation"
    if mode is not None and mode not in PROPAGATION:
        return [not_supported(place, mode, PROPAGATION)]
    if mode == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        return [forbidden(place, "Bidirectional mount propagation is available only to privileged containers")]
    return []


def _recursive(mount: Object, field: str) -> list[FieldError]:
    mode, place = mount.get("recursiveReadOnly"), f"{field}.recursiveReadOnly"
    if mode is None or mode == "Disabled":
        return []
    if mode not in RECURSIVE:
        return [not_supported(place, mode, RECURSIVE)]
    found = [] if mount.get("readOnly") else [forbidden(place, "may only be specified when readOnly is true")]
    if mount.get("mountPropagation") not in (None, "None"):
        text = "may only be specified when mountPropagation is None or not specified"
        found.append(forbidden(place, text))
    return found
