"""Which probes are made and which answers count."""

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from kube46.addresses.families import Family
from kube46.check import rules
from kube46.check.model import Kind, Layout, Node, Place, Probe, Responder, Result, Target

FAMILIES = (Family.IPV4, Family.IPV6)


def layout(*, nodes: int = 2, families: tuple[Family, ...] = FAMILIES, outside: bool = True) -> Layout:
    """A cluster of so many nodes."""
    numbers = range(1, nodes + 1)

    def by(four: str, six: str, number: int) -> dict[Family, str]:
        both = {Family.IPV4: four.format(number), Family.IPV6: six.format(number)}
        return {family: both[family] for family in families}

    return Layout(
        "ns",
        "cluster.local",
        families,
        tuple(
            Node(f"node{n}", by("10.46.0.1{}", "fd46::1{}", n), by("10.244.{}.0/24", "fd00:10:244:{}::/64", n))
            for n in numbers
        ),
        tuple(
            Responder(
                f"{copy}-node{n}",
                f"node{n}",
                by(f"10.244.{{}}.{last}", f"fd00:10:244:{{}}::{last}", n),
                f"{copy}-node{n}",
                by(f"10.96.{last}.{{}}", f"fd00:10:96::{last}:{{}}", n),
                30000 + 10 * n + last,
                copy == "a",
            )
            for n in numbers
            for last, copy in enumerate("ab")
        ),
        "responders",
        by("10.96.0.10", "fd00:10:96::a", 0),
        8080,
        outside,
    )


def made(of: Layout) -> list[Probe]:
    """All probes of a layout, with numbered nonces."""
    numbers = itertools.count()
    return rules.probes(of, lambda: f"n{next(numbers)}")


def answer(probe: Probe) -> Result:
    """What a healthy cluster answers."""
    client = probe.client[0] if probe.client else "10.0.0.1"
    return Result(probe.id, "", probe.host, "10.0.0.1", probe.reply, probe.pods[0], probe.nonce, probe.family, client)


def test_every_place_is_probed_from_over_every_family() -> None:
    """Two nodes, their pods and the outside, each over both families, alike."""
    counts = Counter((probe.place.label, probe.family) for probe in made(layout()))
    assert {label for label, _ in counts} == {"node1", "node2", "pod on node1", "pod on node2", "outside"}
    assert all(counts[label, 4] == counts[label, 6] > 0 for label, _ in counts)


def test_probes_are_told_apart() -> None:
    """No two probes share an id or a nonce."""
    probes = made(layout(nodes=3))
    assert len({probe.id for probe in probes}) == len({probe.nonce for probe in probes}) == len(probes)


@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_columns_of_each_kind_of_place(nodes: int) -> None:
    """Pods alone have a hairpin; the outside has only what node ports give; one node has nothing on another."""
    inside = {Target.POD_HERE, Target.CLUSTER_IP, Target.NODE_PORT, Target.UDP, Target.NAME, Target.HEADLESS}
    inside |= {Target.POD_THERE, Target.LARGE} if nodes > 1 else set()
    found: dict[Kind, set[Target]] = {}
    for probe in made(layout(nodes=nodes)):
        found.setdefault(probe.place.kind, set()).add(probe.target)
    assert found == {
        Kind.NODE: inside,
        Kind.POD: inside | {Target.HAIRPIN},
        Kind.OUTSIDE: {Target.NODE_PORT, Target.UDP, Target.LARGE},
    }


def test_probes_stay_within_their_family() -> None:
    """Addresses and DNS servers of a probe are of its family."""
    for probe in made(layout()):
        version = 6 if ":" in probe.host else 4
        if probe.host[0].isdigit() or ":" in probe.host:
            assert version == probe.family
        if probe.dns_server:
            assert (":" in probe.dns_server) == (probe.family == 6)


def test_a_healthy_answer_passes() -> None:
    """Every probe is satisfied by the answer it asks for."""
    assert [rules.judge(probe, answer(probe)) for probe in made(layout())] == [""] * len(made(layout()))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda result: replace(result, error="connection refused"), "connection refused"),
        (lambda result: replace(result, nonce="older"), "another question"),
        (lambda result: replace(result, pod="a-node9"), "answered by a-node9"),
        (lambda result: replace(result, family=10 - result.family), "arrived over"),
        (lambda result: replace(result, client="192.0.2.1"), "client seen as 192.0.2.1"),
        (lambda result: replace(result, size=3), "3 bytes came back"),
        (lambda result: None, "gave no result"),
    ],
)
def test_each_flaw_makes_a_cross(spoil: Callable[[Result], Result | None], reason: str) -> None:
    """Wrong pod, family, client, nonce or size, an error or silence: each is a cross that says why."""
    for probe in made(layout()):
        assert reason in rules.judge(probe, spoil(answer(probe)))


def test_cells_gather_the_probes_of_place_target_and_family() -> None:
    """One probe that fails makes its cell red, and no other."""
    probes = made(layout())
    results = {probe.id: answer(probe) for probe in probes}
    victim = next(probe for probe in probes if probe.target is Target.NODE_PORT and probe.place.kind is Kind.OUTSIDE)
    results[victim.id] = replace(results[victim.id], error="no answer in 1.5 s")
    cells = rules.cells(probes, results)
    bad = [cell for cell in cells if not cell.good]
    assert [(cell.place, cell.target, cell.family, len(cell.failures)) for cell in bad] == [
        ("outside", "NodePort", f"IPv{victim.family}", 1)
    ]
    assert sum(cell.probes for cell in cells) == len(probes)


def test_hairpins_are_seen_as_the_node() -> None:
    """A pod that reaches itself is seen as its node's bridge or address, never as itself."""
    hairpins = [probe for probe in made(layout()) if probe.target is Target.HAIRPIN]
    assert {probe.client for probe in hairpins if probe.place == Place(Kind.POD, "node1")} == {
        ("10.46.0.11", "10.244.1.1"),
        ("fd46::11", "fd00:10:244:1::1"),
    }
