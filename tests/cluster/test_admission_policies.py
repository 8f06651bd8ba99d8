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
PLACES = {"Deployment": "/apis/apps/v1", "ConfigMap": "/api/v1", "Pod": "/api/v1"}
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
    """An object that is new, without a warning."""
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.headers.get("warning")) == (201, None), answer.text


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
                assert (
                    client.delete(f"{REGISTRATION}/{plural}", params={"labelSelector": "made=here"}).status_code == 200
                )
        listed = client.get("/api/v1/namespaces", params={"labelSelector": "case"}).json()["items"]
        for namespace in listed:
            path = f"/api/v1/namespaces/{namespace['metadata']['name']}"
            for plural in ("configmaps", "serviceaccounts"):
                assert client.delete(f"{path}/{plural}").status_code == 200
            assert client.delete(path).status_code == 200
            found = client.get(path).json()
            client.put(f"{path}/finalize", json={**found, "spec": {"finalizers": []}})
