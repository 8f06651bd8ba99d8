# ruff: noqa: E501 – tables of cases are read across
"""Discovery names every kind once, in v1 and aggregated form, as kube-apiserver does."""

from __future__ import annotations

import json

import pytest

from kube46.apiserver.discovery import AGGREGATED, Discovery, etag
from kube46.apiserver.kinds import KINDS

DISCOVERY = Discovery(KINDS, "10.46.0.1:6443")
KUBECTL = f"{AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"


def get(path: str, accept: str = "application/json") -> dict:  # type: ignore[type-arg]
    """A document, decoded."""
    document = DISCOVERY.answer(path, accept)
    assert document is not None
    return json.loads(document.body)  # type: ignore[no-any-return]


def test_core() -> None:
    """/api names v1 and the server's address, /api/v1 the core kinds by name with their subresources behind them."""
    assert get("/api") == {
        "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.46.0.1:6443"}],
    }  # fmt: skip
    listed = get("/api/v1")
    names = [resource["name"] for resource in listed["resources"]]
    assert names == sorted(names)
    assert listed["groupVersion"] == "v1" and "apiVersion" not in listed
    service = next(r for r in listed["resources"] if r["name"] == "services")
    assert service == {
        "name": "services", "singularName": "service", "namespaced": True, "kind": "Service", "shortNames": ["svc"], "categories": ["all"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"], "storageVersionHash": "0/CO1lhkEBI=",
    }  # fmt: skip


def test_groups() -> None:
    """/apis lists the groups by upstream's priority, each with one preferred version; /apis/G repeats it."""
    groups = get("/apis")["groups"]
    assert [g["name"] for g in groups[:2]] == ["apiregistration.k8s.io", "apps"]
    assert {g["name"] for g in groups} == {k.group for k in KINDS if k.group}
    for group in groups:
        assert get(f"/apis/{group['name']}") == {"kind": "APIGroup", "apiVersion": "v1", **group}


def test_subresource_of_another_kind() -> None:
    """deployments/scale says that its body is autoscaling/v1 Scale."""
    scale = next(r for r in get("/apis/apps/v1")["resources"] if r["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"], scale["singularName"]) == (
        "autoscaling",
        "v1",
        "Scale",
        "",
    )


@pytest.mark.parametrize(("path", "core"), [("/api", True), ("/apis", False)])
def test_aggregated(path: str, core: bool) -> None:
    """What kubectl asks for first answers with every kind of the path in one document, marked with its hash."""
    document = DISCOVERY.answer(path, KUBECTL)
    assert document is not None
    assert (document.content_type, document.etag, document.headers["Vary"]) == (
        AGGREGATED,
        etag(document.body),
        "Accept",
    )
    found = {
        (group["metadata"].get("name", ""), version["version"], resource["resource"])
        for group in json.loads(document.body)["items"] for version in group["versions"] for resource in version["resources"]
    }  # fmt: skip
    assert found == {(k.group, k.version, k.plural) for k in KINDS if (k.group == "") is core}


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        f"application/json,{AGGREGATED}",
        AGGREGATED.replace("v=v2", "v=v3") + ",application/json",
    ],
)
def test_plain_discovery_for_plain_clients(accept: str) -> None:
    """Clients that do not ask for aggregated discovery first get the old form."""
    assert get("/apis", accept)["kind"] == "APIGroupList"


def test_unknown_paths() -> None:
    """A path that discovery does not know is left to the server's 404."""
    assert DISCOVERY.answer("/apis/none", "") is None
    assert DISCOVERY.answer("/api/v2", "") is None
