"""Endpoints, the old single-object form of EndpointSlices: defaulting, validation, repacking (semantics 4.6).

Sources: pkg/apis/core/{v1/defaults.go,validation}, pkg/api/v1/endpoints (repacking), pkg/registry/core/endpoint.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kube46.api import endpoints_order, ip, names
from kube46.api.errors import FieldError, each_invalid, not_supported, required

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

PROTOCOLS = ("SCTP", "TCP", "UDP")
MANAGED = "endpoints.kubernetes.io/managed-by"


def default(endpoints: Object) -> None:
    """Ports are TCP unless they say otherwise."""
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            port["protocol"] = port.get("protocol") or "TCP"


def validate(endpoints: Object, old: Object | None = None) -> list[FieldError]:
    """Every error; addresses that are stored already need not be well-formed."""
    known = {address.get("ip", "") for _, address in _addresses(old)} if old else set[str]()
    found: list[FieldError] = []
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        field = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            found.append(required(field, "must specify `addresses` or `notReadyAddresses`"))
        for place, address in _addresses({"subsets": [subset]}, index):
            found += _address(place, address, known)
        ports = subset.get("ports") or []
        for number, port in enumerate(ports):
            found += _port(f"{field}.ports[{number}]", port, needs_name=len(ports) > 1)
    return found


def _addresses(endpoints: Object, first: int = 0) -> Iterable[tuple[str, Object]]:
    for index, subset in enumerate(endpoints.get("subsets") or (), first):
        for key in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(key) or ()):
                yield f"subsets[{index}].{key}[{number}]", address


def _address(field: str, address: Object, known: set[str]) -> list[FieldError]:
    text = address.get("ip") or ""
    found = ip.legacy_ip(f"{field}.ip", text, known)
    if host := address.get("hostname"):
        found += each_invalid(f"{field}.hostname", host, names.label(host))
    if (node := address.get("nodeName")) is not None:
        found += each_invalid(f"{field}.nodeName", node, names.subdomain(node))
    return found + ip.special(f"{field}.ip", text)


def _port(field: str, port: Object, *, needs_name: bool) -> list[FieldError]:
    found: list[FieldError] = []
    name, number, protocol = port.get("name") or "", port.get("port") or 0, port["protocol"]
    if name:
        found += each_invalid(f"{field}.name", name, names.label(name))
    elif needs_name:
        found.append(required(f"{field}.name"))
    found += each_invalid(f"{field}.port", number, names.port_number(number))
    if protocol not in PROTOCOLS:
        found.append(not_supported(f"{field}.protocol", protocol, PROTOCOLS))
    if (app := port.get("appProtocol")) is not None:
        found += each_invalid(f"{field}.appProtocol", app, names.qualified(app))
    return found


Group = dict[str, tuple[Object, bool]]  # address and uid → the address, and whether it is ready


def repack(endpoints: Object) -> None:
    """Group addresses by their sets of ports; an address that is not ready anywhere on a port is not ready there."""
    by_port: dict[str, tuple[Object | None, Group]] = {}
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        for port in subset.get("ports") or [None]:
            # Go compares appProtocol by its pointer, so the ports of two subsets that have one are never the same
            unique = index if port and port.get("appProtocol") is not None else -1
            _add(by_port.setdefault(_text([unique, port]), (port, {}))[1], subset)
    by_addresses: dict[str, tuple[Group, list[Object]]] = {}
    for port, group in by_port.values():
        key = _text(sorted((name, ready) for name, (_, ready) in group.items()))
        by_addresses.setdefault(key, (group, []))[1].extend([port] if port else [])
    subsets = [_subset(group, ports) for group, ports in by_addresses.values()]
    if subsets:
        endpoints["subsets"] = sorted(subsets, key=endpoints_order.by_subset)


def _add(group: Group, subset: Object) -> None:
    for key, ready in (("addresses", True), ("notReadyAddresses", False)):
        for address in subset.get(key) or ():
            name = _text(endpoints_order.by_address(address))
            if name not in group or group[name][1]:
                group[name] = (group[name][0] if name in group else address, ready)


def _subset(group: Group, ports: list[Object]) -> Object:
    ordered = sorted(group.values(), key=lambda entry: endpoints_order.by_address(entry[0]))
    subset: Object = {
        "addresses": [address for address, ready in ordered if ready],
        "notReadyAddresses": [address for address, ready in ordered if not ready],
        "ports": sorted(ports, key=endpoints_order.by_port),
    }
    return {key: value for key, value in subset.items() if value}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def warnings(endpoints: Object) -> list[str]:
    """Addresses that are not written canonically, unless a controller wrote them."""
    labels = (endpoints.get("metadata") or {}).get("labels") or {}
    if MANAGED in labels:
        return []
    return [
        text
        for place, address in _addresses(endpoints)
        for text in ip.ip_warnings(f"{place}.ip", address.get("ip") or "")
    ]
