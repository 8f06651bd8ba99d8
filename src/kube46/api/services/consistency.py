"""Do `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` agree with each other? (semantics 1.8.2)"""

from __future__ import annotations

from kube46.addresses.families import Family
from kube46.api import ip
from kube46.api.errors import FieldError, duplicate, invalid, not_supported, required
from kube46.api.services.traits import EXTERNAL_NAME, NONE, POLICIES, Spec, families, headless, ips, is_type

IPS = "spec.clusterIPs"


def errors(spec: Spec, old: Spec | None = None) -> list[FieldError]:
    """Every disagreement; addresses that are stored already are not checked again."""
    if is_type(spec, EXTERNAL_NAME):
        return []
    malformed = _malformed(spec, ips(old) if old else [])
    found = [*_first(spec), *_families(spec), *malformed]
    if len(ips(spec)) > 2:
        found.append(invalid(IPS, ips(spec), "may only hold up to 2 values"))
    if malformed:  # what follows would talk about addresses that are none
        return found
    if len(ips(spec)) > 1 and not ip.is_pair(ips(spec)):
        found += ip.unpairable(IPS, ips(spec))
        found.append(invalid(IPS, ips(spec), "may specify no more than one IP for each IP family"))
    return found + _as_indicated(spec)


def _first(spec: Spec) -> list[FieldError]:
    if not spec.get("clusterIP"):
        text = "must be empty when `clusterIP` is not specified"
        return [invalid(IPS, ips(spec), text)] if ips(spec) else []
    if not ips(spec):
        return [required(IPS)]
    return [] if ips(spec)[0] == spec["clusterIP"] else [invalid(IPS, ips(spec), "first value must match `clusterIP`")]


def _families(spec: Spec) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, family in enumerate(families(spec)):
        if family not in list(Family):
            found.append(not_supported(f"spec.ipFamilies[{index}]", family, list(Family)))
        if family in seen:
            found.append(duplicate(f"spec.ipFamilies[{index}]", family))
        seen.add(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in POLICIES:
        found.append(not_supported("spec.ipFamilyPolicy", policy, POLICIES))
    return found


def _malformed(spec: Spec, known: list[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for index, address in enumerate(ips(spec)):
        if index == 0 and address == NONE:
            if len(ips(spec)) > 1:
                found.append(invalid(IPS, ips(spec), "'None' must be the first and only value"))
        else:
            found += ip.legacy_ip(f"{IPS}[{index}]", address, known)
    return found


def _as_indicated(spec: Spec) -> list[FieldError]:
    if headless(spec):
        return []
    return [
        invalid(f"{IPS}[{i}]", address, f"expected an {family} value as indicated by `ipFamilies[{i}]`")
        for i, (address, family) in enumerate(zip(ips(spec), families(spec), strict=False))
        if (family == Family.IPV4 and ip.family(address) == Family.IPV6)
        or (family == Family.IPV6 and ip.family(address) != Family.IPV6)
    ]
