"""Resizing a running Pod: what a write to /resize may change, and what a container says of it (KEP-1287).

Source: k8s.io/kubernetes pkg/registry/core/pod/strategy.go (dropNonResizeUpdates),
pkg/apis/core/validation/validation.go (ValidatePodResize, validateResizePolicy).
"""

from __future__ import annotations

import copy
from typing import Any

from kube46.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from kube46.api.pods.status import qos_class
from kube46.api.quantities import parse

Object = dict[str, Any]

RESIZABLE = ("cpu", "memory")
POLICIES = ("NotRequired", "RestartContainer")
MIRROR = "kubernetes.io/config.mirror"
KINDS = ("containers", "initContainers")
ONLY = "only cpu and memory resources are mutable"
ONLY_INIT = "only cpu and memory resources for init or sidecar containers are mutable"
NO_RESTART = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"


def merged(spec: Object, stored: Object) -> Object:
    """The stored spec with the resources and resize policies of another.

    Other containers than before are left as they came, for `errors` to name.
    """
    if any(len(spec.get(kind) or ()) != len(stored.get(kind) or ()) for kind in KINDS):
        return spec
    made = copy.deepcopy(stored)
    for kind in KINDS:
        pairs = list(zip(spec.get(kind) or (), made.get(kind) or (), strict=True))
        if any(given.get("name") != container["name"] for given, container in pairs):
            made[kind] = spec[kind]
            continue
        for given, container in pairs:
            container["resources"] = given.get("resources") or {}
            container.pop("resizePolicy", None)
            if given.get("resizePolicy"):
                container["resizePolicy"] = given["resizePolicy"]
    if spec.get("resources") is not None:
        made["resources"] = spec["resources"]
    return made


def policy_errors(policies: list[Object], field: str, restarts: str) -> list[FieldError]:
    """Errors of `resizePolicy`; `restarts` is the pod's restartPolicy."""
    found: list[FieldError] = []
    for index, one in enumerate(policies):
        name, policy = one.get("resourceName") or "", one.get("restartPolicy") or ""
        if any((other.get("resourceName") or "") == name for other in policies[:index]):
            found.append(duplicate(f"{field}[{index}]", name))
        for value, known in ((name, RESIZABLE), (policy, POLICIES)):
            if not value:
                found.append(required(field))
            elif value not in known:
                found.append(not_supported(field, value, known))
        if restarts == "Never" and policy != "NotRequired":
            found.append(invalid(field, policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
    return found


def init_policy_errors(policies: list[Object], field: str) -> list[FieldError]:
    """Errors of `resizePolicy` of an init container that is no sidecar: it is not run again for a resize."""
    text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
    named = enumerate(one.get("restartPolicy") for one in policies)
    return [invalid(f"{field}[{n}].restartPolicy", name, text) for n, name in named if name == "RestartContainer"]


def errors(new: Object, old: Object) -> list[FieldError]:
    """Every reason against a resize; `new` holds the merged spec."""
    spec, stored = new["spec"], old["spec"]
    if MIRROR in (old["metadata"].get("annotations") or {}):
        return [FieldError("FieldValueForbidden", "", "Forbidden: static pods cannot be resized")]
    if (stored.get("os") or {}).get("name") == "windows":
        return [FieldError("FieldValueForbidden", "", "Forbidden: windows pods cannot be resized")]
    found: list[FieldError] = []
    quality = (old.get("status") or {}).get("qosClass") or qos_class(stored)
    if quality != qos_class(spec):
        shown = (new.get("status") or {}).get("qosClass") or ""
        found.append(invalid("spec", shown, "Pod QOS Class may not change as a result of resizing"))
    if not _supported(old.get("status") or {}):
        found.append(forbidden("spec", "Pod running on node without support for resize"))
    found += _of_pod(spec.get("resources"), stored.get("resources"))
    if strangers := _order(spec, stored):
        return found + strangers
    for kind in reversed(KINDS):
        for index, (given, had) in enumerate(zip(spec.get(kind) or (), stored.get(kind) or (), strict=True)):
            place, a, b = f"spec.{kind}[{index}].resources", given.get("resources") or {}, had.get("resources") or {}
            found += _removed(a, b, place, "resource")
    for given, had in zip(spec.get("containers") or (), stored.get("containers") or (), strict=True):
        if _fixed(given.get("resources")) != _fixed(had.get("resources")) or _rest(given) != _rest(had):
            found.append(forbidden("spec", ONLY))
    return found + _of_init(spec, stored)


def _of_init(spec: Object, stored: Object) -> list[FieldError]:
    found: list[FieldError] = []
    pairs = zip(spec.get("initContainers") or (), stored.get("initContainers") or (), strict=True)
    for index, (given, had) in enumerate(pairs):
        place = f"spec.initContainers[{index}]"
        if _fixed(given.get("resources")) != _fixed(had.get("resources")) or _rest(given) != _rest(had):
            found.append(forbidden(place, ONLY_INIT))
        policies = [one.get("restartPolicy") for one in given.get("resizePolicy") or ()]
        if given.get("restartPolicy") != "Always" and _whole(given) != _whole(had) and "RestartContainer" in policies:
            found += [forbidden(place, NO_RESTART) for policy in policies if policy == "RestartContainer"]
    return found


def _supported(status: Object) -> bool:
    """Whether the node's kubelet reports resources: an older one can't resize."""
    running = [one for one in status.get("containerStatuses") or () if (one.get("state") or {}).get("running")]
    return not running or running[0].get("resources") is not None


def _order(spec: Object, stored: Object) -> list[FieldError]:
    """Containers may not be added, removed, renamed or moved."""
    found: list[FieldError] = []
    for kind in KINDS:
        given, had = spec.get(kind) or [], stored.get(kind) or []
        if len(given) != len(had):
            found.append(forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize"))
            continue
        text = f"{kind} may not be renamed or reordered on resize"
        pairs = enumerate(zip(given, had, strict=True))
        found += [forbidden(f"spec.{kind}[{n}].name", text) for n, (a, b) in pairs if a.get("name") != b["name"]]
    return found


def _of_pod(given: Object | None, had: Object | None) -> list[FieldError]:
    """Errors of the resources of the whole pod."""
    if had is not None and given is None:
        return [forbidden("spec.resources", "pod-level resources cannot be removed")]
    found = [] if had is None else _removed(given or {}, had, "spec.resources", "pod-level resource")
    if _fixed(given) != _fixed(had):
        found.append(forbidden("spec", "only cpu and memory resources are mutable at pod-level"))
    return found


def _removed(given: Object, had: Object, place: str, what: str) -> list[FieldError]:
    return [
        forbidden(f"{place}.{kind}", f"{what} {kind} cannot be removed")
        for kind in ("requests", "limits")
        if set(had.get(kind) or ()) - set(given.get(kind) or ())
    ]


def _fixed(resources: Object | None) -> Object:
    """What of resources can't be resized, as comparable values."""
    found: Object = {"claims": (resources or {}).get("claims") or []}
    for kind in ("requests", "limits"):
        amounts = (resources or {}).get(kind) or {}
        found[kind] = {name: parse(amount) for name, amount in amounts.items() if name not in RESIZABLE}
    return found


def _rest(container: Object) -> Object:
    return {name: value for name, value in container.items() if name != "resources"}


def _whole(container: Object) -> Object:
    amounts = container.get("resources") or {}
    kinds = ("requests", "limits")
    return _rest(container) | {kind: {n: parse(a) for n, a in (amounts.get(kind) or {}).items()} for kind in kinds}
