"""Validation of a Service's ports, one by one and against each other (semantics 1.8.1, V-6 to V-10 and V-16)."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, forbidden, not_supported, required
from kube46.api.services.traits import CLUSTER_IP, Spec, is_type

PROTOCOLS = ("SCTP", "TCP", "UDP")


def each_port(spec: Spec) -> list[FieldError]:
    """Errors of each port for itself, and repeated names."""
    listed = spec.get("ports") or []
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(listed):
        field = f"spec.ports[{index}]"
        found += _name(field, port.get("name", ""), seen, needed=len(listed) > 1)
        found += each_invalid(f"{field}.port", port["port"], names.port_number(port["port"]))
        if port["protocol"] not in PROTOCOLS:
            found.append(not_supported(f"{field}.protocol", port["protocol"], PROTOCOLS))
        found += number_or_name(f"{field}.targetPort", port["targetPort"])
        if (protocol := port.get("appProtocol")) is not None:
            found += each_invalid(f"{field}.appProtocol", protocol, names.qualified(protocol))
    return found


def _name(field: str, name: str, seen: set[str], *, needed: bool) -> list[FieldError]:
    if not name:
        return [required(f"{field}.name")] if needed else []
    found = each_invalid(f"{field}.name", name, names.label(name))
    if name in seen:
        found.append(duplicate(f"{field}.name", name))
    seen.add(name)
    return found


def number_or_name(field: str, value: int | str) -> list[FieldError]:
    """Errors of a port that may be given by number or by name."""
    return each_invalid(field, value, names.port_name(value) if isinstance(value, str) else names.port_number(value))


def together(spec: Spec) -> list[FieldError]:
    """Node ports where there may be none, and pairs (protocol, port) that appear twice."""
    listed = list(enumerate(spec.get("ports") or ()))
    found = []
    if is_type(spec, CLUSTER_IP):
        text = "may not be used when `type` is 'ClusterIP'"
        found += [forbidden(f"spec.ports[{i}].nodePort", text) for i, port in listed if port.get("nodePort")]
    seen: set[tuple[str, int]] = set()
    for index, port in listed:
        if not (number := port.get("nodePort")):
            continue
        if (port["protocol"], number) in seen:
            found.append(duplicate(f"spec.ports[{index}].nodePort", number))
        seen.add((port["protocol"], number))
    seen = set()
    for index, port in listed:
        if (port["protocol"], port["port"]) in seen:
            found.append(duplicate(f"spec.ports[{index}]", _key(port)))
        seen.add((port["protocol"], port["port"]))
    return found


def _key(port: dict[str, Any]) -> dict[str, Any]:
    """The internal ServicePort that upstream prints: only protocol and port are set, names are Go's."""
    empty = {"Name": "", "Protocol": "", "AppProtocol": None, "Port": 0, "TargetPort": 0, "NodePort": 0}
    return empty | {"Protocol": port["protocol"], "Port": port["port"]}
