"""How large each ReplicaSet of a Deployment is to be: pure.

A rollout makes new pods while there is room up to `maxSurge` above the wanted count, and takes old ones away while
`maxUnavailable` below it stay available; those that are not available go first. A changed count is shared among the
ReplicaSets by their sizes, also while a rollout is under way or paused.
Source: kubernetes/pkg/controller/deployment/{rolling.go,sync.go,recreate.go,util/deployment_util.go}.
"""

import math
from collections.abc import Sequence

from kube46.api.objects import Deployment, ReplicaSet
from kube46.lab.controllers.shares import resolve

DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
DEFAULT_SHARE = "25%"
Sizes = dict[str, int]


def max_surge(deployment: Deployment) -> int:
    """How many pods there may be beyond the wanted count; shares are rounded up."""
    return _limits(deployment)[1]


def max_unavailable(deployment: Deployment) -> int:
    """How many pods may be missing before the Deployment is not available; shares are rounded down."""
    return min(_limits(deployment)[0], deployment.spec.replicas)


def counts(deployment: Deployment) -> dict[str, str]:
    """The annotations of an active ReplicaSet that tell which count of the Deployment it was sized for."""
    replicas = deployment.spec.replicas
    return {DESIRED: str(replicas), MOST: str(replicas + max_surge(deployment))}


def rescaled(deployment: Deployment, owned: Sequence[ReplicaSet]) -> bool:
    """Whether the wanted count changed since the active ReplicaSets were sized."""
    wanted = str(deployment.spec.replicas)
    return any(one.spec.replicas and one.metadata.annotations.get(DESIRED, wanted) != wanted for one in owned)


def sizes(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """The wanted replicas by name; the ReplicaSet that is still to be created has the name "", when it is to be."""
    owned = [*old, new] if new else list(old)
    if deployment.spec.paused or rescaled(deployment, owned):
        return _scaled(deployment, new, old)
    if deployment.spec.strategy.type == "Recreate":
        return _recreated(deployment, new, old)
    return _rolled(deployment, new, old)


def _limits(deployment: Deployment) -> tuple[int, int]:
    """maxUnavailable and maxSurge as counts; at least one of them lets the rollout go on."""
    strategy, replicas = deployment.spec.strategy, deployment.spec.replicas
    if strategy.type != "RollingUpdate":
        return 0, 0
    rolling = strategy.rolling_update
    given = (rolling.max_unavailable, rolling.max_surge) if rolling else (None, None)
    missing = resolve(DEFAULT_SHARE if given[0] is None else given[0], replicas, up=False)
    surge = resolve(DEFAULT_SHARE if given[1] is None else given[1], replicas, up=True)
    return (missing if missing or surge else 1), surge


def _recreated(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    empty = all(not one.spec.replicas and not has_pods(one) for one in old)
    first = deployment.spec.replicas if empty else (new.spec.replicas if new else 0)
    return {new.metadata.name if new else "": first, **{one.metadata.name: 0 for one in old}}


def _rolled(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """One step of a rolling update."""
    replicas, there = deployment.spec.replicas, new.spec.replicas if new else 0
    before = sum(one.spec.replicas for one in old)
    room = max(0, replicas + max_surge(deployment) - before - there)
    first = min(replicas, there + room)
    result = {new.metadata.name if new else "": first, **{one.metadata.name: one.spec.replicas for one in old}}
    least = replicas - max_unavailable(deployment)
    free = new.status.available_replicas if new else 0
    # New pods that are not available yet count as missing already.
    spare = before + first - least - max(0, first - free)
    if spare <= 0:
        return result
    aged = sorted(old, key=lambda one: (one.metadata.creation_timestamp or "", one.metadata.name))
    for one in aged:  # first those pods that serve nobody
        gone = min(spare, max(0, result[one.metadata.name] - one.status.available_replicas))
        result[one.metadata.name] -= gone
        spare -= gone
    spare = max(0, free + sum(one.status.available_replicas for one in old) - least)
    for one in aged:
        gone = min(spare, result[one.metadata.name])
        result[one.metadata.name] -= gone
        spare -= gone
    return result


def _scaled(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """The wanted count given to the only ReplicaSet, to the new one when it is complete, or shared by size."""
    replicas, owned = deployment.spec.replicas, [*([new] if new else []), *old]
    result = {one.metadata.name: one.spec.replicas for one in owned}
    active = [one for one in owned if one.spec.replicas]
    if len(active) <= 1:
        youngest = max(owned, key=lambda one: one.metadata.creation_timestamp or "", default=None)
        if only := active[0] if active else new or youngest:
            result[only.metadata.name] = replicas
        return result
    if new and _complete(deployment, new):
        return {**result, **{one.metadata.name: 0 for one in old}}
    if deployment.spec.strategy.type != "RollingUpdate":
        return result
    return {**result, **_shared(deployment, active)}


def _complete(deployment: Deployment, new: ReplicaSet) -> bool:
    """Whether the new ReplicaSet has, and was meant to have, all pods; they are available."""
    wanted = deployment.spec.replicas
    told = new.metadata.annotations.get(DESIRED)
    return new.spec.replicas == wanted == new.status.available_replicas and told == str(wanted)


def _shared(deployment: Deployment, active: Sequence[ReplicaSet]) -> Sizes:
    """What is to be added or taken away, in proportion to the sizes; what rounding leaves goes to the largest."""
    most = deployment.spec.replicas + max_surge(deployment) if deployment.spec.replicas else 0
    change = most - sum(one.spec.replicas for one in active)
    # Of equal ones the youngest gains first and the oldest loses first.
    ordered = sorted(active, key=lambda one: one.metadata.creation_timestamp or "", reverse=change > 0)
    ordered.sort(key=lambda one: -one.spec.replicas)
    result: Sizes = {}
    done = 0
    for one in ordered:
        part = _proportion(deployment, one, most)
        part = min(part, change - done) if change > 0 else max(part, change - done)
        result[one.metadata.name] = one.spec.replicas + (part if change != done else 0)
        done += part if change != done else 0
    first = ordered[0].metadata.name
    result[first] = max(0, result[first] + change - done)
    return result


def _proportion(deployment: Deployment, one: ReplicaSet, most: int) -> int:
    if not deployment.spec.replicas:
        return -one.spec.replicas
    text = one.metadata.annotations.get(MOST, "")
    before = (int(text) if text.isdecimal() else 0) or deployment.status.replicas or most
    return math.floor(one.spec.replicas * most / before + 0.5) - one.spec.replicas


def has_pods(owned: ReplicaSet) -> bool:
    """Whether pods of it are left, be they ending."""
    return bool(owned.status.replicas or owned.status.terminating_replicas)
