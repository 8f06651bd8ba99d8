"""Whether a node has the resources that a pod asks for, and how much is left: pure.

Source: kubernetes/pkg/scheduler/framework/plugins/noderesources/{fit,least_allocated,balanced_allocation}.go.
"""

from collections.abc import Iterator, Sequence

from kube46.api.objects import Pod
from kube46.lab.controllers.scheduler.demands import ASSUMED, BASIC, ZERO, Amounts, parse, requests
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import HIGHEST, Check, Refusal


def too_little(pod: Pod, cluster: Cluster) -> Check:
    """Filter: the node's allocatable resources don't suffice; what it doesn't declare of CPU and memory is free."""
    asked = requests(pod)

    def check(place: Place) -> Refusal | None:
        room = place.node.status.allocatable
        found, final = [], False
        if "pods" in room and len(place.pods) + 1 > parse(room["pods"]):
            found.append("Too many pods")
        for name, amount in asked.items():
            total = parse(room[name]) if name in room else None if name in BASIC else ZERO
            if amount and total is not None and place.requested.get(name, ZERO) + amount > total:
                found.append(f"Insufficient {name}")
                final = final or amount > total
        return Refusal(tuple(found), final) if found else None

    return check


def least_allocated(pod: Pod, cluster: Cluster, places: Sequence[Place]) -> Sequence[int]:
    """Score: how much of CPU and memory is left, on the average."""
    asked = requests(pod, ASSUMED)
    return [int(sum(HIGHEST * (1 - f) for f in _fractions(place, asked)) / 2) for place in places]


def balanced(pod: Pod, cluster: Cluster, places: Sequence[Place]) -> Sequence[int] | None:
    """Score: how alike the taken shares of CPU and memory are; nothing to say of a pod that asks for nothing."""
    asked = requests(pod, ASSUMED)
    if not requests(pod):
        return None
    shares = [list(_fractions(place, asked)) for place in places]
    return [int(HIGHEST * (1 - abs(first - second) / 2)) for first, second in shares]


def _fractions(place: Place, asked: Amounts) -> Iterator[float]:
    """The shares of CPU and memory that would be taken; all of what the node doesn't have."""
    for name in BASIC:
        total = parse(place.node.status.allocatable.get(name, 0))
        taken = place.assumed.get(name, ZERO) + asked.get(name, ZERO)
        yield min(1.0, float(taken / total)) if total else 1.0
