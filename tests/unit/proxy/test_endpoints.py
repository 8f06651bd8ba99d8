"""Which endpoints a Service port uses: K-6 to K-9 as a table, both families."""

from dataclasses import dataclass, field

import msgspec
import pytest

from kube46.addresses.families import Family
from kube46.api.objects import Endpoint, EndpointHints, EndpointPort, EndpointSlice, Meta, RoutedSlice, ZoneHint
from kube46.proxy.endpoints import address_text, choose, directed
from kube46.proxy.settings import NodeView
from unit.proxy.samples import HTTP, NODE, VIEW, endpoint, slices

PREFIX = {Family.IPV4: "10.244.0.", Family.IPV6: "fd00:10:244::"}


@dataclass(frozen=True)
class End:
    """An endpoint of the table: which pod, and what is said of it."""

    number: int
    node: str = "node2"
    conditions: dict[str, bool] = field(default_factory=dict)
    zones: tuple[str, ...] | None = None
    nodes: tuple[str, ...] = ()

    def made(self, family: Family) -> Endpoint:
        hints = None
        if self.zones is not None or self.nodes:
            hints = EndpointHints(tuple(map(ZoneHint, self.zones or ())), tuple(map(ZoneHint, self.nodes)))
        plain = endpoint(f"{PREFIX[family]}{self.number}", self.node, **self.conditions)
        return Endpoint(plain.addresses, plain.conditions, node_name=plain.node_name, hints=hints)


LEAVING = {"ready": False, "serving": True, "terminating": True}
DYING = {"ready": False, "serving": False, "terminating": True}
UNREADY = {"ready": False, "serving": False}
VIEW_IN_A = NodeView(NODE, "a", VIEW.pods, VIEW.nodeport_addresses)

TABLE = {
    "none": ([], [], [], False),
    "ready ones": ([End(1), End(2)], [1, 2], [], True),
    "local ones are those of this node": ([End(1, NODE), End(2)], [1, 2], [1], True),
    "unready ones are not used": ([End(1), End(2, conditions=UNREADY)], [1], [], True),
    "only unready ones are none": ([End(1, conditions=UNREADY)], [], [], False),
    "serving and leaving ones when none is ready": ([End(1, NODE, LEAVING), End(2, NODE, DYING)], [1], [1], True),
    "not while one is ready": ([End(1, NODE, LEAVING), End(2)], [2], [1], True),
    "local falls back by itself": ([End(1, NODE, LEAVING), End(2, NODE)], [2], [2], True),
    "zone hints": ([End(1, zones=("a",)), End(2, zones=("b",))], [1], [], True),
    "zone hints never apply to local": ([End(1, zones=("a",)), End(2, NODE, zones=("b",))], [1], [2], True),
    "one without hints disables them": ([End(1, zones=("a",)), End(2)], [1, 2], [], True),
    "hints for other zones only are ignored": ([End(1, zones=("b",)), End(2, zones=("c",))], [1, 2], [], True),
    "node hints win over zone hints": (
        [End(1, zones=("a",), nodes=("node9",)), End(2, zones=("b",), nodes=(NODE,))],
        [2],
        [],
        True,
    ),
    "no node hint for us, then the zone's": (
        [End(1, zones=("a",), nodes=("node9",)), End(2, zones=("b",), nodes=("node8",))],
        [1],
        [],
        True,
    ),
}


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("case", TABLE)
def test_choice(case: str, family: Family) -> None:
    """Each row of the table, in either family alike."""
    ends, cluster, local, known = TABLE[case]
    made = slices([end.made(family) for end in ends])
    choice = choose(HTTP, made, family, VIEW_IN_A)
    assert choice.cluster == tuple(f"{PREFIX[family]}{number} . 8080" for number in cluster)
    assert choice.local == tuple(f"{PREFIX[family]}{number} . 8080" for number in local)
    assert choice.known is known


def test_nil_conditions_mean_ready_and_serving() -> None:
    """An endpoint without conditions is used (semantics 5.2)."""
    part = EndpointSlice(
        address_type="IPv4", endpoints=(Endpoint(("10.244.0.1",)),), ports=(EndpointPort("http", None, 8080),)
    )
    assert choose(HTTP, [part], Family.IPV4, VIEW).cluster == ("10.244.0.1 . 8080",)


@pytest.mark.parametrize(
    "port",
    [EndpointPort("http", "UDP", 8080), EndpointPort("other", "TCP", 8080), EndpointPort("http", "TCP", None)],
    ids=["protocol", "name", "no number"],
)
def test_a_port_must_match_by_name_and_protocol(port: EndpointPort) -> None:
    """Ports of another name, protocol, or without a number are not the Service's."""
    made = slices([endpoint("10.244.0.1")], ports=[port])
    assert choose(HTTP, made, Family.IPV4, VIEW).known is False


def test_of_two_with_one_address_the_living_counts() -> None:
    """The same IP and port twice: the non-terminating one wins, in either order."""
    twins = [endpoint("10.244.0.1", **LEAVING), endpoint("10.244.0.1")]
    for order in (twins, twins[::-1]):
        assert choose(HTTP, slices(order), Family.IPV4, VIEW).cluster == ("10.244.0.1 . 8080",)


def test_slices_of_the_other_family_are_not_looked_at() -> None:
    """An IPv6 address in a slice of type IPv4, or the other way round, is never used (kube-vip#497's kind)."""
    wrong = EndpointSlice(
        address_type="IPv4", endpoints=(endpoint("fd00::1"),), ports=(EndpointPort("http", "TCP", 8080),)
    )
    assert choose(HTTP, [wrong], Family.IPV4, VIEW).known is False
    assert choose(HTTP, [wrong], Family.IPV6, VIEW).known is False


@pytest.mark.parametrize("text", ["", "a", "10.0.0.1/32", "fe80::1%eth0", "::1%x } ; flush ruleset", "1", "::ffff:x"])
def test_only_plain_addresses_get_through(text: str) -> None:
    """Nothing but a canonical address of the family is ever written to nftables."""
    assert address_text(text, Family.IPV4) is None
    assert address_text(text, Family.IPV6) is None


def test_addresses_are_canonical() -> None:
    """Spellings of one address are one address."""
    assert address_text("FD00:0:0::0001", Family.IPV6) == "fd00::1"
    assert address_text("10.0.0.1", Family.IPV4) == "10.0.0.1"
    assert address_text("10.0.0.1", Family.IPV6) is None
    for old in ("010.000.0.1", "::ffff:10.0.0.1", "::FFFF:a00:1", "0:0:0:0:0:ffff:10.0.0.1"):  # as Go's old parser
        assert (address_text(old, Family.IPV4), address_text(old, Family.IPV6)) == ("10.0.0.1", None)


def test_slices_of_headless_services_direct_nothing() -> None:
    """A slice directs packets of the Service that it names, unless it has the label headless, with any value."""
    named = {"kubernetes.io/service-name": "web"}
    assert directed(EndpointSlice(metadata=Meta(labels=named))) == "web"
    assert directed(EndpointSlice(metadata=Meta())) == ""
    for value in ("", "false"):
        part = EndpointSlice(metadata=Meta(labels={**named, "service.kubernetes.io/headless": value}))
        kept = msgspec.msgpack.encode(msgspec.json.decode(msgspec.json.encode(part), type=RoutedSlice))
        assert directed(part) == directed(msgspec.msgpack.decode(kept, type=EndpointSlice)) == ""
