"""Conversations about patches: the four types, what they do to objects, and how they are refused."""

from __future__ import annotations

from typing import Any

from cluster.machinery_player import JSON, Step

JSON_PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
MAPS, DEPLOYMENTS = "/api/v1/namespaces/{ns}/configmaps", "/apis/apps/v1/namespaces/{ns}/deployments"


def get(path: str, **more: Any) -> Step:
    """GET."""
    return Step("GET", path, **more)


def post(path: str, body: Any, **more: Any) -> Step:
    """POST."""
    return Step("POST", path, body, **more)


def put(path: str, body: Any, **more: Any) -> Step:
    """PUT."""
    return Step("PUT", path, body, **more)


def patch(path: str, body: Any, content_type: str = MERGE, **more: Any) -> Step:
    """PATCH, by default a merge patch."""
    return Step("PATCH", path, body, content_type, **more)


def delete(path: str, body: Any = None, **more: Any) -> Step:
    """DELETE."""
    return Step("DELETE", path, body, **more)


def config_map(name: str, data: Any = None, **meta: Any) -> dict[str, Any]:
    """A ConfigMap."""
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}}
    return made if data is None else {**made, "data": data}


def container(name: str, **more: Any) -> dict[str, Any]:
    """A container that validates."""
    return {"name": name, "image": f"{name}:1", **more}


def deployment(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A Deployment."""
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": list(containers) or [container("web", ports=[{"containerPort": 80}])]},
    }
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }  # fmt: skip


OBJECTS = (f"{MAPS}/m", f"{DEPLOYMENTS}/d")


def _on_map(*patches: tuple[str, Any]) -> list[Step]:
    """Each patch tried on the same ConfigMap, which is read at the end."""
    path = f"{MAPS}/m"
    first = post(MAPS, config_map("m", {"a": "1", "b": "2"}, labels={"l": "1"}, annotations={"x/y": "3", "y": "4"}))
    return [first, *(patch(path, body, kind) for kind, body in patches), get(path)]


def _operations(*operations: dict[str, Any] | Any) -> tuple[str, Any]:
    return JSON_PATCH, list(operations)


def _op(op: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **more}


CONVERSATIONS: dict[str, list[Step]] = {
    "json patch: operations": _on_map(
        _operations(_op("test", "/data/a", value="1"), _op("replace", "/data/a", value="9")),
        _operations(_op("test", "/data/a", value="no")),
        _operations(_op("test", "/data/none", value=None)),
        _operations(_op("test", "/data/none", value="x")),
        _operations(_op("test", "/none/none", value="x")),
        _operations(_op("move", "/data/c", **{"from": "/data/b"})),
        _operations(_op("move", "/data/c", **{"from": "/data/none"})),
        _operations(_op("copy", "/data/d", **{"from": "/data/c"})),
        _operations(_op("copy", "/data/d", **{"from": "/none/c"})),
        _operations(_op("remove", "/data/none")),
        _operations(_op("remove", "/none/none")),
        _operations(_op("remove", "/metadata/annotations/x~1y"), _op("add", "/data/x~0y", value="z")),
        _operations(_op("replace", "/data/new", value="n")),
        _operations(_op("add", "/data/-", value="n")),
        _operations(_op("add", "/none/x", value="n")),
        _operations(_op("add", "", value={})),
        _operations(_op("remove", "")),
        _operations(_op("replace", "", value={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}})),
        _operations(_op("add", "/metadata/finalizers", value=["a.b/c"])),
        _operations(_op("add", "/metadata/finalizers/0", value="a.b/d"), _op("add", "/metadata/finalizers/-", value="z.z/e")),
        _operations(_op("add", "/metadata/finalizers/9", value="a.b/f")),
        _operations(_op("remove", "/metadata/finalizers/-1")),
        _operations(_op("remove", "/metadata/finalizers/7")),
        _operations(_op("remove", "/metadata/finalizers/x")),
        _operations(_op("test", "/metadata/finalizers/7", value="x")),
        _operations(_op("remove", "/metadata/finalizers")),
    ),
    "json patch: malformed": _on_map(
        _operations(),
        _operations({}),
        _operations({"op": "add"}),
        _operations({"op": "nonsense", "path": "/data/a"}),
        _operations({"path": "/data/a"}),
        _operations({"op": "add", "path": "/data/q"}),
        _operations({"op": "add", "path": "/data/q", "value": None}),
        _operations({"op": "add", "path": "data/q", "value": "x"}),
        _operations({"op": "add", "path": 7, "value": "x"}),
        _operations({"op": 7, "path": "/data/a"}),
        _operations({"op": "move", "path": "/data/a"}),
        _operations({"op": "copy", "path": "/data/a", "from": 3}),
        _operations("text"),
        _operations(None),
        (JSON_PATCH, {"op": "add"}),
        (JSON_PATCH, "null"),
        (JSON_PATCH, "7"),
        (JSON_PATCH, ""),
        (JSON_PATCH, "[{"),
        (JSON_PATCH, "nonsense"),
        (JSON_PATCH, '[{"op":"add","path":"/data/q","value":"1","value":"2"}]'),
        (JSON_PATCH, '[{"op":"add","path":"/data/q","value":"1","more":"2"}]'),
        _operations(_op("add", "/data/n", value=7)),
        _operations(_op("add", "/data/n", value={"a": "b"})),
        _operations(_op("add", "/data", value=["x"])),
        _operations(_op("add", "/unknown", value="x")),
        _operations(_op("replace", "/kind", value="Secret")),
        _operations(_op("replace", "/apiVersion", value="v9")),
        _operations(_op("remove", "/kind")),
        _operations(_op("remove", "/apiVersion")),
        _operations(_op("replace", "/metadata/name", value="other")),
        _operations(_op("remove", "/metadata/name")),
        _operations(_op("replace", "/metadata/namespace", value="other")),
        _operations(_op("remove", "/metadata")),
        _operations(_op("replace", "/metadata/uid", value="other")),
        _operations(_op("replace", "/metadata/resourceVersion", value="1")),
        _operations(_op("replace", "/metadata/resourceVersion", value="0")),
        _operations(_op("replace", "/metadata/resourceVersion", value="x")),
        _operations(_op("replace", "/metadata/creationTimestamp", value="2020-01-01T00:00:00Z")),
        _operations(_op("replace", "/metadata/creationTimestamp", value="nonsense")),
        _operations(_op("add", "/metadata/generation", value=5)),
        _operations(_op("add", "/metadata/deletionTimestamp", value="2020-01-01T00:00:00Z")),
        _operations(_op("add", "/metadata/selfLink", value="/x")),
        _operations(_op("add", "/metadata/generateName", value="x-")),
        _operations(_op("add", "/data/UPPER case", value="x")),
        _operations(_op("add", "/metadata/labels/bad key", value="x")),
        _operations(_op("add", "/metadata/labels/ok", value="bad value")),
    ),
    "merge patch": _on_map(
        (MERGE, {"data": {"a": None, "n": "1"}}),
        (MERGE, {"data": {"a": None}}),
        (MERGE, {"data": None}),
        (MERGE, {"data": {"a": {"b": None}}}),
        (MERGE, {"metadata": {"finalizers": ["a.b/c", None]}}),
        (MERGE, {"metadata": {"labels": None, "annotations": {"k": "v"}}}),
        (MERGE, {}),
        (MERGE, "null"),
        (MERGE, "[]"),
        (MERGE, '"x"'),
        (MERGE, "7"),
        (MERGE, ""),
        (MERGE, "{"),
        (MERGE, "nonsense"),
        (MERGE, '{"data":{"a":"1","a":"2"}}'),
        (MERGE, {"unknown": 1}),
        (MERGE, {"metadata": {"unknown": 1}}),
        (MERGE, {"data": []}),
        (MERGE, {"data": {"a": 1}}),
        (MERGE, {"data": {"a": True}}),
        (MERGE, {"immutable": "x"}),
        (MERGE, {"kind": "Other"}),
        (MERGE, {"kind": None}),
        (MERGE, {"apiVersion": "v2"}),
        (MERGE, {"metadata": None}),
        (MERGE, {"metadata": {"name": None}}),
        (MERGE, {"metadata": {"name": "q"}}),
        (MERGE, {"metadata": {"namespace": "q"}}),
        (MERGE, {"metadata": {"namespace": None}}),
        (MERGE, {"metadata": {"uid": "q"}}),
        (MERGE, {"metadata": {"uid": None}}),
        (MERGE, {"metadata": {"resourceVersion": "1"}}),
        (MERGE, {"metadata": {"resourceVersion": None}}),
        (MERGE, {"metadata": {"resourceVersion": "nonsense"}}),
        (MERGE, {"metadata": {"resourceVersion": 5}}),
        (MERGE, {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "y", "uid": "z"}]}}),
        (MERGE, {"metadata": {"ownerReferences": [{"apiVersion": "v1"}]}}),
        (MERGE, {"immutable": True}),
        (MERGE, {"data": {"a": "changed"}}),
        (MERGE, {"immutable": False}),
        (MERGE, {"metadata": {"labels": {"still": "fine"}}}),
    ),
    "strategic patch: maps": _on_map(
        (STRATEGIC, {"data": {"a": None, "n": "1"}}),
        (STRATEGIC, {"data": {"$patch": "replace", "only": "this"}}),
        (STRATEGIC, {"data": {"$patch": "merge", "m": "1"}}),
        (STRATEGIC, {"data": {"$patch": "nonsense", "m": "1"}}),
        (STRATEGIC, {"data": {"$patch": "delete"}}),
        (STRATEGIC, {"data": {"$retainKeys": ["m"], "m": "2"}}),
        (STRATEGIC, {"data": {"$retainKeys": "m", "m": "2"}}),
        (STRATEGIC, {"data": {"$retainKeys": ["m"], "m": "2", "n": "1"}}),
        (STRATEGIC, {"$patch": "replace", "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}),
        (STRATEGIC, {"$patch": "delete"}),
        (STRATEGIC, {"metadata": {"finalizers": ["a.b/c", "a.b/d"]}}),
        (STRATEGIC, {"metadata": {"finalizers": ["z.b/c"]}}),
        (STRATEGIC, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c"]}}),
        (STRATEGIC, {"metadata": {"$deleteFromPrimitiveList/finalizers": "a.b/c"}}),
        (STRATEGIC, {"metadata": {"$setElementOrder/finalizers": ["z.b/c", "a.b/d"], "finalizers": ["a.b/d"]}}),
        (STRATEGIC, {"metadata": {"$setElementOrder/finalizers": ["z.b/c"], "finalizers": ["q.b/d"]}}),
        (STRATEGIC, {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "y", "uid": "z"}]}}),
        (STRATEGIC, {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "y2", "uid": "z2"}]}}),
        (STRATEGIC, {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "z"}]}}),
        (STRATEGIC, {"metadata": {"ownerReferences": [{"$patch": "delete"}]}}),
        (STRATEGIC, {"metadata": {"ownerReferences": [{"$patch": "replace"}]}}),
        (STRATEGIC, {"metadata": {"ownerReferences": [{"name": "no key"}]}}),
        (STRATEGIC, {"metadata": {"ownerReferences": "text"}}),
        (STRATEGIC, {"metadata": {"ownerReferences": ["text"]}}),
        (STRATEGIC, {"metadata": None}),
        (STRATEGIC, {"metadata": "text"}),
        (STRATEGIC, {"data": "text"}),
        (STRATEGIC, {"data": {"a": 1}}),
        (STRATEGIC, {"data": {"a": {"b": "c"}}}),
        (STRATEGIC, {"unknown": 1}),
        (STRATEGIC, {}),
        (STRATEGIC, "null"),
        (STRATEGIC, "[]"),
        (STRATEGIC, ""),
        (STRATEGIC, "{"),
        (STRATEGIC, '{"data":{"a":"1","a":"2"}}'),
        (STRATEGIC, {"kind": "Other"}),
        (STRATEGIC, {"metadata": {"name": "q"}}),
        (STRATEGIC, {"metadata": {"resourceVersion": "1"}}),
    ),
    "strategic patch: lists": [
        post(DEPLOYMENTS, deployment("d", container("a", env=[{"name": "A", "value": "1"}]), container("b"))),
        *(
            patch(f"{DEPLOYMENTS}/d", body, STRATEGIC)
            for body in (
                {"spec": {"template": {"spec": {"containers": [container("a", image="a:2")]}}}},
                {"spec": {"template": {"spec": {"containers": [container("c"), {"name": "b", "$patch": "delete"}]}}}},
                {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}}}},
                {"spec": {"template": {"spec": {
                    "$setElementOrder/containers": [{"name": "c"}], "containers": [container("d")]}}}},
                {"spec": {"template": {"spec": {"$setElementOrder/containers": "c", "containers": [container("a")]}}}},
                {"spec": {"template": {"spec": {
                    "containers": [{"name": "a", "env": [{"name": "B", "value": "2"}], "$setElementOrder/env": [
                        {"name": "B"}, {"name": "A"}]}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"name": "a", "ports": [
                    {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 81}]}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"name": "a", "ports": [
                    {"containerPort": 80, "$patch": "delete"}]}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"name": "a", "args": ["x", "y"]}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"name": "a", "args": ["z"]}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"image": "no-name"}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"name": "a", "$patch": "nonsense"}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"$patch": "replace"}, container("only")]}}}},
                {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
                {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
                {"spec": {"strategy": {"type": "Recreate"}}},
                {"spec": {"template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}}},
                {"spec": {"template": {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"],
                    "hostPath": {"path": "/x"}}]}}}},
                {"spec": {"template": {"spec": {"tolerations": [{"key": "k", "operator": "Exists"}]}}}},
                {"spec": {"template": {"spec": {"nodeSelector": {"$patch": "replace", "a": "b"}}}}},
                {"spec": {"selector": {"matchLabels": {"x": "y"}}}},
                {"spec": {"replicas": "three"}},
                {"spec": {"replicas": 3}},
                {"spec": {"replicas": None}},
                {"spec": None},
                {"status": {"replicas": 7}},
            )
        ),
        get(f"{DEPLOYMENTS}/d"),
    ],
    "patch: another kind": [
        post(MAPS, config_map("m", {"a": "b"})), post(DEPLOYMENTS, deployment("d")),
        *(patch(path, [_op("remove", field)], JSON_PATCH) for path in OBJECTS for field in ("/apiVersion", "/kind")),
        *(patch(path, {field: None}, kind) for path in OBJECTS for field in ("apiVersion", "kind") for kind in (MERGE, STRATEGIC)),
        *(patch(path, {"apiVersion": version}, kind) for path in OBJECTS for kind in (MERGE, STRATEGIC) for version in ("", "v1", "apps/v1", "v9", "/", "a/b/c", 7)),
        *(patch(path, {"kind": named}, kind) for path in OBJECTS for kind in (MERGE, STRATEGIC) for named in ("", "Secret", "ReplicaSet", "X", 7)),
        patch(f"{DEPLOYMENTS}/d", {"apiVersion": "apps/"}), patch(f"{DEPLOYMENTS}/d", {"kind": "Secret", "apiVersion": "v1"}),
        *(patch(f"{MAPS}/m?fieldValidation={how}", {"kind": "Secret", "data": {"a": "eA=="}, "foo": 1}) for how in ("Warn", "Strict", "Ignore")),
        *(patch(f"{MAPS}/m?fieldValidation={how}", {"apiVersion": None, "foo": 1}) for how in ("Warn", "Strict", "Ignore")),
    ],
    "patch: media types": [
        post(MAPS, config_map("m", {"a": "1"})),
        *(
            patch(f"{MAPS}/m", {"data": {"a": "2"}}, kind)
            for kind in (
                JSON, "", "text/plain", "application/merge-patch+json; charset=utf-8", "Application/Merge-Patch+JSON",
                "application/nonsense", "application/apply-patch+cbor", "application/yaml", "application/json-patch",
                "application/vnd.kubernetes.protobuf", "application/merge-patch+yaml", ";", "application/cbor",
            )
        ),
        patch(f"{MAPS}/none", {"data": {"a": "2"}}),
        patch(f"{MAPS}/none", "nonsense"),
        patch(f"{MAPS}/none", "nonsense", JSON_PATCH),
        patch(f"{MAPS}/none", "nonsense", STRATEGIC),
        patch(MAPS, {"data": {}}),
        patch(f"{MAPS}/m?force=true", {"data": {"a": "3"}}),
        patch(f"{MAPS}/m?force=nonsense", {"data": {"a": "3"}}),
        patch(f"{MAPS}/m?dryRun=All", {"data": {"a": "4"}}),
        patch(f"{MAPS}/m?dryRun=all", {"data": {"a": "4"}}),
        patch(f"{MAPS}/m?dryRun=", {"data": {"a": "4"}}),
        patch(f"{MAPS}/m?dryRun=All&dryRun=All", {"data": {"a": "4"}}),
        patch(f"{MAPS}/m?dryRun=All&dryRun=No", {"data": {"a": "4"}}),
        patch(f"{MAPS}/m?fieldValidation=Strict", {"data": {"a": "5"}, "more": 1}),
        patch(f"{MAPS}/m?fieldValidation=Ignore", {"data": {"a": "5"}, "more": 1}),
        patch(f"{MAPS}/m?fieldValidation=strict", {"data": {"a": "6"}, "more": 1}),
        patch(f"{MAPS}/m?fieldManager=me", {"data": {"a": "7"}}),
        patch(f"{MAPS}/m?fieldManager={'m' * 129}", {"data": {"a": "7"}}),
        patch(f"{MAPS}/m?fieldManager=a%00b", {"data": {"a": "7"}}),
        patch(f"{MAPS}/m?fieldManager=%C3%A4", {"data": {"a": "8"}}),
        get(f"{MAPS}/m"),
    ],
}  # fmt: skip
