"""portmap's wishes, conditions and table, without a kernel."""

import json
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.cni import conditions, configurations, host_ports, port_owners, port_table, results
from kube46.cni.errors import CniError
from kube46.cni.port_table import Style
from kube46.cni.requests import Attachment, Verb

DUAL = {
    "interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": "/pod"}],
    "ips": [
        {"address": "192.0.2.1/24", "interface": 0},
        {"address": "10.0.0.7/24", "interface": 1},
        {"address": "10.0.0.8/24", "interface": 1},
        {"address": "fd00::7/64", "interface": 1},
    ],
}
PLAIN = Style(snat=True, masquerade_all=False, bit=13, conditions=dict.fromkeys(Family, ""))


def ports(*mappings: dict[str, Any]) -> tuple[host_ports.HostPort, ...]:
    """What is wanted of a pod's eth0."""
    document = {"cniVersion": "1.1.0", "name": "net", "runtimeConfig": {"portMappings": mappings}}
    network = configurations.load(json.dumps(document).encode(), Verb.ADD)
    return host_ports.host_ports(network, results.parse(DUAL), "eth0")


def test_the_first_address_of_each_family_of_the_pods_interface() -> None:
    """Addresses of other interfaces, and further ones of a family, get no port."""
    found = ports({"hostPort": 1, "containerPort": 2, "protocol": "TCP"})

    assert [(one.protocol, str(one.target), one.host) for one in found] == [
        ("tcp", "10.0.0.7", None),
        ("tcp", "fd00::7", None),
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("192.0.2.9", [("10.0.0.7", "192.0.2.9")]),
        ("2001:db8::9", [("fd00::7", "2001:db8::9")]),
        ("0.0.0.0", [("10.0.0.7", None)]),
        ("::", [("fd00::7", None)]),
    ],
)
def test_an_address_of_the_node(text: str, wanted: list[tuple[str, str | None]]) -> None:
    """A mapping with an address is of its family only; the unspecified one is any of that family."""
    found = ports({"hostPort": 1, "containerPort": 2, "protocol": "tcp", "hostIP": text})
    assert [(str(one.target), str(one.host) if one.host else None) for one in found] == wanted


def test_the_same_mapping_twice() -> None:
    """A mapping that is repeated is one; one that leads elsewhere is error 7."""
    one = {"hostPort": 1, "containerPort": 2, "protocol": "udp"}
    assert len(ports(one, one)) == 2
    with pytest.raises(CniError, match="given twice"):
        ports(one, one | {"containerPort": 3})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (["-s", "10.0.0.0/8"], "ip saddr { 10.0.0.0/8 }"),
        (["!", "-d", "10.0.0.1,10.1.2.3/16"], "ip daddr != { 10.0.0.1/32, 10.1.0.0/16 }"),
        (["-i eth0", "!", "--sport", "1024:"], 'iifname "eth0" th sport != 1024-65535'),
        (["-m", "mark", "--mark", "0x1/0xff"], "meta mark & 0xff == 0x1"),
        (["-m", "mark", "!", "--mark", "7"], "meta mark != 7"),
        (["-i", "veth+"], 'iifname "veth*"'),
        (["ip saddr 10.0.0.1", "tcp sport 5"], "ip saddr 10.0.0.1 tcp sport 5"),
        ([], ""),
        ([""], ""),
    ],
)
def test_conditions(text: list[str], wanted: str) -> None:
    """iptables' matches become nftables'; nftables' own stay as they are."""
    assert conditions.matches(text, Family.IPV4) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *(["-p", "tcp"], ["!"], ["-s"], ["-s", "fd00::/8"], ["-i", 'x"'], ["--mark", "x"], ["--sport", "70000"]),
        *(["ip saddr 1.1.1.1 accept"], ["a\nb;"], ["{1}drop"], ["meta mark set 1"], ["x #"], ["$(id)"], ["\\"]),
    ],
)
def test_conditions_that_are_refused(text: list[str]) -> None:
    """What is no match, or might end the rule, is error 7."""
    with pytest.raises(CniError) as refusal:
        conditions.matches(text, Family.IPV4)
    assert refusal.value.code == 7
    assert "conditionsV4" in refusal.value.details


@given(st.lists(st.text(max_size=20), max_size=4))
def test_no_condition_leaves_its_line(text: list[str]) -> None:
    """Whatever a configuration says, what comes of it is refused, or is one line without a separator or verdict."""
    try:
        found = conditions.matches(text, Family.IPV6)
    except CniError:
        return
    assert not set(";#\n\r\\$") & set(found)


NAMES = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]{0,200}", fullmatch=True)
ATTACHMENTS = st.builds(Attachment, NAMES, st.sampled_from(["eth0", "eth1", 'ü"']))


@given(NAMES, NAMES, ATTACHMENTS, ATTACHMENTS)
def test_owners(network: str, other: str, attachment: Attachment, valid: Attachment) -> None:
    """An owner fits into a comment of nftables and is stale exactly in its own network, when it is not valid there."""
    text = port_owners.owner(network, attachment)
    assert len(text.encode()) <= 120
    assert '"' not in text
    assert port_owners.stale(network, [valid])(text) == (valid != attachment)
    assert port_owners.stale(other, [])(text) == (other == network)
    assert not port_owners.stale(network, [])("somebody else's")


def test_elements_of_both_families() -> None:
    """A port is two elements a family: its target, and the chain that marks who is masqueraded, by the pod's subnet."""
    wanted = ports({"hostPort": 1, "containerPort": 2, "protocol": "sctp"})
    assert [(one.map, one.key, one.value) for one in port_table.elements(wanted, PLAIN, "me")] == [
        ("any4", "sctp . 1", "10.0.0.7 . 2"),
        ("from-any4", "sctp . 1", "jump near-13-0a000000-24"),
        ("any6", "sctp . 1", "fd00::7 . 2"),
        ("from-any6", "sctp . 1", "jump near-13-fd000000000000000000000000000000-64"),
    ]


def test_who_is_masqueraded() -> None:
    """The pod's own subnet and 127.0.0.0/8, not ::1; with masqAll everybody; without snat nobody."""
    wanted = ports({"hostPort": 1, "containerPort": 2, "protocol": "tcp"})
    assert [list(map(str, sources)) for sources in PLAIN.chains(wanted).values()] == [
        ["10.0.0.0/24", "127.0.0.0/8"],
        ["fd00::/64"],
    ]
    everybody = replace(PLAIN, masquerade_all=True)
    assert everybody.chains(wanted) == {}
    assert {one.value for one in port_table.elements(wanted, everybody, "me")} >= {"jump mark-13"}
    nobody = replace(PLAIN, snat=False)
    assert nobody.chains(wanted) == {}
    assert [one.map for one in port_table.elements(wanted, nobody, "me")] == ["any4", "any6"]


def test_what_is_removed_of_a_table() -> None:
    """Of a listed table, an owner's elements and conditional rules go, and those that hold a key that is asked for."""
    listed: list[dict[str, Any]] = [
        {"map": {"name": "at4", "elem": [[_element("mine", "192.0.2.1", "tcp", 1), {"concat": ["10.0.0.7", 2]}]]}},
        {"map": {"name": "any4", "elem": [[_element("other", "udp", 5), {"concat": ["10.0.0.9", 2]}]]}},
        {"map": {"name": "from-any4", "elem": [[_element("other", "udp", 5), {"jump": {"target": "mark-13"}}]]}},
        {"rule": {"chain": "conditional", "handle": 9, "comment": "mine"}},
        {"rule": {"chain": "conditional", "handle": 10, "comment": "other"}},
        {"rule": {"chain": "hostports", "handle": 11, "comment": "mine"}},
    ]
    contents = port_table.read(listed)
    text = port_table.removal(contents, lambda one: one.port == ("any4", "udp . 5"), lambda owner: owner == "mine")
    assert text.splitlines() == [
        "delete element inet kube46-portmap at4 { 192.0.2.1 . tcp . 1 }",
        "delete element inet kube46-portmap any4 { udp . 5 }",
        "delete element inet kube46-portmap from-any4 { udp . 5 }",
        "delete rule inet kube46-portmap conditional handle 9",
    ]


def _element(owner: str, *words: Any) -> dict[str, Any]:
    return {"elem": {"val": {"concat": list(words)}, "comment": owner}}


def test_a_conditional_port_is_marked_before_it_is_translated() -> None:
    """Rules are inserted, so the translation comes first in the text and second in the chain; IPv6 is in brackets."""
    style = Style(snat=True, masquerade_all=False, bit=3, conditions=dict.fromkeys(Family, "iif x"))
    wanted = ports({"hostPort": 1, "containerPort": 2, "protocol": "tcp"})
    assert not list(port_table.elements(wanted, style, "me"))
    *_, second, first = port_table.creation(wanted, style, "me").splitlines()
    assert "dnat ip6 to [fd00::7]:2" in second
    assert "mark | 0x8" in first
    assert ip_address("fd00::7") in {one.target for one in wanted}
