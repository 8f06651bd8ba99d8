"""What a pod asks for as a whole, beside its containers: completed from theirs, and checked against them (KEP-2837).

Sources: k8s.io/kubernetes pkg/api/pod/util.go (DefaultPodLevelResources), pkg/apis/core/validation
(validatePodResources), pkg/apis/core/v1/helper/qos.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import amounts, names
from kube46.api.amounts import ZERO, Amounts
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported
from kube46.api.pods import amounts as podamounts
from kube46.api.pods import requirements
from kube46.api.resourcenames import HUGE_PAGES, is_pod_level, is_standard, may_be_promised_twice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube46.api.quantities import Quantity

Object = dict[str, Any]
KINDS = ("containers", "initContainers")
KNOWN = ("cpu", HUGE_PAGES, "memory")


def default(spec: Object) -> None:
    """Give a pod that asks for anything as a whole the rest: its containers' sums, or what it limits itself to."""
    own: Object = spec.get("resources") or {}
    requests, limits = amounts.of(own.get("requests")), amounts.of(own.get("limits"))
    if not requests and not limits:
        return
    asked, capped = (podamounts.of_containers({"spec": spec}, key) for key in ("requests", "limits"))
    limits |= {n: v for n, v in capped.items() if n.startswith(HUGE_PAGES) and n not in requests and n not in limits}
    sums = {name: amount for name, amount in asked.items() if is_pod_level(name) and may_be_promised_twice(name)}
    requests = {**{name: amount for name, amount in limits.items() if is_pod_level(name)}, **sums, **requests}
    for name in requests.keys() - limits.keys():
        if is_pod_level(name) and _limited_by_all(spec, name):
            limits[name] = max(capped[name], requests[name], key=lambda amount: amount.nano)
    made = {key: amounts.texts(found) for key, found in (("limits", limits), ("requests", requests)) if found}
    spec["resources"] = {**own, **made}


def _limited_by_all(spec: Object, name: str) -> bool:
    every = [container for kind in KINDS for container in spec.get(kind) or ()]
    return all(name in ((container.get("resources") or {}).get("limits") or {}) for container in every)


def errors(spec: Object, field: str) -> list[FieldError]:
    """Errors of `resources` of a pod's spec."""
    if spec.get("resources") is None:
        return []
    own, place = spec["resources"], f"{field}.resources"
    found: list[FieldError] = []
    if own.get("claims") is not None:
        found.append(forbidden(f"{place}.claims", "claims may not be set for Resources at pod-level"))
    found += requirements.validate(own, place, _name)
    requests, limits = amounts.of(own.get("requests")), amounts.of(own.get("limits"))
    asked, capped = (podamounts.of_containers({"spec": spec}, key) for key in ("requests", "limits"))
    found += _sums(f"{place}.requests", "requests", asked, requests)
    huge = {name: amount for name, amount in capped.items() if name.startswith(HUGE_PAGES)}
    found += _sums(f"{place}.limits", "limits", huge, limits)
    for index, container in enumerate(spec.get("containers") or ()):
        given = amounts.of((container.get("resources") or {}).get("limits"))
        for name in sorted(amounts.exceeding(given, limits)):
            text = f"must be less than or equal to pod limits of {limits[name]}"
            found.append(invalid(f"{place}.containers[{index}][{name}].limits", str(given[name]), text))
    return found


def _sums(place: str, word: str, sums: Amounts, own: Mapping[str, Quantity]) -> list[FieldError]:
    return [
        invalid(
            f"{place}[{name}]",
            str(own[name]),
            f"must be greater than or equal to aggregate container {word} of {sums[name]}",
        )
        for name in sorted(amounts.exceeding(sums, own))
    ]


def _name(field: str, name: str) -> list[FieldError]:
    found = each_invalid(field, name, names.qualified(name))
    if not found and "/" not in name and not is_standard(name):
        found.append(invalid(field, name, "must be a standard resource type or fully qualified"))
    return found if found or is_pod_level(name) else [not_supported(field, name, KNOWN)]


def qos_class(resources: Object) -> str:
    """Guaranteed, Burstable or BestEffort by what the pod asks for as a whole."""
    requests, limits = amounts.of(resources.get("requests")), amounts.of(resources.get("limits"))
    pairs = [(requests.get(name, ZERO).nano, limits.get(name, ZERO).nano) for name in ("cpu", "memory")]
    if any(request != limit for request, limit in pairs):
        return "Burstable"
    kinds = {bool(request) for request, _ in pairs}
    return "Burstable" if len(kinds) > 1 else "Guaranteed" if True in kinds else "BestEffort"
