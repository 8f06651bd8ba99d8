"""What the options of the plugin `bridge` do to packets."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from kube46.netlink import Netlink, NetlinkError

from .conftest import Node, ping
from .frames import (
    BROADCAST,
    carries,
    is_duplicate_detection,
    is_gratuitous_arp,
    is_unsolicited_advertisement,
    tap,
)

pytestmark = pytest.mark.root


def mac_of(result: dict[str, Any]) -> str:
    """The MAC address of the pod's interface, from the result of its ADD."""
    return str(next(one["mac"] for one in result["interfaces"] if "sandbox" in one))


def bare(result: dict[str, Any]) -> list[str]:
    """The pod's addresses without prefix lengths."""
    return [one["address"].partition("/")[0] for one in result["ips"]]


@pytest.mark.parametrize("subnets", [["10.244.1.0/24"], ["fd00::/64"], ["fd00::/64", "10.244.1.0/24"]], ids=str)
def test_a_new_pod_announces_itself(make_node: Callable[..., Node], subnets: list[str]) -> None:
    """During ADD the others get a gratuitous ARP and an unsolicited advertisement, of the pod's families only."""
    node = make_node(*subnets)
    witness, pod = node.pod(), node.pod()
    node.call("ADD", witness)
    with tap(witness) as seen:
        result = node.call("ADD", pod)
        wanted = [
            (is_unsolicited_advertisement if ":" in address else is_gratuitous_arp)(address, mac_of(result))
            for address in bare(result)
        ]
        arrived = seen.until(wanted)
    assert all(any(map(check, arrived)) for check in wanted)
    if not any(":" in subnet for subnet in subnets):
        pods_own = bytes.fromhex(mac_of(result).replace(":", ""))
        assert not any(data[12:14] == b"\x86\xdd" and data[6:12] == pods_own for data in arrived)


def test_hairpin(node: Node) -> None:
    """With hairpinMode a pod gets its own broadcast back from the bridge, without it not."""
    for hairpin in (True, False):
        pod, witness = node.pod(), node.pod()
        mac = mac_of(node.call("ADD", pod, hairpinMode=hairpin))
        node.call("ADD", witness, hairpinMode=hairpin)
        with tap(pod) as own, tap(witness) as other:
            own.send(BROADCAST, mac, b"echo")
            assert other.sees(carries(b"echo"))
            assert own.sees(carries(b"echo"), 5 if hairpin else 0.1) is hairpin


def test_promiscuous(make_node: Callable[..., Node]) -> None:
    """With promiscMode the node itself sees what pods send each other, without it not."""
    for promiscuous in (True, False):
        node = make_node("10.244.1.0/24")
        options = {"hairpinMode": False, "promiscMode": promiscuous}
        pods = node.pod(), node.pod()
        macs = [mac_of(node.call("ADD", pod, **options)) for pod in pods]
        with tap(pods[0]) as first, tap(pods[1]) as second, tap(node.name, "cni0") as host:
            second.send(BROADCAST, macs[1], b"learn")
            assert first.sees(carries(b"learn"))
            first.send(macs[1], macs[0], b"private")
            assert second.sees(carries(b"private"))
            assert host.sees(carries(b"private"), 5 if promiscuous else 0.1) is promiscuous


def test_isolated_ports(node: Node) -> None:
    """With portIsolation pods reach the gateway and not each other at layer 2, in both families."""
    pods = node.pod(), node.pod()
    results = [node.call("ADD", pod, portIsolation=True) for pod in pods]
    for gateway in ("10.244.1.1", "fd00:10:244:1::1"):
        assert ping(pods[0], gateway)
    with tap(pods[0]) as first, tap(pods[1]) as second, tap(node.name, "cni0") as host:
        first.send(BROADCAST, mac_of(results[0]), b"to all")
        assert host.sees(carries(b"to all"))
        assert not second.sees(carries(b"to all"), 0.1)


def test_mac_spoofing(node: Node) -> None:
    """With macspoofchk frames from another MAC address are dropped, by one rule; CHECK, DEL and GC know it."""
    pods = node.pod(), node.pod()
    results = [node.call("ADD", pod, macspoofchk=True) for pod in pods]
    with tap(pods[0]) as first, tap(pods[1]) as second:
        first.send(BROADCAST, "02:00:00:00:00:99", b"forged")
        first.send(BROADCAST, mac_of(results[0]), b"honest")
        arrived = second.until([carries(b"honest")])
        assert carries(b"honest")(arrived[-1])
        assert not any(carries(b"forged")(data) for data in arrived)
        second.send(BROADCAST, mac_of(results[0]), b"as the other")
        second.send(BROADCAST, mac_of(results[1]), b"as itself")
        arrived = first.until([carries(b"as itself")])
        assert carries(b"as itself")(arrived[-1])
        assert not any(carries(b"as the other")(data) for data in arrived)
    assert table(node).count("drop") == 1
    assert node.call("CHECK", pods[0], macspoofchk=True, prevResult=results[0]) == {}
    assert node.call("DEL", pods[0], macspoofchk=True) == {}
    assert mac_of(results[0]) not in table(node)
    assert mac_of(results[1]) in table(node)
    nft = ["ip", "netns", "exec", node.name, "nft"]
    subprocess.run([*nft, "flush", "set", "bridge", "kube46-cni", "macs"], check=True)
    assert node.call("CHECK", pods[1], macspoofchk=True, prevResult=results[1])["code"] == 100
    subprocess.run([*nft, "delete", "table", "bridge", "kube46-cni"], check=True)
    again = node.call("ADD", pods[0], macspoofchk=True)
    assert mac_of(again) in table(node)
    assert node.call("GC", "", macspoofchk=True, **{"cni.dev/valid-attachments": []}) == {}
    assert "elements" not in table(node)


def table(node: Node) -> str:
    """The listed table of spoofing checks."""
    command = ["ip", "netns", "exec", node.name, "nft", "list", "table", "bridge", "kube46-cni"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_duplicate_detection(make_node: Callable[..., Node]) -> None:
    """With enabledad the pod asks whether its address is another's before it uses it, without it not."""
    node = make_node("fd00::/64")
    witness = node.pod()
    node.call("ADD", witness)
    for enabled in (True, False):
        with tap(witness) as seen:
            (address,) = bare(node.call("ADD", node.pod(), enabledad=enabled))
            assert seen.sees(is_duplicate_detection(address), 5 if enabled else 0.1) is enabled


def test_a_duplicate(make_node: Callable[..., Node]) -> None:
    """With enabledad an ADD of an address that another pod has fails and leaves nothing; without it nobody looks."""
    node = make_node("fd00::/64")
    (address,) = bare(node.call("ADD", node.pod()))
    before = node.links(), node.addresses()
    twice = {"type": "host-local", "dataDir": str(node.data / "other"), "ranges": [[{"subnet": "fd00::/64"}]]}
    asked = {"ipam": twice, "runtimeConfig": {"ips": [address]}}

    refused = node.call("ADD", node.pod(), enabledad=True, **asked)
    assert refused["code"] == 102
    assert address in refused["details"]
    assert (node.links(), node.addresses()) == before
    assert bare(node.call("ADD", node.pod(), **asked)) == [address]


def test_mtu(node: Node) -> None:
    """With an mtu, packets of that size pass between pods, and larger ones do not."""
    pods = node.pod(), node.pod()
    results = [node.call("ADD", pod, mtu=1400) for pod in pods]
    for target in bare(results[1]):
        headers = 48 if ":" in target else 28
        for size, passes in ((1400, True), (1401, False)):
            command = [
                "ip",
                "netns",
                "exec",
                pods[0],
                "ping",
                "-n",
                "-c1",
                "-W5" if passes else "-W0.1",
                "-M",
                "do",
                "-s",
            ]
            done = subprocess.run([*command, str(size - headers), target], capture_output=True, check=False)
            assert (done.returncode == 0) is passes, (target, size)


@pytest.mark.parametrize(
    ("asked", "mac"),
    [
        ({"env": {"CNI_ARGS": "MAC=02:00:00:00:00:01"}}, "02:00:00:00:00:01"),
        (
            {"env": {"CNI_ARGS": "MAC=02:00:00:00:00:01"}, "args": {"cni": {"mac": "02-00-00-00-00-02"}}},
            "02:00:00:00:00:02",
        ),
        (
            {"args": {"cni": {"mac": "02:00:00:00:00:02"}}, "runtimeConfig": {"mac": "0200.0000.0A03"}},
            "02:00:00:00:0a:03",
        ),
    ],
    ids=["CNI_ARGS", "args", "runtimeConfig"],
)
def test_an_asked_mac_address(node: Node, asked: dict[str, Any], mac: str) -> None:
    """The pod's frames come from the MAC address asked for; runtimeConfig wins over args, args over CNI_ARGS."""
    pod, witness = node.pod(), node.pod()
    node.call("ADD", witness)
    with tap(witness) as seen:
        result = node.call("ADD", pod, **asked)
        assert mac_of(result) == mac
        assert seen.sees(is_gratuitous_arp(bare(result)[0], mac))


def test_addresses_asked_for(node: Node) -> None:
    """Addresses of both families from runtimeConfig are the pod's, and answer."""
    pod = node.pod()
    result = node.call("ADD", pod, runtimeConfig={"ips": ["10.244.1.77", "fd00:10:244:1::77/64"]})
    assert bare(result) == ["10.244.1.77", "fd00:10:244:1::77"]
    assert all(ping(node.name, one) for one in bare(result))


def test_a_disabled_interface(node: Node) -> None:
    """With disableContainerInterface nothing leaves the pod and nothing reaches it until somebody sets it up."""
    pod, witness = node.pod(), node.pod()
    result = node.call("ADD", pod, ipam={}, disableContainerInterface=True)
    node.call("ADD", witness, ipam={})
    with Netlink(pod) as inside, tap(witness) as seen:
        link = inside.link("eth0")
        assert link and not link.up
        with tap(pod) as own, pytest.raises(OSError, match="Network is down"):
            own.send(BROADCAST, mac_of(result))
        assert not seen.sees(carries(b""), 0.1)


def test_vlans(node: Node) -> None:
    """Where the kernel's bridges know VLANs, pods of one reach each other and their gateway, and nobody else.

    Where they don't, `vlan` and `vlanTrunk` are refused by name and nothing is made.
    """
    options: dict[str, Any] = {"hairpinMode": False, "vlan": 100, "ipMasq": False}
    first, second, other = node.pod(), node.pod(), node.pod()
    if not knows_vlans(node):
        for keys in (options, {"vlanTrunk": [{"minID": 5, "maxID": 9}]}):
            refused = node.call("ADD", first, **keys)
            assert refused["code"] == 2
            assert "vlan" in refused["details"]
            assert node.links() == {"lo"}
            assert node.addresses() == set()
        return
    results = [node.call("ADD", pod, **options) for pod in (first, second)]
    node.call("ADD", other, **options | {"vlan": 200, "isDefaultGateway": False})
    assert [one["name"] for one in results[0]["interfaces"]][-1] == "cni0.100"
    for target in (*bare(results[1]), "10.244.1.1", "fd00:10:244:1::1"):
        assert ping(first, target)
    with tap(first) as one, tap(second) as two, tap(other) as apart:
        one.send(BROADCAST, mac_of(results[0]), b"of 100")
        assert two.sees(carries(b"of 100"))
        assert not apart.sees(carries(b"of 100"), 0.1)
    assert node.call("CHECK", first, **options, prevResult=results[0]) == {}
    assert node.call("DEL", first, **options) == {}


def knows_vlans(node: Node) -> bool:
    """Whether this kernel can make a bridge that tells VLANs apart."""
    with Netlink(node.name) as host:
        try:
            host.bridge("probe", vlan_filtering=True)
        except NetlinkError:
            return False
        return host.delete_link("probe")
