"""What an update of a Pod may change (ValidatePodUpdate)."""

from __future__ import annotations

import copy
from typing import Any

from kube46.api.errors import FieldError, forbidden, invalid
from kube46.api.pods import ephemeral, volumes

Object = dict[str, Any]

TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
# Places that an update may change: they are compared as if they were the stored ones.
FREE = ("activeDeadlineSeconds", "tolerations", "schedulingGates")


def errors(new: Object, old: Object) -> list[FieldError]:
    """Every forbidden change of `spec`."""
    spec, stored = new["spec"], old["spec"]
    found: list[FieldError] = []
    for key in ("containers", "initContainers"):
        if len(spec.get(key) or ()) != len(stored.get(key) or ()):
            text = "pod updates may not add or remove containers"
            return [forbidden(f"spec.{key}", text)]
    deadline, before = spec.get("activeDeadlineSeconds"), stored.get("activeDeadlineSeconds")
    if before is not None and (deadline is None or deadline > before):
        text = (
            "must be less than or equal to previous value"
            if deadline
            else "must not update from a positive integer to nil value"
        )
        found.append(invalid("spec.activeDeadlineSeconds", deadline, text))
    for toleration in stored.get("tolerations") or ():
        if toleration not in (spec.get("tolerations") or ()):
            text = "existing toleration can not be modified except its tolerationSeconds"
            if not any(_same(toleration, one) for one in spec.get("tolerations") or ()):
                found.append(forbidden("spec.tolerations", text))
    if _fixed(spec, stored) != stored:
        found.append(forbidden("spec", TEXT))
    return found


def with_ephemeral(spec: Object, stored: Object) -> Object:
    """The stored spec with the ephemeral containers of another."""
    rest = {key: value for key, value in stored.items() if key != "ephemeralContainers"}
    given = spec.get("ephemeralContainers")
    return rest | {"ephemeralContainers": given} if given else rest


def ephemeral_errors(new: Object, old: Object) -> list[FieldError]:
    """Errors of a write to /ephemeralcontainers: they are added, never changed or removed."""
    spec, field = new["spec"], "spec.ephemeralContainers"
    known, _ = volumes.validate(spec.get("volumes") or [], "spec.volumes")
    found = ephemeral.validate(spec, known, field)
    by_name = {container.get("name"): container for container in spec.get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if name not in by_name:
            found.append(forbidden(field, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif by_name[name] != container:
            found.append(forbidden(field, f'existing ephemeral containers "{name}" may not be changed\n'))
    return found


def _same(a: Object, b: Object) -> bool:
    keys = ("key", "operator", "value", "effect")
    return all(a.get(key) == b.get(key) for key in keys)


def _fixed(spec: Object, stored: Object) -> Object:
    """`spec` with everything that may change put back."""
    fixed = copy.deepcopy(spec)
    for key in FREE:
        fixed.pop(key, None)
        if key in stored:
            fixed[key] = stored[key]
    for key in ("containers", "initContainers"):
        for container, before in zip(fixed.get(key) or (), stored.get(key) or (), strict=True):
            container["image"] = before.get("image", "")
            if not container["image"]:
                del container["image"]
    seconds = stored.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = seconds
    return fixed
