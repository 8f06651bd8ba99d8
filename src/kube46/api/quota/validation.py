"""Errors of ResourceQuotas: what can be counted, of which objects, and what stays.

Source: k8s.io/kubernetes pkg/apis/core/validation (ValidateResourceQuota), pkg/registry/core/resourcequota/strategy.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import amounts, names
from kube46.api.errors import FieldError, each_invalid, invalid, required
from kube46.api.quantities import NANO
from kube46.api.resourcenames import is_quota, is_standard, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

OF_PODS = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity")
SCOPES = (*OF_PODS, "PriorityClass", "VolumeAttributesClass")
CONFLICTS = (("BestEffort", "NotBestEffort"), ("NotTerminating", "Terminating"))
COMPUTE = frozenset(("cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"))
# what may be counted by scope, of that which a quota knows without a domain
ALLOWED = {
    **dict.fromkeys(SCOPES, COMPUTE | {"pods"}),
    "BestEffort": frozenset(("pods",)),
    "VolumeAttributesClass": frozenset(("persistentvolumeclaims", "requests.storage")),
}
ONLY_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
UNFIT, CONFLICTING = "unsupported scope applied to resource", "conflicting scopes"


def errors(quota: Object) -> list[FieldError]:
    """Every error of `spec`."""
    spec: Object = quota.get("spec") or {}
    found = _amounts("spec.hard", spec.get("hard") or {}) + _scopes(spec)
    return found if spec.get("scopeSelector") is None else found + _selector(spec)


def change_errors(new: Object, old: Object) -> list[FieldError]:
    """The same of an update: the scopes stay."""
    scopes, before = ((one.get("spec") or {}).get("scopes") for one in (new, old))
    stays = set(scopes or ()) == set(before or ())
    return errors(new) + ([] if stays else [invalid("spec.scopes", scopes, "field is immutable")])


def status_errors(quota: Object) -> list[FieldError]:
    """Errors of a written status."""
    status: Object = quota.get("status") or {}
    return [error for key in ("hard", "used") for error in _amounts(f"status.{key}", status.get(key) or {})]


def warnings(quota: Object) -> list[str]:
    """Requests that may be more than their limits."""
    hard, found = amounts.of((quota.get("spec") or {}).get("hard")), []
    for name in ("cpu", "memory", "storage", "ephemeral-storage"):
        spellings = (f"requests.{name}", *((name,) if name in ("cpu", "memory") else ()))
        asked, limit = next((one for one in spellings if one in hard), ""), f"limits.{name}"
        if asked and limit in hard and hard[asked].nano > hard[limit].nano:
            found.append(f"ResourceQuota {asked} ({hard[asked]}) should be less than {limit} ({hard[limit]})")
    return found


def _amounts(place: str, written: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for name, amount in sorted(amounts.of(written).items()):
        field = f"{place}[{name}]"
        wrong = each_invalid(field, name, names.qualified(name))
        if not wrong and "/" not in name and not is_standard(name):
            wrong.append(invalid(field, name, "must be a standard resource type or fully qualified"))
        if "/" not in name and not is_quota(name):
            wrong.append(invalid(field, name, "must be a standard resource for quota"))
        if amount.nano < 0:
            wrong.append(invalid(field, str(amount), "must be greater than or equal to 0"))
        if is_whole(name) and amount.nano % NANO:
            wrong.append(invalid(field, str(amount), "must be an integer"))
        found += wrong
    return found


def _unfit(scope: str, hard: Iterable[str]) -> int:
    """How many of what is limited can't be counted in a scope."""
    return sum(is_quota(name) and scope in ALLOWED and name not in ALLOWED[scope] for name in hard)


def _conflicts(scopes: Iterable[str], quoted: Any) -> list[FieldError]:
    named = set(scopes)
    return [invalid("spec.scopes", quoted, CONFLICTING) for pair in CONFLICTS if named.issuperset(pair)]


def _scopes(spec: Object) -> list[FieldError]:
    scopes, found = spec.get("scopes") or [], []
    for scope in scopes:
        if scope not in SCOPES:
            found.append(invalid("spec.scopes", scopes, "unsupported scope"))
        found += [invalid("spec.scopes", scopes, UNFIT)] * _unfit(scope, spec.get("hard") or {})
    return found + _conflicts(scopes, scopes)


def _selector(spec: Object) -> list[FieldError]:
    place, selector = "spec.scopeSelector.matchExpressions", spec["scopeSelector"]
    asked, found = selector.get("matchExpressions") or (), []
    for one in asked:
        scope = one.get("scopeName") or ""
        if scope not in SCOPES:
            found.append(invalid(f"{place}.scopeName", scope, "unsupported scope"))
        found += [invalid(place, _internal(selector), UNFIT)] * _unfit(scope, spec.get("hard") or {})
        found += _operator(place, scope, one)
    conflicts = _conflicts((one.get("scopeName") or "" for one in asked), spec.get("scopes"))
    return found + [FieldError(one.reason, place, one.body) for one in conflicts]


def _operator(place: str, scope: str, one: Object) -> list[FieldError]:
    found, operator, values = [], one.get("operator") or "", one.get("values") or []
    if scope in OF_PODS and operator != "Exists":
        found.append(invalid(f"{place}.operator", operator, ONLY_EXISTS))
    if operator in ("In", "NotIn"):
        text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        return found if values else [*found, required(f"{place}.values", text)]
    if operator in ("Exists", "DoesNotExist"):
        text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        return [*found, invalid(f"{place}.values", values, text)] if values else found
    return [*found, invalid(f"{place}.operator", operator, "not a valid selector operator")]


def _internal(selector: Object) -> Object:
    """A selector as Go's internal type is printed."""
    asked = selector.get("matchExpressions")
    shown = [
        {"ScopeName": one.get("scopeName") or "", "Operator": one.get("operator") or "", "Values": one.get("values")}
        for one in asked or ()
    ]
    return {"MatchExpressions": None if asked is None else shown}
