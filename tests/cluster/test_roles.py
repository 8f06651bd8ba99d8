"""Random roles and bindings: both servers say the same of what somebody may do then."""

from __future__ import annotations

import itertools
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from cluster.roles import API, GROUP, RIGHTS, SPACES, USERS, Question, Rights
from cluster.test_discovery import ours
from patience import patient

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from cluster.upstream import Upstream
    from server.running import Server

__all__ = ["ours"]
REVIEWS = "/apis/authorization.k8s.io/v1"
COLLECTIONS = tuple(f"/apis/{API}/namespaces/{space}/{kind}" for space in SPACES for kind in ("roles", "rolebindings"))
COLLECTIONS += (f"/apis/{API}/clusterroles", f"/apis/{API}/clusterrolebindings")
GRANT = re.compile(r'RBAC: allowed by (ClusterRoleBinding|RoleBinding) "[^"]*" of (ClusterRole|Role) "[^"]*" to .*')
PHASES = (Phase.generate,)  # an example takes a third of a second, its shrinking would take minutes
_numbers = itertools.count()


class Rules:
    """A client that replaces all random rights, and asks as somebody."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        for space in SPACES:
            client.post("/api/v1/namespaces", json={"metadata": {"name": space}})

    def hold(self, rights: Rights) -> list[Any]:
        """The answers to all questions with these rights, and no others but the server's own."""
        self._forget()
        codes = [self._make(one) for one in rights.objects]
        self._settle(f"settled{next(_numbers)}")
        return [codes, *(self._ask(question) for question in rights.questions)]

    def close(self) -> None:
        """Leave none of them behind."""
        self._forget()

    def _forget(self) -> None:
        for collection in COLLECTIONS:
            assert self._client.delete(collection, params={"labelSelector": "roles"}).status_code == 200

    def _make(self, one: dict[str, Any]) -> int:
        space = one["metadata"].get("namespace")
        where = f"/apis/{API}/" + (f"namespaces/{space}/" if space else "") + f"{one['kind'].lower()}s"
        return int(self._client.post(where, json=one).status_code)

    def _settle(self, verb: str) -> None:
        """kube-apiserver reads each of the four kinds behind its writes: wait until it knows of the last of each."""
        meta = {"name": verb, "labels": {"roles": "settled"}}
        rule = {"apiGroups": ["settled"], "resources": ["settled"], "verbs": [verb]}
        subject = {"kind": "User", "name": verb, "apiGroup": GROUP}
        for kind, space in (("Role", SPACES[-1]), ("ClusterRole", "")):
            place = {"namespace": space} if space else {}
            role = {"apiVersion": API, "kind": kind, "metadata": meta | place, "rules": [rule]}
            ref = {"apiGroup": GROUP, "kind": kind, "name": verb}
            made = role | {"kind": f"{kind}Binding", "roleRef": ref, "subjects": [subject]}
            made.pop("rules")
            assert (self._make(role), self._make(made)) == (201, 201)
            spec = {"resourceAttributes": {"verb": verb, "group": "settled", "resource": "settled", **place}}
            end = time.monotonic() + patient(20)
            # the ClusterRole would answer for the Role, too: it is made after that was seen
            while not self._ask(Question(verb, spec)).get("allowed"):
                assert time.monotonic() < end, "the server does not see its roles"
                time.sleep(0.005)

    def _ask(self, question: Question) -> dict[str, Any]:
        groups = USERS.get(question.user, ("system:authenticated",))
        headers = [("Impersonate-User", question.user), *(("Impersonate-Group", group) for group in groups)]
        answer = self._client.post(f"{REVIEWS}/{question.plural}", json={"spec": question.spec}, headers=headers)
        content = answer.json()
        return _shown(content["status"]) if answer.status_code == 201 else {"refused": content["message"]}


def _shown(status: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the order of Go's maps, in which upstream looks for rules and bindings."""
    for kind in ("resourceRules", "nonResourceRules"):
        status[kind] = sorted(json.dumps(rule, sort_keys=True) for rule in status.get(kind) or ())
    for field in ("reason", "evaluationError"):
        text = GRANT.sub(r"RBAC: allowed by \1 of \2", status.get(field, ""))
        status[field] = sorted(re.split(r", |\[|\]", text))
    return status


@pytest.fixture(scope="module")
def pair(ours: Server, upstream: Upstream) -> Iterator[tuple[Rules, Rules]]:
    """Both servers."""
    with ours.client() as one, upstream.client() as other:
        made = Rules(one), Rules(other)
        yield made
        for rules in made:
            rules.close()


def test_both_say_the_same(pair: tuple[Rules, Rules], pytestconfig: pytest.Config) -> None:
    """Allowed or not, by which kinds of binding and role, which rules, and which roles are missing."""
    count, chosen = pytestconfig.getoption("--roles"), pytestconfig.getoption("--roles-seed")

    @seed(chosen)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=PHASES)
    @given(RIGHTS)
    def same(rights: Rights) -> None:
        with ThreadPoolExecutor(2) as pool:
            own, real = pool.map(lambda rules: rules.hold(rights), pair)
        asked = ["objects", *rights.questions]
        differing = [trio for trio in zip(asked, own, real, strict=True) if trio[1] != trio[2]]
        assert not differing, rights.objects

    same()
