"""Which node a pod may and should run on: pure.

A node must be ready, schedulable, tolerated, selected, and have the asked-for ports and resources free. Among those the
pod goes where the fewest pods of its owner are, then where the fewest pods are. Reasons are kube-scheduler's.
Source: kubernetes/pkg/scheduler/framework/plugins.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from kube46.api.objects import Node, NodeSelectorTerm, Pod, Taint, Toleration
from kube46.api.quantities import parse
from kube46.controllers.selectors import contains, holds
from kube46.lab.controllers.owners import controller_of

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
HostPort = tuple[str, int, str]
ANY_ADDRESS = ("", "0.0.0.0", "::")


@dataclass(slots=True)
class Load:
    """What the pods of one node use."""

    pods: int = 0
    owners: Counter[str] = field(default_factory=Counter)
    ports: Counter[HostPort] = field(default_factory=Counter)
    requests: dict[str, Decimal] = field(default_factory=dict)

    def add(self, pod: Pod, sign: int = 1) -> None:
        """Counts a pod in, or out with `sign` -1."""
        self.pods += sign
        self.owners[owner_of(pod)] += sign
        for port in host_ports(pod):
            self.ports[port] += sign
        for name, amount in requests(pod).items():
            self.requests[name] = self.requests.get(name, Decimal(0)) + sign * amount


@dataclass(frozen=True, slots=True)
class Choice:
    """The node, or the message that says why there is none."""

    node: str = ""
    message: str = ""


def choose(pod: Pod, nodes: Iterable[tuple[Node, Load]]) -> Choice:
    """The best node for the pod."""
    candidates: list[tuple[int, int, int, str]] = []
    reasons: Counter[str] = Counter()
    total = 0
    for node, load in nodes:
        total += 1
        if why := "; ".join(obstacles(pod, node, load)):
            reasons[why] += 1
        else:
            candidates.append((_unpreferred(pod, node), load.owners[owner_of(pod)], load.pods, node.metadata.name))
    if candidates:
        return Choice(node=min(candidates)[3])
    if not total:
        return Choice(message="no nodes available to schedule pods")
    said = ", ".join(sorted(f"{count} {why}" for why, count in reasons.items()))
    return Choice(message=f"0/{total} nodes are available: {said}.")


def obstacles(pod: Pod, node: Node, load: Load) -> Iterator[str]:
    """Why the pod cannot run on the node: the first kind of reason that there is."""
    if node.spec.unschedulable and not tolerated(Taint(UNSCHEDULABLE, "", "NoSchedule"), pod.spec.tolerations):
        yield "node(s) were unschedulable"
    elif any(not tolerated(taint, pod.spec.tolerations) for taint in _hard_taints(node)):
        yield "node(s) had untolerated taint(s)"
    elif not selected(pod, node):
        yield "node(s) didn't match Pod's node affinity/selector"
    elif any(_clash(port, taken) for port in host_ports(pod) for taken, n in load.ports.items() if n > 0):
        yield "node(s) didn't have free ports for the requested pod ports"
    else:
        yield from _too_little(pod, node, load)


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    """Whether one of the tolerations matches the taint."""
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def selected(pod: Pod, node: Node) -> bool:
    """Whether the node has the labels that `nodeSelector` and the required node affinity ask for."""
    if not contains(node.metadata.labels, pod.spec.node_selector):
        return False
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required is None or any(_term_holds(term, node) for term in required.node_selector_terms)


def owner_of(pod: Pod) -> str:
    """Whom the pod is spread with: its controller; a pod without one is alone."""
    owner = controller_of(pod)
    return owner.uid if owner else pod.metadata.uid


def host_ports(pod: Pod) -> list[HostPort]:
    """The ports of the node that the pod takes: (protocol, port, address)."""
    ports = [port for container in pod.spec.containers for port in container.ports]
    if pod.spec.host_network:
        return [(p.protocol, p.host_port or p.container_port, p.host_ip) for p in ports]
    return [(p.protocol, p.host_port, p.host_ip) for p in ports if p.host_port]


def requests(pod: Pod) -> dict[str, Decimal]:
    """What the pod asks for: its containers together, or its hungriest init container if that is more."""
    total: dict[str, Decimal] = {}
    for container in pod.spec.containers:
        for name, amount in container.resources.requests.items():
            total[name] = total.get(name, Decimal(0)) + parse(amount)
    for container in pod.spec.init_containers:
        for name, amount in container.resources.requests.items():
            total[name] = max(total.get(name, Decimal(0)), parse(amount))
    return total


def unsupported(pod: Pod) -> list[str]:
    """The fields of the pod that this scheduler doesn't honour."""
    affinity = pod.spec.affinity
    given = {
        "spec.affinity.podAffinity": affinity and affinity.pod_affinity,
        "spec.affinity.podAntiAffinity": affinity and affinity.pod_anti_affinity,
        "spec.topologySpreadConstraints": pod.spec.topology_spread_constraints,
    }
    return [name for name, value in given.items() if value]


def _hard_taints(node: Node) -> list[Taint]:
    """Taints that forbid, and one for a node that isn't ready though nobody has tainted it yet."""
    taints = [t for t in node.spec.taints if t.effect in ("NoSchedule", "NoExecute")]
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    if not ready and not any(t.key in (NOT_READY, UNREACHABLE) for t in taints):
        taints.append(Taint(NOT_READY, "", "NoSchedule"))
    return taints


def _unpreferred(pod: Pod, node: Node) -> int:
    soft = [t for t in node.spec.taints if t.effect == "PreferNoSchedule"]
    return sum(not tolerated(t, pod.spec.tolerations) for t in soft)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def _term_holds(term: NodeSelectorTerm, node: Node) -> bool:
    """An empty term matches no node."""
    fields = {"metadata.name": node.metadata.name}
    return bool(term.match_expressions or term.match_fields) and (
        all(holds(r, node.metadata.labels) for r in term.match_expressions)
        and all(holds(r, fields) for r in term.match_fields)
    )


def _clash(one: HostPort, other: HostPort) -> bool:
    same_address = one[2] == other[2] or one[2] in ANY_ADDRESS or other[2] in ANY_ADDRESS
    return one[:2] == other[:2] and same_address


def _too_little(pod: Pod, node: Node, load: Load) -> Iterator[str]:
    """Compares with `allocatable`; what a node doesn't declare at all is not limited there."""
    room = node.status.allocatable
    if "pods" in room and load.pods + 1 > parse(room["pods"]):
        yield "Too many pods"
    for name, amount in sorted(requests(pod).items()):
        if name in room and load.requests.get(name, Decimal(0)) + amount > parse(room[name]):
            yield f"Insufficient {name}"
