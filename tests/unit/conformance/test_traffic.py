"""Which packets prove which promise."""

from collections import Counter
from dataclasses import replace

from kube46.addresses.families import Family
from kube46.api import objects
from kube46.api.objects.services import ServiceSpec
from kube46.check import rules
from kube46.check.model import ANYONE, Cell, Kind, Layout, Node, Probe, Responder, Result, Target
from kube46.conformance import traffic

BOTH = (Family.IPV4, Family.IPV6)


def addresses(four: str, six: str) -> dict[Family, str]:
    """One of each family."""
    return {Family.IPV4: four, Family.IPV6: six}


def responder(number: int) -> Responder:
    """The pod of a node."""
    pod = addresses(f"10.244.{number}.2", f"fd00:244:{number}::2")
    service = addresses(f"10.96.0.{number}", f"fd00:96::{number}")
    return Responder(f"a-node{number}", f"node{number}", pod, f"a-node{number}", service, 30000 + number, True)


LAYOUT = Layout(
    "ns",
    "cluster.local",
    BOTH,
    tuple(Node(f"node{n}", addresses(f"10.46.0.{n}", f"fd46::{n}"), {}) for n in (1, 2)),
    (responder(1), responder(2)),
    "responders",
    addresses("10.96.0.10", "fd00:96::a"),
    8080,
    False,
)
MADE = {
    name: objects.Service(spec=ServiceSpec(cluster_ips=(address,)))
    for name, address in (("only-ipv4", "10.96.1.1"), ("only-ipv6", "fd00:96::1:1"))
}


def test_only_pods_promise_who_is_seen() -> None:
    """Between pods no address is translated; elsewhere networks may, and the answer counts all the same."""
    probes = traffic.of_any_network(rules.probes(LAYOUT, lambda: "n"), LAYOUT)
    strict = {(probe.place.kind, probe.target) for probe in probes if probe.client != ANYONE}
    assert strict == {(Kind.POD, Target.POD_THERE)}
    assert {probe.target for probe in probes} == {*traffic.COLUMNS} - {Target.POD_HERE} | {Target.POD_HERE}


def test_nodes_ask_a_dns_of_one_family_for_both() -> None:
    """kubeadm's DNS Service has one family: records of the other are asked for over it."""
    single = replace(LAYOUT, dns={Family.IPV4: "10.96.0.10"})
    probes = traffic.of_any_network(rules.probes(single, lambda: "n"), single)
    names = [probe for probe in probes if probe.place.kind is Kind.NODE and probe.target is Target.HEADLESS]
    assert Counter((probe.family, probe.dns_server) for probe in names) == {(4, "10.96.0.10"): 4, (6, "10.96.0.10"): 4}


def test_a_family_that_a_pod_lacks_is_told() -> None:
    """What cannot be asked is left out of the probes, and named."""
    one = replace(responder(2), addresses={Family.IPV4: "10.244.2.2"})
    layout, lacks = traffic.possible(replace(LAYOUT, responders=(responder(1), one)))
    assert layout.families == (Family.IPV4,)
    assert lacks == ["pods/a-node2: no address of IPv6"]
    assert traffic.possible(LAYOUT) == (LAYOUT, [])


def test_columns_become_reasons() -> None:
    """A cross says from where and over which family; a column without cells says nothing."""
    cells = [Cell("node1", "UDP", "IPv6", 3, ("UDP x: no answer",)), Cell("node1", "UDP", "IPv4", 3)]
    assert traffic.column(cells, Target.UDP) == ["node1 over IPv6: UDP x: no answer"]
    assert traffic.column(cells, Target.NAME) is None


def test_affinity_is_one_pod_for_each_address() -> None:
    """Two pods that answer at one address are a fault; another pod at the other family's is none."""
    probes = traffic.asked(LAYOUT, traffic.STICKY, ["10.96.0.9", "fd00:96::9"], ["a", "b"], repeats=2)
    assert len(probes) == 8
    good = {probe.id: Result(probe.id, pod="a" if ":" in probe.host else "b") for probe in probes}
    assert traffic.strays(probes, good) == []
    good[probes[0].id] = Result(probes[0].id, pod="a")
    assert traffic.strays(probes, good) == ["TCP sticky at 10.96.0.9: a and b answered, must be one of them"]


def test_records_are_those_of_the_addresses() -> None:
    """Each name is asked for A and AAAA at each server; a Service of one family has no record of the other."""
    asked = traffic.questions(LAYOUT, MADE)
    assert len(asked) == 2 * 4 * 2
    wanted = {(probe.host.split(".")[0], probe.family): set(answer) for probe, answer in asked}
    assert wanted["only-ipv4", 4] == {"10.96.1.1"}
    assert wanted["only-ipv4", 6] == set()
    assert wanted["responders", 6] == {"fd00:244:1::2", "fd00:244:2::2"}
    right = {probe.id: Result(probe.id, address=",".join(answer)) for probe, answer in asked}
    assert traffic.wrong_records(asked, right) == []
    for fault, words in ((Result("", address="10.96.1.1"), "10.96.1.1, must be no record"), (None, "gave no result")):
        broken = dict(right)
        name = next(probe.id for probe, _ in asked if probe.id.startswith("only-ipv4 AAAA"))
        if fault is None:
            del broken[name]
        else:
            broken[name] = fault
        assert [words in text for text in traffic.wrong_records(asked, broken)] == [True]


def test_what_failed_is_named() -> None:
    """The Service, its address, and the judge's reason."""
    probes: list[Probe] = traffic.asked(LAYOUT, "moving", ["10.96.0.9"], ["a"])
    good = {p.id: Result(p.id, pod="a", nonce=p.nonce, family=4, size=128) for p in probes}
    assert traffic.failures(probes, good) == []
    good[probes[0].id] = Result(probes[0].id, error="no answer in 1.5 s")
    assert traffic.failures(probes, good) == ["TCP moving at 10.96.0.9: no answer in 1.5 s"]
