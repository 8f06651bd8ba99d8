"""The connectivity matrix of each family setting."""

from collections.abc import Callable

import pytest

from e2e.conftest import SETTINGS, Cluster

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]


@pytest.mark.parametrize("families", SETTINGS)
def test_up_ends_with_a_green_matrix(clusters: Callable[[str], Cluster], families: str) -> None:
    """`up` tells nodes, pools, the context and what to try, and its matrix has ticks for each family, no crosses."""
    cluster = clusters(families)
    output = (cluster.home / f"{cluster.name}.up").read_text()
    for text in (
        "node1",
        "node2",
        f"kube46-{cluster.name}",
        "kubectl",
        "10.244.0.0/16" if "ipv4" in families else "fd00:10:244::/56",
    ):
        assert text in output
    assert "✔" in output
    assert "✘" not in output
    for family in ("ipv4", "ipv6"):
        present = any(line.lower().startswith(family) and "NodePort" in line for line in output.splitlines())
        assert present == (family in families)


@pytest.mark.parametrize("families", SETTINGS)
def test_check_again(clusters: Callable[[str], Cluster], families: str) -> None:
    """A later check passes too, with every kind of cell there."""
    report = clusters(families).matrix()
    assert [cell for cell in report["cells"] if cell["failures"]] == []
    assert report["passed"]
    assert {cell["target"] for cell in report["cells"]} == {
        "pod here", "pod there", "ClusterIP", "NodePort", "name", "headless", "hairpin", "UDP", "large",
    }  # fmt: skip
    assert [name.lower() for name in report["families"]] == families.split(",")


def test_a_single_family_cluster_has_nothing_of_the_other(clusters: Callable[[str], Cluster]) -> None:
    """No IPv4 address but loopback's and no IPv4 route on the nodes of an IPv6-only cluster, and the reverse."""
    for families, flag in (("ipv6", "-4"), ("ipv4", "-6")):
        cluster = clusters(families)
        for place in ("cp", "node1", "node2"):
            addresses = cluster.shell(place, "ip", flag, "-o", "address", "show", "scope", "global")
            assert addresses == "", (families, place, addresses)
            routes = cluster.shell(place, "ip", flag, "route", "show", "default")
            assert routes == "", (families, place, routes)
