"""The kernel's switches, on a directory that looks like /proc/sys."""

from pathlib import Path

import pytest

from kube46.addresses.families import Family
from kube46.proxy.sysctls import prepare


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node that forwards nothing and accepts router advertisements on eth0."""
    for name, value in {
        "net/ipv4/ip_forward": "0",
        "net/ipv6/conf/all/forwarding": "0",
        "net/ipv6/conf/eth0/accept_ra": "1",
        "net/ipv6/conf/eth1/accept_ra": "0",
        "net/bridge/bridge-nf-call-iptables": "0",
        "net/bridge/bridge-nf-call-ip6tables": "0",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value + "\n")
    return tmp_path


def values(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text().strip() for path in root.rglob("*") if path.is_file()}


def test_both_families(root: Path) -> None:
    """Forwarding and bridge calls are on; advertisements stay accepted where they were, and only there."""
    prepare(Family, root=root)
    assert values(root) == {
        "net/ipv4/ip_forward": "1",
        "net/ipv6/conf/all/forwarding": "1",
        "net/ipv6/conf/eth0/accept_ra": "2",
        "net/ipv6/conf/eth1/accept_ra": "0",
        "net/bridge/bridge-nf-call-iptables": "1",
        "net/bridge/bridge-nf-call-ip6tables": "1",
    }


def test_a_family_the_node_has_not_is_not_touched(root: Path) -> None:
    """IPv4 only: nothing of IPv6 is written."""
    before = {name: value for name, value in values(root).items() if "6" in name}
    prepare([Family.IPV4], root=root)
    assert {name: value for name, value in values(root).items() if "6" in name} == before


def test_what_is_right_is_not_written(root: Path) -> None:
    """A second pass writes nothing."""
    prepare(Family, root=root)
    for path in root.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    stamps = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    prepare(Family, root=root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == stamps


def test_routed_pods_need_no_bridge_calls(root: Path) -> None:
    """Where pods are routed, the bridge's switches stay as they are."""
    prepare(Family, bridged=False, root=root)
    assert values(root)["net/bridge/bridge-nf-call-iptables"] == "0"
    assert values(root)["net/ipv4/ip_forward"] == "1"
