"""Clusters of other sizes, ranges and names, side by side."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from e2e.conftest import Cluster

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
PID = os.getpid()

# name → (families, flags, ranges of pods and Services)
SHAPES = {
    f"r-4-{PID}": (
        "ipv4,ipv6",
        ("--nodes", "4", "--pod-cidr", "10.128.0.0/20,fd12:3456:a::/48", "--service-cidr", "172.20.0.0/24,fd99::/108"),
        ("10.128.", "fd12:3456:a:", "172.20.0.", "fd99::"),
    ),
    f"r1{'x' * 10}-{PID}"[:20]: (
        "ipv6",
        ("--nodes", "1", "--pod-cidr", "fd77::/64", "--service-cidr", "fd78::/64"),
        ("fd77::", "fd78::"),
    ),
    # The very ranges of the cluster beside it: clusters share nothing.
    f"r{PID}": ("ipv6,ipv4", ("--nodes", "1"), ("10.244.", "fd00:10:244:", "10.96.", "fd00:10:96:")),
}  # fmt: skip


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cluster]]:
    """All started at the same moment."""
    home: Path = tmp_path_factory.mktemp("home")
    made = {name: Cluster(name, tuple(about[0].split(",")), home) for name, about in SHAPES.items()}
    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda name: made[name].up(*SHAPES[name][1]), made))
        yield made
    finally:
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda cluster: cluster.down(), made.values()))


@pytest.mark.parametrize("name", SHAPES, ids=("four nodes", "a long name", "the same ranges"))
def test_a_shape_works(shapes: dict[str, Cluster], name: str) -> None:
    """Its matrix is green, and its addresses come from the ranges that were asked for."""
    cluster, (_, flags, starts) = shapes[name], SHAPES[name]
    nodes = cluster.get("nodes")["items"]
    assert len(nodes) == int(flags[1])
    given = [cidr for node in nodes for cidr in node["spec"]["podCIDRs"]]
    given += cluster.get("-n", "kube-system", "service", "kube-dns")["spec"]["clusterIPs"]
    assert all(address.startswith(starts) for address in given)
    assert {start for start in starts for address in given if address.startswith(start)} == set(starts)
    report = cluster.matrix_is_green()
    assert len([cell for cell in report["cells"] if cell["target"] == "NodePort"]) == (2 * len(nodes) + 1) * len(
        report["families"]
    )


def test_the_end_of_one_is_not_the_others(shapes: dict[str, Cluster]) -> None:
    """`down` of one leaves the others' nodes, contexts and matrices alone."""
    first, second, third = shapes.values()
    second.run("kube46", "down", "--name", second.name)
    contexts = first.run("kubectl", "config", "get-contexts", "-o", "name").split()
    assert f"kube46-{second.name}" not in contexts
    assert {f"kube46-{first.name}", f"kube46-{third.name}"} <= set(contexts)
    third.matrix_is_green()
    assert "Ready" in first.kubectl("get", "nodes")
