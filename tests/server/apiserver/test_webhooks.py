"""Admission webhooks: asked as kube-apiserver asks them, obeyed, and outlived."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from kube46.apiserver.certificates import Authority
from patience import patient
from server.hooks import Hooks, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx2

    from server.running import Server

Object = dict[str, Any]
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
BASE = "/apis/admissionregistration.k8s.io/v1"
LABEL = "kubernetes.io/metadata.name"


@pytest.fixture(scope="session")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    """A webhook for all tests that don't end it."""
    running = Hooks(tmp_path_factory.mktemp("hooks")).start()
    yield running
    running.close()


class Configured:
    """Writes configurations for one namespace and takes them away again."""

    def __init__(self, api: httpx2.Client, namespace: str, hooks: Hooks) -> None:
        self._api, self._namespace, self._hooks = api, namespace, hooks
        self._made: list[str] = []

    def __call__(self, kind: str, *entries: Object) -> str:
        """Configure webhooks, mutating or validating; the first has the name n0.test.example."""
        name = f"t-{uuid.uuid4().hex[:10]}"
        selector = {"matchLabels": {LABEL: self._namespace}}
        hooks = [
            {
                "name": f"n{n}.test.example", "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "namespaceSelector": selector, **entry,
                "clientConfig": entry.get("clientConfig") or self._hooks.at(entry.get("path", "")),
            }
            for n, entry in enumerate(entries)
        ]  # fmt: skip
        for hook in hooks:
            hook.pop("path", None)
        path = f"{BASE}/{kind}webhookconfigurations"
        made = self._api.post(path, json={"metadata": {"name": name}, "webhooks": hooks})
        assert made.status_code == 201, made.text
        self._made.append(f"{path}/{name}")
        return f"{path}/{name}"

    def drop(self) -> None:
        """Take all away."""
        for path in self._made:
            self._api.delete(path)


@pytest.fixture
def configure(api: httpx2.Client, namespace: str, hooks: Hooks) -> Iterator[Configured]:
    """Configures webhooks for the test's namespace."""
    made = Configured(api, namespace, hooks)
    yield made
    made.drop()


@pytest.fixture
def maps(namespace: str) -> str:
    """The path of the namespace's ConfigMaps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def cm(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_denial(api: httpx2.Client, configure: Configured, maps: str) -> None:
    """A validating webhook's refusal is the request's: its code, reason and message, with its name before."""
    configure("validating", {"path": "deny=" + quoted({"message": "not here", "code": 418, "reason": "Teapot"})})
    refused = api.post(maps, json=cm("a"))
    assert refused.status_code == 418
    status = refused.json()
    assert status["message"] == 'admission webhook "n0.test.example" denied the request: not here'
    assert (status["reason"], status["status"]) == ("Teapot", "Failure")
    assert api.get(f"{maps}/a").status_code == 404


@pytest.mark.parametrize(
    ("status", "code", "end"),
    [
        (None, 400, " without explanation"),
        ({"reason": "Because"}, 400, ": Because"),
        ({"code": 200}, 400, " without explanation"),
    ],
)
def test_denials_without_words(
    api: httpx2.Client, configure: Configured, maps: str, status: Object | None, code: int, end: str
) -> None:
    """A denial that says little still refuses, with upstream's words."""
    configure("validating", {"path": "deny" + ("=" + quoted(status) if status else "")})
    refused = api.post(maps, json=cm("a"))
    assert refused.status_code == code
    assert refused.json()["message"] == f'admission webhook "n0.test.example" denied the request{end}'


def test_mutation(api: httpx2.Client, configure: Configured, maps: str, hooks: Hooks) -> None:
    """Patches of mutating webhooks follow each other, in the order of their configurations; what is read is stored."""
    first, second = ([{"op": "add", "path": f"/data/{key}", "value": "1"}] for key in "bc")
    configure("mutating", {"path": f"patch={quoted(first)}"}, {"path": f"patch={quoted(second)}/warn=careful"})
    made = api.post(maps, json=cm("a", a="0"))
    assert made.status_code == 201, made.text
    assert made.json()["data"] == {"a": "0", "b": "1", "c": "1"} == api.get(f"{maps}/a").json()["data"]
    assert '299 - "careful"' in made.headers["warning"]
    namespace = maps.split("/")[4]
    asked = [one for one in hooks.about("a") if one["namespace"] == namespace]
    assert [sorted(one["object"]["data"]) for one in asked] == [["a"], ["a", "b"]]


def test_what_is_told(api: httpx2.Client, configure: Configured, maps: str, hooks: Hooks) -> None:
    """A review names the operation, the resource, who asks, with which options, and the object before and after."""
    configure("validating", {})
    name = f"told-{uuid.uuid4().hex[:8]}"
    made = api.post(f"{maps}?fieldManager=me", json=cm(name, a="1")).json()
    api.patch(f"{maps}/{name}", json={"data": {"a": "2"}}, headers={"content-type": "application/merge-patch+json"})
    api.delete(f"{maps}/{name}")
    create, update, delete = hooks.about(name)
    assert [one["operation"] for one in (create, update, delete)] == ["CREATE", "UPDATE", "DELETE"]
    for one in (create, update, delete):
        assert one["resource"] == {"group": "", "version": "v1", "resource": "configmaps"} == one["requestResource"]
        assert one["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"} == one["requestKind"]
        assert one["userInfo"]["username"] == "admin" and one["dryRun"] is False
    assert create["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}
    assert create["oldObject"] is None and create["object"]["metadata"]["uid"] == made["metadata"]["uid"]
    assert (update["oldObject"]["data"], update["object"]["data"]) == ({"a": "1"}, {"a": "2"})
    assert delete["object"] is None and delete["oldObject"]["data"] == {"a": "2"}
    assert delete["options"]["kind"] == "DeleteOptions" and update["options"]["kind"] == "UpdateOptions"


def test_every_way_of_writing(api: httpx2.Client, configure: Configured, maps: str) -> None:
    """PUT, patch, apply, delete and deletecollection are refused as a POST is, and change nothing."""
    assert api.post(maps, json=cm("a", a="1")).status_code == 201
    configure("validating", {"path": "deny"})
    merge, apply = {"content-type": "application/merge-patch+json"}, {"content-type": "application/apply-patch+yaml"}
    refusals = [
        api.put(f"{maps}/a", json=cm("a", a="2")), api.patch(f"{maps}/a", json={"data": {"a": "3"}}, headers=merge),
        api.patch(f"{maps}/a?fieldManager=m", json=cm("a", b="4"), headers=apply), api.delete(f"{maps}/a"),
        api.delete(maps), api.patch(f"{maps}/new?fieldManager=m", json=cm("new"), headers=apply),
    ]  # fmt: skip
    for refused in refusals:
        assert refused.status_code == 400 and "denied the request" in refused.json()["message"], refused.text
    assert [one["data"] for one in api.get(maps).json()["items"]] == [{"a": "1"}]


def test_failures(api: httpx2.Client, configure: Configured, maps: str, hooks: Hooks) -> None:
    """Who can't be asked refuses under failurePolicy Fail, in upstream's words, and is passed over under Ignore."""
    place = f'Post "https://127.0.0.1:{hooks.port}/'
    cases = {
        "status=500": 'an error on the server ("unknown") has prevented the request from succeeding',
        "status=404": "the server could not find the requested resource",
        f"body={quoted('{}')}": "webhook response was absent",
        f"answer={quoted({'uid': 'other'})}": "expected response.uid=",
        f"answer={quoted({'patch': 'W10='})}": "validating webhook may not return response.patch",
        "sleep=9": f"{place}sleep=9?timeout=1s\": context deadline exceeded",
    }  # fmt: skip
    for path, text in cases.items():
        config = configure("validating", {"path": path, "timeoutSeconds": 1 if "sleep" in path else 30})
        refused = api.post(maps, json=cm("a"))
        assert refused.status_code == 500 and refused.json()["reason"] == "InternalError"
        message = refused.json()["message"]
        assert (
            message.startswith('Internal error occurred: failed calling webhook "n0.test.example": ')
            and text in message
        )
        assert api.delete(config).status_code == 200
    configure("validating", {"path": "status=500", "failurePolicy": "Ignore"})
    assert api.post(maps, json=cm("a")).status_code == 201


def test_who_is_trusted(api: httpx2.Client, configure: Configured, maps: str, hooks: Hooks, tmp_path: Path) -> None:
    """A certificate of another authority is refused."""
    other = Hooks(tmp_path)
    Authority.load_or_create(tmp_path)
    configure("validating", {"clientConfig": {**hooks.at(""), "caBundle": other.bundle}})
    refused = api.post(maps, json=cm("a"))
    assert refused.status_code == 500
    assert refused.json()["message"].endswith(
        "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    )


def test_dry_run(api: httpx2.Client, configure: Configured, maps: str) -> None:
    """A dry run asks only webhooks without effects; it is shown what would become of the object."""
    patch = [{"op": "add", "path": "/data/b", "value": "1"}]
    configure("mutating", {"path": f"patch={quoted(patch)}"})
    shown = api.post(f"{maps}?dryRun=All", json=cm("a", a="0"))
    assert shown.status_code == 201 and shown.json()["data"] == {"a": "0", "b": "1"}
    assert api.get(f"{maps}/a").status_code == 404


def test_reinvocation(api: httpx2.Client, configure: Configured, maps: str) -> None:
    """Who wants to is asked once more when another has changed the object afterwards; others are asked once."""
    configure(
        "mutating",
        {"path": "count=first", "reinvocationPolicy": "IfNeeded"},
        {"path": "count=second"},
    )  # fmt: skip
    made = api.post(maps, json=cm("a", a="0"))
    assert made.status_code == 201, made.text
    assert made.json()["data"] == {"a": "0", "first": "xx", "second": "x"}


def test_selectors(api: httpx2.Client, configure: Configured, maps: str) -> None:
    """An objectSelector asks about the object before and after."""
    configure("validating", {"path": "deny", "objectSelector": {"matchLabels": {"watched": "yes"}}})
    assert api.post(maps, json=cm("a")).status_code == 201
    labelled = {**cm("b"), "metadata": {"name": "b", "labels": {"watched": "yes"}}}
    assert api.post(maps, json=labelled).status_code == 400
    merge = {"content-type": "application/merge-patch+json"}
    patched = api.patch(f"{maps}/a", json={"metadata": {"labels": {"watched": "yes"}}}, headers=merge)
    assert patched.status_code == 400


def test_pods(api: httpx2.Client, configure: Configured, namespace: str, hooks: Hooks) -> None:
    """A webhook sees the account's token and the tolerations; a container that it adds is defaulted and gets the token.

    Subresources with bodies of their own are asked about.
    """
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    assert api.post(account, json={"metadata": {"name": "default"}}).status_code == 201
    pods = f"/api/v1/namespaces/{namespace}/pods"
    patch = [{"op": "add", "path": "/spec/initContainers", "value": [{"name": "i", "image": "x"}]}]
    rule = {**RULE, "resources": ["pods"], "operations": ["CREATE"]}
    configure("mutating", {"path": f"patch={quoted(patch)}", "rules": [rule]})
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    made = api.post(pods, json=pod)
    assert made.status_code == 201, made.text
    (added,), (own,) = (made.json()["spec"][key] for key in ("initContainers", "containers"))
    assert added["terminationMessagePolicy"] == "File" and added["volumeMounts"] == own["volumeMounts"]
    shown = next(one["object"] for one in hooks.about("p") if one["namespace"] == namespace)
    assert shown["spec"]["containers"][0]["volumeMounts"] == own["volumeMounts"]
    assert len(shown["spec"]["tolerations"]) == 2 and len(made.json()["spec"]["volumes"]) == 1
    parts = ["pods/binding", "pods/eviction", "pods/attach", "pods/exec"]
    rule = {**RULE, "resources": parts, "operations": ["CREATE", "CONNECT"]}
    configure("validating", {"path": "deny", "rules": [rule]})
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n"}}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    answers = [
        api.post(f"{pods}/p/binding", json=binding), api.post(f"{pods}/p/eviction", json=eviction),
        api.post(f"{pods}/p/exec?command=ls&stdout=true"), api.post(f"{pods}/p/attach?stdout=true"),
    ]  # fmt: skip
    for answer in answers:
        assert answer.status_code == 400 and "denied the request" in answer.json()["message"], answer.text


def test_scale(api: httpx2.Client, configure: Configured, namespace: str, hooks: Hooks) -> None:
    """Through /scale a webhook is shown Scales, and may change the number."""
    place = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    name = f"d-{uuid.uuid4().hex[:8]}"
    assert api.post(place, json={"metadata": {"name": name}, "spec": spec}).status_code == 201
    rule = {**RULE, "apiGroups": ["apps"], "resources": ["deployments/scale"]}
    patch = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    configure("mutating", {"path": f"patch={quoted(patch)}", "rules": [rule]})
    scale = api.get(f"{place}/{name}/scale").json()
    scaled = api.put(f"{place}/{name}/scale", json={**scale, "spec": {"replicas": 7}})
    assert scaled.status_code == 200, scaled.text
    assert scaled.json()["spec"]["replicas"] == 3 == api.get(f"{place}/{name}").json()["spec"]["replicas"]
    (asked,) = hooks.about(name)
    assert asked["kind"]["kind"] == "Scale" and asked["subResource"] == "scale"
    assert (asked["oldObject"]["spec"], asked["object"]["spec"]) == ({"replicas": 1}, {"replicas": 7})


def test_configurations_ask_nobody(api: httpx2.Client, configure: Configured) -> None:
    """A webhook about everything can't keep its own configuration from being taken away."""
    rule = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
    everything = {"path": "deny", "rules": [{**rule, "apiGroups": ["admissionregistration.k8s.io"]}]}
    path = configure("validating", everything)
    assert api.delete(path).status_code == 200


def test_metrics(api: httpx2.Client, configure: Configured, maps: str) -> None:
    """Calls, their time and refusals are counted under upstream's names."""
    name = f"m{uuid.uuid4().hex[:8]}.test.example"
    configure("validating", {"path": "deny", "name": name})
    assert api.post(maps, json=cm("a")).status_code == 400
    text = api.get("/metrics").text
    labels = f'name="{name}",operation="CREATE",rejected="true",type="validating"'
    assert f"apiserver_admission_webhook_admission_duration_seconds_count{{{labels}}} 1.0" in text
    refused = f'error_type="no_error",name="{name}",operation="CREATE",rejection_code="400",type="validating"'
    assert f"apiserver_admission_webhook_rejection_count{{{refused}}} 1.0" in text


def test_a_webhook_that_dies_and_comes_back(server_factory: Callable[..., Server], tmp_path: Path) -> None:
    """While it is away writes are refused and nothing changes; back again it is asked on a new connection."""
    (tmp_path / "own").mkdir()
    own = Hooks(tmp_path / "own").start()
    server = server_factory()
    try:
        with server.client() as api:
            entry = {
                "name": "n.test.example", "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": own.at("deny"), "namespaceSelector": {"matchLabels": {LABEL: "default"}},
            }  # fmt: skip
            body = {"metadata": {"name": "t"}, "webhooks": [entry]}
            assert api.post(f"{BASE}/validatingwebhookconfigurations", json=body).status_code == 201
            maps = "/api/v1/namespaces/default/configmaps"
            for _ in range(3):
                assert api.post(maps, json=cm("a")).status_code == 400
            assert len({one["connection"] for one in own.asked}) == 1
            own.kill()
            away = api.post(maps, json=cm("a"))
            assert away.status_code == 500 and "connection refused" in away.json()["message"]
            own.start()
            assert api.post(maps, json=cm("a")).status_code == 400
        assert server.process is not None
        server.process.kill()
        server.process.wait(patient(15))
        server.start()
        with server.client() as api:
            assert api.post(maps, json=cm("a")).status_code == 400
            assert api.get(f"{maps}/a").status_code == 404
    finally:
        own.close()


def test_services(api: httpx2.Client, configure: Configured, namespace: str, maps: str, hooks: Hooks) -> None:
    """A webhook behind a Service must have a certificate for the Service's name, wherever the Service leads."""
    service = {"namespace": namespace, "name": "hook", "path": "/deny", "port": hooks.port}
    configure("validating", {"clientConfig": {"service": service, "caBundle": hooks.bundle}})
    place = f'Post "https://hook.{namespace}.svc:{hooks.port}/deny?timeout=10s": '
    assert api.post(maps, json=cm("a")).json()["message"].endswith(f'{place}service "hook" not found')
    services = f"/api/v1/namespaces/{namespace}/services"
    spec: Object = {"ports": [{"name": "https", "port": hooks.port}]}
    assert api.post(services, json={"metadata": {"name": "hook"}, "spec": spec}).status_code == 201
    refused = api.post(maps, json=cm("a")).json()["message"]
    assert refused.endswith(f'{place}no endpoints available for service "hook"')
    spec = {"type": "ExternalName", "externalName": "localhost"}
    assert api.delete(f"{services}/hook").status_code == 200
    assert api.post(services, json={"metadata": {"name": "hook"}, "spec": spec}).status_code == 201
    refused = api.post(maps, json=cm("a")).json()["message"]
    assert f"hook.{namespace}.svc" in refused and "x509" in refused  # the certificate is for hook.hooks.svc


def test_match_conditions(api: httpx2.Client, configure: Configured, maps: str) -> None:
    """A webhook whose conditions do not hold is not asked; one that can't be evaluated refuses, as the policy says."""
    conditions = [{"name": "no-leases", "expression": "object.metadata.name != 'skipped'"}]
    configure("validating", {"path": "deny", "matchConditions": conditions})
    assert api.post(maps, json=cm("skipped")).status_code == 201
    assert api.post(maps, json=cm("a")).status_code == 400
    wrong = {"path": "", "matchConditions": [{"name": "x", "expression": "object.nothing.there == 'x'"}]}
    configure("mutating", wrong)
    refused = api.post(maps, json=cm("b"))
    assert refused.status_code == 403 and "no such key: nothing" in refused.json()["message"], refused.text


def test_invalid_match_conditions(api: httpx2.Client) -> None:
    """What does not compile is refused with the place of the expression."""
    entry = {
        "name": "n.test.example", "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://x"}, "matchConditions": [{"name": "a", "expression": "... [}"}],
    }  # fmt: skip
    for kind in ("mutating", "validating"):
        body = {"metadata": {"name": "wrong"}, "webhooks": [entry]}
        refused = api.post(f"{BASE}/{kind}webhookconfigurations", json=body)
        assert refused.status_code == 422
        (cause,) = refused.json()["details"]["causes"]
        assert cause["field"] == "webhooks[0].matchConditions[0].expression"
        assert "compilation failed" in cause["message"]
