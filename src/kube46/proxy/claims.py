"""Who claims which element: Services side by side in shared maps, and what a change of one of them changes. Pure.

Two Services may claim one key (the same external IP and port; the same pod's hairpin). The one whose name sorts first
holds it, and gives it to the next when it goes, so the outcome never depends on the order of events.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from kube46.proxy.rules import Element, Elements

Owner = tuple[str, str]
"""(namespace, name) of a Service; ("", "") claims what belongs to no Service."""
NOBODY: Owner = ("", "")
NOTHING: Mapping[Element, str] = {}


class Change(NamedTuple):
    """An element's value before and after; None where it is absent."""

    old: str | None
    new: str | None


Changes = dict[Element, Change]


class Claims:
    """The desired state of the table, kept by owner.

    An owner's claims are one text, and an element's holders are found by the element's hash: 100,000 elements would be
    a million small objects otherwise, and take eight times the memory.
    """

    def __init__(self) -> None:
        self._claims: dict[Owner, tuple[Owner, str]] = {}  # the owner once more, to be one object everywhere
        self._holders: dict[int, Owner | tuple[Owner, ...]] = {}
        self._count = 0

    def of(self, owner: Owner) -> Elements:
        """What an owner claims."""
        found = self._claims.get(owner)
        return NOTHING if found is None else dict(_pairs(found[1]))

    def owners(self) -> list[Owner]:
        """Everybody with a claim."""
        return list(self._claims)

    def value(self, element: Element) -> str | None:
        """The value an element shall have."""
        holder = self._holders.get(hash(element))
        return None if holder is None else self._first(element, holder, NOBODY, self.of(NOBODY))

    def holder(self, element: Element) -> Owner | None:
        """Whose value an element has."""
        holders = _all(self._holders.get(hash(element), ()))
        return next((owner for owner in holders if element in self.of(owner)), None)

    def __iter__(self) -> Iterator[tuple[Element, str]]:
        for owner, text in self._claims.values():
            for element, value in _pairs(text):
                holder = self._holders[hash(element)]
                if holder is owner or self._holds(owner, element, holder):
                    yield element, value

    def __len__(self) -> int:
        return self._count

    def replace(self, owner: Owner, elements: Elements) -> Changes:
        """Put an owner's new claims in the place of its old ones; what that changes in the table."""
        owner, text = self._claims.get(owner, (owner, ""))
        numbers = {*map(hash, elements)}
        if not text and self._holders.keys().isdisjoint(numbers):  # a newcomer whom nobody contests, as nearly all are
            return self._enter(owner, elements, numbers)
        before = dict(_pairs(text))
        touched = [element for element, value in elements.items() if before.get(element) != value]
        touched += [element for element in before if element not in elements]
        old = self._values(touched, owner, before)
        self._enter_and_leave(owner, {*map(hash, before)}, numbers)
        if elements:
            self._claims[owner] = owner, _written(elements)
        else:
            self._claims.pop(owner, None)
        new = self._values(touched, owner, elements)
        changes = {e: Change(a, b) for e, a, b in zip(touched, old, new, strict=True) if a != b}
        self._count += sum((a is None) - (b is None) for a, b in changes.values())
        return changes

    def _enter(self, owner: Owner, elements: Elements, numbers: set[int]) -> Changes:
        if elements:
            self._holders.update(dict.fromkeys(numbers, owner))
            self._claims[owner] = owner, _written(elements)
            self._count += len(elements)
        return {element: Change(None, value) for element, value in elements.items()}

    def _values(self, elements: Iterable[Element], owner: Owner, own: Elements) -> list[str | None]:
        """The values that elements of an owner have, whose claims are `own`."""
        found: list[str | None] = []
        for element in elements:
            holder = self._holders.get(hash(element))
            uncontested = holder is None or holder is owner
            found.append(own.get(element) if uncontested else self._first(element, holder, owner, own))  # type: ignore[arg-type]
        return found

    def _first(self, element: Element, holder: Owner | tuple[Owner, ...], owner: Owner, own: Elements) -> str | None:
        """The value of the first by name of those who claim an element; `own` are the claims of `owner`."""
        for other in _all(holder):
            value = (own if other == owner else self.of(other)).get(element)
            if value is not None:
                return value
        return None

    def _holds(self, owner: Owner, element: Element, holder: Owner | tuple[Owner, ...]) -> bool:
        return owner == next(other for other in _all(holder) if element in self.of(other))

    def _enter_and_leave(self, owner: Owner, before: set[int], after: set[int]) -> None:
        """Owners are kept by hashes of elements, so a hash's owners are those of all elements that have it."""
        for number in before - after:
            rest = [other for other in _all(self._holders[number]) if other != owner]
            if not rest:
                del self._holders[number]
            else:
                self._holders[number] = rest[0] if len(rest) == 1 else tuple(rest)
        for number in after - before:
            holder = self._holders.get(number)
            self._holders[number] = owner if holder is None else tuple(sorted((*_all(holder), owner)))


def _written(elements: Elements) -> str:
    """Names, keys and values are nft's texts: none holds a line feed."""
    return "\n".join([part for (name, key), value in elements.items() for part in (name, key, value)])


def _pairs(text: str) -> Iterable[tuple[Element, str]]:
    parts = text.split("\n") if text else []
    return zip(zip(parts[::3], parts[1::3], strict=True), parts[2::3], strict=True)


def merge(changes: Changes, later: Changes) -> None:
    """Add later changes to earlier ones, in place; what comes back to where it was is no change."""
    for element, change in later.items():
        old = changes[element].old if element in changes else change.old
        if old == change.new:
            changes.pop(element, None)
        else:
            changes[element] = Change(old, change.new)


def _all(holder: Owner | tuple[Owner, ...]) -> tuple[Owner, ...]:
    return (holder,) if holder and isinstance(holder[0], str) else holder
