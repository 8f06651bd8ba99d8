"""EndpointSlices: defaulting, validation, warnings (semantics 4.5; pkg/apis/discovery, pkg/registry/discovery)."""

from __future__ import annotations

from typing import Any

from kube46.addresses.families import Family
from kube46.api import ip, names
from kube46.api.errors import FieldError, duplicate, each_invalid, invalid, not_supported, required, too_many

Object = dict[str, Any]

TYPES = ("FQDN", Family.IPV4, Family.IPV6)
PROTOCOLS = ("SCTP", "TCP", "UDP")
MANAGED = "endpointslice.kubernetes.io/managed-by"
CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
MAX_ENDPOINTS, MAX_ADDRESSES, MAX_PORTS, MAX_HINTS = 1000, 100, 20000, 8


def default(endpoint_slice: Object) -> None:
    """Ports have a name, "" if need be, and a protocol.

    Lists are always told, null when there is none.
    """
    for key in ("endpoints", "ports"):
        endpoint_slice.setdefault(key, None)
    for port in endpoint_slice.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"
    for endpoint in endpoint_slice.get("endpoints") or ():
        endpoint.setdefault("conditions", {})


def drop_topology(endpoint_slice: Object) -> bool:
    """Take away the field that v1 no longer writes; whether there was one."""
    held = [endpoint for endpoint in endpoint_slice.get("endpoints") or () if "deprecatedTopology" in endpoint]
    for endpoint in held:
        del endpoint["deprecatedTopology"]
    return bool(held)


def store(endpoint_slice: Object) -> None:
    """Empty lists become null: that is how they come back from Kubernetes' storage."""
    for key in ("endpoints", "ports"):
        endpoint_slice[key] = endpoint_slice.get(key) or None


def validate(endpoint_slice: Object, old: Object | None = None) -> list[FieldError]:
    """Hand-written checks in their order, then those that became declarative in 1.37, in theirs."""
    endpoints, kind = endpoint_slice.get("endpoints") or [], endpoint_slice.get("addressType") or ""
    found = _ports(endpoint_slice.get("ports") or [])
    declarative = _kind(kind, old)
    if old is None or endpoints != (old.get("endpoints") or []):
        if len(endpoints) > MAX_ENDPOINTS:
            return [*found, too_many("endpoints", len(endpoints), MAX_ENDPOINTS), *declarative]
        for index, endpoint in enumerate(endpoints):
            found += _endpoint(f"endpoints[{index}]", endpoint, kind)
            declarative += _count(f"endpoints[{index}].addresses", endpoint.get("addresses") or [])
    return found + declarative


def _kind(kind: str, old: Object | None) -> list[FieldError]:
    if not kind:
        found = [required("addressType")]
    else:
        found = [] if kind in TYPES else [not_supported("addressType", kind, TYPES)]
    if old is not None and kind != old.get("addressType"):
        found.append(invalid("addressType", None, "field is immutable"))
    return found


def _count(field: str, addresses: list[str]) -> list[FieldError]:
    if not addresses:
        return [required(field)]
    return [too_many(field, len(addresses), MAX_ADDRESSES)] if len(addresses) > MAX_ADDRESSES else []


def _endpoint(field: str, endpoint: Object, kind: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, address in enumerate(endpoint.get("addresses") or ()):
        found += _address(f"{field}.addresses", index, address, kind)
    if (node := endpoint.get("nodeName")) is not None:
        found += each_invalid(f"{field}.nodeName", node, names.subdomain(node))
    if (host := endpoint.get("hostname")) is not None:
        found += each_invalid(f"{field}.hostname", host, names.label(host))
    hints = endpoint.get("hints") or {}
    for key, label in (("forZones", names.label_value), ("forNodes", names.subdomain)):
        found += _hints(f"{field}.hints.{key}", hints.get(key) or [], label)
    return found


def _address(field: str, index: int, address: str, kind: str) -> list[FieldError]:
    place = f"{field}[{index}]"
    if kind == "FQDN":
        return _domain(place, address)
    if kind not in list(Family):
        return []
    if found := (ip.legacy_ip if kind == Family.IPV4 else ip.canonical_ip)(place, address):
        return found
    wrong = [] if ip.family(address) == kind else [invalid(field, address, f"must be an {kind} address")]
    return wrong + ip.special(place, address)


def _domain(place: str, text: str) -> list[FieldError]:
    """IsFullyQualifiedDomainName of apimachinery: two labels or more, and maybe a dot behind them."""
    if not text:
        return [required(place)]
    text = text.removesuffix(".")
    if wrong := names.subdomain(text):
        return [invalid(place, text, ",".join(wrong))]
    labels = text.split(".")
    if len(labels) < 2:
        return [invalid(place, text, "should be a domain with at least two segments separated by dots")]
    return [invalid(place, label, ",".join(wrong)) for label in labels if (wrong := names.label(label))]


def _hints(field: str, hints: list[Object], rule: Any) -> list[FieldError]:
    if len(hints) > MAX_HINTS:
        return [too_many(field, len(hints), MAX_HINTS)]
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, hint in enumerate(hints):
        name = hint.get("name") or ""
        if name in seen:
            found.append(duplicate(f"{field}[{index}].name", name))
        seen.add(name)
        found += each_invalid(f"{field}[{index}].name", name, rule(name))
    return found


def _ports(ports: list[Object]) -> list[FieldError]:
    if len(ports) > MAX_PORTS:
        return [too_many("ports", len(ports), MAX_PORTS)]
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        field, name, protocol = f"ports[{index}]", port["name"], port["protocol"]
        if name:
            found += each_invalid(f"{field}.name", name, names.label(name))
        if name in seen:
            found.append(duplicate(f"{field}.name", name))
        seen.add(name)
        if protocol not in PROTOCOLS:
            found.append(not_supported(f"{field}.protocol", protocol, PROTOCOLS))
        if (app := port.get("appProtocol")) is not None:
            found += each_invalid(f"{field}.appProtocol", app, names.qualified(app))
    return found


def warnings(endpoint_slice: Object, *, new: bool) -> list[str]:
    """About new FQDN slices, and addresses that are not written canonically unless a controller wrote them."""
    deprecated = new and endpoint_slice.get("addressType") == "FQDN"
    texts = ["spec.addressType: FQDN endpoints are deprecated"] if deprecated else []
    if ((endpoint_slice.get("metadata") or {}).get("labels") or {}).get(MANAGED) in CONTROLLERS:
        return texts
    return texts + [
        text
        for i, endpoint in enumerate(endpoint_slice.get("endpoints") or ())
        for j, address in enumerate(endpoint.get("addresses") or ())
        for text in ip.ip_warnings(f"endpoints[{i}].addresses[{j}]", address)
    ]
