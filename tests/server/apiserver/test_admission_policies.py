"""Admission policies on a running server: who is refused, warned, changed, and how it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

Object = dict[str, Any]
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server; each test has a namespace, and policies for it, of its own."""
    running = Server(tmp_path_factory.mktemp("server")).start()
    yield running
    assert running.stop() == 0


class Place:
    """A namespace with policies that are about it alone."""

    def __init__(self, client: httpx2.Client, name: str) -> None:
        self.client, self.name = client, name
        body = {"metadata": {"name": name, "labels": {"place": name}}}
        assert client.post("/api/v1/namespaces", json=body).status_code == 201

    def bind(self, sort: str, spec: Object, suffix: str = "", **binding: Any) -> None:
        """Store a policy and bind it."""
        name = f"{self.name}{suffix}"
        selected = {"namespaceSelector": {"matchLabels": {"place": self.name}}, "resourceRules": [MAPS]}
        constraints = {**selected, **(spec.pop("matchConstraints", None) or {})}
        policy = {"metadata": {"name": name}, "spec": {**spec, "matchConstraints": constraints}}
        answer = self.client.post(f"{REGISTRATION}/{sort}admissionpolicies", json=policy)
        assert answer.status_code == 201, answer.text
        assert "warning" not in answer.headers
        actions = {} if sort == "mutating" else {"validationActions": ["Deny"]}
        body = {"metadata": {"name": name}, "spec": {"policyName": name, **actions, **binding}}
        answer = self.client.post(f"{REGISTRATION}/{sort}admissionpolicybindings", json=body)
        assert (answer.status_code, "warning" in answer.headers) == (201, False), answer.text

    def create(self, name: str = "m", **fields: Any) -> httpx2.Response:
        """Create a ConfigMap; `fields` are its own."""
        return self.client.post(self.path(), json={"metadata": {"name": name}} | fields)

    def path(self, name: str = "") -> str:
        """Of the ConfigMaps, or of one."""
        return f"/api/v1/namespaces/{self.name}/configmaps" + (f"/{name}" if name else "")


def validating(*expressions: str, **more: Any) -> Object:
    """A policy's spec."""
    return {"validations": [{"expression": expression} for expression in expressions], **more}


def applying(*expressions: str, **more: Any) -> Object:
    """A mutating policy's spec."""
    mutations = [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": one}} for one in expressions]
    return {
        "mutations": mutations, "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [{**MAPS, "operations": ["CREATE", "UPDATE"]}]}, **more,
    }  # fmt: skip


def test_creates_updates_patches_and_deletions_are_judged(server: Server) -> None:
    """Each way to write is refused with 422 in the policy's words, and changes nothing; so is a deletion."""
    with server.client() as client:
        place = Place(client, "ways")
        first = {"expression": "object == null || object.data.ok == 'yes'", "message": "must be ok"}
        spec = {"validations": [first, {"expression": "request.operation != 'DELETE' || oldObject.data.free == 'yes'"}]}
        place.bind("validating", spec)
        refused = place.create(data={"ok": "no"})
        text = "ValidatingAdmissionPolicy 'ways' with binding 'ways' denied request: must be ok"
        assert refused.status_code == 422
        assert refused.json() == {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid", "code": 422,
            "message": f'configmaps "m" is forbidden: {text}',
            "details": {"name": "m", "kind": "configmaps", "causes": [{"message": text}]},
        }  # fmt: skip
        assert client.get(place.path("m")).status_code == 404
        copy = place.create(data={"ok": "no"}, metadata={"name": "m", "resourceVersion": "5"})
        assert copy.status_code == 422  # and not 500, as the storage would say
        made = place.create(data={"ok": "yes", "free": "no"})
        assert made.status_code == 201
        bad = {**made.json(), "data": {"ok": "no"}}
        assert client.put(place.path("m"), json=bad).status_code == 422
        merge = {"content-type": "application/merge-patch+json"}
        assert client.patch(place.path("m"), json={"data": {"ok": "no"}}, headers=merge).status_code == 422
        apply = {"content-type": "application/apply-patch+yaml"}
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"ok": "no"}}
        path = f"{place.path('m')}?fieldManager=x&force=true"
        assert client.patch(path, json=config, headers=apply).status_code == 422
        assert client.delete(place.path("m")).status_code == 422
        assert client.delete(place.path()).status_code == 422
        assert client.get(place.path("m")).json()["data"] == {"ok": "yes", "free": "no"}
        assert client.patch(place.path("m"), json={"data": {"free": "yes"}}, headers=merge).status_code == 200
        assert client.delete(place.path("m")).status_code == 200


def test_bindings_decide_what_a_failure_leads_to(server: Server) -> None:
    """A warning is a header; without its binding, or its policy, nothing is judged any more."""
    with server.client() as client:
        place = Place(client, "actions")
        place.bind("validating", validating("false"), validationActions=["Warn", "Audit"])
        who = "ValidatingAdmissionPolicy 'actions' with binding 'actions'"
        warned = place.create("a")
        assert warned.status_code == 201
        assert warned.headers["warning"] == f'299 - "Validation failed for {who}: failed expression: false"'
        binding = f"{REGISTRATION}/validatingadmissionpolicybindings/actions"
        merge = {"content-type": "application/merge-patch+json"}
        denying = {"spec": {"validationActions": ["Deny"]}}
        assert client.patch(binding, json=denying, headers=merge).status_code == 200
        assert place.create("b").status_code == 422
        policy = f"{REGISTRATION}/validatingadmissionpolicies/actions"
        assert client.patch(policy, json={"spec": validating("true")}, headers=merge).status_code == 200
        assert place.create("b").status_code == 201
        assert client.patch(policy, json={"spec": validating("false")}, headers=merge).status_code == 200
        assert place.create("c").status_code == 422
        assert client.delete(binding).status_code == 200
        assert place.create("c").status_code == 201


def test_objects_are_changed_before_they_are_judged(server: Server) -> None:
    """A mutating policy's change is seen by validating ones, is stored, and is answered; nobody owns it."""
    with server.client() as client:
        place = Place(client, "changed")
        place.bind("validating", validating("object.data.who == request.userInfo.username"))
        assert place.create(data={"a": "b"}).status_code == 422
        place.bind("mutating", applying("Object{data: {'who': request.userInfo.username}}"))
        made = place.create(data={"a": "b"}).json()
        assert made["data"] == {"a": "b", "who": "admin"}
        assert client.get(place.path("m")).json() == made
        assert "f:who" not in str(made["metadata"]["managedFields"])
        assert client.put(place.path("m"), json={**made, "data": {"who": "me"}}).json()["data"] == {"who": "admin"}


def test_policies_may_be_asked_again(server: Server) -> None:
    """A policy that wants it runs once more after a later one has changed something; others don't."""
    with server.client() as client:
        place = Place(client, "again")
        count = "Object{data: {'%s': string(int(object.?data['%s'].orValue('0')) + 1)}}"
        place.bind("mutating", applying(count % ("a", "a"), reinvocationPolicy="IfNeeded"), "-a")
        place.bind("mutating", applying(count % ("b", "b")), "-b")
        assert place.create().json()["data"] == {"a": "2", "b": "1"}


def test_rights_of_who_names_parameters(server: Server) -> None:
    """Whoever may not read the parameters may not write a policy about them, whose messages could show them."""
    rule = {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["*"]}
    with server.client() as client, server.client("strangertoken") as stranger:
        place = "/apis/rbac.authorization.k8s.io/v1"
        assert (
            client.post(f"{place}/clusterroles", json={"metadata": {"name": "po"}, "rules": [rule]}).status_code == 201
        )
        subject = {"kind": "User", "name": "stranger", "apiGroup": "rbac.authorization.k8s.io"}
        ref = {"kind": "ClusterRole", "name": "po", "apiGroup": "rbac.authorization.k8s.io"}
        body: Object = {"metadata": {"name": "po"}, "subjects": [subject], "roleRef": ref}
        assert client.post(f"{place}/clusterrolebindings", json=body).status_code == 201
        constraints = {"resourceRules": [MAPS]}
        spec = {
            **validating("true"),
            "matchConstraints": constraints,
            "paramKind": {"apiVersion": "v1", "kind": "Secret"},
        }
        policy = {"metadata": {"name": "leak"}, "spec": spec}
        refused = stranger.post(f"{REGISTRATION}/validatingadmissionpolicies", json=policy)
        assert refused.status_code == 422
        assert 'must have "get" permission on all objects of the referenced paramKind' in refused.json()["message"]
        assert client.post(f"{REGISTRATION}/validatingadmissionpolicies", json=policy).status_code == 201
        named = {"name": "x", "namespace": "kube-system", "parameterNotFoundAction": "Deny"}
        bound = {"policyName": "leak", "validationActions": ["Deny"], "paramRef": named}
        binding = {"metadata": {"name": "leak"}, "spec": bound}
        refused = stranger.post(f"{REGISTRATION}/validatingadmissionpolicybindings", json=binding)
        assert refused.status_code == 422
        assert refused.json()["message"].endswith('does not have "get" permission on the object referenced by paramRef')


def test_custom_objects_and_parameters(server: Server) -> None:
    """Custom objects are judged and changed as others are, and may be parameters."""
    text: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": text}}
    names = {"plural": "limits", "singular": "limit", "kind": "Limit", "listKind": "LimitList"}
    spec: Object = {"group": "example.org", "names": names, "scope": "Namespaced", "versions": [version]}
    with server.client() as client:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert client.post(path, json={"metadata": {"name": "limits.example.org"}, "spec": spec}).status_code == 201
        place = Place(client, "custom")
        limits = f"/apis/example.org/v1/namespaces/{place.name}/limits"
        limit = {"apiVersion": "example.org/v1", "kind": "Limit", "metadata": {"name": "l"}, "most": 2}
        rule = {"apiGroups": ["example.org"], "apiVersions": ["*"], "resources": ["limits"], "operations": ["CREATE"]}
        own: Object = {"matchConstraints": {"resourceRules": [rule]}}
        place.bind("validating", {**validating("object.most < 3"), **own}, "-own")
        assert client.post(limits, json={**limit, "most": 5}).status_code == 422
        place.bind("mutating", {**applying("Object{most: object.most - 1}"), **own}, "-own")
        assert client.post(limits, json={**limit, "most": 3}).json()["most"] == 2
        kind = {"apiVersion": "example.org/v1", "kind": "Limit"}
        ref = {"name": "l", "parameterNotFoundAction": "Deny"}
        place.bind("validating", validating("size(object.data) <= params.most", paramKind=kind), paramRef=ref)
        assert place.create("two", data={"a": "", "b": ""}).status_code == 201
        assert place.create("three", data={"a": "", "b": "", "c": ""}).status_code == 422


def test_policies_can_always_be_mended(server: Server) -> None:
    """A policy about everything does not keep anybody from changing policies, nor from asking what he may do."""
    with server.client() as client:
        every = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
        selector = {"matchLabels": {"place": "mended"}}
        place = Place(client, "mended")
        constraints = {"resourceRules": [every], "namespaceSelector": selector}
        place.bind("validating", {**validating("false"), "matchConstraints": constraints})
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": place.name}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        assert place.create().status_code == 422
        assert client.post(path, json=review).status_code == 201
        assert client.delete(f"{REGISTRATION}/validatingadmissionpolicies/mended").status_code == 200
        assert place.create().status_code == 201
