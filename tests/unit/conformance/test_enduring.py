"""What a restart must leave as it is."""

from kube46.api import objects
from kube46.api.objects.meta import Meta
from kube46.api.objects.nodes import NodeSpec
from kube46.api.objects.services import ServiceSpec
from kube46.conformance import enduring


def service(uid: str, *ips: str) -> objects.Service:
    """A Service of these addresses."""
    return objects.Service(metadata=Meta(name=uid, namespace="ns", uid=uid), spec=ServiceSpec(cluster_ips=ips))


def node(*ranges: str) -> objects.Node:
    """A node of these ranges."""
    return objects.Node(metadata=Meta(name="n"), spec=NodeSpec(pod_cidrs=ranges))


BEFORE = enduring.state([service("a", "10.0.0.1", "fd00::1"), service("b", "10.0.0.2")], [node("10.244.0.0/24")])


def test_what_is_made_or_deleted_meanwhile_is_no_fault() -> None:
    """Others work on the cluster, too."""
    after = enduring.state([service("a", "10.0.0.1", "fd00::1"), service("c", "10.0.0.2")], [])
    assert enduring.changed(BEFORE, after) == []


def test_a_lost_address_or_range_is_told() -> None:
    """The object, the field, what it was and is."""
    after = enduring.state([service("a", "10.0.0.1"), service("b", "10.0.0.2")], [node("10.244.1.0/24")])
    assert enduring.changed(BEFORE, after) == [
        "services/ns/a: clusterIPs was 10.0.0.1,fd00::1, is 10.0.0.1",
        "nodes/n: podCIDRs was 10.244.0.0/24, is 10.244.1.0/24",
    ]


def test_the_holders_log_is_read_while_it_is_written() -> None:
    """The last round counts, half a line doesn't, and each loss is told."""
    log = '{"round": 1, "held": ["x"]}\n{"lost": "x", "why": "reset"}\n{"round": 2, "held": []}\n{"rou'
    assert enduring.heard(log) == enduring.Held(2, ("the connection to x was lost: reset",))
    assert enduring.heard("") == enduring.Held(0, ())
