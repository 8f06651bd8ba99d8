"""Together with the reference plugins of Debian's containernetworking-plugins: the same directory, both directions."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from kube46.netlink import Netlink

from .conftest import REFERENCE, Node, ping

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not (REFERENCE / "host-local").exists(), reason="containernetworking-plugins is not installed"),
]

PLAIN: dict[str, Any] = {"cniVersion": "1.0.0", "ipMasq": False}


def test_host_local_in_one_directory(node: Node) -> None:
    """Ours and the reference's host-local in turn give distinct addresses, see and release each other's."""
    reference = REFERENCE / "host-local"
    pods = [f"k46t-f-{number}" for number in range(6)]
    results = [
        node.execute(reference, "ADD", pod, **PLAIN)
        if number % 2
        else node.call("ADD", pod, type="host-local", **PLAIN)
        for number, pod in enumerate(pods)
    ]
    assert [one["ips"][0]["address"] for one in results] == [f"10.244.1.{last}/24" for last in range(2, 8)]
    assert [one["ips"][1]["address"] for one in results] == [f"fd00:10:244:1::{last}/64" for last in range(2, 8)]
    for number, pod in enumerate(pods):
        assert node.execute(reference, "CHECK", pod, **PLAIN) == {}
        assert node.call("CHECK", pod, type="host-local", **PLAIN) == {}
        duplicate = [
            node.execute(reference, "ADD", pod, **PLAIN),
            node.call("ADD", pod, type="host-local", **PLAIN),
        ]
        assert all("code" in one for one in duplicate)
        if number % 2:
            assert node.call("DEL", pod, type="host-local", **PLAIN) == {}
        else:
            assert node.execute(reference, "DEL", pod, **PLAIN) == {}
    assert node.addresses() == set()


@pytest.mark.parametrize(
    "subnets",
    [["10.244.1.0/24"], ["fd00:10:244:1::/64"], ["10.244.1.0/24", "fd00:10:244:1::/64"]],
    ids=["IPv4", "IPv6", "dual"],
)
def test_results_are_alike(make_node: Callable[..., Node], subnets: list[str]) -> None:
    """For the same configuration our bridge's result and pod are the reference's, but for names and MAC addresses."""
    ours, theirs = make_node(*subnets), make_node(*subnets)
    mine, other = ours.pod(), theirs.pod()
    first = ours.call("ADD", mine, **PLAIN)
    second = theirs.execute(REFERENCE / "bridge", "ADD", other, **PLAIN)

    for result in (first, second):
        for one in result["interfaces"]:
            one.pop("mac")
            one.pop("sandbox", None)
        assert result["interfaces"].pop(1)["name"].startswith("veth")
    assert first == second
    with Netlink(mine) as one, Netlink(other) as two:
        assert routes(one) == routes(two)


def routes(pod: Netlink) -> set[tuple[str, str, int]]:
    """A pod's routes, but those of link-local addresses and multicast."""
    found = {(str(one.destination), str(one.via), one.protocol) for one in pod.routes(None)}
    return {one for one in found if not one[0].startswith(("fe80", "ff00"))}


def test_pods_of_both_on_one_bridge(node: Node) -> None:
    """A node is taken over in place: pods of the reference plugin and ours reach each other, and each can be deleted
    by the other plugin.
    """
    old, new = node.pod(), node.pod()
    first = node.execute(REFERENCE / "bridge", "ADD", old, **PLAIN)
    second = node.call("ADD", new, **PLAIN)
    for one in second["ips"]:
        assert ping(old, one["address"].partition("/")[0])
    assert node.call("CHECK", old, prevResult=first, **PLAIN) == {}
    assert node.execute(REFERENCE / "bridge", "CHECK", new, prevResult=second, **PLAIN) == {}
    assert node.call("DEL", old, **PLAIN) == {}
    assert node.execute(REFERENCE / "bridge", "DEL", new, **PLAIN) == {}
    assert node.links() == {"lo", "cni0"}
    assert node.addresses() == set()


def test_our_bridge_with_their_ipam_plugin(node: Node) -> None:
    """The reference's `static` IPAM plugin, executed, is what gives a pod its address."""
    pod = node.pod()
    addresses = [{"address": "fd55::5/64", "gateway": "fd55::1"}]
    result = node.call("ADD", pod, **PLAIN, ipam={"type": "static", "addresses": addresses})

    assert [one["address"] for one in result["ips"]] == ["fd55::5/64"]
    assert ping(pod, "fd55::1")
    assert node.call("DEL", pod, **PLAIN, ipam={"type": "static", "addresses": addresses}) == {}


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
def test_results_of_each_version_are_alike(make_node: Callable[..., Node], plugin: str, version: str) -> None:
    """In each version that the reference speaks, ADD's results are alike, and each takes the other's in CHECK."""
    ours, theirs = (make_node("10.244.1.0/24", "fd00:10:244:1::/64") for _ in range(2))
    mine, other = ours.pod(), theirs.pod()
    options = PLAIN | {"cniVersion": version, "type": plugin, "dns": {"nameservers": ["fd00::53"]}}
    first = ours.call("ADD", mine, **options)
    second = theirs.execute(REFERENCE / plugin, "ADD", other, **options)
    if version != "0.3.1":
        assert ours.execute(REFERENCE / plugin, "CHECK", mine, prevResult=first, **options) == {}
        assert theirs.call("CHECK", other, prevResult=second, **options) == {}
    for result in (first, second):
        for one in result["interfaces"]:
            del one["mac"]
            one.pop("sandbox", None)
            one["name"] = one["name"][:4]
    assert first == second


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0"])
def test_a_chain_with_their_plugins(node: Node, version: str) -> None:
    """After our bridge, the reference's `tuning` and our portmap: CHECK of each passes with the final result."""
    pod = node.pod()
    plain = {"cniVersion": version}
    tuning = {"type": "tuning", "mac": "02:00:00:00:00:09", "mtu": 1400, "dataDir": str(node.data / "tuning")} | plain
    mapping = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
    ports = {"type": "portmap", "runtimeConfig": {"portMappings": [mapping]}} | plain
    tuned = node.execute(REFERENCE / "tuning", "ADD", pod, prevResult=node.call("ADD", pod, **plain), **tuning)
    final = node.call("ADD", pod, prevResult=tuned, **ports)

    assert final == tuned
    assert final["interfaces"][2]["mac"] == "02:00:00:00:00:09"
    assert node.execute(REFERENCE / "tuning", "CHECK", pod, prevResult=final, **tuning) == {}
    for verb in ("CHECK", "DEL"):
        assert node.call(verb, pod, prevResult=final, **ports) == {}
        assert node.call(verb, pod, prevResult=final, **plain) == {}
    assert node.links() == {"lo", "cni0"}
    assert node.addresses() == set()


@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
def test_nothing_of_a_family_that_is_not_configured(make_node: Callable[..., Node], plugin: str) -> None:
    """An IPv4-only pod of ours has no IPv6 address, the reference's has a link-local one. IPv6-only: alike."""
    for subnet, (mine, others) in {"10.244.1.0/24": ({4}, {4, 6}), "fd00::/64": ({6}, {6})}.items():
        node = make_node(subnet)
        own, other = node.pod(), node.pod()
        assert "ips" in node.call("ADD", own, **PLAIN | {"type": plugin})
        assert "ips" in node.execute(REFERENCE / plugin, "ADD", other, **PLAIN | {"type": plugin})
        deadline = time.monotonic() + 60
        while versions(other) != others:  # the kernel makes a link-local address when it notices the carrier
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert versions(own) == mine


def versions(pod: str) -> set[int]:
    """The IP versions of the addresses of a pod's interface."""
    with Netlink(pod) as links:
        return {one.interface.version for one in links.addresses("eth0")}
