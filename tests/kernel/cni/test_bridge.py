"""The plugin `bridge` against the kernel."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kube46.cni.errors import CniError, Code
from kube46.cni.requests import Attachment
from kube46.cni.spoofing import SpoofChecks
from kube46.cni.tables import Tables
from kube46.cni.wiring import host_link
from kube46.netlink import Netlink, namespaces
from patience import patient

from .conftest import Node, ping

pytestmark = pytest.mark.root

SUBNETS = {
    "IPv4": ["10.244.1.0/24"],
    "IPv6": ["fd00:10:244:1::/64"],
    "dual": ["10.244.1.0/24", "fd00:10:244:1::/64"],
}


def of(family: str, values: dict[str, str]) -> list[str]:
    """The values of a setting's families."""
    return [value for key, value in values.items() if family in (key, "dual")]


@pytest.mark.parametrize("family", SUBNETS)
def test_pods_of_each_setting(make_node: Callable[..., Node], family: str) -> None:
    """Pods reach their gateway and each other over their families, and have nothing of another but on lo."""
    node = make_node(*SUBNETS[family])
    first, second = node.pod(), node.pod()
    results = [node.call("ADD", pod) for pod in (first, second)]

    assert [len(result["ips"]) for result in results] == [len(SUBNETS[family])] * 2
    for target in of(family, {"IPv4": "10.244.1.1", "IPv6": "fd00:10:244:1::1"}):
        assert ping(first, target)
    for one in results[1]["ips"]:
        assert ping(first, one["address"].partition("/")[0])
    with Netlink(first) as pod:
        versions = {one.interface.version for one in pod.addresses("eth0")}
        routes = {str(route.destination) for route in pod.routes(None)}
        assert not any(one.tentative for one in pod.addresses("eth0"))
    assert versions == {{"IPv4": 4, "IPv6": 6}[one] for one in ("IPv4", "IPv6") if family in (one, "dual")}
    assert ("0.0.0.0/0" in routes, "::/0" in routes) == (family != "IPv6", family != "IPv4")
    with Netlink(node.name) as host:
        on_node = {one.interface.version for one in host.addresses("cni0")}
        assert on_node == versions
        assert host.addresses(host_link(Attachment(first, "eth0"))) == []


def test_delete_leaves_nothing(node: Node) -> None:
    """After DEL the node has no link, address, masqueraded element or file of the pod; a second DEL is no error."""
    before = node.links()
    pods = [node.pod(), node.pod()]
    for pod in pods:
        assert "code" not in node.call("ADD", pod)
    assert len(node.masqueraded()) == len(node.addresses()) == 4
    for _ in range(2):
        for pod in pods:
            assert node.call("DEL", pod) == {}

    assert node.links() == before | {"cni0"}
    assert node.addresses() == node.masqueraded() == set()
    with Netlink(pods[0]) as pod_links:
        assert [link.name for link in pod_links.links()] == ["lo"]


@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
@pytest.mark.parametrize("netns", ["", "/run/netns/k46t-f-gone", "/etc/hostname", "own"])
def test_delete_without_the_namespace(node: Node, netns: str, plugin: str) -> None:
    """DEL removes everything too when the namespace is gone, never was one, or is the node's; its own link stays."""
    pod = node.pod()
    assert "ips" in node.call("ADD", pod, type=plugin)
    path = f"/run/netns/{node.name}" if netns == "own" else netns
    with Netlink(node.name) as host:
        host.veth("eth0", "other")

    assert node.call("DEL", pod, type=plugin, env={"CNI_NETNS": path}) == {}
    assert node.links() - {"cni0"} == {"lo", "eth0", "other"}
    assert node.addresses() == node.masqueraded() == set()


def test_an_old_delete_does_not_hit_the_addresss_new_owner(node: Node) -> None:
    """A repeated DEL of a pod whose address another has now leaves that one's masquerading alone."""
    old, new = node.pod(), node.pod()
    result = node.call("ADD", old)
    node.call("DEL", old)
    for name in ("last_reserved_ip.0", "last_reserved_ip.1"):
        (node.data / "net" / name).unlink()
    assert node.call("ADD", new)["ips"] == result["ips"]
    node.call("DEL", old, prevResult=result)

    assert node.masqueraded() == {"10.244.1.2", "fd00:10:244:1::2"} == node.addresses()


def test_a_delete_of_another_container_leaves_the_interface(node: Node) -> None:
    """A DEL in a pod's namespace that names a container which is not there takes no interface of the one that is."""
    pod = node.pod()
    result = node.call("ADD", pod)
    assert node.call("DEL", pod, env={"CNI_CONTAINERID": "other"}) == {}
    assert node.call("CHECK", pod, prevResult=result) == {}
    assert node.call("DEL", pod) == {}
    with Netlink(pod) as inside:
        assert [link.name for link in inside.links()] == ["lo"]


@pytest.mark.parametrize("family", SUBNETS)
def test_check_sees_damage(make_node: Callable[..., Node], family: str) -> None:
    """CHECK passes after ADD, and fails, saying why, after each kind of damage."""
    node = make_node(*SUBNETS[family])
    six = family != "IPv4"
    address, default, gateway = (
        ("fd00:10:244:1::2/64", "::/0", "fd00:10:244:1::1/64")
        if six
        else ("10.244.1.2/24", "0.0.0.0/0", "10.244.1.1/24")
    )

    def damage(step: int, pod: str, host: Netlink, inside: Netlink) -> str:
        link = host_link(Attachment(pod, "eth0"))
        match step:
            case 0:
                inside.delete_route(default, protocol=0)
                return "no route"
            case 1:
                inside.delete_address("eth0", address)
                return "no address"
            case 2:
                inside.set_down("eth0")
                return "down"
            case 3:
                host.set_master(link, None)
                return "no port"
            case 4:
                host.delete_link(link)
                return "missing"
            case 5:
                host.delete_address("cni0", gateway)
                return "no address"
            case 6:
                assert node.masquerading
                node.masquerading.remove([address.partition("/")[0]])
                return "not masqueraded"
            case _:
                (node.data / "net" / address.partition("/")[0]).unlink()
                (node.data / "net" / "10.244.1.2").unlink(missing_ok=True)
                return "has none"

    for step in range(8):
        pod = node.pod()
        result = node.call("ADD", pod, ipam=_restarted(node))
        assert node.call("CHECK", pod, prevResult=result) == {}
        with Netlink(node.name) as host, Netlink(pod) as inside:
            reason = damage(step, pod, host, inside)
        found = node.call("CHECK", pod, prevResult=result)
        assert found["code"] == 100, step
        assert reason in found["details"], (step, found)
        node.call("DEL", pod)
        with Netlink(node.name) as host:
            host.delete_link("cni0")
    assert node.call("CHECK", node.pod())["code"] in (7, 100)


def _restarted(node: Node) -> Any:
    """The ipam configuration, the assignment beginning anew at the first address."""
    for name in ("last_reserved_ip.0", "last_reserved_ip.1"):
        (node.data / "net" / name).unlink(missing_ok=True)
    return node.configuration()["ipam"]


def test_a_taken_interface_name(node: Node) -> None:
    """ADD for an interface that exists is refused and leaves the existing attachment whole."""
    pod = node.pod()
    result = node.call("ADD", pod)
    assert node.call("ADD", pod)["code"] == 102
    assert node.call("ADD", pod, env={"CNI_CONTAINERID": "other"})["code"] == 102

    assert node.call("CHECK", pod, prevResult=result) == {}
    assert len(node.addresses()) == 2


FULL = {"ipam": {"type": "host-local", "ranges": [[{"subnet": "fd09::/64"}], [{"subnet": "10.9.0.0/30"}]]}}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/31"}]]}}, 7),
        ({"ipam": {"type": "nosuch"}}, 7),
        ({"ipam": {"type": "../bridge"}}, 7),
        ({"bridge": "dummy"}, 7),
        (FULL, 11),
        (FULL | {"type": "ptp", "ipMasq": True}, 11),
        ({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}, {"subnet": "fd09::/64"}]]}}, 7),
        ({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}], [{"subnet": "10.9.0.0/25"}]]}}, 7),
        ({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24", "gateway": "fd09::1"}]]}}, 7),
        ({"runtimeConfig": {"ips": ["10.250.0.1"]}}, 7),
        ({"runtimeConfig": {"mac": "01:00:00:00:00:01"}}, 7),
        ({"args": {"cni": {"mac": "nonsense"}}}, 7),
        ({"mtu": 1279}, 7),
        ({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24", "gateway": "10.8.0.1"}]]}}, 101),
    ],
    ids=str,
)
def test_what_fails_half_way_is_undone(node: Node, changes: dict[str, Any], code: int) -> None:
    """An ADD that fails, early or late, leaves no link, address or element; the pod's namespace stays empty."""
    with Netlink(node.name) as host:
        host.veth("dummy", "dummy2")
    pod = node.pod()
    if "ipam" in changes and changes["ipam"]["type"] == "host-local":
        changes["ipam"]["dataDir"] = str(node.data)
    other = node.pod()
    if code == 11:  # the only address of a range set is another pod's
        assert "ips" in node.call("ADD", other, **changes)

    assert node.call("ADD", pod, **changes)["code"] == code
    if code == 11:
        assert node.call("DEL", other, **changes) == {}
    assert node.links() - {"cni0"} == {"lo", "dummy", "dummy2"}
    assert node.addresses() == set()
    with Netlink(pod) as inside:
        assert [link.name for link in inside.links()] == ["lo"]


@pytest.mark.parametrize(
    ("netns", "code"), [("/run/netns/k46t-f-none", 3), ("/etc/hostname", 4), ("own", 4), ("k46t-f-relative", 3)]
)
def test_namespaces_that_are_none(node: Node, netns: str, code: int) -> None:
    """ADD into a path that is no container's namespace is refused before anything is made."""
    path = f"/run/netns/{node.name}" if netns == "own" else netns

    assert node.call("ADD", "pod", env={"CNI_NETNS": path})["code"] == code
    assert node.links() == {"lo"}
    assert node.addresses() == set()


def test_options_of_the_bridge(make_node: Callable[..., Node]) -> None:
    """mtu, mac, promiscMode, hairpinMode, portIsolation and enabledad are what the kernel then has."""
    node = make_node(*SUBNETS["dual"])
    pod = node.pod()
    mac = "02:11:22:33:44:55"
    result = node.call("ADD", pod, mtu=1400, runtimeConfig={"mac": mac}, portIsolation=True, enabledad=True)
    link = host_link(Attachment(pod, "eth0"))
    with Netlink(pod) as inside, Netlink(node.name) as host:
        eth, port, bridge = inside.link("eth0"), host.link(link), host.link("cni0")
        assert inside.sysctl("net/ipv6/conf/eth0/accept_dad") == "1"
    assert eth and port and bridge
    assert (eth.mtu, port.mtu, bridge.mtu, eth.hardware_address) == (1400, 1400, 1400, mac)
    assert [one["mtu"] for one in result["interfaces"]] == [1400] * 3
    shown = subprocess.run(
        ["bridge", "-d", "-n", node.name, "link", "show", "dev", link], capture_output=True, text=True, check=True
    ).stdout
    assert "hairpin on" in shown
    assert "isolated on" in shown
    promiscuous = {"bridge": "cni1", "promiscMode": True, "hairpinMode": False, "isDefaultGateway": False}
    assert "code" not in node.call("ADD", node.pod(), **promiscuous)
    with Netlink(node.name) as host:
        second = host.link("cni1")
        assert second and second.promiscuous
        assert host.addresses("cni1") == []


def test_force_address(make_node: Callable[..., Node]) -> None:
    """A bridge with another IPv4 address is refused, and given the right one with forceAddress."""
    node = make_node("10.244.1.0/24")
    with Netlink(node.name) as host:
        host.bridge("cni0")
        host.add_address("cni0", "10.99.0.1/24")
        assert node.call("ADD", node.pod())["code"] == 102
        assert node.addresses() == set()
        assert "code" not in node.call("ADD", node.pod(), forceAddress=True)
        found = [str(one.interface) for one in host.addresses("cni0") if one.interface.version == 4]
        assert found == ["10.244.1.1/24"]


def test_layer_two_only(node: Node) -> None:
    """Without ipam the pod gets an interface that is up, without address; with disableContainerInterface down."""
    pods = node.pod(), node.pod()
    assert node.call("ADD", pods[0], ipam={})["ips"] == []
    assert node.call("ADD", pods[1], ipam={}, disableContainerInterface=True)["ips"] == []
    with Netlink(pods[0]) as first, Netlink(pods[1]) as second:
        up, down = first.link("eth0"), second.link("eth0")
    assert up and up.up
    assert down and not down.up
    for pod in pods:
        assert node.call("DEL", pod, ipam={}) == {}
    assert node.links() == {"lo", "cni0"}


def test_garbage_collection(node: Node) -> None:
    """GC removes links, elements and addresses of attachments that are not listed, of this network only."""
    kept, stale, foreign = node.pod(), node.pod(), node.pod()
    for pod in (kept, stale):
        node.call("ADD", pod)
    other = {"name": "other", "bridge": "cni1", "ipMasq": False}
    node.call("ADD", foreign, **other)
    valid = {"cni.dev/valid-attachments": [{"containerID": kept, "ifname": "eth0"}]}
    assert node.call("GC", kept, **valid) == {}

    links = {host_link(Attachment(pod, "eth0")) for pod in (kept, foreign)}
    assert node.links() == {"lo", "cni0", "cni1"} | links
    assert node.masqueraded() == node.addresses()
    assert len(node.addresses()) == 2


def test_garbage_of_pods_whose_namespace_is_gone(node: Node) -> None:
    """A link goes with its pod's namespace; GC then removes what was for it, and leaves what is for links that are."""
    options = {"macspoofchk": True}
    kept, gone = node.pod(), node.pod()
    for pod in (kept, gone):
        node.call("ADD", pod, **options)
    links, stale = node.links(), host_link(Attachment(gone, "eth0"))
    namespaces.delete(gone)
    deadline = time.monotonic() + patient(30)
    while stale in node.links():  # the kernel takes a namespace down when nobody uses it any more
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(node.masqueraded()) == 4
    result = {"cni.dev/valid-attachments": [{"containerID": kept, "ifname": "eth0"}]}

    assert node.call("GC", kept, **options, **result) == {}
    assert node.links() == links - {stale}
    assert node.masqueraded() == node.addresses()
    assert len(node.addresses()) == 2
    assert node.masquerading is not None
    assert {link for link, _ in SpoofChecks(node.masquerading.tables).allowed()} == {
        host_link(Attachment(kept, "eth0"))
    }


def test_removal_goes_as_far_as_it_can(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """DEL and GC go on when nftables refuses and answer with its error; repeated, they clear up the rest."""
    first, second = node.pod(), node.pod()
    for pod in (first, second):
        node.call("ADD", pod)
    none: dict[str, Any] = {"cni.dev/valid-attachments": []}

    def refuse(*_: object) -> None:
        raise CniError(Code.KERNEL_REFUSED, "nftables refused a change")

    with monkeypatch.context() as broken:
        broken.setattr(Tables, "run", refuse)
        broken.setattr(Tables, "listed", refuse)
        assert node.call("DEL", first)["code"] == 101
        assert node.links() == {"lo", "cni0", host_link(Attachment(second, "eth0"))}
        assert len(node.addresses()) == 2
        assert node.call("GC", second, **none)["code"] == 101
    assert node.links() == {"lo", "cni0"}
    assert node.addresses() == set()
    assert len(node.masqueraded()) == 4
    assert node.call("DEL", first) == {}
    assert len(node.masqueraded()) == 2
    assert node.call("GC", second, **none) == {}
    assert node.masqueraded() == set()


@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
def test_a_link_too_small_for_ipv6(make_node: Callable[..., Node], plugin: str) -> None:
    """With an MTU below 1280, where the kernel has no IPv6, IPv4 pods work; pods with IPv6 are refused."""
    ipv4, both = make_node(*SUBNETS["IPv4"]), make_node(*SUBNETS["dual"])
    pod, other = ipv4.pod(), both.pod()

    assert "ips" in ipv4.call("ADD", pod, type=plugin, mtu=1000)
    assert ping(pod, "10.244.1.1")
    with Netlink(pod) as inside:
        assert {link.name: link.mtu for link in inside.links()}["eth0"] == 1000
    refused = both.call("ADD", other, type=plugin, mtu=1000)
    assert refused["code"] == 7
    assert "mtu" in refused["details"]
    assert (both.links(), both.addresses()) == ({"lo"}, set())


@pytest.mark.parametrize(
    ("first", "second"),
    [("10.244.0.0/16", "10.244.7.0/24"), ("10.244.0.0/24", "10.244.0.0/16")],
    ids=["inside", "around"],
)
def test_networks_that_overlap(make_node: Callable[..., Node], first: str, second: str) -> None:
    """Subnets of two networks, or one before and after it is widened, may overlap: pods of both are masqueraded."""
    node = make_node(first)
    ipam = {
        "type": "host-local",
        "dataDir": str(node.data),
        "ranges": [[{"subnet": second, "rangeStart": "10.244.7.7"}]],
    }
    pods = node.pod(), node.pod(), node.pod()
    results = [
        node.call("ADD", pods[0]),
        node.call("ADD", pods[1], name="second", bridge="cni1", ipam=ipam),
        node.call("ADD", pods[2]),
    ]

    assert node.masqueraded() == {one["ips"][0]["address"].partition("/")[0] for one in results}
    near = node.inside(lambda: node.masquerading.tables.listed("list set inet kube46-cni near4"))  # type: ignore[union-attr]
    larger = {"prefix": {"addr": "10.244.0.0", "len": 16}}
    assert [entry["set"]["elem"] for entry in near] == [[{"concat": [larger, larger]}]]


def test_two_subnets_of_one_family_on_a_bridge(make_node: Callable[..., Node]) -> None:
    """An ADD that was killed between two gateways of a family leaves one; the next ADD makes the other."""
    node = make_node("10.1.0.0/24", "10.2.0.0/24")
    node.call("ADD", node.pod())
    with Netlink(node.name) as host:
        host.delete_address("cni0", "10.2.0.1/24")
    pod = node.pod()

    assert len(node.call("ADD", pod)["ips"]) == 2
    assert ping(pod, "10.2.0.1")


def test_names_of_any_length(node: Node) -> None:
    """A network's name and a container's id may be longer than a link's description; GC tells networks apart."""
    long = {"name": "n" * 250, "bridge": "cni1", "ipam": {}}
    env = {"CNI_CONTAINERID": "c" * 250}
    pod = node.pod()
    none: dict[str, Any] = {"cni.dev/valid-attachments": []}

    assert "interfaces" in node.call("ADD", pod, env=env, **long)
    before = node.links()
    assert node.call("GC", pod, **none, **long | {"name": "n" * 249}) == {}
    assert node.links() == before
    assert node.call("GC", pod, **none, **long) == {}
    assert node.links() == {"lo", "cni1"}


def test_status(make_node: Callable[..., Node]) -> None:
    """STATUS fails when the addresses are exhausted, and when the bridge's name is another link's."""
    node = make_node("10.244.1.0/30", "fd00::/126")
    assert node.call("STATUS", "x") == {}
    node.call("ADD", node.pod())
    assert node.call("STATUS", "x")["code"] == 50
    with Netlink(node.name) as host:
        host.veth("taken", "taken2")
    assert node.call("STATUS", "x", bridge="taken")["code"] == 50


def test_older_versions(node: Node) -> None:
    """Each version's result is written and understood by CHECK; VERSION lists them."""
    versions = node.call("VERSION", "x")["supportedVersions"]
    assert versions == ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
    for version in versions:
        pod = node.pod()
        result = node.call("ADD", pod, cniVersion=version)
        assert result["cniVersion"] == version
        if version >= "0.4.0":
            assert node.call("CHECK", pod, cniVersion=version, prevResult=result) == {}
        assert node.call("DEL", pod, cniVersion=version, prevResult=result) == {}


def test_a_delegated_ipam_plugin(node: Node, tmp_path: Path) -> None:
    """Another IPAM plugin is executed: its addresses are used, its refusal passed on, its release called after both."""
    plugin = tmp_path / "fixed"
    log = tmp_path / "log"
    result = {"cniVersion": "1.0.0", "ips": [{"address": "fd77::7/64", "gateway": "fd77::1"}]}
    plugin.write_text(
        f"#!/bin/sh\ncat > /dev/null\necho $CNI_COMMAND >> {log}\n"
        f"[ $CNI_COMMAND = ADD ] || exit 0\n[ -e {tmp_path}/full ] || exec echo '{json.dumps(result)}'\n"
        """echo '{"code": 77, "msg": "full", "details": "no more"}'; exit 1\n"""
    )
    plugin.chmod(0o755)
    pod, late = node.pod(), node.pod()
    env = {"CNI_PATH": f"/nonexistent:{tmp_path}"}
    assert node.call("ADD", pod, env=env, ipam={"type": "fixed"})["ips"][0]["address"] == "fd77::7/64"
    assert node.masqueraded() == {"fd77::7"}
    assert node.call("DEL", pod, env=env, ipam={"type": "fixed"}) == {}
    assert node.masqueraded() == set()
    (tmp_path / "full").touch()
    refused = node.call("ADD", late, env=env, ipam={"type": "fixed"})

    assert (refused["code"], refused["msg"], refused["details"]) == (77, "full", "no more")
    assert log.read_text().split() == ["ADD", "DEL", "ADD", "DEL"]
    assert node.links() == {"lo", "cni0"}


def test_masquerading(make_node: Callable[..., Node]) -> None:
    """Outside, a pod is seen with the node's address; in the cluster's pod prefixes and its own, with its own."""
    from kube46.addresses.families import Family
    from kube46.addresses.prefixes import parse

    from .conftest import underlay

    node, outside = make_node(*SUBNETS["dual"]), make_node()
    underlay(node, outside)
    pod, neighbour = node.pod(), node.pod()
    own = {6 if ":" in one["address"] else 4: one["address"].partition("/")[0] for one in node.call("ADD", pod)["ips"]}
    node.call("ADD", neighbour)
    with Netlink(outside.name) as far:
        far.replace_route("10.244.1.0/24", "10.46.0.11")
        far.replace_route("fd00:10:244:1::/64", "fd46::11")
    cases = {4: ("10.46.0.12", "10.46.0.11", "10.46.0.0/24"), 6: ("fd46::12", "fd46::11", "fd46::/64")}
    for version, (target, node_address, _) in cases.items():
        assert seen(outside.name, pod, target) == node_address, version
    assert seen(neighbour, pod, "10.244.1.3") == own[4]
    assert seen(neighbour, pod, "fd00:10:244:1::3") == own[6]
    assert node.masquerading
    node.masquerading.set_cluster({Family.IPV4: [parse(cases[4][2])], Family.IPV6: [parse(cases[6][2])]})
    for version, (target, _, _) in cases.items():
        assert seen(outside.name, pod, target) == own[version]


@pytest.mark.parametrize("subnets", [SUBNETS["dual"], SUBNETS["dual"][:1], SUBNETS["dual"][1:]], ids=str)
def test_routed_pods_meet_the_nodes_rules(make_node: Callable[..., Node], subnets: list[str]) -> None:
    """Neighbours see each other's own address, but every packet between them is forwarded by the node."""
    node = make_node(*subnets)
    pods = node.pod(), node.pod()
    results = [node.call("ADD", pod, routed=True, portIsolation=True, hairpinMode=False) for pod in pods]
    nft = ["ip", "netns", "exec", node.name, "nft"]
    for line in (
        "add table inet t",
        "add chain inet t c { type filter hook forward priority 0; }",
        "add rule inet t c counter",
    ):
        subprocess.run([*nft, line], check=True)

    for first, second in zip(results[0]["ips"], results[1]["ips"], strict=True):
        own, target = (one["address"].partition("/")[0] for one in (first, second))
        assert seen(pods[1], pods[0], target) == own

    listed = subprocess.run(
        [*nft, "list", "chain", "inet", "t", "c"], capture_output=True, text=True, check=True
    ).stdout
    assert "packets 0 " not in listed
    neighbours = ["ip", "-n", pods[0], "neighbour", "show", "nud", "reachable"]
    shown = subprocess.run(neighbours, capture_output=True, text=True, check=True).stdout
    assert not [one for one in results[1]["ips"] if one["address"].partition("/")[0] in shown]
    for pod, result in zip(pods, results, strict=True):
        assert node.call("CHECK", pod, routed=True, portIsolation=True, hairpinMode=False, prevResult=result) == {}
        assert node.call("DEL", pod, routed=True) == {}


def seen(server: str, client: str, target: str) -> str:
    """The address that a server in a namespace sees when a client in another connects to it over TCP."""
    import socket

    family = socket.AF_INET6 if ":" in target else socket.AF_INET

    def listening() -> socket.socket:
        return socket.create_server((target, 0), family=family)

    with namespaces.open_sockets_in(server, listening) as listener:
        port = listener.getsockname()[1]
        with namespaces.open_sockets_in(client, lambda: socket.create_connection((target, port), timeout=5)):
            connection, peer = listener.accept()
            connection.close()
    return str(peer[0])


def test_the_table_is_made_anew(node: Node) -> None:
    """An ADD after somebody deleted the table makes it whole again; a DEL without it is no error."""
    first, second = node.pod(), node.pod()
    node.call("ADD", first)
    flush = ["ip", "netns", "exec", node.name, "nft", "delete", "table", "inet", "kube46-cni"]
    subprocess.run(flush, check=True)
    assert node.call("DEL", first) == {}
    assert "code" not in node.call("ADD", second)
    assert len(node.masqueraded()) == 2
    listed = subprocess.run(
        [*flush[:5], "list", "table", "inet", "kube46-cni"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.count("masquerade") == 2


def test_a_killed_add_is_cleared_by_delete(node: Node) -> None:
    """Whatever an ADD had made when it was killed, DEL removes, and the same ADD then works."""
    for step in ("set_hairpin", "set_alias", "add_address", "replace_route"):
        pod = node.pod()
        child = os.fork()
        if child == 0:
            setattr(Netlink, step, lambda *_, **__: os.kill(os.getpid(), 9))
            node.masquerading = None
            node.call("ADD", pod)
            os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == 9
        assert node.call("DEL", pod) == {}
        assert node.addresses() == set()
        assert node.links() - {"cni0"} == {"lo"}
        assert "code" not in node.call("ADD", pod)
        node.call("DEL", pod)
