"""Pod affinity, anti-affinity and topology spread."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Pod
from kube46.lab.controllers.scheduler.places import Cluster
from kube46.lab.controllers.scheduler.rules import FILTERS, choose, first, prepared
from unit.lab.controllers.scheduling import HOSTNAME, cluster, node, pod

ZONE = "topology.kubernetes.io/zone"
A, B, C = node("a", {ZONE: "east"}), node("b", {ZONE: "east"}), node("c", {ZONE: "west"})
NOT_NEAR = "node(s) didn't match pod affinity rules"
NOT_FAR = "node(s) didn't match pod anti-affinity rules"
UNWANTED = "node(s) didn't satisfy existing pods anti-affinity rules"
UNEVEN = "node(s) didn't match pod topology spread constraints"


def term(key: str = HOSTNAME, app: str = "web", **more: Any) -> dict[str, Any]:
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key, **more}


def wants(kind: str, *terms: dict[str, Any], weight: int = 0) -> dict[str, Any]:
    """A pod's `affinity`: terms that must hold, or are worth a weight."""
    if weight:
        listed = [{"weight": weight, "podAffinityTerm": one} for one in terms]
        return {"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": listed}}}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


def web(**more: Any) -> Pod:
    return pod(labels={"app": "web", **more.pop("labels", {})}, **more)


def refusals(who: Pod, there: Cluster) -> dict[str, str]:
    """Why each node is refused, as long as none is chosen."""
    return {name: one.reasons[0] for name, one in choose(who, there).refusals.items()}


def fitting(who: Pod, there: Cluster) -> str:
    """The nodes that no filter refuses."""
    checks = prepared(who, there, FILTERS)
    return "".join(place.node.metadata.name for place in there.nodes() if first(checks, place) is None)


NEAR, FAR = "podAffinity", "podAntiAffinity"


@pytest.mark.parametrize(
    ("who", "nodes"),
    [
        (pod(**wants(NEAR, term())), "a"),
        (pod(**wants(NEAR, term(ZONE))), "ab"),
        (pod(**wants(NEAR, term("no/label"))), ""),
        (pod(**wants(NEAR, term(app="none"))), ""),
        (pod(labels={"app": "none"}, **wants(NEAR, term(app="none"))), "abc"),
        (pod(**wants(NEAR, term(), term(ZONE))), "a"),
        (pod(**wants(NEAR, term(), term(app="db"))), ""),
        (pod(**wants(FAR, term())), "bc"),
        (pod(**wants(FAR, term(ZONE))), "c"),
        (pod(**wants(FAR, term(ZONE), term(app="db"))), ""),
        (pod(**wants(FAR, {"topologyKey": HOSTNAME})), "abc"),
        (pod(**wants(FAR, {"topologyKey": HOSTNAME, "labelSelector": {}})), "b"),
        (pod(namespace="other", **wants(FAR, term())), "abc"),
        (pod(namespace="other", **wants(FAR, term(namespaces=["n"]))), "bc"),
        (pod(namespace="other", **wants(FAR, term(namespaceSelector={}))), "bc"),
        (pod(namespace="other", **wants(FAR, term(namespaceSelector={"matchLabels": {"team": "x"}}))), "bc"),
        (pod(namespace="other", **wants(FAR, term(namespaceSelector={"matchLabels": {"team": "y"}}))), "abc"),
        (web(labels={"v": "1"}, **wants(FAR, term(matchLabelKeys=["v"]))), "bc"),
        (web(labels={"v": "2"}, **wants(FAR, term(matchLabelKeys=["v"]))), "abc"),
        (web(labels={"v": "1"}, **wants(FAR, term(mismatchLabelKeys=["v"]))), "abc"),
        (pod(labels={"hated": "y"}), "ab"),
    ],
)
def test_required_terms(who: Pod, nodes: str) -> None:
    """web runs on a, db on c, where it does not want pods with the label `hated`."""
    hater = wants(FAR, {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"hated": "y"}}})
    there = cluster(A, B, C, a=[web(labels={"v": "1"})], c=[pod(labels={"app": "db"}, **hater)])
    there.namespaces = {"n": {"team": "x"}, "other": {}}
    assert fitting(who, there) == nodes


def test_reasons_of_company() -> None:
    """Each kind of refusal has kube-scheduler's words."""
    there = cluster(A, a=[web(**wants(FAR, {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"x": "y"}}}))])
    assert refusals(pod(**wants(NEAR, term(app="none"))), there) == {"a": NOT_NEAR}
    assert refusals(pod(**wants(FAR, term())), there) == {"a": NOT_FAR}
    assert refusals(pod(labels={"x": "y"}), there) == {"a": UNWANTED}
    hard = [{"maxSkew": 1, "topologyKey": "none", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}]
    assert refusals(pod(topologySpreadConstraints=hard), there) == {"a": f"{UNEVEN} (missing required label)"}


@pytest.mark.parametrize(
    ("who", "best"),
    [
        (pod(**wants(NEAR, term(), weight=10)), "c"),
        (pod(**wants(FAR, term(), weight=10)), "a"),
        (pod(**wants(NEAR, term(ZONE, app="db"), weight=10)), "a"),
        (pod(labels={"liked": "y"}), "b"),
        (pod(labels={"disliked": "y"}), "a"),
    ],
)
def test_preferred_terms(who: Pod, best: str) -> None:
    """Terms draw and repel, those of pods that run already, too."""
    liker = wants(NEAR, {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"liked": "y"}}}, weight=50)
    far = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"disliked": "y"}}}
    there = cluster(A, B, C, a=[pod(labels={"app": "db"})], b=[pod(**liker)], c=[web(**wants(FAR, far, weight=50))])
    if best == "a" and "disliked" not in who.metadata.labels:
        there.set_node("b", None)  # both of one zone are equal
    assert choose(who, there).node == best


def spread(key: str = ZONE, skew: int = 1, when: str = "DoNotSchedule", **more: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "web"}}
    return {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": selector, **more}


@pytest.mark.parametrize(
    ("constraint", "extra", "good"),
    [
        (spread(), {}, "c"),
        (spread(skew=2), {}, "c"),
        (spread(skew=4), {}, "abc"),
        (spread(HOSTNAME, 1), {}, "c"),
        (spread(HOSTNAME, 2), {}, "bc"),
        (spread(HOSTNAME), {"nodeSelector": {ZONE: "east"}}, "b"),
        (spread(HOSTNAME, minDomains=3), {"nodeSelector": {ZONE: "east"}}, ""),
        (spread(skew=2, matchLabelKeys=["v"]), {"labels": {"v": "9"}}, "abc"),
        (spread(), {"nodeSelector": {ZONE: "east"}}, "ab"),
        (spread(nodeAffinityPolicy="Ignore"), {"nodeSelector": {ZONE: "east"}}, ""),
        (spread(HOSTNAME, 2, nodeTaintsPolicy="Honor"), {"taint": True}, "ab"),
        (spread(HOSTNAME, 2), {"taint": True}, "b"),
        (spread(HOSTNAME, 1, nodeTaintsPolicy="Honor"), {"taint": True}, "b"),
    ],
)
def test_hard_spread(constraint: dict[str, Any], extra: dict[str, Any], good: str) -> None:
    """Two pods on a, one on b in the zone east, none on c in west, and one that is ending, which does not count."""
    far = node("c", {ZONE: "west"}, taints=[{"key": "k", "effect": "NoSchedule"}] if extra.get("taint") else [])
    ending = web(meta={"deletionTimestamp": "2026-11-23T12:00:00Z"})
    there = cluster(A, B, far, a=[web(), web()], b=[web()], c=[ending])
    spec = {key: value for key, value in extra.items() if key != "taint"}
    assert fitting(web(topologySpreadConstraints=[constraint], **spec), there) == good


def test_soft_spread_prefers_the_emptier_domain() -> None:
    """ScheduleAnyway never refuses, and goes where fewer pods alike are."""
    there = cluster(A, B, C, a=[web(), web()], b=[web()])
    assert choose(web(topologySpreadConstraints=[spread(when="ScheduleAnyway")]), there).node == "c"
    assert choose(web(topologySpreadConstraints=[spread(HOSTNAME, when="ScheduleAnyway")]), there).node == "c"
    there.set_node("c", None)
    assert choose(web(topologySpreadConstraints=[spread(HOSTNAME, when="ScheduleAnyway")]), there).node == "b"


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 20))
def test_hard_spread_keeps_the_skew(nodes: int, skew: int, pods: int) -> None:
    """However many pods come, no two nodes differ by more than maxSkew, and all find a place."""
    there = cluster(*(node(f"n{i}") for i in range(nodes)))
    for _ in range(pods):
        one = web(topologySpreadConstraints=[spread(HOSTNAME, skew)])
        chosen = choose(one, there).node
        assert chosen
        there.add(one, chosen)
        counts = [len(place.pods) for place in there.nodes()]
        assert max(counts) - min(counts) <= skew


@given(st.integers(1, 5), st.integers(0, 8))
def test_anti_affinity_gives_each_node_one(nodes: int, pods: int) -> None:
    """Of pods that keep apart as many run as there are nodes, each on its own."""
    there = cluster(*(node(f"n{i}") for i in range(nodes)))
    for _ in range(pods):
        one = web(**wants(FAR, term()))
        if chosen := choose(one, there).node:
            there.add(one, chosen)
    assert sorted(len(place.pods) for place in there.nodes()) == sorted([1] * min(nodes, pods) + [0] * (nodes - pods))
