"""Server-side apply and managed fields, as kubectl and controllers use them."""

import json
from typing import Any

import httpx2
import pytest

from server.running import Server

APPLY = {"content-type": "application/apply-patch+yaml"}


def config(**data: str) -> dict[str, Any]:
    """A ConfigMap to apply."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}


def apply(api: httpx2.Client, namespace: str, body: dict[str, Any], manager: str, **query: str) -> httpx2.Response:
    """Apply to its path."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/m"
    return api.patch(path, content=json.dumps(body), headers=APPLY, params={"fieldManager": manager, **query})


def owners(obj: dict[str, Any]) -> dict[str, list[str]]:
    """Manager → the data keys that it owns."""
    return {
        f"{entry['manager']} {entry['operation']}": sorted(set(entry["fieldsV1"].get("f:data", {})) - {"."})
        for entry in obj["metadata"]["managedFields"]
    }


def test_apply_creates_merges_and_prunes(api: httpx2.Client, namespace: str) -> None:
    """Two managers share an object; what one leaves out goes, unless the other owns it, too."""
    assert apply(api, namespace, config(a="1", both="x"), "alice").status_code == 201
    answer = apply(api, namespace, config(b="1", both="x"), "bob")
    assert (answer.status_code, answer.json()["data"]) == (200, {"a": "1", "b": "1", "both": "x"})
    answer = apply(api, namespace, config(), "alice")
    assert answer.json()["data"] == {"b": "1", "both": "x"}
    assert owners(answer.json()) == {"alice Apply": [], "bob Apply": ["f:b", "f:both"]}
    version = answer.json()["metadata"]["resourceVersion"]
    again = apply(api, namespace, config(b="1", both="x"), "bob").json()
    assert again["metadata"]["resourceVersion"] == version


def test_conflicts(api: httpx2.Client, namespace: str) -> None:
    """Another's value is not overwritten but by force; the answer names fields and owners; updates own, too."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.post(path, json=config(a="1", b="1"), headers={"user-agent": "maker/1.0 (linux)"})
    refused = apply(api, namespace, config(a="2"), "alice")
    assert refused.status_code == 409
    assert refused.json()["message"] == 'Apply failed with 1 conflict: conflict with "maker" using v1: .data.a'
    assert refused.json()["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "maker" using v1', "field": ".data.a"}
    ]
    forced = apply(api, namespace, config(a="2"), "alice", force="true")
    assert owners(forced.json()) == {"alice Apply": ["f:a"], "maker Update": ["f:b"]}
    patched = api.patch(
        f"{path}/m", json={"data": {"a": "3"}}, headers={"content-type": "application/merge-patch+json"},
        params={"fieldManager": "patcher"},
    )  # fmt: skip
    assert owners(patched.json())["patcher Update"] == ["f:a"]
    assert "alice Apply" not in owners(patched.json())


@pytest.mark.parametrize(
    ("body", "query", "code", "said"),
    [
        (config(), {"fieldManager": ""}, 422, "fieldManager: Required value: is required for apply patch"),
        (config(), {"fieldManager": "x" * 129}, 422, "fieldManager: Too long"),
        ({**config(), "dta": {}}, {"fieldManager": "x"}, 500, ".dta: field not declared in schema"),
        ({**config(), "kind": "Secret"}, {"fieldManager": "x"}, 400, "invalid object type"),
        ({**config(), "metadata": {"name": "other"}}, {"fieldManager": "x"}, 400, "does not match the name on the URL"),
        ({"apiVersion": "v1"}, {"fieldManager": "x"}, 400, "invalid object type: /v1, Kind="),
        ({**config(), "data": 3}, {"fieldManager": "x"}, 500, ".data: expected map, got &{3}"),
        ({**config(), "metadata": {"managedFields": [{}]}}, {"fieldManager": "x"}, 400, "managedFields must be nil"),
        (
            {**config(), "metadata": {"managedFields": ["a"]}},
            {"fieldManager": "x"},
            500,
            ".metadata.managedFields[0]: expected map, got &{a}",
        ),
    ],
)
def test_bad_applies(
    api: httpx2.Client, namespace: str, body: dict[str, Any], query: dict[str, str], code: int, said: str
) -> None:
    """What can't be applied is refused by name, and nothing is made."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/m"
    refused = api.patch(path, content=json.dumps(body), headers=APPLY, params=query)
    assert refused.status_code == code, refused.text
    assert said in refused.json()["message"]
    assert api.get(path).status_code == 404


def test_what_an_apply_checks_first(api: httpx2.Client, namespace: str) -> None:
    """A missing object's part, then types, conflicts, and last the name; 80.0 is 80 as in YAML."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    path = f"/api/v1/namespaces/{namespace}/services/a"

    def applied(path: str, manager: str, **config: Any) -> httpx2.Response:
        body = json.dumps({**service, **config})
        return api.patch(path, params={"fieldManager": manager}, content=body, headers=APPLY)

    made = applied(path, "one", spec={"ports": [{"port": 80.0}], "type": "NodePort"}).json()
    assert 'k:{"port":80,"protocol":"TCP"}' in made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:ports"]
    other, clash = {"metadata": {"name": "b"}}, {"spec": {"type": "ClusterIP"}}
    pod = path.replace("services", "pods")
    missing = applied(f"{pod}/status", "one", kind="Pod", spec="x", **other)
    assert (missing.status_code, missing.json()["message"]) == (404, 'pods "a" not found')
    assert applied(path, "two", **other, spec="x").status_code == 500
    assert applied(path, "two", **other, **clash).status_code == 409
    refused = applied(path, "two", **other)
    assert (refused.status_code, "does not match the name on the URL" in refused.text) == (400, True)


def test_kubectl_apply_server_side(server: Server, namespace: str) -> None:
    """`kubectl apply --server-side`: applied, diffed, in conflict, forced; client-side apply hands over."""
    text = json.dumps(config(a="1"))
    arguments = ("-n", namespace, "-f", "-")
    server.kubectl("apply", *arguments, stdin=text)
    assert "serverside-applied" in server.kubectl("apply", "--server-side", *arguments, stdin=text)
    assert server.kubectl("diff", "--server-side", *arguments, stdin=text) == ""
    shown = server.kubectl("get", "cm", "m", "-n", namespace, "-o", "yaml", "--show-managed-fields")
    assert "manager: kubectl" in shown
    server.kubectl("patch", "cm", "m", "-n", namespace, "-p", '{"data":{"a":"2"}}', "--type=merge")
    refused = server.try_kubectl("apply", "--server-side", *arguments, stdin=text)
    assert 'conflict with "kubectl-patch" using v1: .data.a' in refused.stderr
    server.kubectl("apply", "--server-side", "--force-conflicts", *arguments, stdin=text)
    assert server.kubectl("get", "cm", "m", "-n", namespace, "-o", "jsonpath={.data.a}") == "1"


def test_custom_objects(api: httpx2.Client, namespace: str) -> None:
    """Custom kinds merge by their schema's list types."""
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["name"],
    }
    keyed = {
        "type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
    }  # fmt: skip
    spec = {"type": "object", "properties": {"parts": keyed, "whole": {"type": "array", "items": {"type": "string"}}}}
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "merges", "kind": "Merge"}
    body = {
        "metadata": {"name": "merges.apply.example.org"},
        "spec": {"group": "apply.example.org", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    assert api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json=body).status_code == 201
    path = f"/apis/apply.example.org/v1/namespaces/{namespace}/merges/m"

    def put(manager: str, spec: dict[str, Any]) -> httpx2.Response:
        text = json.dumps(
            {"apiVersion": "apply.example.org/v1", "kind": "Merge", "metadata": {"name": "m"}, "spec": spec}
        )
        return api.patch(path, content=text, headers=APPLY, params={"fieldManager": manager})

    assert put("alice", {"parts": [{"name": "a", "n": 1}], "whole": ["x"]}).status_code == 201
    merged = put("bob", {"parts": [{"name": "b", "n": 2}]}).json()["spec"]
    assert merged == {"parts": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "whole": ["x"]}
    assert ".spec.whole" in put("bob", {"whole": ["y"]}).json()["message"]
    assert put("alice", {}).json()["spec"] == {"parts": [{"name": "b", "n": 2}]}
    api.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/merges.apply.example.org")
