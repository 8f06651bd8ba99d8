"""Static defaulting of kinds that describe a cluster's platform: admission, flow control, drivers, devices, limits.

Sources: k8s.io/kubernetes pkg/apis/{admissionregistration,flowcontrol,storage,resource,core,networking}/v1/defaults.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

QUEUING = {"handSize": 8, "queues": 64, "queueLengthLimit": 50}
PRECEDENCE, SHARES = 1000, 30
DRIVER = {
    "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType", "requiresRepublish": False, "seLinuxMount": False,
    "preventPodSchedulingIfMissing": False,
}  # fmt: skip


def _fill(obj: Object, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if obj.get(name) is None:
            obj[name] = value.copy() if isinstance(value, dict) else value


def webhooks(obj: Object) -> None:
    """Webhooks refuse when they can't be asked, see every scope, and have 10 s."""
    for hook in obj.get("webhooks") or ():
        _fill(hook, {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10})
        _fill(hook, {"namespaceSelector": {}, "objectSelector": {}})
        for rule in hook.get("rules") or ():
            _fill(rule, {"scope": "*"})
        if service := (hook.get("clientConfig") or {}).get("service"):
            _fill(service, {"port": 443})


def mutating_webhooks(obj: Object) -> None:
    """The same, and they are called once."""
    webhooks(obj)
    for hook in obj.get("webhooks") or ():
        _fill(hook, {"reinvocationPolicy": "Never"})


def policy(obj: Object) -> None:
    """A ValidatingAdmissionPolicy or MutatingAdmissionPolicy refuses when it can't be judged."""
    spec = obj.setdefault("spec", {})
    _fill(spec, {"failurePolicy": "Fail"})
    _matching(spec.get("matchConstraints"))


def policy_binding(obj: Object) -> None:
    """What a policy is bound to."""
    _matching((obj.get("spec") or {}).get("matchResources"))


def _matching(found: Object | None) -> None:
    if found is None:
        return
    _fill(found, {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}})
    for key in ("resourceRules", "excludeResourceRules"):
        for rule in found.get(key) or ():
            _fill(rule, {"scope": "*"})


def flow_schema(obj: Object) -> None:
    """A precedence in the middle."""
    spec = obj.setdefault("spec", {})
    spec["matchingPrecedence"] = spec.get("matchingPrecedence") or PRECEDENCE
    obj.setdefault("status", {})


def priority_level(obj: Object) -> None:
    """Shares and queues."""
    spec = obj.setdefault("spec", {})
    if (limited := spec.get("limited")) is not None:
        _fill(limited, {"nominalConcurrencyShares": SHARES, "lendablePercent": 0})
        if (queuing := (limited.get("limitResponse") or {}).get("queuing")) is not None:
            for name, value in QUEUING.items():
                queuing[name] = queuing.get(name) or value
    if (exempt := spec.get("exempt")) is not None:
        _fill(exempt, {"nominalConcurrencyShares": 0, "lendablePercent": 0})
    obj.setdefault("status", {})


def csi_driver(obj: Object) -> None:
    """A driver attaches volumes and knows nothing of pods."""
    spec = obj.setdefault("spec", {})
    _fill(spec, DRIVER)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def claim(obj: Object) -> None:
    """A ResourceClaim asks for one device of each request."""
    _devices(obj.setdefault("spec", {}))
    obj.setdefault("status", {})


def claim_template(obj: Object) -> None:
    """The same of a ResourceClaimTemplate."""
    _devices(obj.setdefault("spec", {}).setdefault("spec", {}))


def _devices(spec: Object) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        exactly = request.get("exactly")
        for one in [*([exactly] if exactly is not None else []), *(request.get("firstAvailable") or ())]:
            one["allocationMode"] = one.get("allocationMode") or "ExactCount"
            if one["allocationMode"] == "ExactCount":
                one["count"] = one.get("count") or 1


def limit_range(obj: Object) -> None:
    """A container's limit is at most the maximum, its request its limit, else the minimum."""
    for item in (obj.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        for name, value in (("default", limits), ("defaultRequest", requests)):
            if value:
                item[name] = value


def network_policy(obj: Object) -> None:
    """TCP unless told otherwise; the directions follow from the rules."""
    spec = obj.setdefault("spec", {})
    for key in ("ingress", "egress"):
        for rule in spec.get(key) or ():
            for port in rule.get("ports") or ():
                _fill(port, {"protocol": "TCP"})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
