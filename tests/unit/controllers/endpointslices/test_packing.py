"""Endpoints in slices: exact, small, and with few changes."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kube46.api.objects import Endpoint, EndpointConditions, EndpointSlice, Meta, TargetRef
from kube46.controllers.endpointslices.endpoints import EndpointKey, endpoint_key
from kube46.controllers.endpointslices.packing import Slices, pack

MAXIMUM = 4
NAMES = itertools.count(1000)
BLANK = EndpointSlice(metadata=Meta(generate_name="svc-", labels={"a": "b"}), address_type="IPv6")


def one(number: int, ready: bool = True) -> Endpoint:
    name = f"pod-{number}"
    conditions = EndpointConditions(ready=ready, serving=ready, terminating=False)
    return Endpoint((f"fd00::{number + 1:x}",), conditions, target_ref=TargetRef(kind="Pod", namespace="n", name=name))


def by_key(values: list[Endpoint]) -> dict[EndpointKey, Endpoint]:
    return {endpoint_key(value): value for value in values}


def slices(*sizes: int) -> list[EndpointSlice]:
    """Existing slices of these sizes, of pods numbered through."""
    found, number = [], 0
    for place, size in enumerate(sizes):
        meta = replace(BLANK.metadata, name=f"svc-{place}")
        found.append(replace(BLANK, metadata=meta, endpoints=tuple(one(number + i) for i in range(size))))
        number += size
    return found


def applied(existing: list[EndpointSlice], done: Slices) -> list[EndpointSlice]:
    """The slices after the writes."""
    gone = {s.metadata.name for s in [*done.delete, *done.update]}
    made = [replace(s, metadata=replace(s.metadata, name=f"svc-{next(NAMES)}")) for s in done.create]
    return [s for s in existing if s.metadata.name not in gone] + done.update + made


def sizes(values: list[EndpointSlice]) -> list[int]:
    return [len(s.endpoints or ()) for s in values]


def test_new_endpoints_go_into_the_fullest_changed_slice() -> None:
    """A slice that changes anyway takes new endpoints before any other slice is touched."""
    existing = slices(3, 3, 1)
    wanted = [one(n) for n in range(7) if n not in (0, 6)] + [one(20), one(21)]
    done = pack(existing, by_key(wanted), BLANK, MAXIMUM)
    assert (sizes(done.update), sizes(done.unchanged), sizes(done.delete), done.create) == ([4], [3], [1], [])


def test_rest_goes_into_the_unchanged_slice_with_least_room() -> None:
    """A rest that fits one unchanged slice goes there, whole, and into the fullest such."""
    existing = slices(1, 2, 4)
    done = pack(existing, by_key([one(n) for n in range(7)] + [one(20), one(21)]), BLANK, MAXIMUM)
    assert [s.metadata.name for s in done.update] == ["svc-1"]
    assert not done.create
    assert not done.delete


def test_rest_that_fits_no_slice_makes_a_new_one() -> None:
    """Unchanged slices are never filled in part: a new slice costs the watchers less."""
    done = pack(slices(3, 3), by_key([one(n) for n in range(6)] + [one(20), one(21)]), BLANK, MAXIMUM)
    assert (sizes(done.create), done.update, sizes(done.unchanged)) == ([2], [], [3, 3])


def test_changed_condition_keeps_the_place() -> None:
    """An endpoint whose readiness changes is rewritten where it is."""
    existing = slices(3)
    done = pack(existing, by_key([one(0), one(1, ready=False), one(2)]), BLANK, MAXIMUM)
    assert [e.conditions.ready for e in done.update[0].endpoints or ()] == [True, False, True]


def test_changed_labels_rewrite_the_slice() -> None:
    """A slice with other labels than wanted is updated though its endpoints stay."""
    existing = slices(2)
    blank = replace(BLANK, metadata=replace(BLANK.metadata, labels={"a": "c"}))
    done = pack(existing, by_key([one(0), one(1)]), blank, MAXIMUM)
    assert [s.metadata.labels for s in done.update] == [{"a": "c"}]


PODS = st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=26, unique_by=lambda pod: pod[0])


@given(st.lists(PODS, min_size=1, max_size=6))
def test_any_history_ends_exact_and_quiet(history: list[list[tuple[int, bool]]]) -> None:
    """After any changes the slices hold each wanted endpoint once, none is too full, and a second run does nothing."""
    existing: list[EndpointSlice] = []
    for pods in history:
        wanted = by_key([one(number, ready) for number, ready in pods])
        existing = applied(existing, pack(existing, wanted, BLANK, MAXIMUM))
        held = [e for s in existing for e in s.endpoints or ()]
        assert sorted(map(endpoint_key, held)) == sorted(wanted)
        assert all(wanted[endpoint_key(e)] == e for e in held)
        assert all(len(s.endpoints or ()) <= MAXIMUM for s in existing)
        again = pack(existing, wanted, BLANK, MAXIMUM)
        assert not (again.create or again.update or again.delete)


@given(PODS, PODS)
def test_untouched_slices_are_not_written(before: list[tuple[int, bool]], after: list[tuple[int, bool]]) -> None:
    """Slices listed as unchanged are the very objects that were there."""
    existing = applied([], pack([], by_key([one(*pod) for pod in before]), BLANK, MAXIMUM))
    done = pack(existing, by_key([one(*pod) for pod in after]), BLANK, MAXIMUM)
    assert all(any(s is old for old in existing) for s in done.unchanged)
    assert len(done.unchanged) + len(done.update) + len(done.delete) == len(existing)
