"""What an API server is told of others behind it, and what it tells them."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver.aggregation import identity
from kube46.apiserver.aggregation.availability import problem
from kube46.apiserver.aggregation.kinds import document_of, kinds_of
from kube46.apiserver.aggregation.remotes import Remote, remotes_of
from kube46.apiserver.strategy import User

REMOTE = Remote("wardle.example.com", "v1alpha1", "ns", "api", 7443)


def stored(**spec: Any) -> bytes:
    """An APIService as it is kept."""
    service = {"namespace": "ns", "name": "api", "port": 7443}
    given = {"group": "wardle.example.com", "version": "v1alpha1", "service": service} | spec
    conditions = [{"type": "Available", "status": "True"}]
    return json.dumps({"spec": given, "status": {"conditions": conditions}}, separators=(",", ":")).encode()


def test_those_that_name_a_service_are_found() -> None:
    """The Service, its port, the authorities and whether it is available are read; others are left out."""
    bundle = base64.b64encode(b"PEM").decode()
    found = remotes_of([stored(caBundle=bundle), stored(service=None, version="v2"), stored(group="", version="v1")])
    wanted = Remote("wardle.example.com", "v1alpha1", "ns", "api", 7443, "PEM", available=True)
    assert found == {("wardle.example.com", "v1alpha1"): wanted}


def test_what_the_server_serves_itself_is_never_asked_elsewhere() -> None:
    """An APIService can't take a group and version of Kubernetes' own to another server."""
    assert remotes_of([stored(group="apps", version="v1"), stored(group="metrics.k8s.io", version="v1beta1")]) == {}


def test_kinds_have_their_subresources() -> None:
    """A resource with a slash is a part of the one before it."""
    listed = {"resources": [
        {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
        {"name": "flunders/status", "namespaced": True, "kind": "Flunder", "verbs": ["update"], "shortNames": None},
        {"name": "fischers", "kind": "Fischer", "verbs": None},
    ]}  # fmt: skip
    flunder, fischer = kinds_of(REMOTE, json.dumps(listed).encode())
    assert (flunder.plural, flunder.namespaced, flunder.verbs) == ("flunders", True, ("get",))
    assert [(sub.name, sub.verbs) for sub in flunder.subresources] == [("status", ("update",))]
    assert (fischer.plural, fischer.verbs, fischer.subresources) == ("fischers", (), ())


def test_the_document_of_its_group_alone() -> None:
    """Of an index of OpenAPI documents only that of the group and version is taken over."""
    place = "/openapi/v3/apis/wardle.example.com/v1alpha1?hash=A"
    index = {"apis/wardle.example.com/v1alpha1": {"serverRelativeURL": place}, "api/v1": {"serverRelativeURL": "/no"}}
    assert document_of(REMOTE, json.dumps({"paths": index}).encode()) == place
    assert document_of(REMOTE, b'{"paths":{}}') == ""


def test_clients_can_not_say_who_they_are() -> None:
    """What a client says in the headers that name users is taken away."""
    given = [(b"x-remote-user", b"root"), (b"x-remote-extra-a", b"b"), (b"x-remote-group", b"g"), (b"accept", b"*/*")]
    user = User("jane", ("devs", "system:authenticated"), "7", {"Some.Key/%": ["v"]})
    assert identity.told(given, user) == [
        (b"accept", b"*/*"), (b"x-remote-user", b"jane"), (b"x-remote-uid", b"7"), (b"x-remote-group", b"devs"),
        (b"x-remote-group", b"system:authenticated"), (b"x-remote-extra-some.key%2f%25", b"v"),
    ]  # fmt: skip


@given(st.text(), st.text())
def test_a_name_is_never_another_header(name: str, key: str) -> None:
    """Whatever a user's name and extra keys hold, no line of the request ends there."""
    for header, value in identity.headers(User(name, extra={key: [name]})):
        assert not set(b"\r\n\0") & set(header + value)
        assert b":" not in header


SLICE = {"endpoints": [{"addresses": ["192.0.2.1"]}], "ports": [{"name": "https", "port": 443}]}
SERVICE = {"spec": {"ports": [{"port": 7443, "name": "https"}]}}


@pytest.mark.parametrize(
    ("service", "slices", "reason"),
    [
        (None, [], "ServiceNotFound"),
        ({"spec": {"ports": [{"port": 443}]}}, [SLICE], "ServicePortError"),
        (SERVICE, [], "EndpointsNotFound"),
        (SERVICE, [SLICE | {"ports": [{"name": "http", "port": 80}]}], "MissingEndpoints"),
        (SERVICE, [SLICE | {"endpoints": [{"conditions": {"ready": False}}]}], "MissingEndpoints"),
        (SERVICE, [SLICE], ""),
        ({"spec": {"type": "NodePort"}}, [], ""),
    ],
)
def test_why_a_service_leads_nowhere(service: Any, slices: list[Any], reason: str) -> None:
    """The Service, its port and ready endpoints with that port are needed; of other types nothing is asked."""
    found = problem(REMOTE, service, slices)
    assert (found[0] if found else "") == reason
