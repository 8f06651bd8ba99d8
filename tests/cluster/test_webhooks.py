"""Admission webhooks beside the real kube-apiserver: they are told the same, and refuse in the same words."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from patience import patient
from server.hooks import Hooks, quoted
from server.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from cluster.upstream import Upstream

Object = dict[str, Any]
BASE = "/apis/admissionregistration.k8s.io/v1"
MERGE, APPLY = {"content-type": "application/merge-patch+json"}, {"content-type": "application/apply-patch+yaml"}
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
# of a request: what differs between any two servers
CHANCE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# path of the webhook and the rest of its entry, mutating or validating: each is asked about a new ConfigMap
CASES: tuple[tuple[str, str, Object], ...] = (
    ("validating", "deny", {}),
    ("validating", f"deny={quoted({'message': 'no', 'code': 418, 'reason': 'Teapot', 'details': {'name': 'x'}})}", {}),
    ("validating", f"deny={quoted({'code': 200, 'reason': 'Why'})}", {}),
    ("validating", "warn=careful/warn=very", {}),
    ("validating", "status=500", {}),
    ("validating", "status=404", {}),
    ("validating", "status=400", {}),
    ("validating", "status=403", {}),
    ("validating", "status=302", {}),
    ("validating", "status=500", {"failurePolicy": "Ignore"}),
    ("validating", "sleep=3", {"timeoutSeconds": 1}),
    ("validating", f"answer={quoted({'uid': 'other'})}", {}),
    ("validating", f"answer={quoted({'patch': 'W10='})}", {}),
    ("validating", f"answer={quoted({'patchType': 'JSONPatch'})}", {}),
    ("validating", "deny", {"admissionReviewVersions": ["v1beta1", "v1"]}),
    ("validating", "deny", {"objectSelector": {"matchLabels": {"a": "1"}}}),
    ("validating", "deny", {"matchConditions": [{"name": "a", "expression": "object.data.size() > 100"}]}),
    ("validating", "deny", {"matchConditions": [{"name": "a", "expression": "request.operation == 'CREATE'"}]}),
    ("validating", "deny", {"matchConditions": [{"name": "a", "expression": "object.x.y == 'z'"}]}),
    ("mutating", f"answer={quoted({'patch': 'W10='})}", {}),
    ("mutating", f"answer={quoted({'patchType': 'JSONPatch'})}", {}),
    ("mutating", f"patch={quoted([{'op': 'add', 'path': '/data/more', 'value': 'x'}])}", {}),
    ("mutating", f"patch={quoted([{'op': 'remove', 'path': '/data/none'}])}", {}),
    ("mutating", f"patch={quoted([{'op': 'add', 'path': '/unknown', 'value': 'x'}])}", {}),
    ("mutating", f"patch={quoted([{'op': 'add', 'path': '/data/number', 'value': '1'}])}/deny", {}),
    ("mutating", f"patch={quoted([{'op': 'replace', 'path': '/metadata/labels', 'value': {'a/': '1'}}])}", {}),
    ("mutating", "count=times", {"reinvocationPolicy": "IfNeeded"}),
)


def normal(text: str, hooks: Hooks) -> str:
    """Less what is another at each server."""
    return CHANCE.sub("UID", text.replace(str(hooks.port), "PORT"))


def told(response: httpx2.Response, hooks: Hooks) -> Object:
    """Status, what was said, and what was stored."""
    body = response.json()
    warnings = response.headers.get_list("warning")
    if body["kind"] != "Status":
        return {"code": response.status_code, "data": body.get("data"), "warnings": warnings}
    details = body.get("details")
    found = {"code": response.status_code, "reason": body.get("reason"), "warnings": warnings, "details": details}
    return {**plain(found, hooks), "message": normal(body["message"], hooks)}


def plain(value: Any, hooks: Hooks) -> Any:
    """`normal` of all texts within."""
    if isinstance(value, dict):
        return {name: plain(inner, hooks) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, hooks) for inner in value]
    return normal(value, hooks) if isinstance(value, str) else value


class Side:
    """One server with a webhook of its own and a namespace."""

    def __init__(self, client: httpx2.Client, hooks: Hooks) -> None:
        self.api, self.hooks = client, hooks
        self.api.post("/api/v1/namespaces", json={"metadata": {"name": "hooked"}})
        self.maps = "/api/v1/namespaces/hooked/configmaps"

    def configure(self, kind: str, path: str, entry: Object) -> str:
        """Configure a webhook, and wait until it is asked: upstream learns of it by and by."""
        scope = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "hooked"}}}
        common = {"rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"], **scope}
        ready = {**common, "name": "ready.test.example", "objectSelector": {"matchLabels": {"ready": "x"}}}
        common["objectSelector"] = {"matchExpressions": [{"key": "ready", "operator": "DoesNotExist"}]}
        hooks = [
            {**common, "name": "own.test.example", "clientConfig": self.hooks.at(path), **entry},
            {**ready, "clientConfig": self.hooks.at("deny")},
        ]
        where = f"{BASE}/{kind}webhookconfigurations"
        made = self.api.post(where, json={"metadata": {"name": "t"}, "webhooks": hooks})
        assert made.status_code == 201, made.text
        self.until(denied=True)
        return f"{where}/t"

    def until(self, *, denied: bool) -> None:
        """Wait until the configuration is known, or forgotten."""
        deadline = time.monotonic() + patient(10)
        body = {"metadata": {"name": "ready", "labels": {"ready": "x"}}}
        while True:
            answer = self.api.post(f"{self.maps}?dryRun=All", json=body)
            if (answer.status_code >= 400 and "webhook" in answer.text) is denied:
                return
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.02)

    def case(self, kind: str, path: str, entry: Object) -> Object:
        """What becomes of a new ConfigMap."""
        place = self.configure(kind, path, entry)
        answer = self.api.post(self.maps, json={"metadata": {"name": "a"}, "data": {"n": "0"}})
        self.api.delete(place)
        self.until(denied=False)
        self.api.delete(f"{self.maps}/a")
        return told(answer, self.hooks)


@pytest.fixture(scope="module")
def sides(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """The real server and kube46's."""
    hooks = [Hooks(tmp_path_factory.mktemp("hooks")).start() for _ in range(2)]
    server = Server(tmp_path_factory.mktemp("kube46")).start()
    try:
        with upstream.client() as one, server.client() as other:
            yield Side(one, hooks[0]), Side(other, hooks[1])
    finally:
        server.stop()
        for hook in hooks:
            hook.close()


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_answers(sides: tuple[Side, Side], case: tuple[str, str, Object]) -> None:
    """Status, reason, message, details, warnings and what is stored are the same."""
    theirs, ours = (side.case(*case) for side in sides)
    assert ours == theirs


def requests(side: Side) -> list[Object]:
    """What a webhook is told of each way to write, less what is another at each server."""
    place = side.configure("validating", "", {"rules": [{**RULE, "resources": ["configmaps"]}]})
    api, body = side.api, {"metadata": {"name": "told", "labels": {"l": "1"}}, "data": {"n": "0"}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "told"}, "data": {"applied": "1"}}
    api.post(f"{side.maps}?fieldManager=me&fieldValidation=Strict", json=body)
    api.put(f"{side.maps}/told", json={**body, "data": {"n": "1"}})
    api.patch(f"{side.maps}/told", json={"data": {"n": "2"}}, headers=MERGE)
    api.patch(f"{side.maps}/told?fieldManager=m&force=true", json=config, headers=APPLY)
    api.patch(f"{side.maps}/told?dryRun=All", json={"data": {"n": "3"}}, headers=MERGE)
    api.request("DELETE", f"{side.maps}/told?gracePeriodSeconds=0&propagationPolicy=Background")
    api.post(side.maps, json={"metadata": {"generateName": "told-"}})
    api.request("DELETE", side.maps, json={"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]})
    asked = [one["request"] for one in side.hooks.asked if one["path"] == "/"]
    api.delete(place)
    side.until(denied=False)
    return [clean(one) for one in asked if "told" in str(one)]


def clean(value: Any) -> Any:
    """Less uids, revisions, times, generated names."""
    chance = ("uid", "resourceVersion", "creationTimestamp", "time", "managedFields")
    if isinstance(value, dict):
        return {name: clean(inner) for name, inner in value.items() if name not in chance}
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    return re.sub(r"^told-.{5}$", "told-NAME", value) if isinstance(value, str) else value


def test_what_webhooks_are_told(sides: tuple[Side, Side]) -> None:
    """Every request of a review is the same."""
    theirs, ours = (requests(side) for side in sides)
    assert len(theirs) == len(ours) == 8
    for one, other in zip(theirs, ours, strict=True):
        assert other == one


INVALID: tuple[Object, ...] = (
    {"name": "a"}, {"sideEffects": "Some"}, {"timeoutSeconds": 31}, {"failurePolicy": "x"}, {"matchPolicy": "x"},
    {"admissionReviewVersions": ["v3"]}, {"clientConfig": {}}, {"clientConfig": {"url": "http://u@x?a=b#c"}},
    {"clientConfig": {"service": {"name": "s", "namespace": "n", "path": "a//B", "port": 70000}}},
    {"clientConfig": {"service": {"name": "s", "namespace": ""}}}, {"rules": [{**RULE, "operations": ["*", "X"]}]},
    {"rules": [{**RULE, "resources": ["a/*", "a/b"]}]}, {"rules": [{**RULE, "scope": "x"}]},
    {"objectSelector": {"matchLabels": {"a/": "x"}}}, {"matchConditions": [{"name": "a", "expression": "... [}"}]},
    {"matchConditions": [{"name": "", "expression": "1"}]}, {"matchConditions": [{"name": "a", "expression": "x"}]},
    {"rules": [{**RULE, "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"]}]},
)  # fmt: skip


@pytest.mark.parametrize("entry", INVALID, ids=range(len(INVALID)))
@pytest.mark.parametrize("kind", ["mutating", "validating"])
def test_configurations(sides: tuple[Side, Side], kind: str, entry: Object) -> None:
    """What is refused in a configuration, and what is warned of, is the same."""
    common = {"name": "a.test.example", "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    hook = {**common, "clientConfig": {"url": "https://x"}, **entry}
    body = {"metadata": {"name": "invalid"}, "webhooks": [hook]}
    theirs, ours = (
        told(side.api.post(f"{BASE}/{kind}webhookconfigurations?dryRun=All", json=body), side.hooks) for side in sides
    )
    assert ours == theirs
