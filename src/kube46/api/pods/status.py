"""A Pod's status: what a new Pod has, and validation of reported addresses (semantics 3.2, B-1 to B-3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kube46.api import ip
from kube46.api.errors import FieldError, forbidden, invalid
from kube46.api.pods import wholes
from kube46.api.pods.amounts import has_own
from kube46.api.quantities import parse

Object = dict[str, Any]

ONE_WITHOUT_OTHER = "podIP and podIPs must either both be set or both be unset"
ONE_EACH = "may specify no more than one IP for each IP family"


def initial(spec: Object) -> Object:
    """The status of a Pod that has just been created."""
    return {"phase": "Pending", "qosClass": qos_class(spec)}


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort by the cpu and memory that the pod, or else its containers, ask for."""
    if has_own({"spec": spec}):
        return wholes.qos_class(spec["resources"])
    amounts: dict[str, Object] = {"requests": {}, "limits": {}}
    guaranteed = True
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        resources = container.get("resources") or {}
        for kind, total in amounts.items():
            for name, text in (resources.get(kind) or {}).items():
                if name in ("cpu", "memory") and parse(text) > 0:
                    total[name] = total.get(name, Decimal(0)) + parse(text)
        limits = resources.get("limits") or {}
        guaranteed = guaranteed and all(name in limits and parse(limits[name]) > 0 for name in ("cpu", "memory"))
    if not amounts["requests"] and not amounts["limits"]:
        return "BestEffort"
    return "Guaranteed" if guaranteed and amounts["requests"] == amounts["limits"] else "Burstable"


def _ips(pod: Object, key: str) -> list[str]:
    return [entry.get("ip") or "" for entry in (pod.get("status") or {}).get(key) or ()]


def drop_second(new: Object, old: Object) -> None:
    """What the gate IPv6DualStack takes when it is off: all addresses but the first, unless the Pod had several."""
    if len(_ips(new, "podIPs")) > 1 and len(_ips(old, "podIPs")) < 2:
        new["status"]["podIPs"] = new["status"]["podIPs"][:1]


def validate(new: Object, old: Object) -> list[FieldError]:
    """Errors of a write to /status."""
    found: list[FieldError] = []
    if (new.get("spec") or {}).get("nodeName") != (old.get("spec") or {}).get("nodeName"):
        found.append(forbidden("status.nodeName", "may not be changed directly"))
    pods = _ips(new, "podIPs")
    found += _addresses("status.podIPs", pods, _ips(old, "podIPs"))
    if pods and not (new.get("status") or {}).get("podIP"):
        found.append(invalid("status.podIPs", _go(pods), ONE_WITHOUT_OTHER))
    hosts, single = _ips(new, "hostIPs"), (new.get("status") or {}).get("hostIP") or ""
    if hosts and hosts[0] != single:
        found.append(invalid("status.hostIPs[0].ip", hosts[0], "must be equal to `hostIP`"))
    return found + _addresses("status.hostIPs", hosts, _ips(old, "hostIPs"))


def _addresses(field: str, texts: list[str], known: list[str]) -> list[FieldError]:
    found = [error for index, text in enumerate(texts) for error in ip.legacy_ip(f"{field}[{index}]", text, known)]
    if len(texts) > 1:
        found += ip.unpairable(field, texts)
    if len(texts) > 1 and not (len(texts) == 2 and ip.is_pair(texts)):
        found.append(invalid(field, _go(texts), ONE_EACH))
    return found


def _go(texts: list[str]) -> list[Object]:
    """Addresses as Go's internal type prints them."""
    return [{"IP": text} for text in texts]


def warnings(pod: Object) -> list[str]:
    """Reported addresses that are not written canonically."""
    return [
        text
        for key in ("podIPs", "hostIPs")
        for index, address in enumerate(_ips(pod, key))
        for text in ip.ip_warnings(f"status.{key}[{index}].ip", address)
    ]
