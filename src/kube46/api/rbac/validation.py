"""Errors of Roles, ClusterRoles and their bindings (k8s.io/kubernetes pkg/apis/rbac/validation, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, invalid, not_supported, required

Object = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
SUBJECT_GROUPS = {"ServiceAccount": "", "User": GROUP, "Group": GROUP}


def default_binding(obj: Object) -> None:
    """API groups that follow from kinds, and accounts' own namespace (pkg/apis/rbac/v1/defaults.go)."""
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and SUBJECT_GROUPS.get(subject.get("kind", "")):
            subject["apiGroup"] = GROUP
    reference = obj.setdefault("roleRef", {})
    if not reference.get("apiGroup"):
        reference["apiGroup"] = GROUP


def role_errors(obj: Object, *, namespaced: bool) -> list[FieldError]:
    """Errors of the rules, and of a ClusterRole's aggregation."""
    found: list[FieldError] = []
    rules = obj.get("rules") or ()
    for index, rule in enumerate(rules):
        found += _rule_errors(f"rules[{index}]", rule, namespaced=namespaced)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None and not aggregation.get("clusterRoleSelectors"):
        place = "aggregationRule.clusterRoleSelectors"
        found.append(required(place, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
    # declarative validation, which comes last, wants the verbs
    return found + [required(f"rules[{index}].verbs") for index, rule in enumerate(rules) if not rule.get("verbs")]


def _rule_errors(place: str, rule: Object, *, namespaced: bool) -> list[FieldError]:
    found: list[FieldError] = []
    paths = rule.get("nonResourceURLs") or []
    if paths:
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            found.append(invalid(f"{place}.nonResourceURLs", paths, text))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(invalid(f"{place}.nonResourceURLs", paths, text))
        return found
    if not rule.get("apiGroups"):
        found.append(required(f"{place}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        found.append(required(f"{place}.resources", "resource rules must supply at least one resource"))
    return found


def binding_errors(obj: Object, old: Object | None = None, *, namespaced: bool) -> list[FieldError]:
    """Errors of the role that is named, which can't be changed, and of the subjects."""
    reference, found = obj.get("roleRef") or {}, []
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if reference.get("apiGroup") != GROUP:
        found.append(not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), [GROUP]))
    if reference.get("kind") not in kinds:
        found.append(not_supported("roleRef.kind", reference.get("kind", ""), kinds, in_order=True))
    name = reference.get("name", "")
    if name:
        found += [invalid("roleRef.name", name, text) for text in names.path_segment(name)]
    for index, subject in enumerate(obj.get("subjects") or ()):
        found += _subject_errors(f"subjects[{index}]", subject, namespaced=namespaced)
    if not name:
        found.append(required("roleRef.name"))
    if old is not None and reference != old.get("roleRef"):
        internal = {name: reference.get(name[:1].lower() + name[1:], "") for name in ("Kind", "Name")}
        shown = {"APIGroup": reference.get("apiGroup", ""), **internal}  # as Go calls them
        found.append(invalid("roleRef", shown, "field is immutable"))
    return found


def _subject_errors(place: str, subject: Object, *, namespaced: bool) -> list[FieldError]:
    kind, name, found = subject.get("kind", ""), subject.get("name", ""), []
    if kind not in SUBJECT_GROUPS:
        found.append(not_supported(f"{place}.kind", kind, SUBJECT_GROUPS, in_order=True))
    if not name:
        found.append(required(f"{place}.name"))
    if kind not in SUBJECT_GROUPS:
        return found
    if name and kind == "ServiceAccount":
        found += [invalid(f"{place}.name", name, text) for text in names.subdomain(name)]
    if (subject.get("apiGroup") or "") != SUBJECT_GROUPS[kind]:
        found.append(not_supported(f"{place}.apiGroup", subject.get("apiGroup", ""), [SUBJECT_GROUPS[kind]]))
    if kind == "ServiceAccount" and not namespaced and not subject.get("namespace"):
        found.append(required(f"{place}.namespace"))
    return found
