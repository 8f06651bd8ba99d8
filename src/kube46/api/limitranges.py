"""LimitRanges: what they give to containers that say nothing, what they forbid, and what they may say themselves.

Sources: k8s.io/kubernetes plugin/pkg/admission/limitranger/admission.go, pkg/apis/core/validation (ValidateLimitRange).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kube46.api import amounts, names
from kube46.api.amounts import ZERO, Amounts
from kube46.api.errors import FieldError, duplicate, each_invalid, forbidden, invalid, required
from kube46.api.pods import amounts as podamounts
from kube46.api.quantities import NANO, Quantity
from kube46.api.resourcenames import is_container, is_extended, is_native, is_standard, may_be_promised_twice

Object = dict[str, Any]
Constraint = Callable[[str, str, Quantity, Mapping[str, Quantity], Mapping[str, Quantity]], str]

ANNOTATION = "kubernetes.io/limit-ranger"
TYPES = ("Container", "PersistentVolumeClaim", "Pod")
MOST_MILLI = (2**63 - 1) // 1000  # above it, thousandths don't fit 64 bits
KEYS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


# Defaults


def fill(pod: Object, limit_range: Object) -> None:
    """Give each container what it doesn't ask for, and note that in an annotation."""
    defaults: dict[str, Object] = {"limits": {}, "requests": {}}
    for item in _items(limit_range, "Container"):
        defaults["limits"] |= item.get("default") or {}
        defaults["requests"] |= item.get("defaultRequest") or {}
    told: list[str] = []
    for key, words in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(key) or ():
            told += _fill(container, words, defaults)
    if told:
        annotations = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = {**annotations, ANNOTATION: f"LimitRanger plugin set: {'; '.join(told)}"}


def _fill(container: Object, words: str, defaults: Mapping[str, Object]) -> list[str]:
    told = []
    resources: Object = dict(container.get("resources") or {})
    for key, word in (("requests", "request"), ("limits", "limit")):
        given = resources.get(key) or {}
        if missing := {name: amount for name, amount in defaults[key].items() if name not in given}:
            resources[key] = {**given, **missing}
            told.append(f"{', '.join(sorted(missing))} {word} for {words} {container['name']}")
    container["resources"] = resources
    return told


def _items(limit_range: Object, kind: str) -> list[Object]:
    return [item for item in (limit_range.get("spec") or {}).get("limits") or () if item.get("type") == kind]


# Enforcement


def refusal(plural: str, obj: Object, limit_range: Object) -> str:
    """Why a pod or claim is not as a LimitRange wants it; "" when it is."""
    find = _of_pod if plural == "pods" else _of_claim
    found = list(dict.fromkeys(find(obj, limit_range)))
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


def _of_pod(pod: Object, limit_range: Object) -> Iterator[str]:
    for item in (limit_range.get("spec") or {}).get("limits") or ():
        if item.get("type") == "Container":
            for container in (*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())):
                given = container.get("resources") or {}
                yield from _judged(item, amounts.of(given.get("requests")), amounts.of(given.get("limits")))
        elif item.get("type") == "Pod":
            yield from _judged(item, podamounts.asked(pod, "requests"), podamounts.asked(pod, "limits"))


def _of_claim(claim: Object, limit_range: Object) -> Iterator[str]:
    requests = amounts.of((claim["spec"].get("resources") or {}).get("requests"))
    for item in _items(limit_range, "PersistentVolumeClaim"):
        for name, bound in sorted(amounts.of(item.get("min")).items()):
            yield from filter(None, [_least(item["type"], name, bound, requests, {})])
        for name, bound in sorted(amounts.of(item.get("max")).items()):
            yield from filter(None, [_most_requested(item["type"], name, bound, requests, {})])


def _judged(item: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    rules: tuple[tuple[str, Constraint], ...] = (("min", _least), ("max", _most), ("maxLimitRequestRatio", _ratio))
    for key, constraint in rules:
        for name, bound in sorted(amounts.of(item.get(key)).items()):
            yield from filter(None, [constraint(item["type"], name, bound, requests, limits)])


def _measured(*values: Quantity) -> list[int]:
    """In thousandths, or in whole ones where those are too many."""
    fine = all(value.whole <= MOST_MILLI for value in values)
    return [value.thousandths if fine else value.whole for value in values]


def _least(
    kind: str, name: str, bound: Quantity, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> str:
    start = f"minimum {name} usage per {kind} is {bound}"
    request, limit = requests.get(name), limits.get(name)
    if request is None:
        return f"{start}.  No request is specified"
    asked, capped, least = _measured(request, limit or ZERO, bound)
    if asked < least:
        return f"{start}, but request is {request}"
    return f"{start}, but limit is {limit}" if limit is not None and capped < least else ""


def _most_requested(
    kind: str, name: str, bound: Quantity, requests: Mapping[str, Quantity], _: Mapping[str, Quantity]
) -> str:
    start, request = f"maximum {name} usage per {kind} is {bound}", requests.get(name)
    if request is None:
        return f"{start}.  No request is specified"
    asked, most = _measured(request, bound)
    return f"{start}, but request is {request}" if asked > most else ""


def _most(
    kind: str, name: str, bound: Quantity, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> str:
    start = f"maximum {name} usage per {kind} is {bound}"
    request, limit = requests.get(name), limits.get(name)
    if limit is None:
        return f"{start}.  No limit is specified"
    asked, capped, most = _measured(request or ZERO, limit, bound)
    if capped > most:
        return f"{start}, but limit is {limit}"
    return f"{start}, but request is {request}" if request is not None and asked > most else ""


def _ratio(
    kind: str, name: str, bound: Quantity, requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]
) -> str:
    start = f"{name} max limit to request ratio per {kind} is {bound}"
    asked, capped, _ = _measured(requests.get(name, ZERO), limits.get(name, ZERO), bound)
    for word, value in (("request", asked), ("limit", capped)):
        if not value:
            return f"{start}, but no {word} is specified or {word} is 0"
    ratio, scale = capped / asked, 1000 if bound.whole <= MOST_MILLI else 1
    most = bound.thousandths if scale == 1000 else bound.whole
    return f"{start}, but provided ratio is {ratio:f}" if ratio * scale > most else ""


# Validation


def errors(limit_range: Object) -> list[FieldError]:
    """Every error of `spec`; those of one kind of amounts by name, where Go's order is any."""
    found: list[FieldError] = []
    seen: set[str] = set()
    for number, item in enumerate((limit_range.get("spec") or {}).get("limits") or ()):
        place, kind = f"spec.limits[{number}]", item.get("type") or ""
        found += _type_errors(f"{place}.type", kind)
        if kind in seen:
            found.append(duplicate(f"{place}.type", kind))
        seen.add(kind)
        found += _item_errors(place, kind, item)
    return found


def _type_errors(place: str, kind: str) -> list[FieldError]:
    if found := each_invalid(place, kind, names.qualified(kind)):
        return found
    text = "must be a standard limit type or fully qualified"
    return [] if "/" in kind or kind in TYPES else [invalid(place, kind, text)]


def _item_errors(place: str, kind: str, item: Object) -> list[FieldError]:
    found: list[FieldError] = []
    given: dict[str, Amounts] = {}
    for key in KEYS:
        if key == "maxLimitRequestRatio" and kind == "PersistentVolumeClaim":
            found += _bound_errors(place, given)
        if kind == "Pod" and key in ("default", "defaultRequest"):
            if item.get(key):
                found.append(forbidden(f"{place}.{key}", "may not be specified when `type` is 'Pod'"))
            given[key] = {}
            continue
        given[key] = amounts.of(item.get(key))
        for name in sorted(given[key]):
            found += _name_errors(f"{place}.{key}[{name}]", kind, name)
    for name in sorted({name for values in given.values() for name in values}):
        found += _order_errors(place, name, *(given[key].get(name) for key in KEYS))
    return found


def _bound_errors(place: str, given: Mapping[str, Amounts]) -> list[FieldError]:
    text = "either minimum or maximum storage value is required, but neither was provided"
    return [] if "storage" in {**given["min"], **given["max"]} else [required(f"{place}.limits", text)]


def _name_errors(place: str, kind: str, name: str) -> list[FieldError]:
    found = each_invalid(place, name, names.qualified(name))
    if not found and "/" not in name and not is_standard(name):
        found.append(invalid(place, name, "must be a standard resource type or fully qualified"))
    if kind not in ("Container", "Pod"):
        return found
    if "/" not in name and not is_container(name):
        found.append(invalid(place, name, "must be a standard resource for containers"))
    if "/" in name and not is_native(name) and not is_extended(name):
        found.append(invalid(place, name, "doesn't follow extended resource name standard"))
    return found


def _order_errors(
    place: str,
    name: str,
    most: Quantity | None,
    least: Quantity | None,
    default: Quantity | None,
    request: Quantity | None,
    ratio: Quantity | None,
) -> list[FieldError]:
    """Amounts of one resource that contradict each other."""
    pairs = (  # where, what is quoted, what should be less, how it is called, than what
        ("min", least, least, "min value", most, "max value"),
        ("defaultRequest", request, least, "min value", request, "default request value"),
        ("defaultRequest", request, request, "default request value", most, "max value"),
        ("defaultRequest", request, request, "default request value", default, "default limit value"),
        ("default", least, least, "min value", default, "default value"),
        ("default", most, default, "default value", most, "max value"),
    )
    found = [
        invalid(f"{place}.{key}[{name}]", str(quoted), f"{word} {one} is greater than {other_word} {other}")
        for key, quoted, one, word, other, other_word in pairs
        if one is not None and other is not None and one.nano > other.nano
    ]
    if ratio is not None:
        found += _ratio_errors(f"{place}.maxLimitRequestRatio[{name}]", ratio, most, least)
    if default is not None and request is not None and default.nano != request.nano and not may_be_promised_twice(name):
        text = f"default value {default} must equal to defaultRequest value {request} in {name}"
        found.append(invalid(f"{place}.defaultRequest[{name}]", str(request), text))
    return found


def _ratio_errors(place: str, ratio: Quantity, most: Quantity | None, least: Quantity | None) -> list[FieldError]:
    found = []
    if ratio.nano < NANO:
        found.append(invalid(place, str(ratio), f"ratio {ratio} is less than 1"))
    if most is not None and least is not None:
        given, small, great = _measured(ratio, least, most)
        fine = all(value.whole < MOST_MILLI for value in (ratio, least, most))
        largest = great / small if small else float("inf") if great else float("nan")
        if (given / 1000 if fine else given) > largest:
            found.append(invalid(place, str(ratio), f"ratio {ratio} is greater than max/min = {largest:f}"))
    return found
