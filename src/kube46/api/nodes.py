"""Nodes: podCIDR and podCIDRs, addresses, taints (semantics 3.1, B-4, B-5; pkg/registry/core/node)."""

from __future__ import annotations

from typing import Any

from kube46.api import ip, names
from kube46.api.errors import FieldError, duplicate, each_invalid, forbidden, internal, invalid, not_supported, required

Object = dict[str, Any]

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
INFO = (  # of status.nodeInfo
    "architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion",
    "machineID", "operatingSystem", "osImage", "systemUUID",
)  # fmt: skip
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
UNIQUE = "taints must be unique by key and effect pair"
ONE_EACH = "may specify no more than one CIDR for each IP family"
FROM_EMPTY = 'node updates may not change podCIDR except from "" to valid'


def plural_of(singular: str, plural: list[str]) -> list[str]:
    """What is kept of a singular and a plural field: a singular that disagrees wins alone (semantics 3.1)."""
    return plural if not singular or plural[:1] == [singular] else [singular]


def default(node: Object) -> None:
    """podCIDR and podCIDRs agree; allocatable is capacity until the kubelet says more."""
    spec = node.setdefault("spec", {})
    cidrs = plural_of(spec.pop("podCIDR", ""), spec.pop("podCIDRs", None) or [])
    if cidrs:
        spec["podCIDR"], spec["podCIDRs"] = cidrs[0], cidrs
    status = node.setdefault("status", {})
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def taint_not_ready(node: Object) -> None:
    """A new node takes no pods until the node life-cycle controller says it is ready (admission NodeTaint)."""
    taints = node["spec"].get("taints") or []
    if not any(all(taint.get(key) == value for key, value in NOT_READY.items()) for taint in taints):
        node["spec"]["taints"] = [*taints, dict(NOT_READY)]


def drop_second(node: Object, old: Object | None) -> None:
    """What the gate IPv6DualStack takes when it is off: all ranges but the first, unless the node had several."""
    if len(cidrs := _cidrs(node)) > 1 and len(_cidrs(old or {})) < 2:
        node["spec"]["podCIDRs"] = cidrs[:1]


def _cidrs(node: Object) -> list[str]:
    return (node.get("spec") or {}).get("podCIDRs") or []


def validate(node: Object) -> list[FieldError]:
    """Errors of `spec`."""
    field = "spec.podCIDRs"
    found = _taints((node.get("spec") or {}).get("taints") or [])
    cidrs = _cidrs(node)
    for index, text in enumerate(cidrs):
        found += ip.legacy_cidr(f"{field}[{index}]", text)
    unparsable = _unparsable(field, cidrs) if len(cidrs) > 1 else []
    found += unparsable
    if unparsable or (len(cidrs) > 1 and not (len(cidrs) == 2 and ip.is_pair(cidrs))):
        found.append(invalid(field, cidrs, ONE_EACH))
    return found


def _unparsable(field: str, cidrs: list[str]) -> list[FieldError]:
    """What upstream's comparison of families adds about the first text that is no CIDR."""
    for index, text in enumerate(cidrs):
        if ip.sloppy_cidr(text) is None:
            why = f"invalid CIDR[{index}]: <nil> (invalid CIDR address: {text})"
            return [internal(field, f"invalid PodCIDRs. failed to check with dual stack with error:{why}")]
    return []


def _taints(taints: list[Object]) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        field, key, effect = f"metadata.taints[{index}]", taint.get("key") or "", taint.get("effect") or ""
        found += each_invalid(f"{field}.key", key, names.qualified(key))
        value = taint.get("value") or ""
        found += each_invalid(f"{field}.value", value, names.label_value(value))
        if not effect:
            found.append(required(f"{field}.effect"))
        elif effect not in EFFECTS:
            found.append(not_supported(f"{field}.effect", effect, EFFECTS, in_order=True))
        if (key, effect) in seen:
            shown = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            found.append(FieldError("FieldValueDuplicate", field, f"{duplicate(field, shown).body}: {UNIQUE}"))
        seen.add((key, effect))
    return found


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """Errors of a change: repeated addresses, and what is set once."""
    found: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate((new.get("status") or {}).get("addresses") or ()):
        key = (entry.get("type") or "", entry.get("address") or "")
        if key in seen:
            found.append(duplicate(f"status.addresses[{index}]", {"Type": key[0], "Address": key[1]}))
        seen.add(key)
    cidrs, before = _cidrs(new), _cidrs(old)
    if before and len(cidrs) != len(before):
        found.append(forbidden("spec.podCIDRs", FROM_EMPTY))
    elif before:
        found += [forbidden("spec.podCIDRs", FROM_EMPTY) for a, b in zip(cidrs, before, strict=True) if a != b]
    provider, given = ((node.get("spec") or {}).get("providerID") for node in (old, new))
    if provider and provider != given:
        found.append(invalid("spec.providerID", None, f"field cannot be {'modified' if given else 'cleared'} once set"))
    return found


def warnings(node: Object) -> list[str]:
    """About fields that nothing uses any more, and ranges that are not written canonically."""
    spec = node.get("spec") or {}
    texts = ["spec.configSource: the feature is removed"] if spec.get("configSource") is not None else []
    if spec.get("externalID"):
        texts.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    for index, text in enumerate(_cidrs(node)):
        texts += ip.cidr_warnings(f"spec.podCIDRs[{index}]", text)
    return texts
