"""The Roles, ClusterRoles and bindings that every cluster starts with, read from the table `policy.txt`.

At each start what is missing in a stored one is added, and nothing taken away, unless it carries the annotation
`rbac.authorization.kubernetes.io/autoupdate: "false"`.
Source: k8s.io/component-helpers auth/rbac/reconciliation, k8s.io/kubernetes pkg/registry/rbac/rest/storage_rbac.go.
"""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kube46.api.rbac.rules import Rule, lacking
from kube46.api.rbac.validation import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.strategy import Object

TABLE = Path(__file__).parent / "policy.txt"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
READ, WRITE = ["get", "list", "watch"], ["create", "delete", "deletecollection", "patch", "update"]
VERBS = {"read": READ, "write": WRITE, "all": sorted(READ + WRITE)}
EVENTS: Object = {"verbs": ["create", "patch", "update"], "apiGroups": ["", "events.k8s.io"], "resources": ["events"]}
Placed = tuple[str, Any]  # the plural of its kind, the object


def defaults() -> list[Placed]:
    """All of them, fresh: roles before the bindings to them, and the roles that gather others last of the roles."""
    return copy.deepcopy(list(_defaults()))


@cache
def _defaults() -> tuple[Placed, ...]:
    roles: list[Placed] = []
    gathering: list[Placed] = []
    bindings: list[Placed] = []
    rules: list[Object] = []
    for line in _lines(TABLE.read_text()):
        text = line.strip()
        if not line.startswith(" "):
            role, rules = _role(text.split())
            (gathering if "aggregationRule" in role[1] else roles).append(role)
        elif text.startswith("<"):
            bindings.append(_binding(text[1:].split(), role))
        else:
            rules.append(_rule(text))
    return (*roles, *gathering, *bindings)


def _lines(table: str) -> Iterable[str]:
    """The table's lines without comments, those that go on joined."""
    found: list[str] = []
    for line in table.splitlines():
        if line.startswith(" " * 8):
            found[-1] += f" {line.strip()}"
        elif line and not line.startswith("#"):
            found.append(line)
    return found


def _role(words: list[str]) -> tuple[Placed, list[Object]]:
    namespace, _, name = words[0].rpartition("/")
    labels = {AGGREGATE + word[1:]: "true" for word in words[1:] if word[0] == "+"}
    rules: list[Object] = []
    obj: Object = {"metadata": _meta(name, namespace, labels), "rules": rules}
    for word in words[1:]:
        if word[0] == "=":
            obj["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {AGGREGATE + word[1:]: "true"}}]}
    return ("roles" if namespace else "clusterroles", obj), rules


def _binding(words: list[str], role: Placed) -> Placed:
    meta = role[1]["metadata"]
    namespace, name = meta.get("namespace", ""), meta["name"]
    if words and words[-1].startswith("@"):
        namespace, _, name = words.pop()[1:].rpartition("/")
    kind = "Role" if role[0] == "roles" else "ClusterRole"
    obj: Object = {
        "metadata": _meta(name, namespace),
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": meta["name"]},
    }
    if words:
        obj["subjects"] = [_subject(word) for word in words]
    return "rolebindings" if namespace else "clusterrolebindings", obj


def _subject(word: str) -> Object:
    kind, colon, name = word.partition(":")
    if colon and kind in ("user", "group"):
        return {"kind": kind.capitalize(), "apiGroup": GROUP, "name": name}
    namespace, _, name = word.partition("/")
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _rule(text: str) -> Object:
    if text == "events":
        return EVENTS
    verbs, *columns = [column.split() for column in text.split("|")]
    found: Object = {"verbs": VERBS.get(verbs[0], verbs)}
    if len(columns) == 1:
        return found | {"nonResourceURLs": columns[0]}
    groups = ["" if group == "core" else group for group in columns[0]]
    names = {"resourceNames": columns[2]} if len(columns) == 3 else {}
    return found | {"apiGroups": groups, "resources": columns[1]} | names


def _meta(name: str, namespace: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"name": name, **place, "labels": LABELS | (labels or {}), "annotations": {UPDATE: "true"}}


def node_rules() -> tuple[Rule, ...]:
    """What every node may do beside what the node authorizer decides: the rules of `system:node`."""
    role = next(
        obj for plural, obj in _defaults() if plural == "clusterroles" and obj["metadata"]["name"] == "system:node"
    )
    return tuple(Rule.of(rule) for rule in role["rules"])


def reconciled(stored: Object, wanted: Object) -> Object | None:
    """The stored role or binding with what it lacks of the wanted one; None when it lacks nothing or opted out."""
    meta = stored["metadata"]
    if (meta.get("annotations") or {}).get(UPDATE) == "false":
        return None
    new = copy.deepcopy(stored)
    for field in ("labels", "annotations"):
        new["metadata"][field] = wanted["metadata"][field] | (meta.get(field) or {})
    if "roleRef" in wanted:
        if stored["roleRef"] != wanted["roleRef"]:  # it can't be changed: made anew
            return {**copy.deepcopy(wanted), "roleRef": wanted["roleRef"]}
        new["subjects"] = _joined(stored.get("subjects"), wanted.get("subjects"))
    else:
        missing = lacking(map(Rule.of, stored.get("rules") or ()), map(Rule.of, wanted["rules"]))
        new["rules"] = [*(stored.get("rules") or ()), *(rule.json() for rule in missing)]
        _gather(new, stored, wanted)
    filled = {name: value for name, value in new.items() if value or name in stored}
    return None if filled == stored else filled


def _joined(stored: list[Object] | None, wanted: list[Object] | None) -> list[Object]:
    return [*(stored or ()), *(one for one in wanted or () if one not in (stored or ()))]


def _gather(new: Object, stored: Object, wanted: Object) -> None:
    if "aggregationRule" not in wanted:
        new.pop("aggregationRule", None)
        return
    selectors = wanted["aggregationRule"]["clusterRoleSelectors"]
    kept = (stored.get("aggregationRule") or {}).get("clusterRoleSelectors")
    new["aggregationRule"] = {"clusterRoleSelectors": _joined(kept, selectors)}
