"""The table beside others' and after accidents."""

import asyncio
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY

from kernel.proxy.cluster import CLIENT, NODE, PODS, ask, change_another_table
from kernel.proxy.listed import read_elements
from kube46.api.objects import EndpointPort, ServicePort
from kube46.netlink import batches, dumps
from kube46.nftables import Nft, handle
from kube46.proxy import listing, ranks
from kube46.proxy.claims import Claims, merge
from kube46.proxy.layout import PROTOCOLS, TABLE
from kube46.proxy.nftables import ProxyTable, clean, other_proxies
from unit.proxy.samples import CLUSTER_IPS, SETTINGS, pods, service, slices

if TYPE_CHECKING:
    import socket

    from kernel.proxy.conftest import Node

pytestmark = pytest.mark.root
FOREIGN = "table inet foreign { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; chain c { ip saddr @s accept; }; }"


def held(node: "Node") -> dict[tuple[str, str], str]:
    """The elements in the kernel as nft lists them; our own reading is the same."""
    listed = dict(read_elements(node.nft.list_json("list table inet kube46-proxy")))
    assert dict(node.nft.call(partial(listing.read, TABLE.name)) or {}) == listed
    return listed


def foreign() -> str:
    """Another program's table as nft writes it."""
    command = ["ip", "netns", "exec", NODE, "nft", "-a", "list", "table", "inet", "foreign"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_kernel_holds_what_is_desired_after_every_change(node: "Node") -> None:
    """Growing, shrinking and vanishing Services leave exactly the desired elements, and in the end no pick chain."""
    for ends in (pods(2, 3), pods(3), pods(), pods(2), pods(2, 3, 4, 5), pods(5)):
        node.serve(service(session_affinity="ClientIP", type="NodePort"), ends)
        assert held(node) == dict(node.claims)


def test_another_programs_table_is_untouched(node: "Node") -> None:
    """Neither changes nor clean-up alter any other table."""
    node.nft.run(FOREIGN)
    try:
        before = foreign()
        node.serve(service(), pods(2))
        node.serve(service(), pods(3))
        asyncio.run(clean(node.nft))
        assert foreign() == before
    finally:
        node.nft.run("delete table inet foreign")


@pytest.mark.parametrize(
    "accident",
    [
        "delete table inet kube46-proxy",
        "flush map inet kube46-proxy service-backend-tcp6",
        "delete element inet kube46-proxy service4 { 10.96.0.20 . tcp . 80 }",
        "add element inet kube46-proxy service4 { 10.96.0.99 . tcp . 80 : drop }",
        "flush chain inet kube46-proxy services",
        "flush chain inet kube46-proxy postrouting ; delete set inet kube46-proxy hairpin4 ; "
        "add set inet kube46-proxy hairpin4 { type inet_service ; }",
        "delete table inet kube46-proxy ; add table inet kube46-proxy ; add chain inet kube46-proxy layout-0-0",
        "delete table inet kube46-proxy ; add table inet kube46-proxy ; add chain inet kube46-proxy layout-3-14 ; "
        "add set inet kube46-proxy cluster-ips4 { type ipv6_addr ; elements = { ::1 } ; }",
        "add chain inet kube46-proxy mine ; "
        "add element inet kube46-proxy service4 { 10.96.0.98 . tcp . 80 : goto mine }",
        "add chain inet kube46-proxy mine { type filter hook forward priority 0 ; policy drop ; }",
        "add chain inet kube46-proxy a ; add chain inet kube46-proxy b ; add rule inet kube46-proxy a jump b ; "
        "add rule inet kube46-proxy services jump a",
        "add element inet kube46-proxy service6 { fd00:10:96::98 . icmp . 80 : accept }",
        "add element inet kube46-proxy pods4 { 10.9.0.1-10.9.0.6 }",
        "flush set inet kube46-proxy service-cidrs6 ; add element inet kube46-proxy service-cidrs6 { ::/0 }",
        "flush set inet kube46-proxy nodeport-ips4 ; add element inet kube46-proxy nodeport-ips4 { 0.0.0.0/0 }",
        *(
            f"flush chain inet kube46-proxy {chain} ; {' ; '.join([f'add rule inet kube46-proxy {chain} drop'] * 3)}"
            for chain in ("service-pick-tcp-1", "service-masquerade-tcp-1")
        ),
    ],
)
def test_accidents_are_repaired(node: "Node", accident: str) -> None:
    """Whatever somebody did to the table, a successor's look at it mends it, and packets flow."""
    made = service(external_ips=("198.51.100.9",))
    node.serve(made, pods(2))
    node.nft.run(accident)
    node.restart()
    node.hold(made, slices(pods(2)))
    node.apply()
    assert held(node) == dict(node.claims)
    assert ask(CLIENT, "198.51.100.9", 80)[0] == "pod2"
    for address in CLUSTER_IPS:
        assert ask(CLIENT, address, 80)[0] == "pod2"
        assert ask(PODS[2], address, 80)[0] == "pod2"


def test_a_refused_transaction_is_repaired_at_once(node: "Node") -> None:
    """A table deleted behind our back makes the next change fail; the same call puts everything back."""
    repairs = repaired()
    node.serve(service(), pods(2))
    node.nft.run("delete table inet kube46-proxy")
    node.serve(service(), pods(3))
    assert held(node) == dict(node.claims)
    assert repaired() == repairs + 1


def adopted(node: "Node") -> None:
    """A successor with a handle of its own takes over, and finds no element to change and no chain to write anew."""
    node.nft.close()
    node.nft = Nft(NODE)
    before, node.claims = node.claims, Claims()
    node.table = ProxyTable(node.nft, SETTINGS)
    for owner in before.owners():
        node.claims.replace(owner, before.of(owner))
    asyncio.run(node.table.held())
    assert not node.table._broken
    assert node.table._counts
    assert node.apply() == 0


@pytest.mark.parametrize("between", ["another process", "another handle", "a renewed context", "a successor"])
def test_no_transaction_is_refused_whatever_libnftables_has_read_back(
    node: "Node", between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chains for new counts, of each protocol, kind and scope, are taken although the cache was read from the kernel;
    libnftables 1.0.6 refuses them with maps declared by `th dport` (decision 085)."""
    node.apply()
    repairs, served = repaired(), 0
    if between == "a renewed context":
        monkeypatch.setattr(handle, "RENEW_AFTER", 1)
    with Nft(NODE) as other:
        for count in range(1, 6):
            for name, spec in KINDS.items():
                if between == "another process":
                    change_another_table()
                elif between == "another handle":
                    other.run("add table ip foreign\ndelete table ip foreign")
                elif between == "a successor":
                    adopted(node)
                addresses = (f"10.96.1.{len(name)}", f"fd00:10:96::1:{len(name):x}")
                made = service(name, ports=ports(len(name)), cluster_ips=addresses, **spec)
                node.hold(made, slices(pods(*range(2, 2 + count)), name=name, ports=ENDPOINT_PORTS))
                node.apply()
                served += 1
                assert repaired() == repairs
    assert served == 5 * len(KINDS)
    assert held(node) == dict(node.claims)
    wanted = {f"{scope}-{kind}-{protocol}-5" for scope, kind in PICKED for protocol in PROTOCOLS}
    assert wanted <= {entry["chain"]["name"] for entry in node.nft.list_json(f"list table {TABLE}") if "chain" in entry}


KINDS: dict[str, dict[str, Any]] = {
    "a": {"type": "NodePort"},
    "bb": {"type": "NodePort", "session_affinity": "ClientIP"},
    "ccc": {"type": "NodePort", "external_traffic_policy": "Local", "internal_traffic_policy": "Local"},
    "dddd": {
        "type": "NodePort",
        "session_affinity": "ClientIP",
        "external_traffic_policy": "Local",
        "internal_traffic_policy": "Local",
    },
}
PICKED = [
    ("service", "pick"),
    ("service", "pick-sticky10800"),
    ("service", "local"),
    ("service", "local-sticky10800"),
    ("nodeport", "masquerade"),
    ("nodeport", "masquerade-sticky10800"),
    ("nodeport", "pick"),
    ("nodeport", "local-sticky10800"),
]
ENDPOINT_PORTS = [EndpointPort(protocol, protocol.upper(), 8080) for protocol in PROTOCOLS]


def ports(number: int) -> list[ServicePort]:
    """A port of each protocol, with the `number`-th node port."""
    return [ServicePort(protocol, protocol.upper(), None, 80, 8080, 30000 + number) for protocol in PROTOCOLS]


def repaired() -> float:
    """How often a transaction of this process has been refused."""
    return REGISTRY.get_sample_value("kube46_proxy_repairs_total") or 0.0


def test_a_successor_leaves_backends_in_their_places(node: "Node") -> None:
    """Places that depend on what was before, not on the order of texts, are those found in the table."""
    node.serve(service(), pods(2, 3, 4))
    node.serve(service(), pods(3, 4))
    before = held(node)
    assert before["service-backend-tcp4", "10.96.0.20 . 80 . 0"] == "10.244.0.4 . 8080"
    node.restart()
    node.hold(service(), slices(pods(3, 4)))
    assert node.apply() == 0
    assert held(node) == before


def test_lists_of_source_ranges_share_and_overlap(node: "Node", monkeypatch: pytest.MonkeyPatch) -> None:
    """Services with the same list share a set, overlapping lists and a contested address harm nobody, and what
    nobody uses is deleted; a successor finds nothing to change."""
    monkeypatch.setattr("kube46.proxy.nftables.GRACE", -1.0)
    vip = ("198.51.100.9", "2001:db8:9::9")
    lists = {"a": ["10.0.0.0/8", "fd00::/8"], "b": ["10.1.0.0/16", "fd00::/16"], "c": ["10.0.0.0/9", "10.128.0.0/9"]}
    for count, (name, ranges) in enumerate(lists.items()):
        ips = (f"10.96.2.{count}", f"fd00:10:96::2:{count}")
        made = service(name, cluster_ips=ips, type="LoadBalancer", ingress=vip, load_balancer_source_ranges=ranges)
        node.hold(made, slices(pods(2), name=name))
        node.apply()
        assert held(node) == dict(node.claims)
    adopted(node)
    for name in lists:
        merge(node.changes, ranks.replace(node.claims, ("default", name), None, {}))
        node.apply()
    node.apply()
    listed = node.nft.list_json(f"list table {TABLE}")
    names = {entry[kind]["name"] for entry in listed for kind in ("set", "chain") if kind in entry}
    assert not {name for name in names if name.startswith(("allow", "ranges"))}


def test_a_new_table_is_filled_in_parts(node: "Node", monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of a part, the whole is there in the end, source ranges and affinity included, nothing was
    refused, and a successor finds nothing to change."""
    monkeypatch.setattr("kube46.proxy.nftables.PART", 3)
    repairs = repaired()
    ranges = ["10.0.0.0/8", "fd00::/8"]
    for count, kind in enumerate(KINDS.values()):
        spec = {**kind, "type": "LoadBalancer", "ingress": ("198.51.100.9", "2001:db8:9::9")}
        ips = (f"10.96.3.{count}", f"fd00:10:96::3:{count}")
        made = service(f"s{count}", cluster_ips=ips, load_balancer_source_ranges=ranges, **spec)
        node.hold(made, slices(pods(2, 3), name=f"s{count}"))
    node.apply()
    assert held(node) == dict(node.claims)
    adopted(node)
    assert repaired() == repairs


def test_a_change_opens_no_socket(node: "Node", monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing one would wait until the kernel has freed what was deleted; a refused transaction's is not used again."""
    node.serve(service(), pods(2))
    opened: list[socket.socket] = []
    real = batches.opened
    monkeypatch.setattr("kube46.proxy.nftables.batches.opened", lambda: opened.append(real()) or opened[-1])
    for number in (3, 2, 3):
        node.serve(service(), pods(number))
    assert not opened
    node.nft.run("delete table inet kube46-proxy")
    node.serve(service(), pods(2))
    assert len(opened) == 1
    assert held(node) == dict(node.claims)


def test_unused_chains_go(node: "Node", monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain for a count that nobody has any more is deleted by a later transaction."""
    monkeypatch.setattr("kube46.proxy.nftables.GRACE", -1.0)
    for count in (1, 2, 3):
        node.serve(service(), pods(*range(2, 2 + count)))
    node.serve(service(), pods(9, 2, 3))
    chains = {
        entry["chain"]["name"] for entry in node.nft.list_json("list table inet kube46-proxy") if "chain" in entry
    }
    assert {name for name in chains if "pick" in name} == {"service-pick-tcp-3"}


def test_a_table_that_is_not_there_is_none(node: "Node") -> None:
    """One without a chain is as good as none; what else is asked of one that is absent is an error, by its name."""
    assert node.nft.call(partial(listing.read, TABLE.name)) is None
    node.nft.run(f"add table {TABLE}")
    assert node.nft.call(partial(listing.read, TABLE.name)) is None
    for ask_for in (partial(dumps.sets, "absent"), lambda: [*dumps.elements(TABLE.name, "absent")]):
        with pytest.raises(FileNotFoundError, match="nftables"):
            node.nft.call(ask_for)
    node.serve(service(), pods(2))
    assert held(node) == dict(node.claims)


def test_kube_proxy_on_the_same_node_is_noticed(node: "Node") -> None:
    """Its tables are named."""
    node.nft.run("add table ip kube-proxy")
    try:
        assert asyncio.run(other_proxies(node.nft)) == ["ip kube-proxy"]
    finally:
        node.nft.run("delete table ip kube-proxy")
