"""Who claims which element: Services side by side in shared maps, and what a change of one of them changes. Pure.

Two Services may claim one key (the same external IP and port; the same pod's hairpin). The one whose name sorts first
holds it, and gives it to the next when it goes, so the outcome never depends on the order of events.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kube46.proxy.rules import Element, Elements

Owner = tuple[str, str]
"""(namespace, name) of a Service; ("", "") claims what belongs to no Service."""
NOBODY: Owner = ("", "")
NOTHING: Mapping[Element, str] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """An element's value before and after; None where it is absent."""

    old: str | None
    new: str | None


Changes = dict[Element, Change]


class Claims:
    """The desired state of the table, kept by owner."""

    def __init__(self) -> None:
        self._claims: dict[Owner, Elements] = {}
        self._holders: dict[Element, Owner | tuple[Owner, ...]] = {}
        # a tuple of owners only for a contested key: nearly all have one, and a tuple each would cost megabytes

    def of(self, owner: Owner) -> Elements:
        """What an owner claims."""
        return self._claims.get(owner, NOTHING)

    def owners(self) -> list[Owner]:
        """Everybody with a claim."""
        return list(self._claims)

    def value(self, element: Element) -> str | None:
        """The value an element shall have."""
        holder = self._holders.get(element)
        return None if holder is None else self._claims[_first(holder)][element]

    def __iter__(self) -> Iterator[tuple[Element, str]]:
        for element, holder in self._holders.items():
            yield element, self._claims[_first(holder)][element]

    def __len__(self) -> int:
        return len(self._holders)

    def replace(self, owner: Owner, elements: Elements) -> Changes:
        """Put an owner's new claims in the place of its old ones; what that changes in the table."""
        before = self.of(owner)
        touched = [element for element, value in elements.items() if before.get(element) != value]
        gone = [element for element in before if element not in elements]
        old = {element: self.value(element) for element in (*gone, *touched)}
        for element in gone:
            self._withdraw(element, owner)
        if elements:
            self._claims[owner] = elements
        else:
            self._claims.pop(owner, None)
        for element in touched:
            self._enter(element, owner)
        return {element: Change(value, new) for element, value in old.items() if (new := self.value(element)) != value}

    def _enter(self, element: Element, owner: Owner) -> None:
        holder = self._holders.get(element)
        if holder is None:
            self._holders[element] = owner
        elif owner not in _all(holder):
            self._holders[element] = tuple(sorted((*_all(holder), owner)))

    def _withdraw(self, element: Element, owner: Owner) -> None:
        rest = [other for other in _all(self._holders[element]) if other != owner]
        if not rest:
            del self._holders[element]
        else:
            self._holders[element] = rest[0] if len(rest) == 1 else tuple(rest)


def merge(changes: Changes, later: Changes) -> None:
    """Add later changes to earlier ones, in place; what comes back to where it was is no change."""
    for element, change in later.items():
        old = changes[element].old if element in changes else change.old
        if old == change.new:
            changes.pop(element, None)
        else:
            changes[element] = Change(old, change.new)


def difference(actual: Elements, desired: Claims) -> Changes:
    """The changes that turn what a table holds into what it shall hold."""
    wanted = dict(desired)
    changes = {element: Change(value, None) for element, value in actual.items() if element not in wanted}
    for element, value in wanted.items():
        if actual.get(element) != value:
            changes[element] = Change(actual.get(element), value)
    return changes


def _is_one(holder: Owner | tuple[Owner, ...]) -> bool:
    return isinstance(holder[0], str)


def _first(holder: Owner | tuple[Owner, ...]) -> Owner:
    return _all(holder)[0]


def _all(holder: Owner | tuple[Owner, ...]) -> tuple[Owner, ...]:
    return (holder,) if _is_one(holder) else holder  # type: ignore[return-value]  # no narrowing by an item
