"""Puts endpoints into slices with as few changed slices as possible.

An endpoint stays in the slice where it is. New ones go first into slices that change anyway, fullest first, then into
one unchanged slice that takes them all with the least room left, then into new slices (semantics C4-6).
Source: kubernetes/staging/src/k8s.io/endpointslice/reconciler.go (`reconcileByPortMapping`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from kube46.api.objects import Endpoint, EndpointSlice
from kube46.controllers.endpointslices.endpoints import EndpointKey, endpoint_key


@dataclass(slots=True)
class Slices:
    """Slices by what is to be done with them; those to create have no name."""

    create: list[EndpointSlice] = field(default_factory=list)
    update: list[EndpointSlice] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)
    unchanged: list[EndpointSlice] = field(default_factory=list)

    def add(self, other: "Slices") -> None:
        """Takes over all of `other`."""
        for name in ("create", "update", "delete", "unchanged"):
            getattr(self, name).extend(getattr(other, name))


def pack(
    existing: Iterable[EndpointSlice], desired: Mapping[EndpointKey, Endpoint], blank: EndpointSlice, maximum: int
) -> Slices:
    """The changes that make `existing` hold exactly `desired`, at most `maximum` in each.

    All slices have the same ports; `blank` is a new empty one of them, and has the labels that all are to have.
    """
    left = dict(desired)
    result = Slices()
    for old in existing:
        _keep(old, left, blank, result)
    rest = [*reversed(left.values())]  # taken from the end, in order
    _top_up(result.update, rest, maximum)
    while rest:
        _place(result, rest, blank, maximum)
    return result


def _keep(old: EndpointSlice, left: dict[EndpointKey, Endpoint], blank: EndpointSlice, result: Slices) -> None:
    """Sorts one existing slice: its endpoints that are still wanted leave `left` and stay in their order."""
    before = old.endpoints or ()
    kept = [(e, left.pop(endpoint_key(e))) for e in before if endpoint_key(e) in left]
    if before and not kept:
        result.delete.append(old)
    elif len(kept) < len(before) or any(replace(was, hints=None) != now for was, now in kept):
        result.update.append(labelled(replace(old, endpoints=tuple(now for _, now in kept)), blank))
    elif old.metadata.labels != blank.metadata.labels:
        result.update.append(labelled(old, blank))
    else:
        result.unchanged.append(old)


def labelled(old: EndpointSlice, blank: EndpointSlice) -> EndpointSlice:
    """The slice with the labels that it is to have."""
    return replace(old, metadata=replace(old.metadata, labels=blank.metadata.labels))


def _top_up(slices: list[EndpointSlice], rest: list[Endpoint], maximum: int) -> None:
    for place in sorted(range(len(slices)), key=lambda i: -len(slices[i].endpoints or ())):
        slices[place] = _filled(slices[place], rest, maximum)


def _place(result: Slices, rest: list[Endpoint], blank: EndpointSlice, maximum: int) -> None:
    """Puts some of `rest` into one more slice."""
    fitting = [s for s in result.unchanged if len(s.endpoints or ()) + len(rest) <= maximum]
    if len(rest) < maximum and fitting:
        fullest = max(fitting, key=lambda s: len(s.endpoints or ()))
        result.unchanged.remove(fullest)
        result.update.append(_filled(fullest, rest, maximum))
    else:
        result.create.append(_filled(blank, rest, maximum))


def _filled(old: EndpointSlice, rest: list[Endpoint], maximum: int) -> EndpointSlice:
    """The slice with endpoints moved into it from the end of `rest`."""
    room = maximum - len(old.endpoints or ())
    added = [rest.pop() for _ in range(min(room, len(rest)))]
    return replace(old, endpoints=(*(old.endpoints or ()), *added)) if added else old
