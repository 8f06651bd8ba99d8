"""The plugin `ptp` against the kernel, and beside the reference plugin of that name."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from kube46.cni import pods
from kube46.cni.requests import Attachment
from kube46.cni.wiring import host_link
from kube46.netlink import Netlink

from .conftest import REFERENCE, Node, ping, underlay
from .frames import Tap, is_gratuitous_arp, is_unsolicited_advertisement
from .test_bridge import SUBNETS, seen

pytestmark = pytest.mark.root

DEFAULTS = {"10.244.1.0/24": "0.0.0.0/0", "fd00:10:244:1::/64": "::/0"}
GATEWAYS = {"10.244.1.0/24": "10.244.1.1", "fd00:10:244:1::/64": "fd00:10:244:1::1"}


def options(node: Node, **changes: Any) -> dict[str, Any]:
    """A ptp network with a default route of each family."""
    ipam = node.configuration()["ipam"] | {"routes": [{"dst": DEFAULTS[subnet]} for subnet in node.subnets]}
    return {"type": "ptp", "ipam": ipam} | changes


def bare(result: dict[str, Any]) -> list[str]:
    """The pod's addresses without prefix lengths."""
    return [one["address"].partition("/")[0] for one in result["ips"]]


def routes(namespace: str) -> set[tuple[str, str]]:
    """The destinations and gateways of a namespace's routes, but those of link-local addresses and multicast."""
    with Netlink(namespace) as links:
        found = {(str(one.destination), str(one.via)) for one in links.routes(None)}
    return {one for one in found if not one[0].startswith(("fe80", "ff00"))}


@pytest.mark.parametrize("family", SUBNETS)
def test_pods_of_each_setting(make_node: Callable[..., Node], family: str) -> None:
    """Pods reach gateway and each other by host routes; nothing of another family is on them or the link."""
    node = make_node(*SUBNETS[family])
    pods = node.pod(), node.pod()
    results = [node.call("ADD", pod, **options(node)) for pod in pods]

    assert [one["name"] for one in results[0]["interfaces"]] == [host_link(Attachment(pods[0], "eth0")), "eth0"]
    assert {one["interface"] for one in results[0]["ips"]} == {1}
    for target in [GATEWAYS[subnet] for subnet in node.subnets] + bare(results[1]):
        assert ping(pods[0], target)
        assert ping(node.name, target)
    with Netlink(pods[0]) as pod, Netlink(node.name) as host:
        of_pod = {one.interface.version for one in pod.addresses("eth0")}
        of_link = {str(one.interface) for one in host.addresses(host_link(Attachment(pods[0], "eth0")))}
        assert not any(one.tentative for one in pod.addresses("eth0"))
    assert of_pod == {6 if ":" in subnet else 4 for subnet in node.subnets}
    hosts = {f"{GATEWAYS[subnet]}/{128 if ':' in subnet else 32}" for subnet in node.subnets}
    assert {one for one in of_link if not one.startswith("fe80")} == hosts
    assert any(one.startswith("fe80") for one in of_link) == (family != "IPv4")
    wanted = {(f"{one}/{128 if ':' in one else 32}", "None") for result in results for one in bare(result)}
    assert wanted <= routes(node.name)
    for pod, result in zip(pods, results, strict=True):
        assert node.call("CHECK", pod, **options(node), prevResult=result) == {}
    for _ in range(2):
        for pod in pods:
            assert node.call("DEL", pod, **options(node)) == {}
    assert node.links() == {"lo"}
    assert node.addresses() == node.masqueraded() == set()
    assert not wanted & routes(node.name)


def test_masquerading_and_mtu(make_node: Callable[..., Node]) -> None:
    """Outside a pod is seen with the node's address, by neighbours with its own; packets beyond the MTU don't pass."""
    node, outside = make_node(*SUBNETS["dual"]), make_node()
    underlay(node, outside)
    pod, neighbour = node.pod(), node.pod()
    result = node.call("ADD", pod, **options(node, mtu=1400))
    other = node.call("ADD", neighbour, **options(node, mtu=1400))
    assert seen(outside.name, pod, "10.46.0.12") == "10.46.0.11"
    assert seen(outside.name, pod, "fd46::12") == "fd46::11"
    for own, target in zip(bare(result), bare(other), strict=True):
        assert seen(neighbour, pod, target) == own
        for size, passes in ((1400, True), (1401, False)):
            data = str(size - (48 if ":" in target else 28))
            wait = "-W5" if passes else "-W0.1"
            command = ["ip", "netns", "exec", pod, "ping", "-n", "-c1", wait, "-M", "do", "-s", data, target]
            assert (subprocess.run(command, capture_output=True, check=False).returncode == 0) is passes


def test_a_new_pod_announces_itself(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """ADD ends with a gratuitous ARP and an unsolicited advertisement, which the node's end hears."""
    pod = node.pod()
    name = host_link(Attachment(pod, "eth0"))
    heard: list[Tap] = []
    announce = pods.announce

    def listening(*arguments: Any) -> None:
        heard.append(Tap(node.name, name))  # the link is made by the ADD itself
        announce(*arguments)

    monkeypatch.setattr(pods, "announce", listening)
    result = node.call("ADD", pod, **options(node))
    mac = result["interfaces"][1]["mac"]
    wanted = [
        (is_unsolicited_advertisement if ":" in address else is_gratuitous_arp)(address, mac)
        for address in bare(result)
    ]
    arrived = heard[0].until(wanted)
    heard[0].close()
    assert all(any(map(check, arrived)) for check in wanted)


@pytest.mark.parametrize("family", SUBNETS)
def test_as_the_reference(make_node: Callable[..., Node], family: str) -> None:
    """Result, pod's routes and node's routes are the reference's, but for names, MAC addresses and link-local ones."""
    ours, theirs = make_node(*SUBNETS[family]), make_node(*SUBNETS[family])
    mine, other = ours.pod(), theirs.pod()
    plain = {"cniVersion": "1.0.0", "ipMasq": False, "dns": {"nameservers": ["fd00::53"], "search": ["a.example"]}}
    first = ours.call("ADD", mine, **options(ours, **plain))
    second = theirs.execute(REFERENCE / "ptp", "ADD", other, **options(theirs, **plain))
    assert first["dns"] == plain["dns"]
    for result in (first, second):
        assert result["interfaces"].pop(0)["name"].startswith("veth")
        for one in result["interfaces"]:
            del one["mac"], one["sandbox"]
    assert first == second
    assert routes(mine) == routes(other)
    assert routes(ours.name) == routes(theirs.name)
    assert ours.execute(REFERENCE / "ptp", "DEL", mine, **options(ours, **plain)) == {}
    assert theirs.call("DEL", other, **options(theirs, **plain)) == {}
    assert ours.links() == theirs.links() == {"lo"}
    assert ours.addresses() == theirs.addresses() == set()


def test_check_sees_damage(node: Node) -> None:
    """CHECK fails, saying why, when the host's route, its gateway address, or the link's state is gone."""
    damages: list[tuple[Callable[[Netlink, str], object], str]] = [
        (lambda host, name: host.delete_route("fd00:10:244:1::2/128", None, name, 0), "no route to fd00:10:244:1::2"),
        (lambda host, name: host.delete_address(name, "10.244.1.1/32"), "no address 10.244.1.1"),
        (lambda host, name: host.set_down(name), "is down"),
        (lambda host, name: host.delete_link(name), "is missing"),
    ]
    pod = node.pod()
    result = node.call("ADD", pod, **options(node))
    for damage, reason in damages:
        with Netlink(node.name) as host:
            damage(host, host_link(Attachment(pod, "eth0")))
        found = node.call("CHECK", pod, **options(node), prevResult=result)
        assert found["code"] == 100
        assert reason in found["details"]


@pytest.mark.parametrize(
    ("ipam", "code", "word"),
    [
        ({}, 7, "ipam.type"),
        ({"type": "static", "addresses": [{"address": "10.9.0.5/24"}]}, 7, "has no gateway"),
        ({"type": "nosuch"}, 7, "nosuch"),
    ],
    ids=["no IPAM", "no gateway", "unknown IPAM"],
)
def test_configurations_that_cannot_work(node: Node, ipam: dict[str, Any], code: int, word: str) -> None:
    """What ptp cannot do is refused by name, and nothing is left."""
    found = node.call("ADD", node.pod(), cniVersion="1.0.0", type="ptp", ipam=ipam)
    assert found["code"] == code
    assert word in found["details"]
    assert node.links() == {"lo"}


def test_garbage_and_status(node: Node) -> None:
    """GC removes links, elements and addresses of attachments that are not listed; STATUS asks the IPAM plugin."""
    kept, stale = node.pod(), node.pod()
    for pod in (kept, stale):
        node.call("ADD", pod, **options(node))
    valid = {"cni.dev/valid-attachments": [{"containerID": kept, "ifname": "eth0"}]}
    assert node.call("GC", "", **options(node), **valid) == {}
    assert node.links() == {"lo", host_link(Attachment(kept, "eth0"))}
    assert node.masqueraded() == node.addresses() == {"10.244.1.2", "fd00:10:244:1::2"}
    assert node.call("STATUS", "", **options(node)) == {}
    small = {"type": "host-local", "dataDir": str(node.data / "other"), "ranges": [[{"subnet": "10.9.0.0/30"}]]}
    node.call("ADD", node.pod(), **options(node, ipam=small, name="small"))
    assert node.call("STATUS", "", **options(node, ipam=small, name="small"))["code"] == 50


def test_a_stale_link_of_a_killed_add(node: Node) -> None:
    """What an ADD that was killed has left is taken over by the same ADD."""
    pod = node.pod()
    name = host_link(Attachment(pod, "eth0"))
    with Netlink(node.name) as host:
        host.veth(name, "other")
    result = node.call("ADD", pod, **options(node))
    assert all(ping(pod, GATEWAYS[subnet]) for subnet in node.subnets)
    assert node.call("CHECK", pod, **options(node), prevResult=result) == {}
    assert node.links() == {"lo", name}
