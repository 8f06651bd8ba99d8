"""NetworkPolicies: defaulting, validation, warnings (pkg/{apis,registry}/networking, 1.37)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import ip, names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.selectors import selector_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

TYPES = ("Ingress", "Egress")
PROTOCOLS = ("TCP", "UDP", "SCTP")
DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def default(policy: Object) -> None:
    """Ports are TCP unless they say otherwise; a policy is about what comes in, and what goes out if it has rules."""
    spec = policy.setdefault("spec", {})
    spec["podSelector"] = spec.get("podSelector") or {}
    for direction, _ in DIRECTIONS:
        for rule in spec.get(direction) or ():
            for port in rule.get("ports") or ():
                if port.get("protocol") is None:
                    port["protocol"] = "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def validate(policy: Object, old: Object | None = None) -> list[FieldError]:
    """Errors of `spec`; CIDRs that are stored already pass, missing ones are told last (they are declarative)."""
    spec, known = policy["spec"], {text for _, text in _cidrs(old)} if old else set[str]()
    found, last = selector_errors(spec["podSelector"], "spec.podSelector"), list[FieldError]()
    for direction, peers in DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or ()):
            place = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                found += _port(f"{place}.ports[{number}]", port)
            for number, peer in enumerate(rule.get(peers) or ()):
                field = f"{place}.{peers}[{number}]"
                found += _peer(field, peer, known)
                if (block := peer.get("ipBlock")) is not None and not block.get("cidr"):
                    last.append(required(f"{field}.ipBlock.cidr"))
    return found + _types(spec["policyTypes"]) + last


def _types(types: list[str]) -> list[FieldError]:
    field = "spec.policyTypes"
    if len(types) > len(TYPES):
        return [invalid(field, types, "may not specify more than two policyTypes")]
    return [
        not_supported(f"{field}[{i}]", kind, TYPES, in_order=True) for i, kind in enumerate(types) if kind not in TYPES
    ]


def _port(field: str, port: Object) -> list[FieldError]:
    found: list[FieldError] = []
    number, last, protocol = port.get("port"), port.get("endPort"), port["protocol"]
    if protocol not in PROTOCOLS:
        found.append(not_supported(f"{field}.protocol", protocol, PROTOCOLS, in_order=True))
    if isinstance(number, int):
        found += each_invalid(f"{field}.port", number, names.port_number(number))
        if last is not None:
            if last < number:
                found.append(invalid(f"{field}.endPort", last, "must be greater than or equal to `port`"))
            found += each_invalid(f"{field}.endPort", last, names.port_number(last))
        return found
    if last is not None:
        how = "is not specified" if number is None else "is non-numeric"
        found.append(invalid(f"{field}.endPort", last, f"may not be specified when `port` {how}"))
    return found if number is None else found + each_invalid(f"{field}.port", number, names.port_name(number))


def _peer(field: str, peer: Object, known: set[str]) -> list[FieldError]:
    present = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None]
    found: list[FieldError] = []
    for key in present:
        place = f"{field}.{key}"
        found += _block(place, peer[key], known) if key == "ipBlock" else selector_errors(peer[key], place)
    if not present:
        found.append(required(field, "must specify a peer"))
    elif len(present) > 1 and "ipBlock" in present:
        found.append(forbidden(field, "may not specify both ipBlock and another peer"))
    return found


def _block(field: str, block: Object, known: set[str]) -> list[FieldError]:
    text = block.get("cidr") or ""
    if not text:
        return []
    found, parsed = ip.legacy_cidr(f"{field}.cidr", text, known), ip.sloppy_cidr(text)
    if parsed is None:
        return found
    for index, part in enumerate(block.get("except") or ()):
        place, inner = f"{field}.except[{index}]", ip.sloppy_cidr(part)
        found += ip.legacy_cidr(place, part, known)
        if inner is None:
            continue
        outer, network = parsed[1], inner[1].network_address
        if network not in outer or outer.prefixlen >= inner[1].prefixlen:
            found.append(invalid(place, part, "must be a strict subset of `cidr`"))
    return found


def _cidrs(policy: Object) -> Iterator[tuple[str, str]]:
    """Every CIDR with its field."""
    for direction, peers in DIRECTIONS:
        for index, rule in enumerate(policy["spec"].get(direction) or ()):
            for number, peer in enumerate(rule.get(peers) or ()):
                block, field = peer.get("ipBlock") or {}, f"spec.{direction}[{index}].{peers}[{number}].ipBlock"
                yield f"{field}.cidr", block.get("cidr") or ""
                yield from ((f"{field}.except[{i}]", text) for i, text in enumerate(block.get("except") or ()))


def warnings(policy: Object) -> list[str]:
    """CIDRs that are not written canonically."""
    return [text for field, cidr in _cidrs(policy) for text in ip.cidr_warnings(field, cidr)]
