"""Validation of ephemeral containers, which are added to a running Pod (validateEphemeralContainers, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, duplicate, forbidden, not_found
from kube46.api.pods import containers

Object = dict[str, Any]

ALLOWED = frozenset(
    {
        "name", "image", "command", "args", "workingDir", "envFrom", "env", "volumeMounts", "volumeDevices",
        "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "securityContext", "stdin",
        "stdinOnce", "tty", "targetContainerName",
    }
)  # fmt: skip
REFUSED = "cannot be set for an Ephemeral Container"


def validate(spec: Object, known_volumes: set[str], field: str) -> list[FieldError]:
    """Errors of `ephemeralContainers`: unique names, a target that is no ephemeral one, and no part of a Service."""
    others = {c.get("name") for key in ("containers", "initContainers") for c in spec.get(key) or ()}
    found: list[FieldError] = []
    names = set(others)
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        place, name = f"{field}[{index}]", container.get("name") or ""
        found += containers.common(place, container, known_volumes)
        if name in names:
            found.append(duplicate(f"{place}.name", name))
        names.add(name)
        target = container.get("targetContainerName") or ""
        if target and target not in others:
            found.append(not_found(f"{place}.targetContainerName", target))
        given = [key for key, value in container.items() if value and key not in ALLOWED]
        found += [forbidden(f"{place}.{key}", REFUSED) for key in sorted(given)]
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            keys = [key for key in ("subPath", "subPathExpr") if mount.get(key)]
            found += [forbidden(f"{place}.volumeMounts[{number}].{key}", REFUSED) for key in keys]
    return found
