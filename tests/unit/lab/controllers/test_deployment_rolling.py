"""How a rollout moves pods from the old ReplicaSets to the new one, and how a changed count is shared."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Deployment, ReplicaSet
from kube46.lab.controllers.deployments import rolling


def deployment(replicas: int = 3, surge: int | str = 1, missing: int | str = 0, **spec: Any) -> Deployment:
    how = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}}
    return msgspec.convert(
        {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "strategy": how, **spec}}, Deployment
    )


def owned(
    age: int, replicas: int, *, free: int | None = None, pods: int | None = None, sized: tuple[int, int] | None = None
) -> ReplicaSet:
    """A ReplicaSet; `sized` is the count and the most pods that it was sized for."""
    free = replicas if free is None else free
    held = {"replicas": replicas if pods is None else pods, "availableReplicas": free}
    marks = {rolling.DESIRED: str(sized[0]), rolling.MOST: str(sized[1])} if sized else {}
    meta = {"name": f"web-{age}", "creationTimestamp": f"2026-11-23T12:00:0{age}Z", "annotations": marks}
    return msgspec.convert({"metadata": meta, "spec": {"replicas": replicas}, "status": held}, ReplicaSet)


RECREATE = {"strategy": {"type": "Recreate"}}


@pytest.mark.parametrize(
    ("given", "new", "old", "expected"),
    [
        # the first ReplicaSet has all at once; the next one as many as there is room for
        (deployment(3), None, [], {"": 3}),
        (deployment(3), None, [owned(1, 3)], {"": 1, "web-1": 3}),
        (deployment(3, surge=0, missing=1), None, [owned(1, 3)], {"": 0, "web-1": 2}),
        (deployment(4, surge="25%", missing="25%"), None, [owned(1, 4)], {"": 1, "web-1": 3}),
        (deployment(10, surge="25%", missing="25%"), None, [owned(1, 10)], {"": 3, "web-1": 8}),
        # old pods go as new ones get available
        (deployment(3), owned(2, 1, free=0), [owned(1, 3)], {"web-2": 1, "web-1": 3}),
        (deployment(3), owned(2, 1), [owned(1, 3)], {"web-2": 1, "web-1": 2}),
        (deployment(3), owned(2, 1), [owned(1, 2)], {"web-2": 2, "web-1": 2}),
        (deployment(3), owned(2, 3), [owned(1, 1)], {"web-2": 3, "web-1": 0}),
        # of the old ones those first that serve nobody, then the oldest
        (deployment(3, surge=0, missing=1), None, [owned(1, 2), owned(2, 1, free=0)], {"": 0, "web-1": 2, "web-2": 0}),
        (deployment(4, surge=0, missing=2), None, [owned(1, 2), owned(2, 2)], {"": 0, "web-1": 0, "web-2": 2}),
        # a rollout by a template that never gets ready stops where it hurts nobody
        (deployment(4, surge=1, missing=1), owned(2, 2, free=0), [owned(1, 3)], {"web-2": 2, "web-1": 3}),
        # too many new ones
        (deployment(2), owned(2, 3), [], {"web-2": 2}),
        # all old pods gone before the first new one
        (deployment(3, **RECREATE), None, [owned(1, 3)], {"": 0, "web-1": 0}),
        (deployment(3, **RECREATE), owned(2, 0), [owned(1, 0, pods=1)], {"web-2": 0, "web-1": 0}),
        (deployment(3, **RECREATE), owned(2, 0), [owned(1, 0)], {"web-2": 3, "web-1": 0}),
        # a paused rollout stands; a paused Deployment is scaled
        (deployment(3, paused=True), None, [owned(1, 3)], {"web-1": 3}),
        (deployment(4, paused=True), owned(2, 1), [owned(1, 3)], {"web-2": 1, "web-1": 4}),
        (deployment(5, paused=True), owned(2, 3), [], {"web-2": 5}),
        (deployment(5, paused=True), owned(2, 0), [owned(1, 3)], {"web-2": 0, "web-1": 5}),
    ],
)
def test_sizes(given: Deployment, new: ReplicaSet | None, old: list[ReplicaSet], expected: dict[str, int]) -> None:
    """One step of each strategy."""
    assert rolling.sizes(given, new, old) == expected


@pytest.mark.parametrize(
    ("replicas", "new", "old", "expected"),
    [
        # upstream's documentation: 10 → 15 in the middle of a rollout of 8 old and 5 new, maxSurge 3
        (15, owned(2, 5, sized=(10, 13)), [owned(1, 8, sized=(10, 13))], {"web-2": 7, "web-1": 11}),
        (5, owned(2, 5, sized=(10, 13)), [owned(1, 8, sized=(10, 13))], {"web-2": 3, "web-1": 5}),
        (0, owned(2, 5, sized=(10, 13)), [owned(1, 8, sized=(10, 13))], {"web-2": 0, "web-1": 0}),
        (6, owned(2, 3, sized=(3, 6)), [], {"web-2": 6}),
    ],
)
def test_changed_count_is_shared(
    replicas: int, new: ReplicaSet, old: list[ReplicaSet], expected: dict[str, int]
) -> None:
    """During a rollout every ReplicaSet gets its part of a new count."""
    wanted = deployment(replicas, surge=3, missing=2)
    assert rolling.rescaled(wanted, [new, *old])
    assert rolling.sizes(wanted, new, old) == expected


@given(
    replicas=st.integers(1, 12),
    surge=st.integers(0, 5),
    missing=st.integers(0, 5),
    start=st.lists(st.integers(0, 4), min_size=1, max_size=3),
    data=st.data(),
)
def test_rollout_keeps_its_promises_and_ends(
    replicas: int, surge: int, missing: int, start: list[int], data: st.DataObject
) -> None:
    """Whichever pods get available when: never too few available, never more than the surge allows, and an end."""
    wanted = deployment(replicas, surge, missing)
    least, most = replicas - rolling.max_unavailable(wanted), replicas + rolling.max_surge(wanted)
    new, old = 0, [*start, replicas]
    new_free = 0
    for turn in range(200):
        before = sum(old) + new
        available = sum(old) + new_free
        sets = [owned(i, size) for i, size in enumerate(old)]
        sizes = rolling.sizes(wanted, owned(9, new, free=new_free), sets)
        new, old = sizes["web-9"], [sizes[f"web-{i}"] for i in range(len(old))]
        assert sum(old) + new <= max(most, before)
        assert sum(old) + min(new_free, new) >= min(least, available)
        new_free = min(new_free, new)
        if new > new_free:
            # at least one more at every second turn, so that it can end
            new_free = data.draw(st.integers(new_free + turn % 2, new))
        if new == new_free == replicas and not any(old):
            return
    raise AssertionError(f"no end: {new} new, {old} old")


@given(st.lists(st.integers(0, 20), min_size=2, max_size=5), st.integers(0, 30), st.integers(0, 4))
def test_shares_add_up(start: list[int], replicas: int, surge: int) -> None:
    """All ReplicaSets together have the new count and its surge, and none is negative.

    What rounding leaves is taken from the largest, and lost when that would go below zero: upstream's arithmetic.
    """
    before = sum(start) or 1
    sets = [owned(i, size, free=0, sized=(before, before + surge)) for i, size in enumerate(start)]
    wanted = deployment(replicas, surge, 1)
    if not rolling.rescaled(wanted, sets) or sum(size > 0 for size in start) < 2:
        return
    sizes = rolling.sizes(wanted, sets[0], sets[1:])
    assert all(size >= 0 for size in sizes.values())
    total = replicas + surge if replicas else 0
    assert sum(sizes.values()) == total or (sum(sizes.values()) > total and 0 in sizes.values())
