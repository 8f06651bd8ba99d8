"""Validation of what a pod says about the nodes it wants: affinity, spreading, scheduling gates.

Source: kubernetes/pkg/apis/core/validation/validation.go (`validateAffinity`, `validateTopologySpreadConstraints`).
"""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.selectors import requirement_errors, selector_errors

Object = dict[str, Any]

REQUIRED, PREFERRED = (f"{kind}DuringSchedulingIgnoredDuringExecution" for kind in ("required", "preferred"))
ONE_VALUE = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
ACTIONS, POLICIES = ("DoNotSchedule", "ScheduleAnyway"), ("Honor", "Ignore")


def validate(spec: Object, field: str) -> list[FieldError]:
    """Every error of these fields of a pod's spec."""
    affinity, place = spec.get("affinity") or {}, f"{field}.affinity"
    found = _nodes(affinity.get("nodeAffinity") or {}, f"{place}.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        found += _pods(affinity.get(kind) or {}, f"{place}.{kind}")
    return found + _spread(spec, field) + _gates(spec, field)


def _nodes(affinity: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    if (wanted := affinity.get(REQUIRED)) is not None:
        place = f"{field}.{REQUIRED}.nodeSelectorTerms"
        terms = wanted.get("nodeSelectorTerms") or []
        if not terms:
            found.append(required(place, "must have at least one node selector term"))
        for index, term in enumerate(terms):
            found += _term(term, f"{place}[{index}]")
    for index, one in enumerate(affinity.get(PREFERRED) or ()):
        place = f"{field}.{PREFERRED}[{index}]"
        found += _weight(one, place) + _term(one.get("preference") or {}, f"{place}.preference")
    return found


def _term(term: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, one in enumerate(term.get("matchExpressions") or ()):
        found += _requirement(one, f"{field}.matchExpressions[{index}]")
    for index, one in enumerate(term.get("matchFields") or ()):
        place, operator, key = f"{field}.matchFields[{index}]", one.get("operator"), one.get("key") or ""
        if operator not in ("In", "NotIn"):
            found.append(invalid(f"{place}.operator", operator or "", "not a valid selector operator"))
        elif len(one.get("values") or ()) != 1:
            found.append(required(f"{place}.values", ONE_VALUE))
        if key != "metadata.name":
            found.append(invalid(f"{place}.key", key, "not a valid field selector key"))
        else:
            for number, name in enumerate(one.get("values") or ()):
                found += each_invalid(f"{place}.values[{number}]", name, names.subdomain(name))
    return found


def _requirement(one: Object, field: str) -> list[FieldError]:
    """Of a node's labels: as of a selector, and besides comparisons with one number."""
    operator, values = one.get("operator"), one.get("values") or ()
    if operator not in ("Gt", "Lt"):
        return requirement_errors(one, field)
    key = one.get("key") or ""
    found = each_invalid(f"{field}.key", key, names.qualified(key))
    if len(values) != 1:
        text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
        found.insert(0, required(f"{field}.values", text))
    return found


def _weight(one: Object, field: str) -> list[FieldError]:
    weight = one.get("weight") or 0
    return [] if 1 <= weight <= 100 else [invalid(f"{field}.weight", weight, "must be in the range 1-100")]


def _pods(affinity: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, term in enumerate(affinity.get(REQUIRED) or ()):
        found += _pod_term(term, f"{field}.{REQUIRED}[{index}]")
    for index, one in enumerate(affinity.get(PREFERRED) or ()):
        place = f"{field}.{PREFERRED}[{index}]"
        found += _weight(one, place) + _pod_term(one.get("podAffinityTerm") or {}, f"{place}.podAffinityTerm")
    return found


def _pod_term(term: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    for key in ("labelSelector", "namespaceSelector"):
        if term.get(key) is not None:
            found += selector_errors(term[key], f"{field}.{key}")
    for name in term.get("namespaces") or ():
        found += each_invalid(f"{field}.namespace", name, names.label(name))
    for key in ("matchLabelKeys", "mismatchLabelKeys"):
        found += _label_keys(term, key, field)
    return found + _topology_key(term, field)


def _topology_key(one: Object, field: str) -> list[FieldError]:
    key = one.get("topologyKey") or ""
    if not key:
        return [required(f"{field}.topologyKey", "can not be empty")]
    return each_invalid(f"{field}.topologyKey", key, names.qualified(key))


def _label_keys(one: Object, name: str, field: str) -> list[FieldError]:
    keys, place = one.get(name) or (), f"{field}.{name}"
    if keys and one.get("labelSelector") is None:
        return [forbidden(place, "must not be specified when labelSelector is not set")]
    return [e for i, key in enumerate(keys) for e in each_invalid(f"{place}[{i}]", key, names.qualified(key))]


def _spread(spec: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    constraints = spec.get("topologySpreadConstraints") or ()
    later = [f"{{{one.get('topologyKey') or ''}, {one.get('whenUnsatisfiable') or ''}}}" for one in constraints]
    for index, one in enumerate(constraints):
        place, action = f"{field}.topologySpreadConstraints[{index}]", one.get("whenUnsatisfiable")
        if (one.get("maxSkew") or 0) <= 0:
            found.append(invalid(f"{place}.maxSkew", one.get("maxSkew") or 0, "must be greater than zero"))
        found += _topology_key(one, place)
        if action not in ACTIONS:
            found.append(not_supported(f"{place}.whenUnsatisfiable", action or "", ACTIONS))
        pair = f"{{{one.get('topologyKey') or ''}, {action or ''}}}"
        if pair in later[index + 1 :]:  # upstream complains of all but the last
            found.append(duplicate(f"{place}.{{topologyKey, whenUnsatisfiable}}", pair))
        found += _domains(one, place)
        for key in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if one.get(key) not in (None, *POLICIES):
                found.append(not_supported(f"{place}.{key}", one[key], POLICIES))
        found += _label_keys(one, "matchLabelKeys", place)
        if one.get("labelSelector") is not None:
            found += selector_errors(one["labelSelector"], f"{place}.labelSelector")
    return found


def _domains(one: Object, field: str) -> list[FieldError]:
    least, action = one.get("minDomains"), one.get("whenUnsatisfiable") or ""
    if least is None:
        return []
    found = [] if least > 0 else [invalid(f"{field}.minDomains", least, "must be greater than zero")]
    if action != "DoNotSchedule":
        text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        found.append(invalid(f"{field}.minDomains", least, text))
    return found


def _gates(spec: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    seen = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        place, name = f"{field}.schedulingGates[{index}]", gate.get("name") or ""
        found += each_invalid(place, name, names.qualified(name))
        if name in seen:
            found.append(duplicate(place, name))
        seen.add(name)
    return found
