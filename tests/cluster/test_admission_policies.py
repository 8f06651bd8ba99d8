"""Admission policies on both servers: what can't be stored is refused in the same words, and requests judged alike."""

from __future__ import annotations

import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cluster import policies
from cluster.test_discovery import ours
from patience import patient

if TYPE_CHECKING:
    import httpx2

    from cluster.policies import Case
    from cluster.upstream import Upstream
    from server.running import Server

__all__ = ["ours"]
Object = dict[str, Any]
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
PLACES = {
    "Deployment": "/apis/apps/v1", "ConfigMap": "/api/v1", "Pod": "/api/v1",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2",
}  # fmt: skip
CHOSEN = ("volumeMounts", "uid", "creationTimestamp", "managedFields", "generation", "resourceVersion")


def both(ask: Any, *servers: Server) -> list[Any]:
    """What both servers say to the same questions, asked at the same time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(ask, servers))


def test_what_can_not_be_stored(ours: Server, upstream: Upstream) -> None:
    """The same causes, word for word and in the same order: expressions, rules, selectors, references."""

    def ask(server: Server) -> list[tuple[int, Object]]:
        with server.client() as client:
            return [answered(client, sort, spec) for sort, spec in policies.REFUSED]

    def answered(client: httpx2.Client, sort: str, spec: Object) -> tuple[int, Object]:
        body = {"metadata": {"name": "refused.example.org"}, "spec": spec}
        answer = client.post(f"{REGISTRATION}/{sort}?dryRun=All", json=body)
        return answer.status_code, answer.json()

    mine, theirs = both(ask, ours, upstream)
    assert {code for code, _ in theirs} == {422}
    different = [
        (spec, one, other) for spec, one, other in zip(policies.REFUSED, mine, theirs, strict=True) if one != other
    ]
    assert not different, json.dumps(different[:3], indent=1)


@pytest.mark.usefixtures("_cleaned")
def test_requests_are_judged_alike(ours: Server, upstream: Upstream) -> None:
    """The same refusals, warnings and objects for each policy with its bindings and parameters."""

    def ask(server: Server) -> list[list[Any]]:
        with server.client() as client:
            for case in policies.CASES:
                prepare(client, case)
            in_force(client)
            return [[asked(client, case, obj) for obj in case.asked] for case in policies.CASES]

    mine, theirs = both(ask, ours, upstream)
    different = [
        (case.name, one, other) for case, one, other in zip(policies.CASES, mine, theirs, strict=True) if one != other
    ]
    assert not different, json.dumps(different[:3], indent=1)


@pytest.mark.usefixtures("_cleaned")
def test_every_operation_is_shown_alike(ours: Server, upstream: Upstream) -> None:
    """Of each way to write, to a subresource too, and of connections, policies see the same on both servers."""
    spec = policies.validating(
        {"expression": "false", "messageExpression": policies.SEEN.replace("\n", " ")}, rule=policies.EVERY
    )
    things = (policies.settings({"a": "b"}), policies.pod(), policies.deployment(), policies.SCALER)
    case = policies.Case("operations", spec, (), before=things)

    def ask(server: Server) -> list[Any]:
        with server.client() as client:
            prepare(client, case)
            in_force(client)
            return [answered(client, *operation) for operation in policies.OPERATIONS]

    def answered(client: httpx2.Client, method: str, path: str, body: Any, kind: str) -> tuple[str, int, str]:
        headers = {"content-type": kind} if kind else {}
        answer = client.request(method, path, json=body, headers=headers)
        return f"{method} {path}", answer.status_code, answer.json()["message"]

    mine, theirs = both(ask, ours, upstream)
    assert {code for _, code, _ in theirs} == {422}
    assert mine == theirs


def place(case: Case, kind: str) -> str:
    """Where objects of a kind are made."""
    return f"{PLACES[kind]}/namespaces/policies-{case.name}/{kind.lower()}s"


def prepare(client: httpx2.Client, case: Case) -> None:
    """A namespace for the case, with its objects, policies and bindings."""
    meta = {"name": f"policies-{case.name}", "labels": {"case": case.name}}
    made(client, "/api/v1/namespaces", {"metadata": meta})
    accounts = f"/api/v1/namespaces/{meta['name']}/serviceaccounts"
    made(client, accounts, {"metadata": {"name": "default"}})
    for obj in case.before:
        made(client, place(case, obj["kind"]), obj)
    for number, spec in enumerate((case.spec, *case.more)):
        bound(client, f"{case.name}-{number}", copy.deepcopy(spec), {"case": case.name}, case)


def bound(client: httpx2.Client, name: str, spec: Object, labels: dict[str, str], case: Case) -> None:
    """A policy for namespaces with these labels, and its bindings."""
    sort = "mutating" if case.mutating else "validating"
    spec["matchConstraints"]["namespaceSelector"] = {"matchLabels": labels}
    meta = {"name": f"{name}.example.org", "labels": {"made": "here"}}
    made(client, f"{REGISTRATION}/{sort}admissionpolicies", {"metadata": meta, "spec": spec})
    for number, binding in enumerate(case.bindings):
        actions = {} if case.mutating else {"validationActions": ["Deny"]}
        spec = {"policyName": f"{name}.example.org", **actions, **binding}
        body = {"metadata": {"name": f"{name}-{number}", "labels": {"made": "here"}}, "spec": spec}
        made(client, f"{REGISTRATION}/{sort}admissionpolicybindings", body)


def made(client: httpx2.Client, path: str, body: Object) -> None:
    """An object that is new, without a warning of a policy."""
    answer = client.post(path, json=body)
    assert (answer.status_code, "olic" in answer.headers.get("warning", "")) == (201, False), answer.text


def in_force(client: httpx2.Client) -> None:
    """Return when the policies made last are asked: the real server looks at them once a second, at all together."""
    rule, new = {**policies.MAPS, "operations": ["CREATE"]}, (policies.settings(),)
    patch = policies.patching("[JSONPatch{op: 'remove', path: '/x'}]", rule=rule)
    validating = policies.Case("zz-last-v", policies.validating("false", rule=rule), new)
    for case in (validating, policies.Case("zz-last-m", patch, new, mutating=True)):
        prepare(client, case)
        path, end = f"{place(case, 'ConfigMap')}?dryRun=All", time.monotonic() + patient(15)
        while client.post(path, json=case.asked[0]).status_code == 201:
            assert time.monotonic() < end
            time.sleep(0.05)


def asked(client: httpx2.Client, case: Case, obj: Object) -> list[Any]:
    """What comes of an object that is created in a dry run."""
    answer = client.post(f"{place(case, obj['kind'])}?dryRun=All", json=obj)
    name = obj["metadata"].get("generateName")
    body = answer.text if name is None else answer.text.replace(generated(answer.json()), f"{name}GENERATED")
    return [answer.status_code, shown(json.loads(body)), answer.headers.get_list("warning")]


def generated(body: Object) -> str:
    """The name in an answer."""
    return str((body.get("details") or body["metadata"])["name"])


def shown(value: Any) -> Any:
    """Without what each server chooses."""
    if isinstance(value, dict):
        return {name: shown(inner) for name, inner in value.items() if name not in CHOSEN and not volumes(name, inner)}
    return [shown(inner) for inner in value] if isinstance(value, list) else value


def volumes(name: str, value: Any) -> bool:
    """Whether it is a pod's list of volumes, which have names of their own."""
    return name == "volumes" and isinstance(value, list)


@pytest.fixture
def _cleaned(ours: Server, upstream: Upstream) -> Any:
    """The real server serves other tests, too: nothing outlives this one."""
    yield
    both(clean, ours, upstream)


def clean(server: Server) -> None:
    """Remove what `prepare` made; where no controller ends namespaces, they end by themselves without finalizers."""
    with server.client() as client:
        for sort in ("validating", "mutating"):
            for plural in (f"{sort}admissionpolicybindings", f"{sort}admissionpolicies"):
                gone(client, f"{REGISTRATION}/{plural}", {"labelSelector": "made=here"})
        listed = client.get("/api/v1/namespaces", params={"labelSelector": "case"}).json()["items"]
        for namespace in listed:
            name = namespace["metadata"]["name"]
            for kinds in ("/api/v1 configmaps", "/api/v1 serviceaccounts", "/api/v1 pods", "/apis/apps/v1 deployments"):
                root, plural = kinds.split()
                gone(client, f"{root}/namespaces/{name}/{plural}")
            gone(client, f"/apis/autoscaling/v2/namespaces/{name}/horizontalpodautoscalers")
            path = f"/api/v1/namespaces/{name}"
            gone(client, path)
            found = client.get(path).json()
            client.put(f"{path}/finalize", json={**found, "spec": {"finalizers": []}})


def gone(client: httpx2.Client, path: str, params: dict[str, str] | None = None) -> None:
    """Delete; the real server may for a second yet ask a policy that is gone."""
    end = time.monotonic() + patient(15)
    while (answer := client.delete(path, params=params)).status_code != 200:
        assert (answer.status_code, time.monotonic() < end) == (422, True), answer.text
        time.sleep(0.05)
