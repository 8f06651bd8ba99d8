"""What tests of the stand-alone loops share: an API server with nodes and kubelets, and all loops."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.controllers.cluster import ALL, Cluster, Kubelets


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with two ready nodes and their kubelets."""
    with Cluster(Path(tmp_path_factory.mktemp("api"))) as cluster:
        for name in ("node1", "node2"):
            cluster.node(name, labels={"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"z-{name}"})
        with Kubelets(cluster, lambda pod: pod["metadata"].get("labels", {}).get("ready") != "never"):
            yield cluster


@pytest.fixture(scope="module")
def cluster(server: Cluster) -> Iterator[Cluster]:
    """The server with all loops running."""
    with server.controllers(ALL):
        yield server


@pytest.fixture
def namespace(server: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "").lower()[:60].strip("-")
    server.create("/api/v1/namespaces", {"metadata": {"name": name}})
    return name
