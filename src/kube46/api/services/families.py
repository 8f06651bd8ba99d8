"""Which IP families and policy a Service gets, on create and on update (semantics 1.3, I-1 to I-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.addresses.families import Family
from kube46.api import ip
from kube46.api.errors import FieldError, invalid
from kube46.api.services import consistency
from kube46.api.services.traits import (
    CLUSTER_IP,
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    NONE,
    PREFER,
    REQUIRE,
    SINGLE,
    Spec,
    families,
    ips,
    is_type,
    selectorless_headless,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

POLICY = "spec.ipFamilyPolicy"
DUAL_POLICIES = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
RELEASE = "must be 'SingleStack' to release the secondary"


def initialise(spec: Spec, old: Spec | None, cluster: Sequence[Family]) -> list[FieldError]:
    """Fill `ipFamilies` and `ipFamilyPolicy`; changes `spec`; errors returned stand alone in the answer.

    `cluster` are the families of --service-cluster-ip-range, the default family first.
    """
    if is_type(spec, EXTERNAL_NAME) or (old is not None and untouched_prefer(spec, old)):
        return []
    spec["ipFamilyPolicy"] = _policy(spec, old)
    if errors := consistency.errors(spec, old):
        return errors
    errors = _reduced(spec, old) if old is not None else []
    errors += _too_many_for_single(spec) + _infer(spec, cluster)
    if errors:
        return errors
    if selectorless_headless(spec):
        _fill(spec, cluster[0], dual=True)
        return []
    if errors := _unconfigured(spec, cluster):
        return errors
    _fill(spec, cluster[0], dual=len(cluster) == 2)
    return []


def untouched_prefer(spec: Spec, old: Spec) -> bool:
    """Whether a PreferDualStack Service comes back as read: then it is neither upgraded nor checked (I-2)."""
    return (
        spec.get("ipFamilyPolicy") == PREFER
        and old.get("ipFamilyPolicy", PREFER) == PREFER
        and spec.get("type") == old.get("type")
        and is_type(spec, CLUSTER_IP, NODE_PORT, LOAD_BALANCER)
        and ips(spec) == ips(old)
        and families(spec) == families(old)
    )


def _policy(spec: Spec, old: Spec | None) -> str:
    policy: str | None = spec.get("ipFamilyPolicy")
    if policy is None and old is not None:
        policy = old.get("ipFamilyPolicy")
    if policy is not None:
        return policy
    return REQUIRE if selectorless_headless(spec) else SINGLE


def _reduced(spec: Spec, old: Spec) -> list[FieldError]:
    """A SingleStack policy cuts lists that came back unchanged; any other policy forbids shorter lists (I-5)."""
    policy = spec["ipFamilyPolicy"]
    errors = []
    for key, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        value, before = spec.get(key) or [], old.get(key) or []
        if policy == SINGLE:
            if value == before and len(value) > 1:
                spec[key] = value[:1]
        elif value and len(value) < len(before):
            errors.append(invalid(POLICY, policy, f"{RELEASE} {what}"))
    return errors


def _too_many_for_single(spec: Spec) -> list[FieldError]:
    if spec["ipFamilyPolicy"] != SINGLE:
        return []
    counts = ((ips(spec), "cluster IPs"), (families(spec), "IP families"))
    return [
        invalid(POLICY, SINGLE, f"{DUAL_POLICIES} {what} are specified") for value, what in counts if len(value) == 2
    ]


def _infer(spec: Spec, cluster: Sequence[Family]) -> list[FieldError]:
    """Families of addresses that have none beside them (I-7)."""
    errors = []
    for index, address in enumerate(ips(spec)):
        if address == NONE:
            break
        family = ip.family(address)
        if index < len(families(spec)) or family is None:
            continue
        if family in cluster:
            spec["ipFamilies"] = [*families(spec), str(family)]
        else:
            text = f"{family} is not configured on this cluster"
            errors.append(invalid(f"spec.clusterIPs[{index}]", ips(spec), text))
    return errors


def _unconfigured(spec: Spec, cluster: Sequence[Family]) -> list[FieldError]:
    policy = spec["ipFamilyPolicy"]
    errors = []
    if policy == REQUIRE and len(cluster) < 2:
        errors.append(invalid(POLICY, policy, "this cluster is not configured for dual-stack services"))
    for index, family in enumerate(families(spec)):
        if family not in cluster:
            errors.append(invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))
    return errors


def _fill(spec: Spec, default: Family, *, dual: bool) -> None:
    """The default family if none is named, and the other one for a dual policy where it may be had."""
    chosen = families(spec) or [str(default)]
    if dual and spec["ipFamilyPolicy"] != SINGLE and len(chosen) == 1:
        chosen = [*chosen, str(Family(chosen[0]).other)]
    spec["ipFamilies"] = chosen
