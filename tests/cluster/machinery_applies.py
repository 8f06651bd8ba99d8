"""Conversations about server-side apply and the managers of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.machinery_patches import (
    APPLY,
    DEPLOYMENTS,
    JSON_PATCH,
    MAPS,
    STRATEGIC,
    config_map,
    container,
    deployment,
    get,
    patch,
    post,
    put,
)  # fmt: skip
from cluster.machinery_requests import ACCOUNTS, JOBS, LEASES, ROLES, SECRETS

if TYPE_CHECKING:
    from cluster.machinery_player import Step


def apply(path: str, body: Any, manager: str = "me", query: str = "", **more: Any) -> Step:
    """A server-side apply."""
    return patch(f"{path}?fieldManager={manager}{query}", body, APPLY, **more)


def applied(name: str, data: Any = None, **meta: Any) -> dict[str, Any]:
    """The config of a ConfigMap."""
    return config_map(name, data, **meta)


def entry(manager: str, fields: Any, **more: Any) -> dict[str, Any]:
    """An entry of managedFields."""
    return {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2020-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": fields, **more}  # fmt: skip


M, D = f"{MAPS}/m", f"{DEPLOYMENTS}/d"
FORCE = "&force=true"

MANAGED: tuple[Any, ...] = (
    [], [{}], None, [entry("x", {"f:data": {"f:a": {}}})], [entry("x", {"f:data": {"f:a": {}}}), entry("y", {"f:data": {"f:b": {}}})],
    [entry("x", {"f:data": {"f:a": {}}}), entry("x", {"f:data": {"f:b": {}}})], [entry("x", {"nonsense": {}})], [entry("x", {"q:data": {}})], [entry("x", {"f:data": 7})],
    [entry("x", {"k:data": {}})], [entry("x", {"k:{}": {}})], [entry("x", {"v:{": {}})], [entry("x", {"i:x": {}})], [entry("x", {"f": {}})], [entry("x", {"": {}})], [entry("x", {})],
    [entry("x", None)], [entry("x", [])], [entry("x", "text")], [entry("x", {"f:data": {}}, operation="Nope")], [entry("x", {"f:data": {}}, operation="")], [entry("x", {"f:data": {}}, operation="Apply")],
    [entry("x", {"f:data": {}}, fieldsType="V9")], [entry("x", {"f:data": {}}, fieldsType="")], [entry("x", {"f:data": {}}, apiVersion="")], [entry("x", {"f:data": {}}, apiVersion="v9")], [entry("", {"f:data": {}})],
    [entry("x" * 200, {"f:data": {}})], [entry("x\n", {"f:data": {}})], [entry("x", {"f:data": {}}, subresource="status")], [entry("x", {"f:data": {}}, subresource="s" * 300)], [entry("x", {"f:data": {}}, time=None)], [entry("x", {"f:data": {}}, time="nonsense")],
    [{"manager": "x"}], "text", [7], [entry("x", {"f:unknown": {"f:deep": {}}, "f:metadata": {"f:name": {}}})], [entry("x", {".": {}, "f:data": {".": {}}})],
)  # fmt: skip

CONVERSATIONS: dict[str, list[Step]] = {
    "apply: maps": [
        apply(M, applied("m", {"a": "1"})), apply(M, applied("m", {"a": "1"})), apply(M, applied("m", {"a": "2"}), "you"), apply(M, applied("m", {"a": "2", "b": "3"}), "you", FORCE), apply(M, applied("m", {"c": "1"})),
        apply(M, applied("m"), "you"), apply(M, applied("m", {}), "me"), patch(M, {"data": {"a": "7"}}), apply(M, applied("m", {"a": "8", "z": "1"})), apply(M, applied("m", {"a": "7"})), apply(M, applied("m", {"a": "9"}), "me", FORCE),
        put(M, config_map("m", {"a": "10"})), apply(M, applied("m", {"a": "11"}, labels={"l": "1"}, annotations={"n": "1"})), apply(M, applied("m", {"a": "11"}, labels={"l": "1"}, annotations={"n": "1"}), "me", FORCE),
        apply(M, applied("m", None, labels={"l": "2"}), "other"), apply(M, applied("m", {"x": "y"}), "me", "&dryRun=All"), get(M), apply(M, applied("m"), "me", FORCE), get(M),
    ],
    "apply: creates and checks": [
        apply(M, applied("m", {"a": "1"}), "me", "&dryRun=All"), get(M), apply(M, applied("m", {"a": "1"}, uid="x")), apply(M, applied("m", {"a": "1"}, resourceVersion="7")), apply(M, applied("m", {"a": "1"}, resourceVersion="1")), apply(M, applied("m", {"a": "1"}, uid="x")),
        apply(f"{MAPS}/n", applied("other")), apply(f"{MAPS}/n", {"apiVersion": "v1", "kind": "ConfigMap"}), apply(f"{MAPS}/n", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}), apply(f"{MAPS}/n2", applied("n2", namespace="other")), apply(f"{MAPS}/n3", applied("n3", namespace="{ns}")),
        apply(f"{MAPS}/n", {"kind": "ConfigMap", "metadata": {"name": "n"}}), apply(f"{MAPS}/n", {"apiVersion": "v1", "metadata": {"name": "n"}}), apply(f"{MAPS}/n", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "n"}}), apply(f"{MAPS}/n", {"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "n"}}),
        apply(f"{MAPS}/n", ""), apply(f"{MAPS}/n", "null"), apply(f"{MAPS}/n", "[]"), apply(f"{MAPS}/n", "nonsense"), apply(f"{MAPS}/n", "7"), apply(f"{MAPS}/n", "{"), apply(f"{MAPS}/n", "a: b: c"), apply(f"{MAPS}/n", {**applied("n"), "more": 1}), apply(f"{MAPS}/n", applied("n", {"a": 1})), apply(f"{MAPS}/n", applied("n", "x")), apply(f"{MAPS}/n", applied("n", ["x"])),
        apply(f"{MAPS}/n", applied("n", {"a": None})), apply(f"{MAPS}/n", applied("n", None, unknown=1)), apply(f"{MAPS}/n", applied("n", None, labels=["x"])), apply(f"{MAPS}/n", applied("n", None, labels={"a b": "c"})), apply(f"{MAPS}/Upper", applied("Upper")), apply(f"{MAPS}/n4", applied("n4", None, managedFields=[])), apply(f"{MAPS}/n4", applied("n4", None, managedFields=[{}])), apply(f"{MAPS}/n5", applied("n5", None, managedFields=None)),
        patch(f"{MAPS}/n6", applied("n6"), APPLY), patch(f"{MAPS}/n6?fieldManager=", applied("n6"), APPLY), apply(f"{MAPS}/n6", applied("n6"), "x" * 129), apply(f"{MAPS}/n6", applied("n6"), "%00"), apply(f"{MAPS}/n6", applied("n6"), "me", "&force=nonsense"), apply(f"{MAPS}/n6", applied("n6"), "me", "&force=false"), apply(MAPS, applied("n7")), apply("/api/v1/namespaces/none/configmaps/x", applied("x")),
        apply(f"{MAPS}/n8", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: n8\ndata:\n  a: b\n  a: c\n"), apply(f"{MAPS}/n9", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: n9\ndata:\n  a: b\n  a: c\n", "me", "&fieldValidation=Strict"), apply(f"{MAPS}/n10", {**applied("n10"), "more": 1}, "me", "&fieldValidation=Ignore"), apply(f"{MAPS}/n11", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: n11}\n"),
        apply(f"{MAPS}/n12", applied("n12", None, finalizers=["a.b/c"], ownerReferences=[{"apiVersion": "v1", "kind": "X", "name": "y", "uid": "z"}])), apply(f"{MAPS}/n12", applied("n12", None, finalizers=["a.b/d"]), "you"), apply(f"{MAPS}/n12", applied("n12"), "me"), apply(f"{MAPS}/n12", applied("n12", None, ownerReferences=[{"apiVersion": "v1"}]), "me"), apply(f"{MAPS}/n12", applied("n12", None, finalizers=["a.b/d", "a.b/d"]), "you"),
    ],
    "apply: workloads": [
        apply(D, deployment("d", container("a", env=[{"name": "A", "value": "1"}]), container("b"))), apply(D, deployment("d", container("a", image="a:2"))), apply(D, deployment("d", container("c", ports=[{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}])), "you"), apply(D, deployment("d", container("c", ports=[{"containerPort": 80}])), "you", FORCE),
        patch(D, {"spec": {"replicas": 4}}, STRATEGIC), apply(D, deployment("d", container("a"), replicas=5)), apply(D, deployment("d", container("a"), replicas=4)), patch(f"{D}/scale", {"spec": {"replicas": 6}}), apply(D, deployment("d", container("a"), replicas=7)), apply(D, deployment("d", container("a"), replicas=7), "me", FORCE),
        apply(f"{D}/status", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 3, "conditions": [{"type": "Available", "status": "True"}]}}, "controller"), apply(f"{D}/status", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 9}, "status": {"replicas": 4}}, "another"),
        apply(f"{D}/scale", {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 8}}, "scaler"), apply(f"{D}/scale", {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 8}}, "scaler", FORCE), get(D), apply(f"{DEPLOYMENTS}/none/status", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "none"}}, "x"),
        apply(D, deployment("d", container("a"), container("a"))), apply(D, deployment("d", {"image": "x"})), apply(D, {**deployment("d"), "status": {"replicas": 1}}, "me", FORCE), apply(D, deployment("d", container("a", args=["x", "y"])), "me", FORCE), patch(D, [{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["z"]}], JSON_PATCH), apply(D, deployment("d", container("a", args=["x"]))), get(D),
    ],
    "apply: other kinds": [
        apply(f"{SECRETS}/s", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}), apply(f"{SECRETS}/s", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}}), apply(f"{ACCOUNTS}/a", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}, "imagePullSecrets": [{"name": "x"}]}), apply(f"{ACCOUNTS}/a", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}, "imagePullSecrets": [{"name": "y"}]}, "you"),
        apply(f"{LEASES}/l", {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {"holderIdentity": "x"}}), apply(f"{LEASES}/l", {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {"holderIdentity": "y"}}, "you"), apply(f"{ROLES}/r", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
        apply(f"{ROLES}/r", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": []}, "you"), apply(f"{JOBS}/j", {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container("a")]}}}}), apply("/api/v1/namespaces/{ns}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{ns}", "labels": {"a": "b"}}}),
        apply("/api/v1/namespaces/{ns}-n", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{ns}-n"}}), get(ROLES), get(f"{JOBS}/j"),
    ],
    "managers: handed in": [post(MAPS, config_map("m", {"a": "1", "b": "2"})), *(patch(M, {"metadata": {"managedFields": given}}) for given in MANAGED), get(M)],
    "managers: handed in by PUT": [step for n, given in enumerate(MANAGED) for step in (post(MAPS, config_map(f"m{n}", {"a": "1"})), put(f"{MAPS}/m{n}", config_map(f"m{n}", {"a": "2", "b": str(n)}, managedFields=given)))],
    "managers: handed in on create": [post(MAPS, config_map(f"m{n}", {"a": "1"}, managedFields=given)) for n, given in enumerate(MANAGED)],
    "managers: many": [post(MAPS, config_map("m")), *(patch(f"{M}?fieldManager=u{n}", {"data": {f"k{n}": "v"}}) for n in range(3)), post(MAPS, config_map("q", {"a": "b"})), *(patch(f"{MAPS}/q?fieldManager=u{n:02}", {"data": {f"k{n}": "v"}}) for n in range(14)), apply(f"{MAPS}/q", applied("q", {"k3": "w"})), apply(f"{MAPS}/q", applied("q", {"k3": "w"}), "me", FORCE)],
    "managers: reset": [post(MAPS, config_map("m", {"a": "1"})), patch(M, {"metadata": {"managedFields": [{}]}}), apply(M, applied("m", {"a": "2"})), apply(M, applied("m", {"a": "1", "b": "2"}), "you"), patch(M, {"data": {"c": "3"}}), patch(M, {"metadata": {"managedFields": [{}]}, "data": {"d": "4"}}), patch(M, {"data": {"e": "3"}}), get(M)],
    "managers: last applied": [
        post(f"{MAPS}?fieldManager=kubectl-client-side-apply", config_map("m", {"a": "1"}, annotations={"kubectl.kubernetes.io/last-applied-configuration": '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"{ns}"},"data":{"a":"1"}}'})), apply(M, applied("m", {"a": "2"}), "kubectl"), apply(M, applied("m", {"a": "3"}), "other"), patch(f"{M}?fieldManager=z", {"data": {"a": "5"}}), apply(M, applied("m", {"a": "6"}), "kubectl"), get(M),
    ],
}  # fmt: skip
