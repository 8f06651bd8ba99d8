"""Which cluster IPs a Service needs, and which it gives back (semantics 1.6, storage/alloc.go).

Only plans are made here: what to take as `{family: address or ""}` ("" = any free one), what to give back as a list.
"""

from __future__ import annotations

from kube46.addresses.families import Family
from kube46.api.services.families import untouched_prefer
from kube46.api.services.traits import EXTERNAL_NAME, Spec, families, headless, ips, is_type

Wanted = dict[Family, str]


def on_create(spec: Spec) -> Wanted:
    """Every family of a Service with cluster IPs; puts "" into `clusterIPs` where one is to be allocated."""
    if is_type(spec, EXTERNAL_NAME) or ips(spec)[:1] == ["None"]:
        return {}
    missing = len(families(spec)) - len(ips(spec))
    spec["clusterIPs"] = ips(spec) + [""] * max(0, missing)
    return {Family(family): spec["clusterIPs"][i] for i, family in enumerate(families(spec))}


def on_update(spec: Spec, old: Spec) -> tuple[Wanted, list[str]]:
    """What an update takes, and what it gives back once it is certain."""
    if untouched_prefer(spec, old):
        return {}, []
    if is_type(old, EXTERNAL_NAME):
        return (on_create(spec), []) if not is_type(spec, EXTERNAL_NAME) else ({}, [])
    if headless(old):
        return {}, []
    if is_type(spec, EXTERNAL_NAME):
        return {}, list(ips(old))
    before, after = len(families(old)), len(families(spec))
    if before == 1 and after == 2:
        if len(ips(spec)) < 2:
            spec["clusterIPs"] = [*ips(spec), ""]
        return {Family(families(spec)[1]): ips(spec)[1]}, []
    if before == 2 and after == 1:
        return {}, ips(old)[1:]
    return {}, []


def place(spec: Spec, allocated: dict[Family, str]) -> None:
    """Put allocated addresses where their families stand; changes `spec`."""
    for index, family in enumerate(families(spec)):
        if family in allocated:
            spec["clusterIPs"][index] = allocated[Family(family)]
            if index == 0:
                spec["clusterIP"] = allocated[Family(family)]
