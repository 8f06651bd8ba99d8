"""The table beside others' and after accidents."""

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from kernel.proxy.cluster import CLIENT, NODE, PODS, ask
from kube46.proxy.nftables import clean, other_proxies, read_elements
from unit.proxy.samples import CLUSTER_IPS, pods, service

if TYPE_CHECKING:
    from kernel.proxy.conftest import Node

pytestmark = pytest.mark.root
FOREIGN = "table inet foreign { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; chain c { ip saddr @s accept; }; }"


def held(node: "Node") -> dict[tuple[str, str], str]:
    """The elements in the kernel."""
    return dict(read_elements(node.nft.list_json("list table inet kube46-proxy")))


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
        "flush map inet kube46-proxy service-backend6",
        "delete element inet kube46-proxy service4 { 10.96.0.20 . tcp . 80 }",
        "add element inet kube46-proxy service4 { 10.96.0.99 . tcp . 80 : drop }",
        "flush chain inet kube46-proxy services",
        "delete table inet kube46-proxy ; add table inet kube46-proxy ; add chain inet kube46-proxy layout-0-0",
    ],
)
def test_accidents_are_repaired(node: "Node", accident: str) -> None:
    """Whatever somebody did to the table, a look at it mends it, and packets flow."""
    node.serve(service(), pods(2))
    node.nft.run(accident)
    node.table.distrust()
    node.apply()
    assert held(node) == dict(node.claims)
    for address in CLUSTER_IPS:
        assert ask(CLIENT, address, 80)[0] == "pod2"
        assert ask(PODS[2], address, 80)[0] == "pod2"


def test_a_refused_transaction_is_repaired_at_once(node: "Node") -> None:
    """A table deleted behind our back makes the next change fail; the same call puts everything back."""
    node.serve(service(), pods(2))
    node.nft.run("delete table inet kube46-proxy")
    node.serve(service(), pods(3))
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
    assert {name for name in chains if "pick" in name} == {"service-pick-3"}


def test_kube_proxy_on_the_same_node_is_noticed(node: "Node") -> None:
    """Its tables are named."""
    node.nft.run("add table ip kube-proxy")
    try:
        assert asyncio.run(other_proxies(node.nft)) == ["ip kube-proxy"]
    finally:
        node.nft.run("delete table ip kube-proxy")
