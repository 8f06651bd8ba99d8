"""The table of default rights: how it is read, and what a start makes of stored objects."""

import copy

from kube46.apiserver import roles


def default(plural: str, name: str) -> dict:
    """One default object."""
    return next(obj for kind, obj in roles.defaults() if kind == plural and obj["metadata"]["name"] == name)


def test_table() -> None:
    """All objects of a cluster are in it, roles before their bindings, and each is fresh."""
    found = [kind for kind, _ in roles.defaults()]
    counts = {kind: found.count(kind) for kind in dict.fromkeys(found)}
    assert counts == {"clusterroles": 73, "roles": 7, "clusterrolebindings": 54, "rolebindings": 7}
    default("clusterroles", "system:node")["rules"].clear()
    assert default("clusterroles", "system:node")["rules"]


def test_lines() -> None:
    """Shorthands, paths, names and subjects read as what they stand for."""
    edit = default("clusterroles", "edit")
    assert edit["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"] == {f"{roles.AGGREGATE}edit": "true"}
    assert edit["metadata"]["labels"][f"{roles.AGGREGATE}admin"] == "true"
    cleaner = default("clusterroles", "system:controller:legacy-service-account-token-cleaner")["rules"][0]
    assert cleaner["resourceNames"] == ["kube-apiserver-legacy-service-account-token-tracking"]
    assert default("clusterroles", "cluster-admin")["rules"][1] == {"verbs": ["*"], "nonResourceURLs": ["*"]}
    kinds = [
        subject["kind"] for subject in default("rolebindings", "system::leader-locking-kube-scheduler")["subjects"]
    ]
    assert kinds == ["User", "ServiceAccount"]


def test_reconciliation() -> None:
    """What is missing comes back, what was added stays, an opt-out is honoured, and a whole object is left alone."""
    for plural, wanted in roles.defaults():
        stored = copy.deepcopy(wanted)
        assert roles.reconciled(stored, wanted) is None, plural
    wanted = default("clusterroles", "system:kube-dns")
    extra = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}
    stored = {**copy.deepcopy(wanted), "rules": [extra]}
    mended = roles.reconciled(stored, wanted)
    assert mended is not None
    assert mended["rules"][0] == extra
    assert len(mended["rules"]) == 5  # each verb on each resource for itself
    stored["metadata"]["annotations"][roles.UPDATE] = "false"
    assert roles.reconciled(stored, wanted) is None
    wanted = default("clusterrolebindings", "cluster-admin")
    stored = {**copy.deepcopy(wanted), "subjects": [{"kind": "User", "name": "x"}]}
    mended = roles.reconciled(stored, wanted)
    assert mended is not None
    assert [subject["name"] for subject in mended["subjects"]] == ["x", "system:masters"]
