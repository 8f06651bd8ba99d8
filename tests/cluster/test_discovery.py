"""What clients find out about the server before they do anything: the same as on kube-apiserver."""

from pathlib import Path
from typing import Any

import pytest

from cluster.upstream import Upstream
from kube46.apiserver.discovery import AGGREGATED
from server.running import Server

# metrics.k8s.io is served without an aggregation layer
OURS = {"metrics.k8s.io"}
# of discovery itself, which OpenAPI describes upstream only
LISTS = {"APIGroup", "APIGroupList", "APIVersions", "GroupVersionForDiscovery", "Info", "ServerAddressByClientCIDR"}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """kube46's server of this module."""
    running = Server(tmp_path_factory.mktemp("ours")).start()
    yield running
    assert running.stop() == 0


def read(server: Server, path: str, accept: str = "application/json") -> Any:
    """A document, decoded."""
    with server.client() as client:
        answer = client.get(path, headers={"accept": accept})
        assert answer.status_code == 200, answer.text
        return answer.json()


def groups(server: Server) -> list[Any]:
    """All groups but those that are served by one server only."""
    return [group for group in read(server, "/apis")["groups"] if group["name"] not in OURS]


def test_groups(ours: Server, upstream: Upstream) -> None:
    """The same groups and versions, in the same order."""
    assert groups(ours) == groups(upstream)


def test_resources(ours: Server, upstream: Upstream) -> None:
    """The same kinds: verbs, short names, categories, subresources, hashes of storage versions, in the same order."""
    paths = [f"/apis/{v['groupVersion']}" for group in groups(upstream) for v in group["versions"]]
    for path in ("/api/v1", *paths):
        assert read(ours, path) == read(upstream, path), path


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_aggregated(ours: Server, upstream: Upstream, path: str) -> None:
    """All at once, as kubectl asks."""
    found, wanted = (read(server, path, AGGREGATED)["items"] for server in (ours, upstream))
    assert [group for group in found if group["metadata"].get("name") not in OURS] == wanted


def test_version(ours: Server, upstream: Upstream) -> None:
    """The release is the same but for its build, so that clients take no detour for an older server."""
    found, wanted = (read(server, "/version") for server in (ours, upstream))
    for version in (found, wanted):
        for name in ("gitCommit", "gitTreeState", "goVersion", "compiler", "gitVersion"):
            del version[name]
    assert found == wanted


def test_tables_have_the_same_columns(ours: Server, upstream: Upstream) -> None:
    """`kubectl get` of every kind: the same columns with the same texts."""
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    paths = ["/api/v1", *(f"/apis/{v['groupVersion']}" for group in groups(upstream) for v in group["versions"])]
    for path in paths:
        for kind in read(upstream, path)["resources"]:
            if "list" in kind["verbs"]:
                place = f"{path}/{kind['name']}"
                columns = [read(server, place, table)["columnDefinitions"] for server in (ours, upstream)]
                assert columns[0] == columns[1], place


def test_objects_of_every_cluster(ours: Server, tmp_path: Path) -> None:
    """A new server has the same APIServices, FlowSchemas, PriorityLevelConfigurations and PriorityClasses."""
    fresh = Upstream(tmp_path).start()  # the shared one has what other tests made
    flow = "/apis/flowcontrol.apiserver.k8s.io/v1"
    for path in (
        "/apis/apiregistration.k8s.io/v1/apiservices", f"{flow}/flowschemas", f"{flow}/prioritylevelconfigurations",
        "/apis/scheduling.k8s.io/v1/priorityclasses", "/api/v1/namespaces", "/api/v1/componentstatuses",
    ):  # fmt: skip
        found, wanted = ({_name(one): _content(one) for one in read(s, path)["items"]} for s in (ours, fresh))
        assert {name: one for name, one in found.items() if not name.endswith("metrics.k8s.io")} == wanted
    assert fresh.stop() == 0


def _name(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def _content(obj: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    meta = {key: obj["metadata"].get(key) for key in ("labels", "annotations", "generation")}
    conditions = [
        {key: value for key, value in one.items() if key != "lastTransitionTime"}
        for one in (obj.get("status") or {}).get("conditions") or ()
    ]
    return {**kept, **meta, "conditions": conditions}


def test_schemas(ours: Server, upstream: Upstream) -> None:
    """OpenAPI describes each type with the same fields, texts, defaults and enumerations, in both versions."""
    found, wanted = (read(server, "/openapi/v2")["definitions"] for server in (ours, upstream))
    own = {name for name in wanted if name.rpartition(".")[2] not in LISTS}
    assert {name for name in own if found.get(name) != wanted[name]} == set()
    for group in groups(upstream):
        for version in group["versions"]:
            path = f"/openapi/v3/apis/{version['groupVersion']}"
            found, wanted = (read(server, path)["components"]["schemas"] for server in (ours, upstream))
            assert found == wanted, path
