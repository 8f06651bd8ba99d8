"""Whether a request fits in the quotas of its namespace, and what is taken then; what all objects take together. Pure.

Sources: k8s.io/apiserver pkg/admission/plugin/resourcequota/controller.go (CheckRequest), pkg/quota/v1/resources.go
(CalculateUsage); k8s.io/kubernetes pkg/quota/v1/install/registry.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import amounts
from kube46.api.amounts import ZERO, Amounts
from kube46.api.quota.evaluating import Evaluator, Object, Write
from kube46.api.quota.others import ClaimEvaluator, DeviceEvaluator, ServiceEvaluator
from kube46.api.quota.pods import PodEvaluator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from kube46.api.quantities import Quantity

# of which more than the number counts
MEASURED = frozenset((
    ("", "pods"), ("", "services"), ("", "persistentvolumeclaims"), ("resource.k8s.io", "resourceclaims"),
))  # fmt: skip
ALIASED = ("configmaps", "replicationcontrollers", "resourcequotas", "secrets")
OWN: dict[tuple[str, str], Evaluator] = {
    (one.group, one.plural): one
    for one in (
        PodEvaluator(), ServiceEvaluator(), ClaimEvaluator(), DeviceEvaluator(),
        *(Evaluator("", plural, (plural,)) for plural in ALIASED),
    )
}  # fmt: skip
IGNORED = frozenset((
    ("", "bindings"), ("", "events"), ("events.k8s.io", "events"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
))  # fmt: skip


class Refused(Exception):
    """The request does not fit; the text says in which quota, and why."""


def evaluator(group: str, plural: str) -> Evaluator | None:
    """How objects of a kind are counted; None of those that never are."""
    if (group, plural) in IGNORED:
        return None
    return OWN.get((group, plural)) or Evaluator(group, plural)


def counted(names: Iterable[str]) -> list[Evaluator]:
    """The evaluators of all kinds that are counted under these names, served or not."""
    wanted = set(names)
    found = [one for one in OWN.values() if one.matching(wanted)]
    for name in sorted(wanted):
        kind, _, rest = name.partition("/")
        plural, _, group = rest.partition(".")
        if kind == "count" and plural and (group, plural) not in OWN and (one := evaluator(group, plural)):
            found.append(one)
    return found


def requirements(quota: Object) -> list[Object]:
    """What a quota asks of the objects that it counts: its scopes and its selector."""
    spec = quota.get("spec") or {}
    scopes = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    return scopes + list((spec.get("scopeSelector") or {}).get("matchExpressions") or ())


def concerns(quota: Object, counting: Evaluator, obj: Object) -> bool:
    """Whether a quota is about an object, as far as it is already known to be enforced."""
    hard = (quota.get("status") or {}).get("hard") or {}
    return bool(counting.matching(hard)) and all(counting.in_scope(one, obj) for one in requirements(quota))


def charge(quotas: Sequence[Object], counting: Evaluator, write: Write, now: datetime) -> dict[str, Amounts]:
    """What is used of each quota that changes, by its name, once the write is done; raises Refused."""
    near = [quota for quota in quotas if concerns(quota, counting, write.new)]
    for quota in near:
        _check_countable(quota, counting, write.new)
    if not near:
        return {}
    usage = counting.usage(write.new, now)
    if negative := sorted(name for name, amount in usage.items() if amount.nano < 0):
        raise Refused(f"quota usage is negative for resource(s): {','.join(negative)}")
    before = None if write.old is None else counting.usage(write.old, now)
    found: dict[str, Amounts] = {}
    for quota in near:
        counted_before = write.old is not None and concerns(quota, counting, write.old)
        more = amounts.grown(usage, before) if before is not None and counted_before else usage
        if asked := amounts.only(amounts.some(more), quota["status"]["hard"]):
            found[quota["metadata"]["name"]] = _take(quota, asked, enforced=write.subresource != "status")
    return found


def _check_countable(quota: Object, counting: Evaluator, obj: Object) -> None:
    name, status = quota["metadata"]["name"], quota.get("status") or {}
    limited = counting.matching(status.get("hard") or {})
    if text := counting.missing(limited, obj):
        raise Refused(f"failed quota: {name}: {text}")
    if set(limited) - (status.get("used") or {}).keys():
        raise Refused(f"status unknown for quota: {name}, resources: {','.join(limited)}")


def _take(quota: Object, asked: Amounts, *, enforced: bool) -> Amounts:
    """What is used of a quota with so much more; raises Refused when that is too much."""
    status = quota["status"]
    hard, used = amounts.of(status.get("hard")), amounts.of(status.get("used"))
    total = amounts.plus(used, asked)
    if enforced and (names := amounts.exceeding(amounts.only(total, asked), hard)):
        requested, taken, limited = (amounts.told(amounts.only(one, names)) for one in (asked, used, hard))
        name = quota["metadata"]["name"]
        raise Refused(f"exceeded quota: {name}, requested: {requested}, used: {taken}, limited: {limited}")
    return total


def usage(quota: Object, counting: Evaluator, listed: Iterable[Object], now: datetime) -> Amounts:
    """What the objects of one kind, all of a quota's namespace, take of what it limits."""
    names, asked = counting.matching((quota.get("spec") or {}).get("hard") or {}), requirements(quota)
    found: Amounts = dict.fromkeys(names, ZERO)
    for obj in listed:
        if all(counting.in_scope(one, obj) for one in asked):
            found = amounts.plus(found, amounts.only(counting.usage(obj, now), names))
    return found


def status(quota: Object, found: Mapping[str, Quantity]) -> Object:
    """The status of a quota with what was found to be used; what could not be counted now stays as it was."""
    hard = amounts.of((quota.get("spec") or {}).get("hard"))
    used = {**amounts.of((quota.get("status") or {}).get("used")), **found}
    return {"hard": amounts.texts(hard), "used": amounts.texts(amounts.only(used, hard))}
