"""Validation of `status.loadBalancer`, on writes to /status only (semantics 1.8.4)."""

from __future__ import annotations

from typing import Any

from kube46.api import ip, names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.services.traits import LOAD_BALANCER, is_type

Object = dict[str, Any]
MODES = ("Proxy", "VIP")
INGRESS = "status.loadBalancer.ingress"


def entries(service: Object) -> list[Object]:
    """`status.loadBalancer.ingress`, [] when absent."""
    return ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []


def errors(service: Object, old_service: Object) -> list[FieldError]:
    """Every error of the addresses that a load balancer reported."""
    listed = entries(service)
    if not is_type(service["spec"], LOAD_BALANCER):
        return [forbidden(INGRESS, "may only be used when `spec.type` is 'LoadBalancer'")] if listed else []
    known = [entry.get("ip", "") for entry in entries(old_service)]
    return [error for index, entry in enumerate(listed) for error in entry_errors(f"{INGRESS}[{index}]", entry, known)]


def entry_errors(field: str, entry: Object, known: list[str]) -> list[FieldError]:
    """Errors of one ingress point; `known` addresses are stored already."""
    address, mode, host = entry.get("ip", ""), entry.get("ipMode"), entry.get("hostname", "")
    found: list[FieldError] = []
    if address:
        found += ip.legacy_ip(f"{field}.ip", address, known)
        if mode is None:
            found.append(required(f"{field}.ipMode", "must be specified when `ip` is set"))
        elif mode not in MODES:
            found.append(not_supported(f"{field}.ipMode", mode, MODES))
    elif mode is not None:
        found.append(forbidden(f"{field}.ipMode", "may not be specified when `ip` is not set"))
    if host:
        found += each_invalid(f"{field}.hostname", host, names.subdomain(host))
        if ip.sloppy(host) is not None:
            found.append(invalid(f"{field}.hostname", host, "must be a DNS name, not an IP address"))
    return found


def warnings(service: Object) -> list[str]:
    """Addresses that are accepted but not written canonically."""
    return [
        text
        for index, entry in enumerate(entries(service))
        if entry.get("ip")
        for text in ip.ip_warnings(f"{INGRESS}[{index}]", entry["ip"])
    ]
