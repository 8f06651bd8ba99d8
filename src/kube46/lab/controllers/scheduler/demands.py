"""What a pod takes of a node: amounts of resources. Pure.

Source: kubernetes/staging/src/k8s.io/component-helpers/resource/helpers.go (`PodRequests`), KEP-753 (sidecars),
KEP-1287 (resizes), KEP-2837 (a pod's own resources), pkg/scheduler/util/pod_resources.go (what is assumed).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from kube46.api import quantities
from kube46.api.objects import Container, ContainerStatus, Pod

Amounts = dict[str, Decimal]
ZERO = Decimal(0)
# What a container that asks for nothing is taken to need, where nodes are compared.
ASSUMED = {"cpu": Decimal("0.1"), "memory": Decimal(200 << 20)}
PENDING, INFEASIBLE = "PodResizePending", "Infeasible"  # KEP-1287
# Only these may be asked for by a pod as a whole.
BASIC = ("cpu", "memory")
parse = lru_cache(4096)(quantities.parse)


def requests(pod: Pod, least: Mapping[str, Decimal] | None = None) -> Amounts:
    """What the pod asks for: containers and sidecars together, or its hungriest start if that is more.

    `least` is what a container that says nothing counts as.
    """
    has = {one.name: one for one in (*pod.status.container_statuses, *pod.status.init_container_statuses)}
    never = any(c.type == PENDING and c.reason == INFEASIBLE for c in pod.status.conditions)

    def asks(one: Container) -> Amounts:
        return _asks(one, least, has.get(one.name), never)

    asked = _together([asks(one) for one in pod.spec.containers])
    sidecars: Amounts = {}
    start: Amounts = {}
    for one in pod.spec.init_containers:
        mine = asks(one)
        if one.restart_policy == "Always":
            asked, sidecars = _together([asked, mine]), _together([sidecars, mine])
            mine = {}
        start = _most(start, _together([sidecars, mine]))
    whole = {name: parse(amount) for name, amount in pod.spec.resources.requests.items() if name in BASIC}
    over = {name: parse(amount) for name, amount in pod.spec.overhead.items()}
    return _together([{**_most(asked, start), **whole}, over])


def _asks(
    container: Container, least: Mapping[str, Decimal] | None, has: ContainerStatus | None, never: bool
) -> Amounts:
    """What a container wants or has, whichever is more; what it wants counts not if it `never` gets it."""
    given = _parsed(container.resources.requests)
    if has and (has.allocated_resources or has.resources.requests):
        mine = _most(_parsed(has.allocated_resources), _parsed(has.resources.requests))
        given = mine if never else _most(given, mine)
    return {**least, **given} if least else given


def _parsed(listed: Mapping[str, str | int]) -> Amounts:
    return {name: parse(amount) for name, amount in listed.items()}


def _together(parts: Sequence[Amounts]) -> Amounts:
    total: defaultdict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        for name, amount in part.items():
            total[name] += amount
    return dict(total)


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, ZERO), other.get(name, ZERO)) for name in {**one, **other}}
