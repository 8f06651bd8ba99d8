"""ServiceCIDR objects: the ranges that cluster IPs are allocated from (semantics 2.5; KEP 1880)."""

from __future__ import annotations

from typing import Any

from kube46.api import ip
from kube46.api.errors import FieldError, invalid, required

Object = dict[str, Any]

IMMUTABLE = "field is immutable"
PAIR = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"


def _cidrs(obj: Object) -> list[str]:
    return (obj.get("spec") or {}).get("cidrs") or []


def validate(obj: Object) -> list[FieldError]:
    """Errors of `spec`."""
    field, cidrs = "spec.cidrs", _cidrs(obj)
    if not cidrs:
        return [required(field, "at least one CIDR required")]
    if len(cidrs) > 2:
        return [invalid(field, {"CIDRs": cidrs}, "may only hold up to 2 values")]
    found = [error for index, text in enumerate(cidrs) for error in ip.canonical_cidr(f"{field}[{index}]", text)]
    parsed = [ip.sloppy_cidr(text) for text in cidrs]
    if len(cidrs) == 2 and None not in parsed and not ip.is_pair(cidrs):
        found.append(invalid(field, cidrs, PAIR))
    return found


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """Only a second family may be added."""
    field, cidrs, before = "spec.cidrs", _cidrs(new), _cidrs(old)
    if len(cidrs) == len(before):
        return [
            invalid(f"{field}[{index}]", a, IMMUTABLE)
            for index, (a, b) in enumerate(zip(cidrs, before, strict=True))
            if a != b
        ]
    if len(before) == 1 and len(cidrs) == 2:
        first = [] if cidrs[0] == before[0] else [invalid(f"{field}[0]", cidrs[0], IMMUTABLE)]
        return first + validate(new)
    return [invalid(field, (new.get("spec") or {}).get("cidrs"), IMMUTABLE)]
