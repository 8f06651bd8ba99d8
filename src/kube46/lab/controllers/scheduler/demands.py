"""What a pod takes of a node: amounts of resources. Pure.

Source: kubernetes/staging/src/k8s.io/component-helpers/resource/helpers.go (`PodRequests`), KEP-753 (sidecars),
KEP-2837 (a pod's own resources), pkg/scheduler/util/pod_resources.go (what is assumed).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from kube46.api import quantities
from kube46.api.objects import Container, Pod

Amounts = dict[str, Decimal]
ZERO = Decimal(0)
# What a container that asks for nothing is taken to need, where nodes are compared.
ASSUMED = {"cpu": Decimal("0.1"), "memory": Decimal(200 << 20)}
# Only these may be asked for by a pod as a whole.
BASIC = ("cpu", "memory")
parse = lru_cache(4096)(quantities.parse)


def requests(pod: Pod, least: Mapping[str, Decimal] | None = None) -> Amounts:
    """What the pod asks for: containers and sidecars together, or its hungriest start if that is more.

    `least` is what a container that says nothing counts as.
    """
    asked = _together([_asks(one, least) for one in pod.spec.containers])
    sidecars: Amounts = {}
    start: Amounts = {}
    for one in pod.spec.init_containers:
        mine = _asks(one, least)
        if one.restart_policy == "Always":
            asked, sidecars = _together([asked, mine]), _together([sidecars, mine])
            mine = {}
        start = _most(start, _together([sidecars, mine]))
    whole = {name: parse(amount) for name, amount in pod.spec.resources.requests.items() if name in BASIC}
    over = {name: parse(amount) for name, amount in pod.spec.overhead.items()}
    return _together([{**_most(asked, start), **whole}, over])


def _asks(container: Container, least: Mapping[str, Decimal] | None) -> Amounts:
    given = {name: parse(amount) for name, amount in container.resources.requests.items()}
    return {**least, **given} if least else given


def _together(parts: Sequence[Amounts]) -> Amounts:
    total: defaultdict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        for name, amount in part.items():
            total[name] += amount
    return dict(total)


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, ZERO), other.get(name, ZERO)) for name in {**one, **other}}
