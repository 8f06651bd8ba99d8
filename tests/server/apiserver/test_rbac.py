"""Roles and bindings, as clients meet them."""

import json

import httpx2
import pytest

from server.running import Server

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def as_user(name: str) -> dict[str, str]:
    """Headers of `kubectl --as`."""
    return {"impersonate-user": name}


def bind(api: httpx2.Client, namespace: str, role: str, user: str, headers: dict[str, str] | None = None) -> int:
    """Bind a ClusterRole in a namespace; the status of the answer."""
    body = {
        "metadata": {"name": f"{user}-{role}"}, "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": user}],
    }  # fmt: skip
    return api.post(f"{RBAC}/namespaces/{namespace}/rolebindings", json=body, headers=headers).status_code


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("view", [("list", "pods"), ("get", "services")], [("create", "pods"), ("get", "secrets")]),
        ("edit", [("create", "pods"), ("get", "secrets"), ("patch", "services")], [("create", "roles")]),
        ("admin", [("create", "roles"), ("delete", "services")], [("create", "resourcequotas")]),
    ],
)
def test_default_roles(
    api: httpx2.Client, namespace: str, role: str, may: list[tuple[str, str]], may_not: list[tuple[str, str]]
) -> None:
    """`view`, `edit` and `admin` give what their aggregated parts give, in the binding's namespace only."""
    user = f"user-of-{role}"
    assert bind(api, namespace, role, user) == 201
    groups = {"roles": "rbac.authorization.k8s.io"}
    for where, verbs in ((namespace, may), ("default", [])):
        for verb, resource in [*may, *may_not]:
            asked = {"verb": verb, "resource": resource, "group": groups.get(resource, ""), "namespace": where}
            question = {"spec": {"user": user, "resourceAttributes": asked}}
            answer = api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=question).json()
            assert answer["status"]["allowed"] is ((verb, resource) in verbs), asked


def test_nobody_gives_more_than_the_own_rights(api: httpx2.Client, namespace: str) -> None:
    """An `admin` of a namespace may bind `edit` there, not `cluster-admin`, and makes no role beyond its own rights."""
    bind(api, namespace, "admin", "boss")
    assert bind(api, namespace, "edit", "worker", as_user("boss")) == 201
    assert bind(api, namespace, "cluster-admin", "worker", as_user("boss")) == 403
    assert bind(api, namespace, "no-such-role", "worker", as_user("boss")) == 404
    rule = {"verbs": ["get"], "apiGroups": ["", "example.org"], "resources": ["pods"]}
    path = f"{RBAC}/namespaces/{namespace}/roles"
    refused = api.post(path, json={"metadata": {"name": "r"}, "rules": [rule]}, headers=as_user("boss"))
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "boss" (groups=["system:authenticated"]) is attempting '
        "to grant RBAC permissions not currently held:\n"
        '{APIGroups:["example.org"], Resources:["pods"], Verbs:["get"]}'
    )
    rule["apiGroups"] = [""]
    assert api.post(path, json={"metadata": {"name": "r"}, "rules": [rule]}, headers=as_user("boss")).status_code == 201


def test_aggregation_follows_its_parts(api: httpx2.Client) -> None:
    """A role labelled for `view` reaches view, edit and admin in the same write, and leaves them again."""
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    rule = {"verbs": ["get"], "apiGroups": ["example.org"], "resources": ["toys"]}
    body = {"metadata": {"name": "toys", "labels": labels}, "rules": [rule]}
    assert api.post(f"{RBAC}/clusterroles", json=body).status_code == 201
    for name in ("view", "edit", "admin"):
        assert rule in api.get(f"{RBAC}/clusterroles/{name}").json()["rules"]
    api.delete(f"{RBAC}/clusterroles/toys")
    for name in ("view", "edit", "admin"):
        assert rule not in api.get(f"{RBAC}/clusterroles/{name}").json()["rules"]


def test_a_change_counts_at_once(api: httpx2.Client, namespace: str) -> None:
    """A request sees the bindings that were written before it, and no longer those that are deleted."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert api.get(path, headers=as_user("quick")).status_code == 403
    bind(api, namespace, "view", "quick")
    assert api.get(path, headers=as_user("quick")).status_code == 200
    api.delete(f"{RBAC}/namespaces/{namespace}/rolebindings/quick-view")
    assert api.get(path, headers=as_user("quick")).status_code == 403


def test_bindings_keep_their_role(api: httpx2.Client, namespace: str) -> None:
    """`roleRef` can't be changed."""
    bind(api, namespace, "view", "stays")
    path = f"{RBAC}/namespaces/{namespace}/rolebindings/stays-view"
    headers = {"content-type": "application/merge-patch+json"}
    refused = api.patch(path, json={"roleRef": {"name": "edit"}}, headers=headers)
    assert refused.status_code == 422
    assert "field is immutable" in refused.json()["message"]


def test_kubectl_auth(server: Server, api: httpx2.Client, namespace: str) -> None:
    """`auth can-i`, `can-i --list`, `whoami` and `reconcile` say what is so."""
    bind(api, namespace, "view", "viewer")

    def kubectl(*arguments: str, code: int = 0, text: str = "") -> str:
        return server.kubectl("-n", namespace, *arguments, stdin=text, code=code)

    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert kubectl("auth", "can-i", "get", "pods", "--as", "viewer") == "yes\n"
    assert kubectl("auth", "can-i", "delete", "pods", "--as", "viewer", code=1) == "no\n"
    listed = kubectl("auth", "can-i", "--list", "--as", "viewer")
    assert "pods/log" in listed
    assert "[get list watch]" in listed
    assert "secrets" not in listed
    assert "viewer" in kubectl("auth", "whoami", "--as", "viewer")
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
    role = {"kind": "Role", "metadata": {"name": "made", "namespace": namespace}, "rules": [rule]}
    text = json.dumps({"apiVersion": "rbac.authorization.k8s.io/v1", **role})
    assert "made reconciled" in kubectl("auth", "reconcile", "-f", "-", text=text)
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "rolebinding", "robot", "--clusterrole=view", f"--serviceaccount={namespace}:robot")
    assert kubectl("auth", "can-i", "list", "pods", "--as", f"system:serviceaccount:{namespace}:robot") == "yes\n"


def role(api: httpx2.Client, name: str, rules: list[object], **more: object) -> int:
    """Make a ClusterRole; the status of the answer."""
    labels = more.pop("labels", {})
    body = {"metadata": {"name": name, "labels": labels}, "rules": rules, **more}
    return api.post(f"{RBAC}/clusterroles", json=body).status_code


def test_gathering_is_no_way_round_the_own_rights(api: httpx2.Client, namespace: str) -> None:
    """Who may write ClusterRoles neither makes one that gathers, nor labels a greater one for being gathered."""
    rule = {"verbs": ["get", "create", "update", "patch"], "apiGroups": ["*"], "resources": ["clusterroles"]}
    assert role(api, f"{namespace}-writer", [rule]) == 201
    subjects = [{"kind": "User", "name": f"{namespace}-clerk"}]
    reference = {"kind": "ClusterRole", "name": f"{namespace}-writer"}
    body = {"metadata": {"name": f"{namespace}-clerk"}, "roleRef": reference, "subjects": subjects}
    assert api.post(f"{RBAC}/clusterrolebindings", json=body).status_code == 201
    clerk, selector = as_user(f"{namespace}-clerk"), {"clusterRoleSelectors": [{"matchLabels": {"take": namespace}}]}
    path, taker = f"{RBAC}/clusterroles", {"metadata": {"name": f"{namespace}-taker"}}
    refused = api.post(path, json={**taker, "aggregationRule": selector}, headers=clerk)
    assert refused.status_code == 403
    assert refused.json()["message"].endswith("must have cluster-admin privileges to use the aggregationRule")
    assert api.post(path, json=taker, headers=clerk).status_code == 201
    merge = clerk | {"content-type": "application/merge-patch+json"}
    patch = {"metadata": {"labels": {"take": namespace}}}
    for name, change, status in (
        (f"{namespace}-taker", {"aggregationRule": selector}, 403),
        ("cluster-admin", patch, 403),
        ("edit", {"aggregationRule": None}, 403),
        (f"{namespace}-writer", patch, 200),
        ("cluster-admin", {"metadata": {"finalizers": []}}, 200),
    ):
        answer = api.patch(f"{path}/{name}", content=json.dumps(change), headers=merge)
        assert answer.status_code == status, (name, answer.text)
    for name in ("writer", "taker"):
        api.delete(f"{path}/{namespace}-{name}")
    api.delete(f"{RBAC}/clusterrolebindings/{namespace}-clerk")


@pytest.mark.parametrize(("resource", "status"), [("roles", 403), ("clusterroles", 201)])
def test_binding_is_asked_of_the_role_that_is_bound(
    api: httpx2.Client, namespace: str, resource: str, status: int
) -> None:
    """`bind` on Roles gives no ClusterRole away, `bind` on ClusterRoles does."""
    group = "rbac.authorization.k8s.io"
    rules = [
        {"verbs": ["create"], "apiGroups": [group], "resources": ["rolebindings"]},
        {"verbs": ["bind"], "apiGroups": [group], "resources": [resource]},
    ]
    assert role(api, f"{namespace}-binder", rules) == 201
    assert bind(api, namespace, f"{namespace}-binder", "binder") == 201
    assert bind(api, namespace, "cluster-admin", "friend", as_user("binder")) == status
    api.delete(f"{RBAC}/clusterroles/{namespace}-binder")


def test_roles_that_gather_one_another_come_to_rest(api: httpx2.Client, namespace: str) -> None:
    """Each of a ring of gathering roles has the rules that go into the ring, and loses them when their source goes."""
    source = {"verbs": ["get"], "apiGroups": ["example.org"], "resources": ["rings"]}
    own = {"verbs": ["list"], "apiGroups": ["example.org"], "resources": ["rings"]}
    ring = [f"{namespace}-{number}" for number in range(3)]
    for number, name in enumerate(ring):
        wanted = [{"matchLabels": {"ring": ring[number - 1]}}, {"matchLabels": {"ring": "source"}}]
        gather = {"aggregationRule": {"clusterRoleSelectors": wanted}}
        assert role(api, name, [own], labels={"ring": name}, **gather) == 201
    assert role(api, f"{namespace}-source", [source], labels={"ring": "source"}) == 201
    path = f"{RBAC}/clusterroles"
    assert [api.get(f"{path}/{name}").json()["rules"] for name in ring] == [[source]] * 3
    api.delete(f"{path}/{namespace}-source")
    assert [api.get(f"{path}/{name}").json().get("rules") or [] for name in ring] == [[]] * 3
    for name in ring:
        api.delete(f"{path}/{name}")
