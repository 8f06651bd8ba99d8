"""How a stored Service looks to readers (semantics 1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import ip
from kube46.api.services.traits import EXTERNAL_NAME, REQUIRE, SINGLE, families, headless, ips, is_type

if TYPE_CHECKING:
    from kube46.addresses.families import Family

Object = dict[str, Any]


def complete(service: Object, default: Family) -> bool:
    """Bring a Service into its read-default form, in place; tells whether anything was missing."""
    spec = service["spec"]
    before = {key: spec.get(key) for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")}
    if spec.get("clusterIP") and not ips(spec):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if is_type(spec, EXTERNAL_NAME):
        spec.pop("internalTrafficPolicy", None)
    elif not families(spec):
        _old_families(spec, default)
    return any(spec.get(key) != value for key, value in before.items())


def _old_families(spec: Object, default: Family) -> None:
    """Services stored before Kubernetes 1.20 have no families: derive them from what they hold (R-2)."""
    if headless(spec):
        if spec.get("selector"):
            spec["ipFamilyPolicy"], spec["ipFamilies"] = SINGLE, [str(default)]
        else:
            spec["ipFamilyPolicy"], spec["ipFamilies"] = REQUIRE, [str(default), str(default.other)]
        return
    found = [str(family) for family in map(ip.family, ips(spec)) if family is not None]
    if found:
        spec["ipFamilyPolicy"] = SINGLE if len(found) == 1 else REQUIRE
        spec["ipFamilies"] = found
